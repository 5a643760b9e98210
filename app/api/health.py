"""How the application stands."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime

from fastapi import APIRouter, Response

from app import VERSION
from app.api.access import Access
from app.api.schemas import Health, TaskHealth
from app.running import EngineReport

router = APIRouter(tags=["health"])

PATIENCE_S = 5.0
"""How long the deployments may take to say how they stand: a fraction of what load balancers allow."""


@router.get("/health", responses={503: {"model": Health, "description": "Not every deployment answers yet."}})
async def get_health(response: Response, backend: Access) -> Health:
    """Which engines are loaded, which stand in for better ones and why, and whether there is a GPU."""
    try:
        async with asyncio.timeout(PATIENCE_S):
            return _health("healthy", await backend.describe())
    except TimeoutError:
        response.status_code = 503
        return _health("starting", [])


def _health(status: str, reports: Sequence[EngineReport]) -> Health:
    return Health(
        status=status,
        version=VERSION,
        models_loaded=bool(reports) and all(report.engine in (None, *report.loaded) for report in reports),
        gpu_available=any(report.device == "cuda" for report in reports),
        timestamp=datetime.now(UTC),
        engines=[TaskHealth.model_validate(report) for report in reports],
    )
