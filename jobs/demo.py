"""One song to a folder of results, with a progress bar: `make demo [SONG=path or URL]`.

Starts the application unless one already runs at TUTTI_URL, sends the song, follows the job, downloads what was made
into `out/<title>/`, prints a table of it, and stops what it started.
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

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from jobs.client import Client, Document, Refused
from jobs.demo_song import write_demo_song
from jobs.local import LocalApplication, NotStarted, is_up

URL = os.environ.get("TUTTI_URL", "http://127.0.0.1:8000")
FOLDER_CHARACTERS = 80
"""Longest folder name: three bytes a character still fit the 255 that file systems allow."""

console = Console()


def main() -> int:
    parser = argparse.ArgumentParser(description="One song to a folder of results.")
    parser.add_argument("song", nargs="?", help="a file or an http(s) URL; without it, a demo song is made")
    parser.add_argument("--recipe", default="transcribe", help="what to make (default: everything)")
    parser.add_argument("--out", type=Path, default=Path("out"), help="folder for the results")
    parser.add_argument("--option", action="append", default=[], metavar="TASK.NAME=VALUE", help="lyrics.language=de")
    wanted = parser.parse_args()
    try:
        options = options_from(wanted.option)
        with running_application(), Client(URL) as client:
            track = send(client, wanted.song)
            job = follow(client, client.start(track["id"], wanted.recipe, options))
            folder = download(client, track, job, wanted.out)
    except (Refused, NotStarted) as refusal:
        console.print(str(refusal), style="red", highlight=False, markup=False)
        return 1
    show(job, folder)
    return 0 if job["status"] == "completed" else 1


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


def send(client: Client, song: str | None) -> Document:
    """The new track."""
    if song is not None and re.match(r"https?://", song):
        return client.send_url(song)
    if song is not None:
        if not Path(song).is_file():
            raise Refused(f"There is no file {song}.")
        return client.send_file(Path(song))
    with tempfile.TemporaryDirectory() as folder:
        return client.send_file(write_demo_song(Path(folder) / "demo.flac"))


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


def follow(client: Client, job: Document) -> Document:
    """The job when it has ended, its progress shown meanwhile."""
    columns = (
        BarColumn(),
        TextColumn("{task.percentage:>3.0f}%"),
        TimeElapsedColumn(),
        TextColumn("{task.description}"),
    )
    with Progress(*columns, console=console) as bar:
        task = bar.add_task("waiting", total=1.0)
        for event in client.events(job["id"]):
            running = [stage["stage"] for stage in event["stages"] if stage["status"] == "running"]
            bar.update(task, completed=event["progress"], description=", ".join(running) or event["status"])
    return client.get(f"/jobs/{job['id']}")


def download(client: Client, track: Document, job: Document, out: Path) -> Path:
    """Everything that the job made, in a new folder named for the track."""
    folder = new_folder(out, track["title"])
    report = client.report(job["id"])
    for artifact in report["artifacts"]:
        client.download(artifact["id"], folder / artifact["role"])
    (folder / "report.json").write_text(json.dumps(report, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    return folder


def new_folder(out: Path, title: str) -> Path:
    """`out/<title>`, or with a number after it if that is taken: results are never overwritten."""
    name = re.sub(r'[\x00-\x1f/\\:*?"<>|]+', "_", title).strip(" .")[:FOLDER_CHARACTERS].strip(" .") or "untitled"
    folder, number = out / name, 2
    while folder.exists():
        folder, number = out / f"{name} {number}", number + 1
    folder.mkdir(parents=True)
    return folder


def show(job: Document, folder: Path) -> None:
    table = Table("stage", "status", "engine", "seconds", "note", title=f"{job['recipe']}: {job['status']}")
    for stage in job["stages"]:
        seconds = "" if stage["seconds"] is None else f"{stage['seconds']:.1f}"
        status = "reused" if stage["reused"] else stage["status"]
        table.add_row(stage["stage"], status, stage["engine"], seconds, stage["note"])
    console.print(table)
    for path in sorted(folder.rglob("*.*")):
        console.print(f"  {path}  {path.stat().st_size:,} bytes", highlight=False, markup=False, soft_wrap=True)
    if job["error"]:
        console.print(job["error"]["detail"], style="red", markup=False)


if __name__ == "__main__":
    sys.exit(main())
