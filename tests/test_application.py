"""The main job, end to end, on real Ray, Serve, DBOS and SQLite, over HTTP."""

import json
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from app.music import Audio
from jobs.client import Client, Document, Refused
from jobs.local import LocalApplication
from tests import synth

BUILT_IN = {"separation": {"engine": "spectral"}}
DEMUCS = {"separation": {"engine": "demucs"}}


def unlike_any(path: Path, seconds: float) -> Path:
    """Noise that no other test sends, so that nothing of it is in the store yet."""
    seed = time.time_ns() % 2**32
    return synth.write(
        Audio(synth.noise(seconds, channels=2).samples * (0.5 + seed / 2**33), 44_100), path, title=str(seed)
    )


LOG_LIMIT_S = 20.0
LOG_DELAY_S = 1.0
"""Ray forwards what workers print a few times a second."""


def runs(application: LocalApplication, stage: str, key: str) -> int:
    """How often a stage has really run for the result `key`, by the application's log."""
    line = f"stage {stage} made {key[:12]}"
    deadline = time.monotonic() + LOG_LIMIT_S
    while line not in application.log.read_text() and time.monotonic() < deadline:
        time.sleep(0.1)
    time.sleep(LOG_DELAY_S)
    return application.log.read_text().count(line)


def key_of(report: Document, stage: str) -> str:
    return next(artifact["key"] for artifact in report["artifacts"] if artifact["stage"] == stage)


def digests(report: Document) -> dict[str, str]:
    return {artifact["role"]: artifact["digest"] for artifact in report["artifacts"]}


def stage_of(job: Document, name: str) -> Document:
    return next(stage for stage in job["stages"] if stage["stage"] == name)


def until_separating(client: Client, job_id: str) -> None:
    for job in client.events(job_id):
        if 0.1 < stage_of(job, "separation")["progress"] < 0.8:
            return
    raise AssertionError("separation was over before it was seen to run")


def test_a_song_goes_in_and_everything_comes_out(client: Client, song: Path, tmp_path: Path) -> None:
    track = client.send_file(song)
    assert (track["title"], track["artist"]) == ("Two Bars", "The Band")
    job = client.wait(client.start(track["id"], "transcribe", BUILT_IN)["id"])
    assert (job["status"], job["progress"]) == ("completed", 1.0)
    report = client.report(job["id"])
    files = {artifact["role"]: tmp_path / "out" / artifact["role"] for artifact in report["artifacts"]}
    for artifact in report["artifacts"]:
        client.download(artifact["id"], files[artifact["role"]])
        assert files[artifact["role"]].stat().st_size == artifact["size_bytes"]
    stems = {"drums", "bass", "other", "vocals"}
    assert {f"stems/{stem}.flac" for stem in stems} | {
        "midi/all.mid",
        "midi/drums.mid",
        "score.musicxml",
        "score.pdf",
    } | {"drums.musicxml", "drums.pdf", "analysis.json"} <= set(files)
    mixture = soundfile.read(song, always_2d=True)[0]
    total = sum(soundfile.read(files[f"stems/{stem}.flac"], always_2d=True)[0] for stem in stems)
    assert np.abs(total - mixture).max() < 1e-3  # -60 dB
    assert files["score.pdf"].read_bytes().startswith(b"%PDF-")
    assert json.loads(files["analysis.json"].read_text())["tempo_bpm"] == pytest.approx(120, rel=0.03)


def test_the_report_says_which_engine_made_what(client: Client, song: Path) -> None:
    job = client.wait(client.start(client.send_file(song)["id"], "transcribe", BUILT_IN)["id"])
    report = client.report(job["id"])
    bass = next(artifact for artifact in report["artifacts"] if artifact["role"] == "stems/bass.flac")
    assert (bass["engine"], bass["weights"]) == ("spectral", None)
    assert bass["engine_version"]
    assert bass["seconds"] > 0
    notes = next(artifact for artifact in report["artifacts"] if artifact["role"] == "notes/bass.json")
    assert notes["weights"].startswith("basic_pitch-icassp_2022@")
    assert notes["parameters"]["onset_threshold"] == 0.5


def test_lyrics_are_skipped_with_a_reason_where_no_weights_are(client: Client, song: Path) -> None:
    job = client.wait(client.start(client.send_file(song)["id"], "lyrics", BUILT_IN)["id"])
    assert job["status"] == "completed"
    assert stage_of(job, "lyrics")["status"] == "skipped"
    assert "python -m app.weights fetch whisper-base" in stage_of(job, "lyrics")["note"]


def test_an_engine_named_that_cannot_load_is_an_error(client: Client, song: Path) -> None:
    options = {**BUILT_IN, "lyrics": {"model": "large-v3"}}
    job = client.wait(client.start(client.send_file(song)["id"], "lyrics", options)["id"])
    assert job["status"] == "failed"
    assert "python -m app.weights fetch whisper-large-v3" in job["error"]["detail"]


def test_lyrics_run_with_the_model_asked_for(client: Client, song: Path) -> None:
    options = {**BUILT_IN, "lyrics": {"model": "tiny", "language": "en"}}
    job = client.wait(client.start(client.send_file(song)["id"], "lyrics", options)["id"])
    assert job["status"] == "completed", job
    assert stage_of(job, "lyrics")["weights"].startswith("whisper-tiny@")


def test_the_same_song_again_is_not_worked_on_again(client: Client, application: LocalApplication, song: Path) -> None:
    first = client.wait(client.start(client.send_file(song)["id"], "transcribe", BUILT_IN)["id"])
    twin = client.send_file(song)
    again = client.wait(client.start(twin["id"], "transcribe", BUILT_IN)["id"])
    assert all(stage["reused"] for stage in again["stages"] if stage["status"] == "completed")
    before, after = client.report(first["id"]), client.report(again["id"])
    assert digests(before) == digests(after)
    assert runs(application, "separation", key_of(after, "separation")) == 1


def test_progress_runs_forwards_and_names_the_stage(client: Client, tmp_path: Path) -> None:
    track = client.send_file(unlike_any(tmp_path / "noise.flac", 20))
    job = client.start(track["id"], "drum_score", DEMUCS)
    events = list(client.events(job["id"]))
    seen = [event["progress"] for event in events]
    assert seen == sorted(seen)
    assert seen[-1] == 1.0
    assert any(stage_of(event, "separation")["status"] == "running" for event in events)
    assert events[-1]["status"] == "completed"


def test_cancelling_stops_the_work(client: Client, application: LocalApplication, tmp_path: Path) -> None:
    track = client.send_file(unlike_any(tmp_path / "noise.flac", 90))
    job = client.start(track["id"], "stems", DEMUCS)
    until_separating(client, job["id"])
    client.cancel(job["id"])
    ended = client.wait(job["id"])
    assert ended["status"] == "cancelled"
    assert client.report(job["id"])["artifacts"] == []
    again = client.wait(client.start(track["id"], "stems", DEMUCS)["id"])  # the workers are well
    assert again["status"] == "completed"
    assert not stage_of(again, "separation")["reused"], "the cancelled run went on in secret"
    assert client.cancel(again["id"])["status"] == "completed"  # what has ended stays as it is


def test_a_killed_separation_replica_is_survived(client: Client, application: LocalApplication, tmp_path: Path) -> None:
    job = client.start(client.send_file(unlike_any(tmp_path / "noise.flac", 90))["id"], "drum_score", DEMUCS)
    until_separating(client, job["id"])
    for replica in application.replicas("separation"):
        replica.kill()
    assert client.wait(job["id"])["status"] == "completed"


def test_a_killed_conductor_is_survived(client: Client, application: LocalApplication, tmp_path: Path) -> None:
    job = client.start(client.send_file(unlike_any(tmp_path / "noise.flac", 90))["id"], "drum_score", DEMUCS)
    until_separating(client, job["id"])
    for replica in application.replicas("conductor"):
        replica.kill()
    assert client.wait(job["id"])["status"] == "completed"
    report = client.report(job["id"])
    for stage in ("rhythm", "separation"):
        assert runs(application, stage, key_of(report, stage)) == 1


def test_a_killed_application_resumes(client: Client, application: LocalApplication, tmp_path: Path) -> None:
    path = unlike_any(tmp_path / "noise.flac", 200)
    job = client.start(client.send_file(path)["id"], "drum_score", DEMUCS)
    while stage_of(client.get(f"/jobs/{job['id']}"), "rhythm")["status"] != "completed":
        time.sleep(0.1)
    assert runs(application, "rhythm", key_of(client.report(job["id"]), "rhythm")) == 1
    assert stage_of(client.get(f"/jobs/{job['id']}"), "separation")["status"] == "running"
    application.kill()
    application.start()
    assert client.wait(job["id"])["status"] == "completed"
    report = client.report(job["id"])
    for stage in ("rhythm", "separation", "drums", "drum_score"):
        assert runs(application, stage, key_of(report, stage)) == 1
    undisturbed = client.wait(client.start(client.send_file(path)["id"], "drum_score", DEMUCS)["id"])
    assert digests(client.report(undisturbed["id"])) == digests(report)


@pytest.mark.parametrize("sound", ["silence", "noise"])
def test_sound_without_music_gives_empty_valid_results(client: Client, tmp_path: Path, sound: str) -> None:
    audio = synth.silence(4, channels=2) if sound == "silence" else synth.noise(4, channels=2)
    track = client.send_file(synth.write(audio, tmp_path / "nothing.wav"))
    options: dict[str, Any] = {**BUILT_IN, "lyrics": {"model": "tiny"}}
    job = client.wait(client.start(track["id"], "transcribe", options)["id"])
    assert job["status"] == "completed", job
    assert {"score.pdf", "score.musicxml", "midi/all.mid", "lyrics.json"} <= set(digests(client.report(job["id"])))
    if sound == "silence":
        found = {name: stage_of(job, name)["note"] for name in ("rhythm", "notes", "drums", "lyrics")}
        assert found == {
            "rhythm": "No beat found.",
            "notes": "No notes found.",
            "drums": "No drums found.",
            "lyrics": "No lyrics found.",
        }


@pytest.mark.parametrize(
    ("rate_hz", "channels", "bits", "seconds"),
    [(8_000, 1, 16, 3), (96_000, 2, 24, 2), (44_100, 6, 24, 2), (44_100, 2, 16, 1)],
)
def test_odd_formats_work(client: Client, tmp_path: Path, rate_hz: int, channels: int, bits: Any, seconds: int) -> None:
    audio = synth.spread(synth.sine(220, seconds, rate_hz), channels)
    track = client.send_file(synth.write(audio, tmp_path / "odd.wav", bits=bits))
    assert (track["rate_hz"], track["channels"]) == (rate_hz, channels)
    job = client.wait(client.start(track["id"], "transcribe", BUILT_IN)["id"])
    assert job["status"] == "completed", job


NASTY = ['"Quotes" & <tags>', "AC/DC \\ ..", "🎸 émoji ∂", "x" * 300]


@pytest.mark.parametrize("title", NASTY)
def test_any_title_gets_as_far_as_the_pdf(client: Client, tmp_path: Path, title: str) -> None:
    path = synth.write(synth.band(bars=1).mixture, tmp_path / "band.flac", title=title, artist=title)
    track = client.send_file(path)
    assert track["title"] == title
    job = client.wait(client.start(track["id"], "drum_score", BUILT_IN)["id"])
    assert job["status"] == "completed", job


def test_one_owner_does_not_keep_another_waiting(application: LocalApplication, tmp_path: Path) -> None:
    with Client(application.url, "greedy") as greedy, Client(application.url, "modest") as modest:
        theirs = greedy.send_file(unlike_any(tmp_path / "a.flac", 20))
        mine = modest.send_file(unlike_any(tmp_path / "b.flac", 2))
        overlaps = [{"separation": {"engine": "demucs", "overlap": 0.5 + n / 100}} for n in range(8)]
        many = [greedy.start(theirs["id"], "stems", options)["id"] for options in overlaps]
        one = modest.start(mine["id"], "analysis")["id"]
        started = modest.wait(one)["started_at"]
        assert [greedy.wait(job_id)["started_at"] > started for job_id in many[-4:]] == [True] * 4
        assert modest.get(f"/jobs/{one}")["status"] == "completed"


def test_bad_uploads_leave_nothing_and_harm_nobody(client: Client, tmp_path: Path) -> None:
    (tmp_path / "empty.wav").touch()
    (tmp_path / "text.mp3").write_text("This is no music. " * 100)
    (tmp_path / "large.wav").write_bytes(b"RIFF" + bytes(60_000_001))
    for name, reason in (("empty.wav", "empty"), ("text.mp3", "not audio"), ("large.wav", "larger than")):
        with pytest.raises(Refused, match=reason):
            client.send_file(tmp_path / name)
    assert client.get("/tracks")["total"] == 0
    assert client.get("/health")["status"] == "healthy"
