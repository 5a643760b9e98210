"""Jobs: one run of one recipe on one track for one owner, with its progress."""

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Engine

from app.database import aware, now
from app.errors import UnknownJob
from app.tables import job_stages, jobs


class Status(StrEnum):
    """Where a job, or one stage of it, stands."""

    QUEUED = "queued"  # waits for its turn, or for the stages it needs
    RUNNING = "running"
    COMPLETED = "completed"
    FAILED = "failed"  # stopped by an error, which is recorded
    CANCELLED = "cancelled"  # stopped because its owner asked
    SKIPPED = "skipped"  # a stage that cannot run here, with its reason; the job goes on

    @property
    def is_final(self) -> bool:
        return self not in (Status.QUEUED, Status.RUNNING)


@dataclass(frozen=True)
class StageRun:
    """How one stage of a job fares."""

    stage: str
    status: Status
    progress: float
    weight: float
    note: str
    """What a person should know: why it was skipped, what it ran instead of, why it failed."""
    reused: bool
    """Its result was already in the store."""
    seconds: float | None
    """What making the result took, whenever that was."""
    engine: str | None
    engine_version: str | None
    weights: str | None
    parameters: Mapping[str, Any] | None
    started_at: datetime | None
    finished_at: datetime | None


@dataclass(frozen=True)
class Job:
    id: str
    owner: str
    track_id: str
    recipe: str
    options: Mapping[str, Any]
    status: Status
    progress: float
    error: Mapping[str, Any] | None
    """The problem that stopped it, as in RFC 9457: type, title, status, detail."""
    cancel_requested: bool
    place: int
    """Its place in the queue: lower goes first (see `Jobs.add`)."""
    created_at: datetime
    updated_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    stages: tuple[StageRun, ...]


class Jobs:
    """The jobs in a database. Blocking: call it from a thread."""

    def __init__(self, database: Engine) -> None:
        self._database = database

    def add(self, owner: str, track_id: str, recipe: str, options: Any, weights: Mapping[str, float]) -> Job:
        """Note a new job with its stages, `weights` in the order of the DAG, and give it a place in the queue.

        Places follow start-time fair queueing (Goyal, Vin, Cheng, SIGCOMM 1996): an owner's next job comes one place
        after the owner's last, but never before the job that started last. So an owner's jobs keep their order, and
        one who sends a hundred does not keep the others waiting.
        """
        job_id, time = uuid.uuid4().hex, now()
        row = {"id": job_id, "owner": owner, "track_id": track_id, "recipe": recipe, "options": options}
        row |= {"status": Status.QUEUED, "progress": 0.0, "cancel_requested": False}
        with self._database.begin() as connection:
            row["place"] = self._next_place(connection, owner)
            connection.execute(jobs.insert().values(**row, created_at=time, updated_at=time))
            for position, (stage, weight) in enumerate(weights.items()):
                values = {"job_id": job_id, "stage": stage, "position": position, "weight": weight}
                values |= {"status": Status.QUEUED, "progress": 0.0, "note": "", "reused": False}
                connection.execute(job_stages.insert().values(**values))
        return self.job(owner, job_id)

    def job(self, owner: str, job_id: str) -> Job:
        """Raises `UnknownJob`."""
        found = self._jobs(jobs.select().where(jobs.c.id == job_id, jobs.c.owner == owner))
        if not found:
            raise UnknownJob(job_id=job_id)
        return found[0]

    def any_owner(self, job_id: str) -> Job:
        """The job, whoever it belongs to: for the conductor. Raises `UnknownJob`."""
        found = self._jobs(jobs.select().where(jobs.c.id == job_id))
        if not found:
            raise UnknownJob(job_id=job_id)
        return found[0]

    def jobs(
        self, owner: str, limit: int = 50, offset: int = 0, track_id: str | None = None, status: Status | None = None
    ) -> tuple[list[Job], int]:
        """The owner's jobs, newest first, and how many there are in all."""
        query = jobs.select().where(jobs.c.owner == owner)
        if track_id is not None:
            query = query.where(jobs.c.track_id == track_id)
        if status is not None:
            query = query.where(jobs.c.status == status)
        with self._database.connect() as connection:
            total = connection.execute(sa.select(sa.func.count()).select_from(query.subquery())).scalar_one()
        return self._jobs(query.order_by(jobs.c.created_at.desc(), jobs.c.id).limit(limit).offset(offset)), total

    def unfinished(self) -> list[Job]:
        """Everybody's jobs that are queued or running, in the order of the queue."""
        return self._jobs(jobs.select().where(jobs.c.finished_at.is_(None)).order_by(jobs.c.place, jobs.c.created_at))

    def request_cancel(self, job_id: str) -> None:
        self._update_job(job_id, cancel_requested=True)

    def start(self, job_id: str) -> None:
        """The conductor has taken it up, perhaps not for the first time."""
        started = sa.func.coalesce(jobs.c.started_at, now())
        self._update_job(job_id, status=Status.RUNNING, started_at=started)

    def finish(self, job_id: str, status: Status, error: Mapping[str, Any] | None = None) -> None:
        """End a job; what of its stages had not ended ends with it."""
        time = now()
        progress = {"progress": 1.0} if status is Status.COMPLETED else {}
        self._update_job(job_id, status=status, error=error, finished_at=time, **progress)
        open_stages = job_stages.update().where(
            job_stages.c.job_id == job_id, job_stages.c.status.in_([Status.QUEUED, Status.RUNNING])
        )
        with self._database.begin() as connection:
            connection.execute(open_stages.values(status=Status.CANCELLED, finished_at=time))

    def update_stage(self, job_id: str, stage: str, **changes: Any) -> None:
        """Change fields of one `StageRun`, and with them the job's progress, which never runs backwards."""
        here = (job_stages.c.job_id == job_id, job_stages.c.stage == stage)
        total = sa.func.sum(job_stages.c.weight * job_stages.c.progress) / sa.func.sum(job_stages.c.weight)
        with self._database.begin() as connection:
            connection.execute(job_stages.update().where(*here).values(**changes))
            progress = connection.execute(sa.select(total).where(job_stages.c.job_id == job_id)).scalar_one()
            further = sa.case((jobs.c.progress > progress, jobs.c.progress), else_=progress)
            connection.execute(jobs.update().where(jobs.c.id == job_id).values(progress=further, updated_at=now()))

    def _update_job(self, job_id: str, **changes: Any) -> None:
        with self._database.begin() as connection:
            connection.execute(jobs.update().where(jobs.c.id == job_id).values(updated_at=now(), **changes))

    def _jobs(self, query: sa.Select[Any]) -> list[Job]:
        with self._database.connect() as connection:
            rows = [aware(dict(row)) for row in connection.execute(query).mappings()]
            stages = self._stages(connection, [row["id"] for row in rows])
        return [Job(**{**row, "status": Status(row["status"])}, stages=tuple(stages[row["id"]])) for row in rows]

    @staticmethod
    def _stages(connection: sa.Connection, job_ids: Sequence[str]) -> dict[str, list[StageRun]]:
        stages: dict[str, list[StageRun]] = {job_id: [] for job_id in job_ids}
        query = job_stages.select().where(job_stages.c.job_id.in_(job_ids)).order_by(job_stages.c.position)
        for row in connection.execute(query).mappings():
            facts = aware(dict(row))
            del facts["position"]
            job_id = facts.pop("job_id")
            stages[job_id].append(StageRun(**{**facts, "status": Status(facts["status"])}))
        return stages

    @staticmethod
    def _next_place(connection: sa.Connection, owner: str) -> int:
        last_started = sa.select(sa.func.max(jobs.c.place)).where(jobs.c.started_at.is_not(None))
        own_last = sa.select(sa.func.max(jobs.c.place)).where(jobs.c.owner == owner)
        served = connection.execute(last_started).scalar() or 1
        return max(served, (connection.execute(own_last).scalar() or 0) + 1)
