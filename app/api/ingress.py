"""The FastAPI application: every route and every error, standing on a `Backend`."""

from typing import Any

from fastapi import APIRouter, FastAPI

from app import VERSION
from app.api import artifacts, docs, drum_score, engines, health, jobs, live, problems, tracks
from app.api.backend import Backend
from app.api.limit import BodyLimit
from app.api.schemas import PREFIX, Problem

PROBLEMS: dict[int | str, dict[str, Any]] = {
    code: {"content": {problems.MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}, "description": text}
    for code, text in (("4XX", "The request cannot be met; the detail says why."), ("5XX", "Something broke here."))
}


class Application(FastAPI):
    """Describes problem documents as well."""

    def openapi(self) -> dict[str, Any]:
        described = super().openapi()
        described["components"]["schemas"].setdefault(Problem.__name__, Problem.model_json_schema())
        return described


def create_app(backend: Backend) -> FastAPI:
    app = Application(
        title="Tutti",
        version=VERSION,
        summary="Takes recorded music apart and writes it down.",
        openapi_url="/openapi.json",
        docs_url=None,
        redoc_url=None,
    )
    app.state.backend = backend
    problems.install(app)
    app.add_middleware(BodyLimit)
    api = APIRouter(prefix=PREFIX, responses=PROBLEMS)
    for resource in (tracks, artifacts, jobs, live, engines, health, drum_score):
        api.include_router(resource.router)
    app.include_router(api)
    app.include_router(docs.router)
    return app
