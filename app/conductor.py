"""The durable walk of a job's DAG.

A job is one DBOS workflow and each of its stages one step: a step that finished is not run again, whatever is killed.
All steps are started at once, in the order of the plan, and each waits for those it needs; that way every step has the
same number whenever the workflow is replayed, and independent stages run at the same time.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Mapping
from typing import Any, Protocol

from dbos import DBOS, DBOSConfig, DBOSConfiguredInstance
from dbos import error as dbos_error

from app.catalogue import Catalogue, Made
from app.database import now
from app.desk import INSTANCE, QUEUE, WORKFLOW, WORKFLOW_VERSION, jobs_database_url
from app.engines.registry import Choice, read_choice
from app.errors import NoEngine, StageFailed, TuttiError, problem_of
from app.job import Job, Jobs, Status
from app.recipes import needs, plan
from app.running import StageCall, StageOutcome
from app.settings import Settings
from app.stages import ORIGINAL, STAGES, Labels, Stage

logger = logging.getLogger(__name__)

QUEUE_POLL_S = 0.2
"""How often the queue is looked at: a fifth of a second is not noticed by a person, nor by the database."""
ATTEMPTS = 5
"""How often a stage is tried when a process or a machine dies under it: after 1, 2, 4 and 8 s, long enough for Serve to
start another replica."""

Roles = dict[str, str]
"""Role to digest."""


class StageRunner(Protocol):
    """Runs stages of one task somewhere else: a Serve deployment."""

    def run(self, call: StageCall) -> AsyncIterator[float | StageOutcome]:
        """Progress, 0 to 1, and last the outcome. Raises `TuttiError`s; closing it stops the work."""

    def is_lost(self, error: BaseException) -> bool:
        """Whether the error means that the process or machine died, not that the work failed."""


class NotRun(TuttiError):
    """Not run, because {stage} did not end well."""


@DBOS.dbos_class()
class Conductor(DBOSConfiguredInstance):
    """Takes jobs from the queue and sees them through. One in each process."""

    def __init__(self, catalogue: Catalogue, jobs: Jobs, runners: Mapping[str, StageRunner]) -> None:
        super().__init__(INSTANCE)
        self._catalogue = catalogue
        self._jobs = jobs
        self._runners = runners

    @DBOS.workflow(name=WORKFLOW)
    async def walk(self, job_id: str) -> str:
        """Run every stage of the job's plan; the job's final status. The row in `jobs` says the rest."""
        job = await asyncio.to_thread(self._jobs.any_owner, job_id)
        await asyncio.to_thread(self._jobs.start, job_id)
        steps: dict[str, asyncio.Task[Roles]] = {}
        for stage in plan(job.recipe):
            before = {name: steps[name] for name in needs(stage) if name in steps}
            steps[stage.name] = asyncio.ensure_future(self.run_stage(job_id, stage.name, before))
        outcomes = await asyncio.gather(*steps.values(), return_exceptions=True)
        return await self._finish(job_id, [outcome for outcome in outcomes if isinstance(outcome, BaseException)])

    @DBOS.step(
        preemptible=True,
        retries_allowed=True,
        interval_seconds=1,
        max_attempts=ATTEMPTS,
        should_retry=lambda error: isinstance(error, StageLost) or (isinstance(error, TuttiError) and error.retry),
    )
    async def run_stage(self, job_id: str, name: str, before: Mapping[str, asyncio.Task[Roles]]) -> Roles:
        """One stage, once what it needs is there: the files that later stages can take, its own among them."""
        job = await asyncio.to_thread(self._jobs.any_owner, job_id)
        track = await asyncio.to_thread(self._catalogue.track, job.owner, job.track_id)
        roles = {ORIGINAL: track.digest}
        try:
            for task in before.values():
                roles |= await asyncio.shield(task)
        except Exception as error:
            await self._note(job_id, name, status=Status.CANCELLED, note=str(NotRun(stage=_failed(before))))
            raise NotRun(stage=_failed(before)) from error
        stage = STAGES[name]
        choice = read_choice(stage.task, job.options.get(stage.task, {}))
        call = StageCall(name, stage.inputs(roles), choice, Labels(track.title, track.artist))
        return roles | await self._run(job, stage, call)

    async def _run(self, job: Job, stage: Stage, call: StageCall) -> Roles:
        runner = self._runners[stage.task]
        await self._note(job.id, stage.name, status=Status.RUNNING, started_at=now())
        try:
            outcome = await self._outcome(job.id, runner, call)
        except NoEngine as error:
            if not stage.may_be_skipped or call.choice != Choice():
                await self._failed(job.id, stage, error)
                raise
            logger.info("job %s skips %s: %s", job.id, stage.name, error)
            await self._note(
                job.id, stage.name, status=Status.SKIPPED, progress=1.0, note=str(error), finished_at=now()
            )
            return {}
        except TuttiError as error:
            await self._failed(job.id, stage, error)
            raise
        except Exception as error:
            if runner.is_lost(error):
                await self._note(job.id, stage.name, status=Status.QUEUED, note="Its process died; it will run again.")
                raise StageLost(stage=stage.name) from error
            raise
        await self._record(job, outcome)
        return {file.role: file.digest for file in outcome.result.files}

    async def _outcome(self, job_id: str, runner: StageRunner, call: StageCall) -> StageOutcome:
        async for event in runner.run(call):
            if isinstance(event, StageOutcome):
                return event
            await self._note(job_id, call.stage, progress=event)
        raise StageFailed(stage=call.stage, reason="it ended without a result")

    async def _record(self, job: Job, outcome: StageOutcome) -> None:
        result = outcome.result
        made = [
            Made(
                role=file.role,
                digest=file.digest,
                size_bytes=file.size_bytes,
                media_type=file.media_type,
                key=result.key,
                stage=result.stage,
                engine=result.engine.engine,
                engine_version=result.engine.version,
                weights=result.engine.weights,
                parameters=result.parameters,
                seconds=result.seconds,
            )
            for file in result.files
        ]
        await asyncio.to_thread(self._catalogue.add_artifacts, job.track_id, job.id, made)
        await self._note(
            job.id,
            result.stage,
            status=Status.COMPLETED,
            progress=1.0,
            note=" ".join(filter(None, (result.remark, outcome.instead_of))),
            reused=outcome.reused,
            seconds=result.seconds,
            engine=result.engine.engine,
            engine_version=result.engine.version,
            weights=result.engine.weights,
            parameters=result.parameters,
            finished_at=now(),
        )

    async def _failed(self, job_id: str, stage: Stage, error: TuttiError) -> None:
        logger.warning("job %s: %s failed: %s", job_id, stage.name, type(error).__name__)
        await self._note(job_id, stage.name, status=Status.FAILED, note=str(error), finished_at=now())

    async def _finish(self, job_id: str, errors: list[BaseException]) -> str:
        for error in errors:
            if isinstance(error, (dbos_error.DBOSWorkflowCancelledError, asyncio.CancelledError)):
                await asyncio.to_thread(self._jobs.finish, job_id, Status.CANCELLED)
                raise error
        causes = [error for error in errors if not isinstance(error, NotRun)]
        status = Status.FAILED if causes else Status.COMPLETED
        await asyncio.to_thread(self._jobs.finish, job_id, status, problem_of(_cause(causes[0])) if causes else None)
        logger.info("job %s %s", job_id, status)
        return status

    async def _note(self, job_id: str, stage: str, **changes: Any) -> None:
        await asyncio.to_thread(self._jobs.update_stage, job_id, stage, **changes)


class StageLost(TuttiError):
    """The process or machine that ran {stage} died each time it was tried. See the server's log and memory."""

    retry = True


def _cause(error: BaseException) -> TuttiError:
    """What a job's owner is told: unexpected errors only by their being so."""
    if isinstance(error, dbos_error.DBOSMaxStepRetriesExceeded):
        error = error.errors[-1]
    if isinstance(error, TuttiError):
        return error
    logger.error("unexpected error in a job", exc_info=error)
    return TuttiError()


def _failed(before: Mapping[str, asyncio.Task[Roles]]) -> str:
    return next((name for name, task in before.items() if task.done() and task.exception()), "an earlier stage")


def launch(settings: Settings, executor: str) -> None:
    """Start DBOS in this process, after a `Conductor` was made: it resumes what `executor` left unfinished."""
    config: DBOSConfig = {
        "name": "tutti",
        "system_database_url": jobs_database_url(settings),
        "application_version": WORKFLOW_VERSION,
        "executor_id": executor,
        "log_level": "WARNING",
    }
    DBOS(config=config)
    DBOS.launch()


async def open_queue(settings: Settings) -> None:
    """Begin to take jobs."""
    await DBOS.register_queue_async(
        QUEUE,
        worker_concurrency=settings.max_running_jobs,
        polling_interval_sec=QUEUE_POLL_S,
        on_conflict="always_update",
    )
