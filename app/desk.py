"""Where jobs are handed in and called off: the conductor's queue, seen from outside."""

from collections.abc import Mapping
from typing import Any

from dbos import DBOSClient

from app.catalogue import Catalogue
from app.engines.registry import read_choice
from app.errors import UnknownOption
from app.job import Job, Jobs, Status
from app.recipes import plan
from app.settings import Settings

QUEUE = "jobs"
WORKFLOW = "walk"
WORKFLOW_VERSION = "1"
"""Counted up when the steps of the workflow change, so that jobs begun by an older one are not replayed wrongly."""
CLASS = "Conductor"
INSTANCE = "conductor"


def jobs_database_url(settings: Settings) -> str:
    """Where DBOS keeps its steps: beside the catalogue, in a schema or a file of its own."""
    if settings.database_url.startswith("sqlite"):
        return f"sqlite:///{settings.data_dir / 'dbos.db'}"
    return settings.database_url.replace("postgresql+psycopg://", "postgresql://")


class JobDesk:
    """Where jobs are handed in and called off. Blocking: call it from a thread."""

    def __init__(self, settings: Settings, catalogue: Catalogue, jobs: Jobs) -> None:
        self._catalogue = catalogue
        self._jobs = jobs
        self._client = DBOSClient(system_database_url=jobs_database_url(settings), application_name="tutti", lazy=True)

    def submit(self, owner: str, track_id: str, recipe: str, options: Mapping[str, Mapping[str, Any]]) -> Job:
        """Queue a job. `options` are by task. Raises `UnknownTrack`, `UnknownRecipe`, `UnknownOption`."""
        stages = plan(recipe)
        check_options(options, {stage.task for stage in stages})
        track = self._catalogue.track(owner, track_id)
        job = self._jobs.add(owner, track.id, recipe, dict(options), {stage.name: stage.weight for stage in stages})
        self._enqueue(job)
        return job

    def cancel(self, owner: str, job_id: str) -> Job:
        """Call a job off; one that has ended stays as it is. Raises `UnknownJob`."""
        job = self._jobs.job(owner, job_id)
        if not job.status.is_final:
            self._jobs.request_cancel(job_id)
            self._client.cancel_workflow(job_id)
            if job.status is Status.QUEUED:
                self._jobs.finish(job_id, Status.CANCELLED)
        return self._jobs.job(owner, job_id)

    def resume(self) -> None:
        """Put right what a crash between two writes left: jobs noted but not queued, or called off halfway."""
        for job in self._jobs.unfinished():
            if job.cancel_requested:
                self._client.cancel_workflow(job.id)
                self._jobs.finish(job.id, Status.CANCELLED)
            else:
                self._enqueue(job)  # does nothing where the workflow is known

    def _enqueue(self, job: Job) -> None:
        self._client.enqueue(
            {
                "workflow_name": WORKFLOW,
                "class_name": CLASS,
                "instance_name": INSTANCE,
                "queue_name": QUEUE,
                "workflow_id": job.id,
                "app_version": WORKFLOW_VERSION,
                "priority": job.place,
            },
            job.id,
        )


def check_options(options: Mapping[str, Mapping[str, Any]], tasks: set[str]) -> None:
    """Raises `UnknownOption` for a task that the recipe has not, and for what no engine of a task understands."""
    for task, wanted in options.items():
        if task not in tasks:
            raise UnknownOption(option=task, reason=f"this recipe takes options for {', '.join(sorted(tasks))}")
        read_choice(task, wanted)
