"""Artifacts: the files that jobs made."""

from fastapi import APIRouter, Response
from starlette.requests import Request

from app.api.access import Access, Owner
from app.api.content import name_for, respond_with_content
from app.api.schemas import ArtifactView

router = APIRouter(prefix="/artifacts", tags=["artifacts"])


@router.get("/{artifact_id}")
def get_artifact(artifact_id: str, owner: Owner, backend: Access) -> ArtifactView:
    """What a file is, and how it was made."""
    return ArtifactView.model_validate(backend.catalogue.artifact(owner, artifact_id))


@router.head("/{artifact_id}/content", include_in_schema=False)
@router.get("/{artifact_id}/content", response_class=Response)
def get_content(artifact_id: str, request: Request, owner: Owner, backend: Access) -> Response:
    """The file, whole or a range of it; with `?download` as an attachment."""
    artifact = backend.catalogue.artifact(owner, artifact_id)
    title = backend.catalogue.track(owner, artifact.track_id).title
    return respond_with_content(
        request,
        backend.store,
        artifact.digest,
        artifact.size_bytes,
        artifact.role,
        artifact.media_type,
        name_for(title, artifact.role),
    )
