"""What Serve's proxy could break between a client and the API: ranges, streams, sockets, large and bad bodies."""

import json
from collections.abc import Iterator
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import httpx
import pytest
from websockets.sync.client import connect

from jobs.client import Client, Document
from jobs.local import LocalApplication
from tests import synth

TERMINAL = {"completed", "failed", "cancelled"}


@pytest.fixture
def http(application: LocalApplication) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=application.url, timeout=60) as http:
        yield http


@pytest.fixture
def track(http: httpx.Client, song: Path) -> Document:
    with song.open("rb") as file:
        answer = http.post("/api/v1/tracks", files={"file": ("../../etc/Two Bars.flac", file)})
    body: Document = answer.json()
    assert (answer.status_code, body["filename"]) == (201, "Two Bars.flac")
    return body


def test_a_browser_can_seek(http: httpx.Client, track: Document, song: Path) -> None:
    part = http.get(track["content_url"], headers={"Range": "bytes=1000-1999"})
    assert part.status_code == 206
    assert part.headers["content-range"] == f"bytes 1000-1999/{song.stat().st_size}"
    assert part.content == song.read_bytes()[1000:2000]
    beyond = http.get(track["content_url"], headers={"Range": "bytes=999999999-"})
    assert beyond.status_code == 416
    assert beyond.json()["type"] == "/problems/range-not-satisfiable"


def test_a_socket_tells_of_a_job_to_its_end(application: LocalApplication, http: httpx.Client, track: Document) -> None:
    job = http.post("/api/v1/jobs", json={"track_id": track["id"], "recipe": "analysis"}).json()
    with connect(f"{application.url.replace('http', 'ws')}/api/v1/jobs/{job['id']}/ws") as socket:
        told = [json.loads(message) for message in socket]
    assert told[-1]["status"] == "completed"
    assert [state["progress"] for state in told] == sorted(state["progress"] for state in told)


def test_a_drum_sheet_is_made_as_existing_clients_ask_for_it(http: httpx.Client, song: Path) -> None:
    with song.open("rb") as file:
        job = http.post("/api/v1/transcribe", files={"audio_file": ("song.flac", file)}).json()
    assert {"job_id", "status", "filename", "created_at", "updated_at", "message", "progress"} <= set(job)
    status: dict[str, Any] = {"status": "pending"}
    seen = set()
    while status["status"] not in TERMINAL:
        status = http.get(f"/api/v1/status/{job['job_id']}").json()
        seen.add(status["status"])
    assert status["status"] == "completed"
    assert seen <= {"pending", "separating", "transcribing", "generating_sheet", "completed"}
    sheet, midi, audio = (http.get(status[name]) for name in ("result_url", "midi_url", "drum_audio_url"))
    assert (sheet.headers["content-type"], sheet.content[:5]) == ("application/pdf", b"%PDF-")
    assert midi.content[:4] == b"MThd"
    assert audio.content[:4] + audio.content[8:12] == b"RIFFWAVE"


def test_an_endless_upload_is_refused_while_it_streams(application: LocalApplication, http: httpx.Client) -> None:
    connection = HTTPConnection(application.url.removeprefix("http://"), timeout=60)
    connection.putrequest("POST", "/api/v1/tracks")
    connection.putheader("Content-Type", "multipart/form-data; boundary=x")
    connection.putheader("Transfer-Encoding", "chunked")
    connection.endheaders()
    head = b'--x\r\nContent-Disposition: form-data; name="file"; filename="long.wav"\r\n\r\n'
    for piece in (head, *[bytes(1_000_000)] * 62):  # 60 MB are allowed, and the end never comes
        connection.send(b"%x\r\n%s\r\n" % (len(piece), piece))
    answer = connection.getresponse()
    assert (answer.status, json.load(answer)["type"]) == (413, "/problems/too-large")
    connection.close()
    assert http.get("/api/v1/health").json()["status"] == "healthy"


def a_job(recipe: str, options: Any = None, track_id: str = "TRACK") -> dict[str, Any]:
    return {"track_id": track_id, "recipe": recipe, "options": options or {}}


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "says"),
    [
        ("POST", "/api/v1/jobs", a_job("stems", track_id="0" * 32), 404, "no track"),
        ("POST", "/api/v1/jobs", a_job("karaoke"), 422, "transcribe"),
        ("POST", "/api/v1/jobs", a_job("stems", {"lyrics": {}}), 422, "separation"),
        ("POST", "/api/v1/jobs", a_job("stems", {"separation": {"colour": 1}}), 422, "colour"),
        ("GET", "/api/v1/jobs/nothing", None, 404, "no job"),
        ("PUT", "/api/v1/jobs", None, 405, "PUT is not possible"),
        ("GET", "/api/v2", None, 404, "/docs"),
        ("POST", "/api/v1/tracks", {"url": "http://127.0.0.1:22/song.mp3"}, 422, "public"),
        ("POST", "/api/v1/tracks", {"url": "http://169.254.169.254/latest/meta-data"}, 422, "public"),
        ("POST", "/api/v1/tracks", {"url": "file:///etc/passwd"}, 422, "http"),
    ],
)
def test_what_cannot_be_is_a_problem_that_helps(
    http: httpx.Client, track: Document, method: str, path: str, body: Any, status: int, says: str
) -> None:
    text = json.dumps(body).replace("TRACK", track["id"]) if body else None
    answer = http.request(method, path, content=text, headers={"Content-Type": "application/json"})
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert says in answer.json()["detail"]


def test_a_playlist_cannot_reach_files_here(client: Client, http: httpx.Client, tmp_path: Path) -> None:
    secret = synth.write(synth.sine(440, 1), tmp_path / "secret.wav")
    (tmp_path / "list.mp3").write_text(f"ffconcat version 1.0\nfile '{secret}'\n")
    with (tmp_path / "list.mp3").open("rb") as file:
        answer = http.post("/api/v1/tracks", files={"file": ("list.mp3", file)})
    assert answer.status_code == 422
    assert answer.json()["type"] == "/problems/not-audio"
