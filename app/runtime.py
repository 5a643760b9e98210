"""Where stages meet Ray: a Serve replica that runs them, and the conductor's way to it."""

import asyncio
import logging
import os
import threading
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from ray.exceptions import RayActorError, RayError, RayTaskError
from ray.serve.exceptions import RayServeException
from ray.serve.handle import DeploymentHandle

from app.engines.registry import Choice, choose
from app.errors import JobCancelled, StageFailed, TuttiError
from app.running import Bench, EngineReport, StageCall, StageOutcome, report, run_stage
from app.settings import Settings
from app.store import Store
from app.weights import Models

logger = logging.getLogger(__name__)

TELL_S = 0.2
"""Progress is told at most this often: five times a second looks smooth and costs a database nothing."""

NICENESS = 5
"""How far arithmetic steps back: with every core at work, asking for a job's status took 43 ms at p99 without it."""


class StageReplica:
    """Runs the stages of one task, several at a time: files are read and written while another one has the model.

    Stages run in threads, so that the event loop stays free for health checks and cancellations.
    """

    def __init__(self, task: str, settings: Settings, runs: int, threads: int, gpu_fraction: float) -> None:
        """`runs`: stages at once. `threads`: for arithmetic on the CPU; 0: one for each core."""
        configure_logging(settings)
        _settle(threads or os.cpu_count() or 1)
        self._task = task
        self._bench = Bench(Store(settings.store_url), models_of(settings), _device(gpu_fraction))
        self._threads = ThreadPoolExecutor(runs, thread_name_prefix=task)
        self._threads.submit(self._warm_up)

    async def run(self, call: StageCall) -> AsyncIterator[float | StageOutcome | TuttiError]:
        """Progress, and last the outcome or what went wrong. Work stops when nobody listens any more."""
        loop = asyncio.get_running_loop()
        told: asyncio.Queue[float] = asyncio.Queue()
        unwanted = threading.Event()

        def progress(fraction: float) -> None:
            if unwanted.is_set():
                raise JobCancelled
            loop.call_soon_threadsafe(told.put_nowait, fraction)

        work = loop.run_in_executor(self._threads, self._run, call, progress)
        try:
            while not work.done():
                await asyncio.wait([work], timeout=TELL_S)
                if not told.empty():
                    yield _latest(told)
            yield work.result()
        finally:
            unwanted.set()

    async def describe(self) -> EngineReport:
        return await asyncio.to_thread(report, self._task, self._bench)

    def _run(self, call: StageCall, progress: Any) -> StageOutcome | TuttiError:
        try:
            return run_stage(call, self._bench, progress)
        except TuttiError as error:
            return error
        except Exception as error:  # the one place where an engine's bug becomes a failed stage
            logger.exception("stage %s failed", call.stage)
            return StageFailed(stage=call.stage, reason=f"{type(error).__name__}. The server's log has the details.")

    def _warm_up(self) -> None:
        """Load what most jobs will ask for, so that the first one does not wait for it."""
        try:
            self._bench.shelf.take(choose(self._task, Choice(), self._bench.models))
        except TuttiError as error:
            logger.warning("%s: %s", self._task, error)


class ServeRunner:
    """A `conductor.StageRunner` over a deployment of `StageReplica`s."""

    def __init__(self, handle: DeploymentHandle) -> None:
        self._handle = handle.options(stream=True)

    async def run(self, call: StageCall) -> AsyncIterator[float | StageOutcome]:
        events = self._handle.run.remote(call)
        try:
            async for event in events:
                if isinstance(event, TuttiError):
                    raise event
                yield event
        finally:
            events.cancel()

    def is_lost(self, error: BaseException) -> bool:
        return isinstance(error, (RayActorError, RayServeException)) or (
            isinstance(error, RayError) and not isinstance(error, RayTaskError)
        )


def models_of(settings: Settings) -> Models:
    assert settings.models_dir is not None, "settings are resolved before they are handed out"
    return Models(settings.models_dir, may_fetch=settings.fetch_weights)


def configure_logging(settings: Settings) -> None:
    """Send this project's log where Ray collects what a process prints."""
    logging.basicConfig(format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    logging.getLogger("app").setLevel(settings.log_level)


def _settle(threads: int) -> None:
    """Take this many threads for arithmetic, after everybody who answers people.

    Ray tells libraries to use as many threads as CPUs were set aside, here a tenth of one; torch, which is not loaded
    yet, reads the number when it is.
    """
    os.environ["OMP_NUM_THREADS"] = str(threads)
    os.nice(NICENESS)


def _device(gpu_fraction: float) -> str:
    """`cuda` where the replica was given a share of a GPU: Ray only counts shares, so keep to it here."""
    if not gpu_fraction:
        return "cpu"
    import torch

    torch.cuda.set_per_process_memory_fraction(min(gpu_fraction, 1.0))
    return "cuda"


def _latest(told: "asyncio.Queue[float]") -> float:
    fraction = 0.0
    while not told.empty():
        fraction = told.get_nowait()
    return fraction
