"""Speed and memory, as ratios measured side by side in one run: `make bench`.

Weights are random, in the real architectures (htdemucs, 42 million parameters; whisper base):
the arithmetic is the same. How much Whisper writes depends on what it hears, so both sides hear the same stem.

1. Overhead: one job's wall time against the seconds of the stages on its critical path.
2. Against the plain tools, one after another, each in a fresh process: the demucs command, the basic-pitch command and
   Whisper called from Python (its command needs ffmpeg), with the same weights.
3. Latency of `GET /api/v1/jobs/{id}` while that job runs.
4. Peak memory of every process for a 30 s and a 10-minute song.
"""

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import httpx
import numpy as np
import psutil
import soundfile
from rich.console import Console
from rich.table import Table

from app.recipes import needs
from app.stages import STAGES
from jobs import random_demucs, random_whisper
from jobs.client import Client, Document
from jobs.demo_song import write_demo_song
from jobs.local import LocalApplication, free_port

LATENCY_EVERY_S = 0.05
LONG_SONG_S = 600
RATE_HZ = 44_100
WHISPER = "base"
PITCHED = ("bass", "other", "vocals")
DEPLOYMENTS = ("ingress", "conductor", *dict.fromkeys(stage.task for stage in STAGES.values()))

console = Console(width=110)


@dataclass(frozen=True)
class Row:
    what: str
    measured: str
    goal: str


def main() -> int:
    parser = argparse.ArgumentParser(description="Speed and memory, as ratios measured side by side in one run.")
    parser.add_argument("--long", type=float, default=LONG_SONG_S, help="seconds of the long song; 0 leaves it out")
    long_s = parser.parse_args().long
    with tempfile.TemporaryDirectory(prefix="tutti-bench-") as name:
        rows = list(measure(Path(name), long_s))
    table = Table("what", "measured", "goal", title=f"{psutil.cpu_count()} cores, {sys.version.split()[0]}")
    for row in rows:
        table.add_row(row.what, row.measured, row.goal)
    console.print(table)
    return 0


def measure(folder: Path, long_s: float) -> Iterator[Row]:
    models = folder / "models"
    random_demucs.save(models, "htdemucs", random_demucs.REAL)
    random_whisper.save(models / "whisper" / f"{WHISPER}.pt", shape=random_whisper.BASE)
    song = write_demo_song(folder / "song.flac")
    options = {"separation": {"engine": "demucs"}, "lyrics": {"model": WHISPER, "language": "en"}}
    application = LocalApplication(free_port(), {"data_dir": folder / "data", "models_dir": models})
    with application, Client(application.url) as client:
        warm_up(client, folder, options)
        reset_peaks(application)
        wall_s, report = run(client, song, "transcribe", options)
        short_peaks = peaks(application)
        stems = fetch_stems(client, report, folder)
        yield from overhead(wall_s, report)
        yield latency(client, application.url, write_backwards(folder / "backwards.flac", song), options)
        if long_s:
            long_song = write_long_song(folder / "long.flac", song, long_s)
            reset_peaks(application)
            run(client, long_song, "stems", {"separation": options["separation"]})
            yield from memory(short_peaks, peaks(application), long_s)
    tools_s = plain_tools(song, stems, models, folder)
    for name, seconds in tools_s.items():
        yield Row(f"plain tool: {name}", f"{seconds:.1f} s", "")
    total_s = sum(tools_s.values())
    yield Row("plain tools / our job", f"{total_s:.1f} s / {wall_s:.1f} s = {total_s / wall_s:.2f}", "at least 1.5")


# The job


def warm_up(client: Client, folder: Path, options: Mapping[str, Mapping[str, object]]) -> None:
    """Load every model: a second of noise through everything."""
    noise = np.random.default_rng(0).normal(0, 0.1, (RATE_HZ * 3, 2))
    soundfile.write(folder / "noise.flac", noise, RATE_HZ)
    client.wait(client.start(client.send_file(folder / "noise.flac")["id"], "transcribe", options)["id"])


def run(client: Client, song: Path, recipe: str, options: Mapping[str, Mapping[str, object]]) -> tuple[float, Document]:
    """Seconds from sending the job to its end, and its report."""
    track = client.send_file(song)
    started = time.perf_counter()
    ended = client.wait(client.start(track["id"], recipe, options)["id"])
    wall_s = time.perf_counter() - started
    if ended["status"] != "completed":
        raise RuntimeError(f"the job {ended['status']}: {ended['error']}")
    return wall_s, client.report(ended["id"])


def overhead(wall_s: float, report: Document) -> Iterator[Row]:
    seconds = {stage["stage"]: stage["seconds"] or 0.0 for stage in report["job"]["stages"]}
    for name, value in seconds.items():
        yield Row(f"stage {name}", f"{value:.1f} s", "")
    path_s = critical_path_s(seconds)
    yield Row("job / critical path", f"{wall_s:.1f} s / {path_s:.1f} s = {wall_s / path_s:.3f}", "under 1.10")


def critical_path_s(seconds: Mapping[str, float]) -> float:
    """The longest chain of stages, each after those that it needs."""
    until: dict[str, float] = {}
    for name in seconds:  # in the order of the plan
        until[name] = seconds[name] + max((until.get(before, 0.0) for before in needs(STAGES[name])), default=0.0)
    return max(until.values())


def fetch_stems(client: Client, report: Document, folder: Path) -> dict[str, Path]:
    stems = {}
    for artifact in report["artifacts"]:
        if artifact["role"].startswith("stems/"):
            path = folder / artifact["role"]
            client.download(artifact["id"], path)
            stems[path.stem] = path
    return stems


# Latency


def latency(client: Client, url: str, song: Path, options: Mapping[str, Mapping[str, object]]) -> Row:
    """How long a job's own status takes to get, asked for again and again until it has ended."""
    job_id = client.start(client.send_file(song)["id"], "transcribe", options)["id"]
    seconds: list[float] = []
    with httpx.Client(base_url=f"{url}/api/v1", timeout=60) as http:
        status = "queued"
        while status in ("queued", "running"):
            time.sleep(LATENCY_EVERY_S)
            started = time.perf_counter()
            status = http.get(f"/jobs/{job_id}").raise_for_status().json()["status"]
            seconds.append(time.perf_counter() - started)
    cuts = statistics.quantiles(seconds, n=100)
    measured = f"p50 {cuts[49] * 1000:.0f} ms, p99 {cuts[98] * 1000:.0f} ms ({len(seconds)} requests)"
    return Row("GET a job while it runs", measured, "p99 under 50 ms")


def write_backwards(path: Path, song: Path) -> Path:
    """The same work, but nothing of it done yet."""
    samples, rate_hz = soundfile.read(song, always_2d=True)
    soundfile.write(path, samples[::-1], rate_hz, "PCM_16")
    return path


# Memory


def reset_peaks(application: LocalApplication) -> None:
    """Begin to count peaks anew (Linux: see proc(5), clear_refs)."""
    for deployment in DEPLOYMENTS:
        for process in application.replicas(deployment):
            Path(f"/proc/{process.pid}/clear_refs").write_text("5")


def peaks(application: LocalApplication) -> dict[str, float]:
    """Deployment to the peak of its resident memory, in MB."""
    return {name: sum(_peak_mb(process.pid) for process in application.replicas(name)) for name in DEPLOYMENTS}


def _peak_mb(pid: int) -> float:
    status = Path(f"/proc/{pid}/status").read_text()
    [line] = [line for line in status.splitlines() if line.startswith("VmHWM")]
    return float(line.split()[1]) / 1024


def memory(short: Mapping[str, float], long: Mapping[str, float], long_s: float) -> Iterator[Row]:
    for name in DEPLOYMENTS:
        yield Row(f"peak memory of {name}", f"{short[name]:.0f} MB, long song {long[name]:.0f} MB", "")
    audio_mb = long_s * RATE_HZ * 2 * 4 / 2**20
    growth_mb = long["separation"] - short["separation"]
    measured = f"{growth_mb:.0f} MB / {audio_mb:.0f} MB = {growth_mb / audio_mb:.2f}"
    yield Row(f"separation's growth / the {long_s:.0f} s of audio", measured, "under 2")


def write_long_song(path: Path, song: Path, seconds: float) -> Path:
    samples, rate_hz = soundfile.read(song, always_2d=True)
    with soundfile.SoundFile(path, "w", rate_hz, samples.shape[1], "PCM_16") as file:
        for _ in range(round(seconds * rate_hz / len(samples))):
            file.write(samples)
    return path


# The plain tools


def plain_tools(song: Path, stems: Mapping[str, Path], models: Path, folder: Path) -> dict[str, float]:
    """Seconds that each takes in a fresh process."""
    bin_folder = Path(sys.executable).parent
    out = folder / "tools"
    (out / "notes").mkdir(parents=True)
    pitched = [str(stems[name]) for name in PITCHED]
    commands = {
        "demucs": [
            bin_folder / "demucs",
            "--repo",
            models / "demucs",
            "-n",
            "htdemucs",
            "--shifts",
            "0",
            "-o",
            out,
            song,
        ],
        "basic-pitch": [bin_folder / "basic-pitch", out / "notes", *pitched],
        "whisper": [sys.executable, "-c", WHISPER_SCRIPT, models / "whisper" / f"{WHISPER}.pt", stems["vocals"]],
    }
    return {name: _seconds([str(part) for part in command]) for name, command in commands.items()}


WHISPER_SCRIPT = """
import sys, librosa, whisper
model = whisper.load_model(sys.argv[1])
audio, _ = librosa.load(sys.argv[2], sr=16000, mono=True)
whisper.transcribe(model, audio, word_timestamps=True, language="en", condition_on_previous_text=False)
"""


def _seconds(command: list[str]) -> float:
    started = time.perf_counter()
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"{command[0]} failed: {done.stderr[-2000:]}")
    return time.perf_counter() - started


if __name__ == "__main__":
    sys.exit(main())
