"""The drum-score API, as existing clients of it speak: one upload, one status, three downloads, on our own resources.

Its progress is in whole per cent, and its statuses name what is being done. A job started here is a job like any
other, and every job can be asked for here; a recipe without a drum sheet has nothing to download.
"""

import asyncio
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Self

from fastapi import APIRouter, Response
from pydantic import BaseModel
from starlette.background import BackgroundTask
from starlette.requests import Request
from starlette.responses import FileResponse

from app import audio
from app.api.access import Access, Owner, Shelf
from app.api.backend import Backend
from app.api.content import disposition, respond_with_content
from app.api.intake import receive_upload
from app.api.schemas import PREFIX, Labels
from app.api.tracks import add
from app.catalogue import Artifact
from app.errors import NotReady, UnknownArtifact
from app.job import Job, Status

router = APIRouter(tags=["drum score"])

FIELD = "audio_file"
RECIPE = "drum_score"
STEM = "stems/drums.flac"


class DrumStatus(StrEnum):
    """Where a job stands, as the contract has it."""

    PENDING = "pending"  # waits for its turn
    SEPARATING = "separating"
    TRANSCRIBING = "transcribing"
    GENERATING_SHEET = "generating_sheet"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @classmethod
    def of(cls, job: Job) -> Self:
        if job.status is Status.QUEUED:
            return cls("pending")
        if job.status.is_final:
            return cls(job.status)
        open_stages = {run.stage for run in job.stages if not run.status.is_final}
        if "separation" in open_stages:
            return cls("separating")
        return cls("generating_sheet" if open_stages <= {"drum_score", "score"} else "transcribing")


MESSAGES = {
    DrumStatus.PENDING: "Waiting for its turn.",
    DrumStatus.SEPARATING: "Taking the drums out of the recording.",
    DrumStatus.TRANSCRIBING: "Writing down the strokes.",
    DrumStatus.GENERATING_SHEET: "Engraving the drum sheet.",
    DrumStatus.COMPLETED: "Completed.",
    DrumStatus.FAILED: "Failed.",
    DrumStatus.CANCELLED: "Cancelled.",
}


class DrumJob(BaseModel):
    job_id: str
    status: DrumStatus
    filename: str
    created_at: datetime
    updated_at: datetime
    message: str
    progress: int


class DrumJobStatus(BaseModel):
    job_id: str
    status: DrumStatus
    progress: int
    message: str
    result_url: str | None
    midi_url: str | None
    drum_audio_url: str | None


_BODY = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": [FIELD],
                    "properties": {FIELD: {"type": "string", "format": "binary"}},
                }
            }
        },
    }
}


@router.post("/transcribe", openapi_extra=_BODY)
async def transcribe(request: Request, owner: Owner, backend: Access, library: Shelf) -> DrumJob:
    """Send a recording in the multipart field `audio_file`; a job that makes its drum sheet is queued."""
    with TemporaryDirectory(prefix="tutti-") as folder:
        upload = await receive_upload(request, FIELD, backend.settings.max_upload_bytes, Path(folder))
        track = await add(library, owner, upload, Labels())
    job = await asyncio.to_thread(backend.desk.submit, owner, track.id, RECIPE, {})
    status = DrumStatus.of(job)
    return DrumJob(
        job_id=job.id,
        status=status,
        filename=track.filename,
        created_at=job.created_at,
        updated_at=job.updated_at,
        message=_message(job),
        progress=_per_cent(job),
    )


@router.get("/status/{job_id}")
def get_status(job_id: str, owner: Owner, backend: Access) -> DrumJobStatus:
    """Where the job stands, and where its results are once it is completed."""
    job = backend.jobs.job(owner, job_id)
    status = DrumStatus.of(job)
    urls = f"{PREFIX}/download/{job_id}" if status is DrumStatus.COMPLETED else None
    return DrumJobStatus(
        job_id=job_id,
        status=status,
        progress=_per_cent(job),
        message=_message(job),
        result_url=urls and f"{urls}/pdf",
        midi_url=urls and f"{urls}/midi",
        drum_audio_url=urls and f"{urls}/audio",
    )


@router.get("/download/{job_id}/pdf", response_class=Response)
def download_pdf(job_id: str, request: Request, owner: Owner, backend: Access) -> Response:
    """The drum sheet."""
    return _stored(request, backend, owner, job_id, "drums.pdf", f"drum_sheet_{job_id}.pdf")


@router.get("/download/{job_id}/midi", response_class=Response)
def download_midi(job_id: str, request: Request, owner: Owner, backend: Access) -> Response:
    """The drums as a Standard MIDI File."""
    return _stored(request, backend, owner, job_id, "midi/drums.mid", f"drums_{job_id}.mid")


@router.get("/download/{job_id}/audio", response_class=FileResponse)
def download_audio(job_id: str, owner: Owner, backend: Access) -> FileResponse:
    """The drum stem as WAV."""
    artifact = _made(backend, owner, job_id, STEM)
    folder = TemporaryDirectory(prefix="tutti-")
    wav = Path(folder.name) / "drums.wav"
    with backend.store.files({artifact.role: artifact.digest}) as files:
        audio.write_wav(wav, audio.open_recording(files[artifact.role]))
    headers = {"Content-Disposition": disposition(f"drums_{job_id}.wav", download=True)}
    return FileResponse(wav, headers=headers, media_type="audio/wav", background=BackgroundTask(folder.cleanup))


def _stored(request: Request, backend: Backend, owner: str, job_id: str, role: str, filename: str) -> Response:
    made = _made(backend, owner, job_id, role)
    return respond_with_content(
        request, backend.store, made.digest, made.size_bytes, role, made.media_type, filename, download=True
    )


def _made(backend: Backend, owner: str, job_id: str, role: str) -> Artifact:
    """What a completed job made in this role. Raises `UnknownJob`, `NotReady`, `UnknownArtifact`."""
    job = backend.jobs.job(owner, job_id)
    if job.status is not Status.COMPLETED:
        raise NotReady(what=role, status=job.status)
    for artifact in backend.catalogue.job_artifacts(job_id):
        if artifact.role == role:
            return artifact
    raise UnknownArtifact(artifact=role)


def _per_cent(job: Job) -> int:
    return int(job.progress * 100)


def _message(job: Job) -> str:
    return job.error["detail"] if job.error else MESSAGES[DrumStatus.of(job)]
