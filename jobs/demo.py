"""One song to a folder of results, with a progress bar: `make demo [SONG=path or URL]`.

Starts the application unless one already runs at TUTTI_URL, sends the song, follows the job, downloads what was made
into `out/<title>/`, prints a table of it, and stops what it started. It speaks to the application over HTTP alone, as
any client would.
"""

import argparse
import json
import os
import re
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from jobs.demo_song import write_demo_song
from jobs.local import LocalApplication, NotStarted, is_up

URL = os.environ.get("TUTTI_URL", "http://127.0.0.1:8000")
FOLDER_CHARACTERS = 80

console = Console()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("song", nargs="?", help="a file or an http(s) URL; without it, a demo song is made")
    parser.add_argument("--recipe", default="transcribe", help="what to make (default: everything)")
    parser.add_argument("--out", type=Path, default=Path("out"), help="folder for the results")
    parser.add_argument("--option", action="append", default=[], metavar="TASK.NAME=VALUE", help="lyrics.language=de")
    wanted = parser.parse_args()
    try:
        with running_application(), httpx.Client(base_url=f"{URL}/api/v1", timeout=60) as client:
            track = send(client, wanted.song)
            job = follow(client, start(client, track["id"], wanted.recipe, options_from(wanted.option)))
            folder = download(client, track, job, wanted.out)
    except (Refused, NotStarted) as refusal:
        console.print(refusal, style="red", highlight=False)
        return 1
    show(job, folder)
    return 0 if job["status"] == "completed" else 1


class Refused(Exception):
    """The application, or this command, says no."""


@contextmanager
def running_application() -> Iterator[None]:
    """The application at URL; started, and stopped again, if none is there."""
    if is_up(URL):
        yield
        return
    application = LocalApplication()
    with console.status(f"Starting Ray and the engines (log: {application.log})"):
        application.start()
    try:
        yield
    finally:
        with console.status("Stopping"):
            application.stop()


def send(client: httpx.Client, song: str | None) -> dict[str, Any]:
    """The new track."""
    if song is not None and re.match(r"https?://", song):
        return _answer(client.post("/tracks", json={"url": song}))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(song) if song else write_demo_song(Path(folder) / "demo.flac")
        if not path.is_file():
            raise Refused(f"There is no file {path}.")
        with path.open("rb") as file:
            return _answer(client.post("/tracks", files={"file": (path.name, file)}, timeout=None))


def options_from(pairs: list[str]) -> dict[str, dict[str, Any]]:
    """`["lyrics.language=de"]` as `{"lyrics": {"language": "de"}}`; values are JSON where they can be."""
    options: dict[str, dict[str, Any]] = {}
    for pair in pairs:
        match = re.fullmatch(r"(\w+)\.(\w+)=(.*)", pair)
        if not match:
            raise Refused(f"--option {pair}: write it as TASK.NAME=VALUE, for example lyrics.language=de")
        task, name, value = match.groups()
        try:
            options.setdefault(task, {})[name] = json.loads(value)
        except json.JSONDecodeError:
            options.setdefault(task, {})[name] = value
    return options


def start(client: httpx.Client, track_id: str, recipe: str, options: dict[str, Any]) -> dict[str, Any]:
    return _answer(client.post("/jobs", json={"track_id": track_id, "recipe": recipe, "options": options}))


def follow(client: httpx.Client, job: dict[str, Any]) -> dict[str, Any]:
    """The job when it has ended, its progress shown meanwhile."""
    columns = (
        BarColumn(),
        TextColumn("{task.percentage:>3.0f}%"),
        TimeElapsedColumn(),
        TextColumn("{task.description}"),
    )
    with (
        Progress(*columns, console=console) as bar,
        client.stream("GET", f"/jobs/{job['id']}/events", timeout=None) as events,
    ):
        task = bar.add_task("waiting", total=1.0)
        for line in events.iter_lines():
            if line.startswith("data:"):
                job = json.loads(line.removeprefix("data:"))
                running = [stage["stage"] for stage in job["stages"] if stage["status"] == "running"]
                bar.update(task, completed=job["progress"], description=", ".join(running) or job["status"])
    return _answer(client.get(f"/jobs/{job['id']}"))


def download(client: httpx.Client, track: dict[str, Any], job: dict[str, Any], out: Path) -> Path:
    """Everything that the job made, in a new folder named for the track."""
    folder = _new_folder(out, track["title"])
    report = _answer(client.get(f"/jobs/{job['id']}/report"))
    for artifact in report["artifacts"]:
        path = folder / artifact["role"]
        path.parent.mkdir(parents=True, exist_ok=True)
        with client.stream("GET", f"/artifacts/{artifact['id']}/content") as content, path.open("wb") as file:
            content.raise_for_status()
            for chunk in content.iter_bytes():
                file.write(chunk)
    (folder / "report.json").write_text(json.dumps(report, indent=1, ensure_ascii=False) + "\n")
    return folder


def show(job: dict[str, Any], folder: Path) -> None:
    table = Table("stage", "status", "engine", "weights", "seconds", "note", title=f"{job['recipe']}: {job['status']}")
    for stage in job["stages"]:
        seconds = "" if stage["seconds"] is None else f"{stage['seconds']:.1f}"
        status = "reused" if stage["reused"] else stage["status"]
        table.add_row(stage["stage"], status, stage["engine"], stage["weights"] or "", seconds, stage["note"])
    console.print(table)
    for path in sorted(folder.rglob("*.*")):
        console.print(f"  {path}  [dim]{path.stat().st_size:,} bytes", highlight=False)
    if job["error"]:
        console.print(f"[red]{job['error']['detail']}")


def _new_folder(out: Path, title: str) -> Path:
    """`out/<title>`, or with a number after it if that is taken: results are never overwritten."""
    name = re.sub(r'[\x00-\x1f/\\:*?"<>|]+', "_", title).strip(" .")[:FOLDER_CHARACTERS].strip(" .") or "untitled"
    folder, number = out / name, 2
    while folder.exists():
        folder, number = out / f"{name} {number}", number + 1
    folder.mkdir(parents=True)
    return folder


def _answer(response: httpx.Response) -> dict[str, Any]:
    if response.is_error:
        problem = response.json() if "json" in response.headers.get("content-type", "") else {}
        raise Refused(problem.get("detail") or f"{response.request.url} answered {response.status_code}")
    body: dict[str, Any] = response.json()
    return body


if __name__ == "__main__":
    sys.exit(main())
