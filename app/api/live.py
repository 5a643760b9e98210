"""Jobs as they go on: server-sent events and a WebSocket, both with the same JSON as GET /jobs/ID."""

import asyncio
import time
from collections.abc import AsyncIterator

from fastapi import APIRouter, Response, WebSocket
from starlette.requests import Request
from starlette.responses import StreamingResponse
from starlette.websockets import WebSocketDisconnect

from app.api.access import Access, Owner
from app.api.backend import Backend
from app.api.problems import document
from app.api.schemas import JobView
from app.errors import TuttiError, UnknownJob
from app.job import Job

router = APIRouter(prefix="/jobs", tags=["jobs"])

LOOK_S = 0.2
"""How often the job is looked at: progress is not written more often (`runtime.TELL_S`)."""
HEARTBEAT_S = 15.0
"""Silence after which a comment is sent: proxies give up connections that are silent for 30 to 60 s."""
UNKNOWN_JOB_CODE = 4404
"""WebSocket close code, of those that are free for applications."""


class EventStream(StreamingResponse):
    media_type = "text/event-stream"


@router.get("/{job_id}/events", response_class=EventStream)
async def follow_job(job_id: str, request: Request, owner: Owner, backend: Access) -> Response:
    """The job each time it changes, as server-sent events: `progress` while it goes on, and at last `end`.

    An `EventSource` that was told the end and comes back (they do, unless they are closed) is told that there is no
    more: 204, and it stays away.
    """
    job = await asyncio.to_thread(backend.jobs.job, owner, job_id)
    if job.status.is_final and request.headers.get("last-event-id") == _event_id(job):
        return Response(status_code=204)
    headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}  # nginx would hold events back
    return EventStream(_events(backend, job), headers=headers)


@router.websocket("/{job_id}/ws")
async def watch_job(websocket: WebSocket, job_id: str, owner: Owner, backend: Access) -> None:
    """The job each time it changes, and a normal close at its end. A problem document and code 4404: no such job."""
    await websocket.accept()
    try:
        job = await asyncio.to_thread(backend.jobs.job, owner, job_id)
    except TuttiError as error:
        await websocket.send_json(document(websocket, error))
        await websocket.close(UNKNOWN_JOB_CODE)
        return
    telling = asyncio.create_task(_tell(websocket, backend, job))
    listening = asyncio.create_task(_listen(websocket))
    done, pending = await asyncio.wait({telling, listening}, return_when=asyncio.FIRST_COMPLETED)
    for task in pending:
        task.cancel()
    await asyncio.gather(*pending, return_exceptions=True)
    for task in done:
        task.result()


async def states(backend: Backend, job: Job) -> AsyncIterator[Job | None]:
    """The job now and whenever it has changed, up to its end; None each time nothing was said for a while."""
    yield job
    said = time.monotonic()
    while not job.status.is_final:
        await asyncio.sleep(LOOK_S)
        try:
            before, job = job, await asyncio.to_thread(backend.jobs.any_owner, job.id)
        except UnknownJob:  # it ended, and was deleted with its track, between two looks
            return
        if job != before:
            yield job
        elif time.monotonic() - said < HEARTBEAT_S:
            continue
        else:
            yield None
        said = time.monotonic()


async def _events(backend: Backend, job: Job) -> AsyncIterator[str]:
    async for state in states(backend, job):
        if state is None:
            yield ": still here\n\n"
            continue
        name = "end" if state.status.is_final else "progress"
        data = JobView.model_validate(state).model_dump_json()
        yield f"id: {_event_id(state)}\nevent: {name}\ndata: {data}\n\n"


def _event_id(job: Job) -> str:
    return f"{job.status}-{job.updated_at.isoformat()}"


async def _tell(websocket: WebSocket, backend: Backend, job: Job) -> None:
    async for state in states(backend, job):
        if state is not None:
            await websocket.send_text(JobView.model_validate(state).model_dump_json())
    await websocket.close()


async def _listen(websocket: WebSocket) -> None:
    """Until the other side goes; what it says meanwhile means nothing here."""
    try:
        while True:
            await websocket.receive_text()
    except WebSocketDisconnect:
        return
