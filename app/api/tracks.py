"""Tracks: sending recordings, by upload or by link, and keeping them in order."""

import asyncio
from pathlib import Path
from tempfile import TemporaryDirectory

from fastapi import APIRouter, Response
from pydantic import ValidationError
from starlette.requests import Request

from app.api.access import Access, Limit, Offset, Owner, Shelf
from app.api.content import respond_with_content
from app.api.fetch import fetch_url
from app.api.intake import Upload, receive_upload
from app.api.problems import invalid
from app.api.schemas import PREFIX, ArtifactView, Labels, Listing, Page, TrackChange, TrackFromUrl, TrackView
from app.catalogue import Track
from app.library import Library
from app.settings import Settings
from app.stages import ORIGINAL

router = APIRouter(prefix="/tracks", tags=["tracks"])

FIELD = "file"
MEDIA_TYPES = {
    "aac": "audio/aac",
    "aiff": "audio/aiff",
    "flac": "audio/flac",
    "matroska": "audio/webm",
    "mp3": "audio/mpeg",
    "mp4": "audio/mp4",
    "ogg": "audio/ogg",
    "wav": "audio/wav",
}
"""By the names of containers in `audio.SoundFile`."""

_BODY = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": [FIELD],
                    "properties": {
                        FIELD: {"type": "string", "format": "binary"},
                        "title": {"type": "string"},
                        "artist": {"type": "string"},
                    },
                }
            },
            "application/json": {"schema": TrackFromUrl.model_json_schema()},
        },
    }
}


@router.post("", status_code=201, openapi_extra=_BODY)
async def send_track(request: Request, response: Response, owner: Owner, backend: Access, library: Shelf) -> TrackView:
    """Send a recording: the file itself in the multipart field `file`, or `{"url": …}` as JSON."""
    with TemporaryDirectory(prefix="tutti-") as folder:
        is_json = request.headers.get("content-type", "").startswith("application/json")
        take = _fetch if is_json else _receive
        upload, labels = await take(request, backend.settings, Path(folder))
        track = await add(library, owner, upload, labels)
    response.headers["Location"] = f"{PREFIX}/tracks/{track.id}"
    return TrackView.model_validate(track)


@router.get("")
def list_tracks(owner: Owner, backend: Access, limit: Limit = 50, offset: Offset = 0) -> Page[TrackView]:
    """The tracks in the library, newest first."""
    tracks, total = backend.catalogue.tracks(owner, limit, offset)
    items = [TrackView.model_validate(track) for track in tracks]
    return Page(items=items, total=total, limit=limit, offset=offset)


@router.get("/{track_id}")
def get_track(track_id: str, owner: Owner, backend: Access) -> TrackView:
    """What a track is called and what kind of file it came in."""
    return TrackView.model_validate(backend.catalogue.track(owner, track_id))


@router.patch("/{track_id}")
def rename_track(track_id: str, change: TrackChange, owner: Owner, backend: Access) -> TrackView:
    """Change what the track is called. Sheet music made from now on bears the new name."""
    return TrackView.model_validate(backend.catalogue.rename(owner, track_id, change.title, change.artist))


@router.delete("/{track_id}", status_code=204)
def delete_track(track_id: str, owner: Owner, library: Shelf) -> None:
    """Delete a track, its artifacts and its jobs. What another track shares with it stays."""
    library.delete(owner, track_id)


@router.get("/{track_id}/artifacts")
def list_artifacts(track_id: str, owner: Owner, backend: Access) -> Listing[ArtifactView]:
    """All that was ever made of the track, newest first."""
    found = backend.catalogue.artifacts(owner, track_id)
    return Listing(items=[ArtifactView.model_validate(artifact) for artifact in found])


@router.head("/{track_id}/content", include_in_schema=False)
@router.get("/{track_id}/content", response_class=Response)
def get_content(track_id: str, request: Request, owner: Owner, backend: Access) -> Response:
    """The recording as it was sent, whole or a range of it; with `?download` as an attachment."""
    track = backend.catalogue.track(owner, track_id)
    kind = MEDIA_TYPES[track.container]
    return respond_with_content(request, backend.store, track.digest, track.size_bytes, ORIGINAL, kind, track.filename)


async def add(library: Library, owner: str, upload: Upload, labels: Labels) -> Track:
    return await asyncio.to_thread(library.add, owner, upload.path, upload.filename, labels.title, labels.artist)


async def _fetch(request: Request, settings: Settings, folder: Path) -> tuple[Upload, Labels]:
    try:
        wanted = TrackFromUrl.model_validate_json(await request.body())
    except ValidationError as error:
        raise invalid(error.errors()) from error
    return await fetch_url(wanted.url, settings.max_upload_bytes, folder, settings.allow_private_urls), wanted


async def _receive(request: Request, settings: Settings, folder: Path) -> tuple[Upload, Labels]:
    upload = await receive_upload(request, FIELD, settings.max_upload_bytes, folder)
    sent = {name: upload.fields[name] for name in Labels.model_fields if name in upload.fields}
    try:
        return upload, Labels.model_validate(sent)
    except ValidationError as error:
        raise invalid(error.errors()) from error
