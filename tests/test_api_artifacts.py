"""Files over HTTP: whole, in ranges, unchanged, and with names in any script."""

from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest
from starlette.testclient import TestClient

from app.api.content import disposition, parse_range
from app.catalogue import Artifact
from tests import api_server
from tests.api_server import API, make, send, song

CONTENT = bytes(range(256)) * 4_000  # a million bytes, more than a chunk
SIZE = len(CONTENT)


@pytest.fixture
def api(tmp_path: Path) -> TestClient:
    return api_server.client(api_server.backend(tmp_path))


@pytest.fixture
def made(api: TestClient, tmp_path: Path) -> Artifact:
    behind = api.app.state.backend  # type: ignore[attr-defined]
    track = send(api, song(tmp_path), title="Ça/va? 🎵")
    job = api.post("jobs", json={"track_id": track["id"], "recipe": "stems"}).json()
    path = tmp_path / "drums.flac"
    path.write_bytes(CONTENT)
    return make(behind, "ada", track["id"], job["id"], "stems/drums.flac", path)


def get(api: TestClient, made: Artifact, method: str = "GET", query: str = "", **headers: str) -> Any:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return api.request(method, f"artifacts/{made.id}/content{query}", headers=named)


def test_the_whole_file(api: TestClient, made: Artifact) -> None:
    answer = get(api, made)
    assert (answer.status_code, answer.content) == (200, CONTENT)
    assert answer.headers["content-type"] == "audio/flac"
    assert answer.headers["content-length"] == str(SIZE)
    assert answer.headers["accept-ranges"] == "bytes"
    assert answer.headers["etag"] == f'"{made.digest}"'


def test_what_is_told_of_it(api: TestClient, made: Artifact) -> None:
    told = api.get(f"artifacts/{made.id}").json()
    assert (told["role"], told["engine"], told["size_bytes"]) == ("stems/drums.flac", "spectral", SIZE)
    assert told["content_url"] == f"{API}/artifacts/{made.id}/content"
    assert api.get(f"tracks/{made.track_id}/artifacts").json()["items"] == [told]


@pytest.mark.parametrize(
    ("wanted", "first", "last"),
    [
        ("bytes=0-0", 0, 0),
        ("bytes=0-99", 0, 99),
        ("bytes=500000-", 500_000, SIZE - 1),
        ("bytes=-10", SIZE - 10, SIZE - 1),
        (f"bytes=10-{SIZE + 5}", 10, SIZE - 1),
        (f"bytes=-{SIZE + 5}", 0, SIZE - 1),
        (f"bytes={SIZE - 1}-", SIZE - 1, SIZE - 1),
        ("Bytes = 3-4", 3, 4),
    ],
)
def test_a_part_of_the_file(wanted: str, first: int, last: int, api: TestClient, made: Artifact) -> None:
    answer = get(api, made, range=wanted)
    assert (answer.status_code, answer.content) == (206, CONTENT[first : last + 1])
    assert answer.headers["content-range"] == f"bytes {first}-{last}/{SIZE}"
    assert answer.headers["content-length"] == str(last - first + 1)


@pytest.mark.parametrize("wanted", [f"bytes={SIZE}-", f"bytes={SIZE + 1}-{SIZE + 2}", "bytes=-0"])
def test_a_part_that_is_not_there(wanted: str, api: TestClient, made: Artifact) -> None:
    answer = get(api, made, range=wanted)
    assert (answer.status_code, answer.headers["content-range"]) == (416, f"bytes */{SIZE}")
    assert answer.json()["type"] == "/problems/range-not-satisfiable"


@pytest.mark.parametrize("wanted", ["bytes=5-2", "bytes=-", "bytes=a-b", "lines=1-2", "bytes=0-1,5-6", ""])
def test_ranges_that_mean_nothing_here_give_the_whole_file(wanted: str, api: TestClient, made: Artifact) -> None:
    assert get(api, made, range=wanted).status_code == 200


def test_a_range_of_another_version_gives_the_whole_file(api: TestClient, made: Artifact) -> None:
    assert get(api, made, range="bytes=0-9", if_range='"other"').status_code == 200
    assert get(api, made, range="bytes=0-9", if_range=f'W/"{made.digest}"').status_code == 200  # weak: not good enough
    assert get(api, made, range="bytes=0-9", if_range=f'"{made.digest}"').status_code == 206


@pytest.mark.parametrize("tags", ['"{}"', 'W/"{}"', '"other", "{}"', "*"])
def test_what_has_not_changed_is_not_sent_again(tags: str, api: TestClient, made: Artifact) -> None:
    answer = get(api, made, if_none_match=tags.format(made.digest))
    assert (answer.status_code, answer.content) == (304, b"")
    assert get(api, made, if_none_match='"other"').status_code == 200


def test_head_tells_the_same_and_sends_nothing(api: TestClient, made: Artifact) -> None:
    for headers in ({}, {"range": "bytes=0-9"}):
        asked, got = get(api, made, "HEAD", **headers), get(api, made, **headers)
        assert (asked.status_code, asked.content) == (got.status_code, b"")
        assert asked.headers == got.headers


def test_names_in_any_script_reach_the_browser(api: TestClient, made: Artifact) -> None:
    header = get(api, made).headers["content-disposition"]
    assert header.startswith("inline; ")
    assert unquote(header.partition("filename*=UTF-8''")[2]) == "Ça/va? 🎵 - drums.flac"
    assert get(api, made, query="?download").headers["content-disposition"].startswith("attachment; ")


@pytest.mark.parametrize("name", ['"; filename=evil.exe', "a\r\nX-Evil: 1", "100%41", "back\\slash", "x" * 300])
def test_a_name_cannot_break_out_of_the_header(name: str) -> None:
    header = disposition(name, download=True)
    assert header.isascii()
    assert header.isprintable()
    assert header.count('"') == 2
    assert unquote(header.partition("filename*=UTF-8''")[2]) == name


def test_an_empty_file_has_no_parts() -> None:
    assert parse_range("bytes=-5", 0) == range(0, 0)
    assert parse_range("", 0) is None


def test_digits_of_other_scripts_are_no_range() -> None:
    assert parse_range("bytes=²-3", 10) is None
