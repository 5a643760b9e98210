"""Running one stage: find its result, or load its files, run its engine and keep what it makes.

A stage is a pure function of its input files, its parameters and its engine's version and weights. Its result is kept
under a key hashed from just those, so whoever asks again - another job, a resumed one, a batch - finds it done.
"""

import hashlib
import json
import logging
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Lock
from typing import Any

from pydantic import TypeAdapter

from app.engines.contract import EngineIdentity, Progress
from app.engines.registry import Choice, Chosen, choose
from app.engines.shelf import Shelf
from app.errors import NoEngine
from app.music import FloatArray, Stems
from app.stages import STAGES, Labels, Stage
from app.store import Store
from app.weights import Models

logger = logging.getLogger(__name__)

_LOOK_AGAIN_S = 0.1
"""How often whoever waits for a lock looks whether the job was cancelled."""

MEDIA_TYPES = {
    ".flac": "audio/flac",
    ".json": "application/json",
    ".lrc": "text/plain; charset=utf-8",
    ".mid": "audio/midi",
    ".musicxml": "application/vnd.recordare.musicxml+xml",
    ".pdf": "application/pdf",
    ".srt": "application/x-subrip",
    ".txt": "text/plain; charset=utf-8",
}


@dataclass(frozen=True)
class StageCall:
    """What to run: the whole of what a result depends on, but for the engine's version and weights."""

    stage: str
    inputs: Mapping[str, str]
    """Role to digest of every file that the stage takes."""
    choice: Choice = field(default_factory=Choice)
    labels: Labels = field(default_factory=Labels)


@dataclass(frozen=True)
class StoredFile:
    role: str
    digest: str
    size_bytes: int
    media_type: str


@dataclass(frozen=True)
class StageResult:
    """What a stage made, and how. This is the document kept under `key`."""

    key: str
    stage: str
    engine: EngineIdentity
    parameters: dict[str, Any]
    files: tuple[StoredFile, ...]
    seconds: float
    """What it took to load, run and save, without waiting."""
    remark: str = ""
    """What a person should know of it, in a sentence."""


@dataclass(frozen=True)
class StageOutcome:
    """A result, and what this caller should know of how it was come by."""

    result: StageResult
    reused: bool
    instead_of: str
    """Why better engines were passed over; empty where the best one ran."""


@dataclass(frozen=True)
class EngineReport:
    """How one task stands on one bench."""

    task: str
    engine: str | None
    """What `auto` gets here; None where nothing can run."""
    version: str | None
    weights: str | None
    instead_of: str
    """Why better engines, or all, were passed over."""
    loaded: tuple[str, ...]
    device: str


class Bench:
    """Where stages run: the store, the loaded engines, and the locks that keep runs out of each other's way."""

    def __init__(self, store: Store, models: Models, device: str = "cpu") -> None:
        self.store = store
        self.models = models
        self.device = device
        self.shelf = Shelf(models, device)
        self._engine_lock = Lock()
        self._key_locks: dict[str, Lock] = {}

    @contextmanager
    def engine(self, progress: Progress) -> Iterator[float]:
        """Only one run at a time uses the model; the others load and save meanwhile. Gives the seconds waited."""
        asked = time.perf_counter()
        with _held(self._engine_lock, progress):
            yield time.perf_counter() - asked

    @contextmanager
    def result(self, key: str, progress: Progress) -> Iterator[None]:
        """Only one run at a time makes this result; who waited for it finds it made."""
        with _held(self._key_locks.setdefault(key, Lock()), progress):
            yield


def run_stage(call: StageCall, bench: Bench, progress: Progress) -> StageOutcome:
    """The stage's result, found or made. Raises `TuttiError`s; `JobCancelled` comes through from `progress`."""
    stage = STAGES[call.stage]
    chosen = choose(stage.task, call.choice, bench.models)
    identity = chosen.engine.identity(chosen.options, bench.models)
    parameters = parameters_of(stage, chosen, call.labels)
    key = key_of(stage, call.inputs, identity, parameters)
    with bench.result(key, progress):
        result = find_result(bench.store, key)
        reused = result is not None
        if result is None:
            files, seconds, remark = _make(stage, call, chosen, bench, progress)
            result = StageResult(key, stage.name, identity, parameters, files, seconds, remark)
            bench.store.write_result(key, TypeAdapter(StageResult).dump_json(result))
            logger.info("stage %s made %s with %s in %.1f s", stage.name, key[:12], identity.engine, seconds)
    return StageOutcome(result, reused, chosen.instead_of)


def report(task: str, bench: Bench) -> EngineReport:
    """What a job that chooses nothing gets here, and what is in memory."""
    loaded = tuple(bench.shelf.loaded())
    try:
        chosen = choose(task, Choice(), bench.models)
    except NoEngine as error:
        return EngineReport(task, None, None, None, str(error), loaded, bench.device)
    identity = chosen.engine.identity(chosen.options, bench.models)
    return EngineReport(
        task, identity.engine, identity.version, identity.weights, chosen.instead_of, loaded, bench.device
    )


def parameters_of(stage: Stage, chosen: Chosen, labels: Labels) -> dict[str, Any]:
    """All that a result depends on and that somebody chose."""
    return asdict(chosen.options) | (asdict(labels) if stage.writes_labels else {})


def key_of(stage: Stage, inputs: Mapping[str, str], engine: EngineIdentity, parameters: Mapping[str, Any]) -> str:
    """SHA-256 of everything that a result depends on."""
    facts = {
        "stage": [stage.name, stage.version],
        "inputs": dict(inputs),
        "engine": asdict(engine),
        "parameters": dict(parameters),
    }
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()


def find_result(store: Store, key: str) -> StageResult | None:
    """The result under this key, if all of its files are still there."""
    content = store.read_result(key)
    if content is None:
        return None
    result = TypeAdapter(StageResult).validate_json(content)
    return result if all(store.has(file.digest) for file in result.files) else None


def _make(
    stage: Stage, call: StageCall, chosen: Chosen, bench: Bench, progress: Progress
) -> tuple[tuple[StoredFile, ...], float, str]:
    engine = bench.shelf.take(chosen)
    with bench.store.files(call.inputs) as files, TemporaryDirectory(prefix="tutti-") as folder:
        started = time.perf_counter()
        inputs = stage.load(files, call.labels)
        waits: list[float] = []
        with bench.engine(progress) as waited:
            waits.append(waited)
            outputs = engine.run(inputs, chosen.options, progress)
        outputs = [_in_turns(output, bench, progress, waits) for output in outputs]
        stage.save(files, outputs, Path(folder))
        stored = tuple(_keep(bench.store, path, Path(folder)) for path in sorted(Path(folder).rglob("*.*")))
        return stored, time.perf_counter() - started - sum(waits), stage.remark(outputs)


def _keep(store: Store, path: Path, folder: Path) -> StoredFile:
    blob = store.put(path)
    role = path.relative_to(folder).as_posix()
    return StoredFile(role, blob.digest, blob.size_bytes, MEDIA_TYPES[path.suffix])


def _in_turns(output: Any, bench: Bench, progress: Progress, waits: list[float]) -> Any:
    """Stems are computed while they are read: take the model for each block, and leave it while the block is saved."""
    if not isinstance(output, Stems):
        return output

    def blocks() -> Iterator[Mapping[str, FloatArray]]:
        block: Mapping[str, FloatArray] | None = {}
        while block is not None:
            with bench.engine(progress) as waited:
                waits.append(waited)
                block = next(output.blocks, None)
            if block is not None:
                yield block

    return replace(output, blocks=blocks())


@contextmanager
def _held(lock: Lock, progress: Progress) -> Iterator[None]:
    while not lock.acquire(timeout=_LOOK_AGAIN_S):
        progress(0.0)
    try:
        yield
    finally:
        lock.release()
