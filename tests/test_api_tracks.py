"""Tracks over HTTP: sent, listed, renamed, deleted, and refused with a sentence that helps."""

from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from app.api.backend import Backend
from app.job import Status
from tests import api_server, synth
from tests.api_server import at, send, song


@pytest.fixture
def behind(tmp_path: Path) -> Backend:
    return api_server.backend(tmp_path, max_upload_bytes=2_000_000, max_duration_s=10)


@pytest.fixture
def api(behind: Backend) -> TestClient:
    return api_server.client(behind)


def stored(behind: Backend) -> list[Path]:
    return [path for path in (behind.settings.data_dir / "store").rglob("*") if path.is_file()]


def check_problem(answer: Any, status: int, slug: str, *words: str) -> None:
    assert answer.headers["content-type"] == "application/problem+json"
    problem = answer.json()
    assert (answer.status_code, problem["status"], problem["type"]) == (status, status, f"/problems/{slug}"), problem
    assert problem["instance"] == answer.url.path
    assert problem["title"]
    for word in words:
        assert word in problem["detail"]


# Refused


@pytest.mark.parametrize(
    ("name", "content", "slug", "words"),
    [
        ("empty.mp3", b"", "empty-file", "empty.mp3 is empty"),
        ("text.mp3", b"words, words, words\n" * 99, "not-audio", "Send mp3, wav, flac"),
        ("list.m3u8", b"#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\nfile:///etc/passwd\n", "not-audio", "not audio"),
        ("cat.ffconcat", b"ffconcat version 1.0\nfile '/etc/passwd'\n", "not-audio", "not audio"),
        ("large.wav", b"RIFF" + bytes(2_000_000), "too-large", "2000000 bytes"),
    ],
)
def test_bad_files_are_refused_and_leave_nothing(
    name: str, content: bytes, slug: str, words: str, api: TestClient, behind: Backend
) -> None:
    answer = api.post("tracks", files={"file": (name, content)})
    check_problem(answer, 413 if slug == "too-large" else 422, slug, words)
    assert api.get("tracks").json()["total"] == 0
    assert stored(behind) == []


def test_truncated_silent_and_long_files_are_refused(api: TestClient, behind: Backend, tmp_path: Path) -> None:
    whole = synth.write(synth.noise(9, channels=1), tmp_path / "song.mp3").read_bytes()
    nothing = synth.write(synth.silence(0), tmp_path / "nothing.wav").read_bytes()
    long = synth.write(synth.silence(11, 8_000), tmp_path / "long.flac").read_bytes()
    check_problem(api.post("tracks", files={"file": ("a.mp3", whole[: len(whole) // 2])}), 422, "truncated-audio")
    check_problem(api.post("tracks", files={"file": ("a.wav", nothing)}), 422, "no-sound")
    check_problem(api.post("tracks", files={"file": ("a.flac", long)}), 422, "too-long", "10 s")
    assert stored(behind) == []


@pytest.mark.parametrize(
    ("sent", "status", "slug", "words"),
    [
        ({}, 422, "missing-field", "file"),
        ({"files": {"music": ("a.mp3", b"x")}}, 422, "missing-field", "file"),
        ({"json": {}}, 422, "invalid-request", "url"),
        ({"json": {"url": "x", "format": "mp3"}}, 422, "invalid-request", "format"),
        ({"json": ["x"]}, 422, "invalid-request", "object"),
        ({"content": b"{", "headers": {"content-type": "application/json"}}, 422, "invalid-request", "JSON"),
        ({"json": {"url": "file:///etc/passwd"}}, 422, "forbidden-url", "http"),
        ({"json": {"url": "http://127.0.0.1:1/a.mp3"}}, 422, "forbidden-url", "private"),
        ({"json": {"url": "http://169.254.169.254/a.mp3"}}, 422, "forbidden-url", "private"),
        ({"json": {"url": "x" * 2_000_000}}, 413, "too-large", "1048576"),
    ],
)
def test_bad_requests_are_refused(sent: dict[str, Any], status: int, slug: str, words: str, api: TestClient) -> None:
    check_problem(api.post("tracks", **sent), status, slug, words)


@pytest.mark.parametrize("field", ["title", "artist"])
@pytest.mark.parametrize("text", ["x" * 1_001, "a\0b", "two\nlines"])
def test_bad_labels_are_refused(field: str, text: str, api: TestClient, behind: Backend, tmp_path: Path) -> None:
    with song(tmp_path).open("rb") as file:
        answer = api.post("tracks", files={"file": ("a.flac", file)}, data={field: text})
    check_problem(answer, 422, "invalid-request", field)
    assert stored(behind) == []


@pytest.mark.parametrize("owner", ["", "a b", "x" * 65, "../ada", "ä"])
def test_bad_owners_are_refused(owner: str, api: TestClient) -> None:
    check_problem(api.get("tracks", headers={b"X-Tutti-Owner": owner.encode()}), 422, "invalid-request", "owner")


@pytest.mark.parametrize("query", ["limit=0", "limit=501", "limit=x", "offset=-1", "offset=99999999999999999999"])
def test_bad_pages_are_refused(query: str, api: TestClient) -> None:
    check_problem(api.get(f"tracks?{query}"), 422, "invalid-request", query.partition("=")[0])


def test_what_is_not_there_is_not_found(api: TestClient) -> None:
    check_problem(api.get("tracks/nope"), 404, "unknown-track", "nope", "GET /api/v1/tracks")
    check_problem(api.patch("tracks/nope", json={"title": "x"}), 404, "unknown-track")
    check_problem(api.delete("tracks/nope"), 404, "unknown-track")
    check_problem(api.get("tracks/nope/content"), 404, "unknown-track")
    check_problem(api.get("tracks/nope/artifacts"), 404, "unknown-track")
    check_problem(api.get("artifacts/nope"), 404, "unknown-artifact")
    check_problem(api.get("artifacts/nope/content"), 404, "unknown-artifact")
    check_problem(api.get("no/such/path"), 404, "unknown-path", "/docs")
    assert api.get("tracks/a%00b").status_code == 404


def test_a_wrong_method_names_the_right_ones(api: TestClient) -> None:
    answer = api.put("tracks", json={})
    check_problem(answer, 405, "method-not-allowed", "PUT")
    assert "POST" in answer.headers["allow"] or "GET" in answer.headers["allow"]


def test_a_bug_is_reported_without_our_insides(api: TestClient, behind: Backend) -> None:
    behind.catalogue._database.dispose()
    (behind.settings.data_dir / "tutti.db").unlink()
    answer = api.get("tracks")
    check_problem(answer, 500, "tutti-error", "server's log")
    assert "sqlite" not in answer.text.lower()
    assert "Traceback" not in answer.text


# Taken


def test_a_file_becomes_a_track(api: TestClient, tmp_path: Path) -> None:
    path = song(tmp_path, title="Tagged", artist="Anon")
    track = send(api, path)
    assert (track["title"], track["artist"], track["filename"]) == ("Tagged", "Anon", "song.flac")
    assert (track["container"], track["codec"], track["rate_hz"], track["channels"]) == ("flac", "flac", 44_100, 1)
    assert track["duration_s"] == pytest.approx(1)
    assert track["size_bytes"] == path.stat().st_size
    assert api.get(f"tracks/{track['id']}").json() == track
    assert at(api, track["content_url"]).content == path.read_bytes()


def test_a_new_track_says_where_it_is(api: TestClient, tmp_path: Path) -> None:
    with song(tmp_path).open("rb") as file:
        answer = api.post("tracks", files={"file": ("a.flac", file)})
    assert answer.status_code == 201
    assert at(api, answer.headers["location"]).json() == answer.json()


def test_labels_that_are_sent_go_before_tags_and_tags_before_the_name(api: TestClient, tmp_path: Path) -> None:
    tagged, plain = song(tmp_path, "a.flac", title="Tag", artist="Tagger"), song(tmp_path, "My Song.flac")
    sent = send(api, tagged, title="Sent 🎵", artist="Sender")
    assert (sent["title"], sent["artist"]) == ("Sent 🎵", "Sender")
    assert (send(api, plain)["title"], send(api, plain)["artist"]) == ("My Song", "")


def test_a_path_in_the_file_name_is_no_path(api: TestClient, tmp_path: Path) -> None:
    with song(tmp_path).open("rb") as file:
        track = api.post("tracks", files={"file": ("../../../evil/..\\song.flac", file)}).json()
    assert track["filename"] == "song.flac"
    assert list(tmp_path.rglob("evil")) == []


def test_tracks_are_listed_newest_first_in_pages(api: TestClient, tmp_path: Path) -> None:
    path = song(tmp_path)
    ids = [send(api, path, title=str(number))["id"] for number in range(3)]
    page = api.get("tracks?limit=2").json()
    assert (page["total"], page["limit"], page["offset"]) == (3, 2, 0)
    assert [track["id"] for track in page["items"]] == ids[:0:-1]
    assert [track["id"] for track in api.get("tracks?limit=2&offset=2").json()["items"]] == ids[:1]


def test_owners_do_not_see_each_other(api: TestClient, behind: Backend, tmp_path: Path) -> None:
    track = send(api, song(tmp_path))
    bob = api_server.client(behind, "bob")
    assert bob.get("tracks").json()["total"] == 0
    for method, path in (("GET", ""), ("DELETE", ""), ("GET", "/content"), ("GET", "/artifacts")):
        assert bob.request(method, f"tracks/{track['id']}{path}").status_code == 404
    assert bob.patch(f"tracks/{track['id']}", json={"title": "mine"}).status_code == 404
    assert api.get(f"tracks/{track['id']}").json() == track


def test_without_an_owner_the_library_is_local(behind: Backend, tmp_path: Path) -> None:
    nobody = api_server.client(behind, "local")
    track = send(nobody, song(tmp_path))
    del nobody.headers["X-Tutti-Owner"]
    assert nobody.get(f"tracks/{track['id']}").status_code == 200


def test_a_track_can_be_renamed(api: TestClient, tmp_path: Path) -> None:
    track = send(api, song(tmp_path), artist="Anon")
    renamed = api.patch(f"tracks/{track['id']}", json={"title": " “Neu” "}).json()
    assert (renamed["title"], renamed["artist"]) == ("“Neu”", "Anon")
    assert api.patch(f"tracks/{track['id']}", json={"artist": ""}).json()["artist"] == ""
    check_problem(api.patch(f"tracks/{track['id']}", json={"title": " "}), 422, "invalid-request", "title")
    check_problem(api.patch(f"tracks/{track['id']}", json={"duration_s": 1}), 422, "invalid-request", "duration_s")


def test_deleting_a_track_deletes_what_is_only_its_own(api: TestClient, behind: Backend, tmp_path: Path) -> None:
    twin, other = send(api, song(tmp_path)), send(api, song(tmp_path, "other.flac", 220.0))
    same = send(api, song(tmp_path, "copy.flac"))
    assert api.delete(f"tracks/{twin['id']}").status_code == 204
    assert api.get(f"tracks/{twin['id']}").status_code == 404
    assert at(api, same["content_url"]).status_code == 200
    api.delete(f"tracks/{same['id']}")
    api.delete(f"tracks/{other['id']}")
    assert stored(behind) == []


def test_a_track_at_work_is_not_deleted(api: TestClient, behind: Backend, tmp_path: Path) -> None:
    track = send(api, song(tmp_path))
    job = api.post("jobs", json={"track_id": track["id"], "recipe": "stems"}).json()
    check_problem(api.delete(f"tracks/{track['id']}"), 409, "track-in-use", job["id"])
    behind.jobs.finish(job["id"], Status.COMPLETED)
    assert api.delete(f"tracks/{track['id']}").status_code == 204
    check_problem(api.get(f"jobs/{job['id']}"), 404, "unknown-job")


def test_a_file_that_the_store_lost_is_gone(api: TestClient, behind: Backend, tmp_path: Path) -> None:
    track = send(api, song(tmp_path))
    behind.store.delete(track["digest"])
    check_problem(at(api, track["content_url"]), 410, "artifact-gone", "no longer in the store")
