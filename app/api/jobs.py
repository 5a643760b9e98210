"""Jobs: asking for work, following it, calling it off."""

from typing import Annotated

from fastapi import APIRouter, Query, Response

from app.api.access import Access, Limit, Offset, Owner
from app.api.schemas import PREFIX, ArtifactView, JobRequest, JobView, Page, Report, TrackView
from app.job import Status

router = APIRouter(prefix="/jobs", tags=["jobs"])


@router.post("", status_code=201)
def start_job(wanted: JobRequest, response: Response, owner: Owner, backend: Access) -> JobView:
    """Queue one run of a recipe on a track."""
    job = backend.desk.submit(owner, wanted.track_id, wanted.recipe, wanted.options)
    response.headers["Location"] = f"{PREFIX}/jobs/{job.id}"
    return JobView.model_validate(job)


@router.get("")
def list_jobs(
    owner: Owner,
    backend: Access,
    limit: Limit = 50,
    offset: Offset = 0,
    track_id: str | None = None,
    status: Annotated[Status | None, Query(description="Only jobs that stand so.")] = None,
) -> Page[JobView]:
    """The jobs, newest first."""
    jobs, total = backend.jobs.jobs(owner, limit, offset, track_id, status)
    return Page(items=[JobView.model_validate(job) for job in jobs], total=total, limit=limit, offset=offset)


@router.get("/{job_id}")
def get_job(job_id: str, owner: Owner, backend: Access) -> JobView:
    """Where a job and each of its stages stand."""
    return JobView.model_validate(backend.jobs.job(owner, job_id))


@router.delete("/{job_id}")
def cancel_job(job_id: str, owner: Owner, backend: Access) -> JobView:
    """Call a job off. What it was doing stops soon; what it had made stays. One that has ended stays as it is."""
    return JobView.model_validate(backend.desk.cancel(owner, job_id))


@router.get("/{job_id}/report")
def get_report(job_id: str, owner: Owner, backend: Access) -> Report:
    """Everything that the job made so far: by which engine, with which weights and parameters, in how many seconds."""
    job = backend.jobs.job(owner, job_id)
    return Report(
        track=TrackView.model_validate(backend.catalogue.track(owner, job.track_id)),
        job=JobView.model_validate(job),
        artifacts=[ArtifactView.model_validate(artifact) for artifact in backend.catalogue.job_artifacts(job_id)],
    )
