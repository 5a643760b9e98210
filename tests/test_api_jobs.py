"""Jobs over HTTP: started, listed, followed live, called off; and the drum-score contract on the same jobs."""

import json
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from threading import Thread
from typing import Any

import httpx
import pytest
import soundfile
from dbos import DBOSClient
from starlette.testclient import TestClient
from websockets.exceptions import ConnectionClosedError
from websockets.sync.client import connect

from app import audio
from app.api.backend import Backend
from app.api.ingress import create_app
from app.desk import jobs_database_url
from app.job import Status
from tests import api_server, synth
from tests.api_server import API, at, make, send, song
from tests.test_api_tracks import check_problem


@pytest.fixture
def behind(tmp_path: Path) -> Backend:
    return api_server.backend(tmp_path)


@pytest.fixture
def api(behind: Backend) -> TestClient:
    return api_server.client(behind)


@pytest.fixture
def track_id(api: TestClient, tmp_path: Path) -> str:
    return str(send(api, song(tmp_path, "My Song.flac"))["id"])


def start(api: TestClient, track_id: str, recipe: str = "drum_score", **options: Any) -> dict[str, Any]:
    answer = api.post("jobs", json={"track_id": track_id, "recipe": recipe, "options": options})
    assert answer.status_code == 201, answer.text
    job: dict[str, Any] = answer.json()
    return job


def run(behind: Backend, job_id: str, until: str | None = None) -> None:
    """Tell the catalogue what a conductor would: one stage after the other, and the end."""
    behind.jobs.start(job_id)
    for stage in behind.jobs.any_owner(job_id).stages:
        behind.jobs.update_stage(job_id, stage.stage, status=Status.RUNNING, progress=0.5)
        if stage.stage == until:
            return
        behind.jobs.update_stage(job_id, stage.stage, status=Status.COMPLETED, progress=1.0)
    behind.jobs.finish(job_id, Status.COMPLETED)


# Refused


@pytest.mark.parametrize(
    ("change", "slug", "words"),
    [
        ({"recipe": "nope"}, "unknown-recipe", "transcribe"),
        ({"track_id": "nope"}, "unknown-track", "nope"),
        ({"options": {"nope": {}}}, "unknown-option", "separation"),
        ({"options": {"lyrics": {}}}, "unknown-option", "lyrics"),  # not in this recipe
        ({"options": {"separation": {"nope": 1}}}, "unknown-option", "nope"),
        ({"options": {"separation": {"engine": "nope"}}}, "unknown-option", "spectral"),
        ({"options": {"separation": {"overlap": "much"}}}, "unknown-option", "overlap"),
        ({"options": {"separation": 3}}, "invalid-request", "separation"),
        ({"options": []}, "invalid-request", "options"),
        ({"priority": 9}, "invalid-request", "priority"),
        ({"recipe": None}, "invalid-request", "recipe"),
    ],
)
def test_bad_jobs_are_refused(change: dict[str, Any], slug: str, words: str, api: TestClient, track_id: str) -> None:
    body = {"track_id": track_id, "recipe": "drum_score"} | change
    check_problem(api.post("jobs", json=body), 404 if slug == "unknown-track" else 422, slug, words)
    assert api.get("jobs").json()["total"] == 0


async def test_an_endless_body_is_refused(behind: Backend) -> None:
    sent = 0

    async def body() -> AsyncIterator[bytes]:
        nonlocal sent
        while True:
            sent += 100_000
            yield b" " * 100_000

    transport = httpx.ASGITransport(create_app(behind))
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as http:
        answer = await http.post(f"{API}/jobs", content=body(), headers={"content-type": "application/json"})
    check_problem(answer, 413, "too-large", "1048576")
    assert sent < 1_300_000


def test_unknown_jobs_are_not_found(api: TestClient) -> None:
    for path in ("", "/report", "/events"):
        check_problem(api.get(f"jobs/nope{path}"), 404, "unknown-job", "nope")
    check_problem(api.delete("jobs/nope"), 404, "unknown-job")
    check_problem(api.get("status/nope"), 404, "unknown-job")
    for kind in ("pdf", "midi", "audio"):
        check_problem(api.get(f"download/nope/{kind}"), 404, "unknown-job")
    assert api.get("download/nope/mp3").status_code == 404
    check_problem(api.get("jobs?status=sleeping"), 422, "invalid-request", "status")


# Jobs


def test_a_job_is_queued_for_the_conductor(api: TestClient, behind: Backend, track_id: str) -> None:
    job = start(api, track_id, separation={"engine": "spectral"})
    assert (job["status"], job["progress"], job["track_id"]) == ("queued", 0.0, track_id)
    assert [stage["stage"] for stage in job["stages"]][-1] == "drum_score"
    assert job["options"] == {"separation": {"engine": "spectral"}}
    assert api.get(f"jobs/{job['id']}").json() == job
    queue = DBOSClient(system_database_url=jobs_database_url(behind.settings), application_name="tutti")
    assert [workflow.workflow_id for workflow in queue.list_queued_workflows()] == [job["id"]]
    queue.destroy()


def test_jobs_are_listed_by_track_and_status(api: TestClient, behind: Backend, track_id: str, tmp_path: Path) -> None:
    first, second = start(api, track_id), start(api, track_id, "analysis")
    other = start(api, send(api, song(tmp_path, "b.flac", 220.0))["id"])
    run(behind, first["id"])

    def listed(query: str) -> list[str]:
        return [job["id"] for job in api.get(f"jobs?{query}").json()["items"]]

    assert listed("") == [other["id"], second["id"], first["id"]]
    assert listed(f"track_id={track_id}") == [second["id"], first["id"]]
    assert listed("status=completed") == [first["id"]]
    assert listed("limit=1&offset=1") == [second["id"]]


def test_owners_do_not_see_each_others_jobs(api: TestClient, behind: Backend, track_id: str) -> None:
    job, bob = start(api, track_id), api_server.client(behind, "bob")
    assert bob.get("jobs").json()["total"] == 0
    for method, path in (("GET", ""), ("DELETE", ""), ("GET", "/events"), ("GET", "/report")):
        assert bob.request(method, f"jobs/{job['id']}{path}").status_code == 404
    assert bob.post("jobs", json={"track_id": track_id, "recipe": "stems"}).status_code == 404
    assert bob.get(f"status/{job['id']}").status_code == 404
    assert api.get(f"jobs/{job['id']}").json()["cancel_requested"] is False


def test_a_job_can_be_called_off_and_more_than_once(api: TestClient, track_id: str) -> None:
    job = start(api, track_id)
    for _ in range(2):
        answer = api.delete(f"jobs/{job['id']}")
        assert (answer.status_code, answer.json()["status"]) == (200, "cancelled")


def test_calling_off_what_has_ended_changes_nothing(api: TestClient, behind: Backend, track_id: str) -> None:
    job = start(api, track_id)
    run(behind, job["id"])
    assert api.delete(f"jobs/{job['id']}").json() == api.get(f"jobs/{job['id']}").json()
    assert api.get(f"jobs/{job['id']}").json()["status"] == "completed"


def test_the_report_lists_what_the_job_made(api: TestClient, behind: Backend, track_id: str, tmp_path: Path) -> None:
    job, other = start(api, track_id), start(api, track_id, "stems")
    made = make(behind, "ada", track_id, job["id"], "stems/drums.flac", song(tmp_path, "drums.flac"))
    report = api.get(f"jobs/{job['id']}/report").json()
    assert (report["track"]["title"], report["job"]["id"]) == ("My Song", job["id"])
    [artifact] = report["artifacts"]
    assert (artifact["id"], artifact["seconds"], artifact["engine"]) == (made.id, 1.5, "spectral")
    assert artifact["content_url"] == f"{API}/artifacts/{made.id}/content"
    assert api.get(f"jobs/{other['id']}/report").json()["artifacts"] == []


# Live


def events(lines: Iterator[str]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Server-sent events as (id, name, data)."""
    fields: dict[str, str] = {}
    for line in lines:
        if line and not line.startswith(":"):
            name, _, value = line.partition(": ")
            fields[name] = value
        elif fields:
            yield fields["id"], fields["event"], json.loads(fields["data"])
            fields = {}


def test_events_follow_the_job_to_its_end(api: TestClient, behind: Backend, track_id: str) -> None:
    job = start(api, track_id)
    seen = []
    with api_server.served(behind) as address, httpx.Client(headers={"X-Tutti-Owner": "ada"}) as http:
        url = f"http://{address}/jobs/{job['id']}"
        with http.stream("GET", f"{url}/events") as stream:
            assert stream.headers["content-type"].startswith("text/event-stream")
            for _, name, state in events(stream.iter_lines()):
                seen.append((name, state["status"]))
                if len(seen) == 1:  # only now: so the first was told at once and the others as they came
                    run(behind, job["id"], until="separation")
                elif len(seen) == 2:
                    run(behind, job["id"])
        assert seen[0] == ("progress", "queued")
        assert seen[1] == ("progress", "running")
        assert seen[-1] == ("end", "completed")
        assert state == http.get(url).json()


def test_events_of_a_job_that_has_ended_tell_the_end_once(api: TestClient, behind: Backend, track_id: str) -> None:
    job = start(api, track_id)
    run(behind, job["id"])
    [(name_of_event, name, state)] = events(iter(api.get(f"jobs/{job['id']}/events").text.splitlines()))
    assert (name, state["progress"]) == ("end", 1.0)
    for last, status in ((name_of_event, 204), ("something else", 200)):
        assert api.get(f"jobs/{job['id']}/events", headers={"Last-Event-ID": last}).status_code == status


def test_the_websocket_tells_the_same_and_closes(api: TestClient, behind: Backend, track_id: str) -> None:
    job = start(api, track_id)
    with api_server.served(behind) as address:
        url = f"ws://{address}/jobs/{job['id']}/ws"
        with connect(url, additional_headers={"X-Tutti-Owner": "ada"}) as socket:
            assert json.loads(socket.recv()) == api.get(f"jobs/{job['id']}").json()
            socket.send("words from the client mean nothing")
            working = Thread(target=run, args=(behind, job["id"]))
            working.start()
            states = [json.loads(message) for message in socket]  # until it is closed
            working.join()
        assert states[-1] == api.get(f"jobs/{job['id']}").json()
        assert socket.close_code == 1000
        with connect(f"ws://{address}/jobs/nope/ws") as socket:
            assert json.loads(socket.recv())["type"] == "/problems/unknown-job"
            with pytest.raises(ConnectionClosedError):
                socket.recv()
        assert socket.close_code == 4404


def test_a_listener_who_leaves_does_not_disturb(api: TestClient, behind: Backend, track_id: str) -> None:
    job = start(api, track_id)
    with api_server.served(behind) as address:
        for _ in range(3):
            with connect(f"ws://{address}/jobs/{job['id']}/ws", additional_headers={"X-Tutti-Owner": "ada"}) as socket:
                socket.recv()
            headers = {"X-Tutti-Owner": "ada"}
            with httpx.stream("GET", f"http://{address}/jobs/{job['id']}/events", headers=headers) as stream:
                next(stream.iter_lines())
        assert httpx.get(f"http://{address}/jobs/{job['id']}", headers=headers).json()["status"] == "queued"


# The drum-score contract


def test_a_drum_score_from_upload_to_download(api: TestClient, behind: Backend, tmp_path: Path) -> None:
    with song(tmp_path, "Beat.flac").open("rb") as file:
        answer = api.post("transcribe", files={"audio_file": ("Beat.flac", file, "audio/flac")})
    sent = answer.json()
    assert set(sent) == {"job_id", "status", "filename", "created_at", "updated_at", "message", "progress"}
    assert (answer.status_code, sent["status"], sent["filename"], sent["progress"]) == (200, "pending", "Beat.flac", 0)
    job_id = sent["job_id"]
    track_id = behind.jobs.any_owner(job_id).track_id

    def status() -> dict[str, Any]:
        told: dict[str, Any] = api.get(f"status/{job_id}").json()
        return told

    assert (status()["status"], status()["result_url"]) == ("pending", None)
    check_problem(api.get(f"download/{job_id}/pdf"), 409, "not-ready", "queued")
    for until, expected in (
        ("separation", "separating"),
        ("drums", "transcribing"),
        ("drum_score", "generating_sheet"),
    ):
        run(behind, job_id, until)
        assert status()["status"] == expected
        assert 0 < status()["progress"] < 100
        assert status()["message"]
    check_problem(api.get(f"download/{job_id}/audio"), 409, "not-ready", "running")

    stem = audio.write_flac
    stem(tmp_path / "drums.flac", synth.noise(1, channels=2))
    (tmp_path / "drums.pdf").write_bytes(b"%PDF-1.7 drums")
    (tmp_path / "drums.mid").write_bytes(b"MThd drums")
    for role in ("stems/drums.flac", "drums.pdf", "midi/drums.mid"):
        make(behind, "ada", track_id, job_id, role, tmp_path / Path(role).name)
    run(behind, job_id)
    told = status()
    assert (told["status"], told["progress"], told["job_id"]) == ("completed", 100, job_id)
    pdf, midi, wav = at(api, told["result_url"]), at(api, told["midi_url"]), at(api, told["drum_audio_url"])
    assert (pdf.headers["content-type"], pdf.content) == ("application/pdf", b"%PDF-1.7 drums")
    assert (midi.headers["content-type"], midi.content) == ("audio/midi", b"MThd drums")
    assert f"drum_sheet_{job_id}.pdf" in pdf.headers["content-disposition"]
    assert wav.headers["content-type"] == "audio/wav"
    (tmp_path / "drums.wav").write_bytes(wav.content)
    info = soundfile.info(tmp_path / "drums.wav")
    assert (info.format, info.subtype, info.frames, info.channels) == ("WAV", "PCM_16", 44_100, 2)


def test_what_can_end_a_drum_score(api: TestClient, behind: Backend, track_id: str) -> None:
    failed, cancelled, other = start(api, track_id), start(api, track_id), start(api, track_id, "analysis")
    behind.jobs.finish(failed["id"], Status.FAILED, {"type": "/problems/x", "detail": "It broke, so mend it."})
    api.delete(f"jobs/{cancelled['id']}")
    run(behind, other["id"])
    told = api.get(f"status/{failed['id']}").json()
    assert (told["status"], told["message"], told["result_url"]) == ("failed", "It broke, so mend it.", None)
    assert api.get(f"status/{cancelled['id']}").json()["status"] == "cancelled"
    check_problem(api.get(f"download/{failed['id']}/pdf"), 409, "not-ready", "failed")
    check_problem(api.get(f"download/{other['id']}/pdf"), 404, "unknown-artifact", "drums.pdf")


def test_a_drum_score_needs_its_file(api: TestClient, behind: Backend) -> None:
    check_problem(api.post("transcribe", files={"file": ("a.mp3", b"x")}), 422, "missing-field", "audio_file")
    check_problem(api.post("transcribe", files={"audio_file": ("a.mp3", b"")}), 422, "empty-file")
    assert api.get("jobs").json()["total"] == 0
