"""The HTTP API on a real catalogue, store and job queue in a folder, with nobody at work on the queue."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Thread
from typing import Any

import uvicorn
from dbos import DBOS
from starlette.testclient import TestClient

from app.api.backend import Backend
from app.api.ingress import create_app
from app.catalogue import Artifact, Catalogue, Made
from app.database import migrate, open_database
from app.desk import JobDesk, jobs_database_url
from app.engines.registry import ENGINES
from app.job import Jobs
from app.running import MEDIA_TYPES, Bench, EngineReport, report
from app.settings import Settings
from app.store import Store
from app.weights import Models
from tests import synth

API = "/api/v1"


def backend(folder: Path, **settings: Any) -> Backend:
    chosen = Settings(data_dir=folder / "data", **settings).resolved()
    database = open_database(chosen.database_url)
    migrate(database)
    DBOS.migrate(jobs_database_url(chosen))
    catalogue, jobs, store = Catalogue(database), Jobs(database), Store(chosen.store_url)
    assert chosen.models_dir is not None
    bench = Bench(store, Models(chosen.models_dir))

    async def describe() -> list[EngineReport]:
        return [report(task, bench) for task in ENGINES]

    return Backend(chosen, catalogue, jobs, store, JobDesk(chosen, catalogue, jobs), describe)


def client(behind: Backend, owner: str = "ada") -> TestClient:
    """Speaks to the API within this process; an error of ours comes as a client sees it."""
    return TestClient(
        create_app(behind),
        base_url=f"http://test{API}/",
        headers={"X-Tutti-Owner": owner},
        raise_server_exceptions=False,
    )


@contextmanager
def served(behind: Backend) -> Iterator[str]:
    """The address of a real server on loopback."""
    config = uvicorn.Config(create_app(behind), port=0, log_level="warning", ws="websockets-sansio")
    server = uvicorn.Server(config)
    thread = Thread(target=server.run)
    thread.start()
    try:
        while not server.started:
            assert thread.is_alive(), "the server did not start"
            time.sleep(0.01)
        port = server.servers[0].sockets[0].getsockname()[1]
        yield f"127.0.0.1:{port}{API}"
    finally:
        server.should_exit = True
        thread.join()


def song(folder: Path, name: str = "song.flac", pitch_hz: float = 440.0, title: str = "", artist: str = "") -> Path:
    return synth.write(synth.sine(pitch_hz, 1.0), folder / name, title=title, artist=artist)


def send(to: TestClient, path: Path, **fields: str) -> dict[str, Any]:
    """The new track."""
    with path.open("rb") as file:
        answer = to.post("tracks", files={"file": (path.name, file)}, data=fields)
    assert answer.status_code == 201, answer.text
    track: dict[str, Any] = answer.json()
    return track


def at(to: TestClient, address: str, **headers: str) -> Any:
    """What the API has at an address that it gave itself."""
    return to.get(f"http://test{address}", headers=headers)


def make(behind: Backend, owner: str, track_id: str, job_id: str, role: str, path: Path) -> Artifact:
    """Record the file at `path` as what a stage made for a job."""
    blob = behind.store.put(path)
    kind = MEDIA_TYPES[Path(role).suffix]
    made = Made(role, blob.digest, blob.size_bytes, kind, "k" * 64, "separation", "spectral", "1", None, {}, 1.5)
    [artifact_id] = behind.catalogue.add_artifacts(track_id, job_id, [made])
    return behind.catalogue.artifact(owner, artifact_id)
