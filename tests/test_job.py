"""Jobs: progress runs forwards, the queue is fair, and what ended stays ended."""

from pathlib import Path

import pytest

from app.catalogue import Catalogue
from app.database import migrate, open_database
from app.errors import UnknownJob
from app.job import Job, Jobs, Status
from tests.test_catalogue import add


@pytest.fixture
def jobs(tmp_path: Path) -> Jobs:
    engine = open_database(f"sqlite:///{tmp_path / 'tutti.db'}")
    migrate(engine)
    self = Jobs(engine)
    self.track_id = add(Catalogue(engine)).id  # type: ignore[attr-defined]
    return self


def send(jobs: Jobs, owner: str = "ada") -> Job:
    track_id: str = jobs.track_id  # type: ignore[attr-defined]
    return jobs.add(owner, track_id, "drum_score", {}, {"separation": 3.0, "drums": 1.0})


def test_progress_is_the_weighted_mean(jobs: Jobs) -> None:
    job = send(jobs)
    jobs.update_stage(job.id, "separation", progress=0.5)
    assert jobs.job("ada", job.id).progress == pytest.approx(0.375)
    jobs.update_stage(job.id, "drums", progress=1.0, status=Status.COMPLETED)
    assert jobs.job("ada", job.id).progress == pytest.approx(0.625)


def test_progress_never_runs_backwards(jobs: Jobs) -> None:
    job = send(jobs)
    seen = []
    for fraction in (0.2, 0.8, 0.1, 0.9):  # a stage that died starts again
        jobs.update_stage(job.id, "separation", progress=fraction)
        seen.append(jobs.job("ada", job.id).progress)
    assert seen == sorted(seen)
    assert seen[2] == seen[1]


def test_finishing_ends_the_stages_too(jobs: Jobs) -> None:
    job = send(jobs)
    jobs.start(job.id)
    jobs.update_stage(job.id, "separation", status=Status.COMPLETED, progress=1.0)
    jobs.finish(job.id, Status.CANCELLED)
    ended = jobs.job("ada", job.id)
    assert [stage.status for stage in ended.stages] == [Status.COMPLETED, Status.CANCELLED]
    assert ended.finished_at is not None
    assert jobs.unfinished() == []


def test_owners_do_not_see_each_other(jobs: Jobs) -> None:
    job = send(jobs)
    with pytest.raises(UnknownJob, match=job.id):
        jobs.job("bob", job.id)
    assert jobs.jobs("bob") == ([], 0)


def test_jobs_can_be_listed_by_status(jobs: Jobs) -> None:
    first, second = send(jobs), send(jobs)
    jobs.finish(first.id, Status.COMPLETED)
    found, total = jobs.jobs("ada", status=Status.QUEUED)
    assert ([job.id for job in found], total) == ([second.id], 1)


def test_an_owner_with_many_jobs_does_not_starve_another(jobs: Jobs) -> None:
    many = [send(jobs, "ada").id for _ in range(5)]
    bob = send(jobs, "bob").id
    queue = [job.id for job in jobs.unfinished()]
    assert queue == [many[0], bob, *many[1:]]


def test_an_owner_who_always_has_one_more_does_not_starve_another(jobs: Jobs) -> None:
    backlog = [send(jobs, "ada").id for _ in range(3)]
    order = []
    for _ in range(6):  # one job runs at a time; bob sends his next as soon as one starts
        send(jobs, "bob")
        head = jobs.unfinished()[0]
        jobs.start(head.id)
        jobs.finish(head.id, Status.COMPLETED)
        order.append(head.owner)
    assert order == ["ada", "bob", "ada", "bob", "ada", "bob"]
    assert all(jobs.job("ada", job_id).status is Status.COMPLETED for job_id in backlog)
