"""The Serve deployments beside the stages: the conductor and the HTTP ingress."""

import asyncio
import logging
from collections.abc import Mapping
from typing import Any

from ray import serve
from ray.exceptions import RayError
from ray.serve.exceptions import RayServeException
from ray.serve.handle import DeploymentHandle

from app import conductor
from app.api.backend import Backend
from app.api.ingress import create_app
from app.catalogue import Catalogue
from app.database import open_database
from app.desk import JobDesk
from app.job import Jobs
from app.running import EngineReport
from app.runtime import ServeRunner, configure_logging
from app.settings import Settings
from app.store import Store

logger = logging.getLogger(__name__)


class ConductorReplica:
    """Hosts the conductor: DBOS in a Serve replica. Its executor is named by rank, so that a restart finds its jobs."""

    async def __init__(  # type: ignore[misc]  # Ray awaits it
        self, settings: Settings, stages: Mapping[str, DeploymentHandle]
    ) -> None:
        configure_logging(settings)
        await asyncio.to_thread(Store(settings.store_url).sweep)
        catalogue, jobs = _open_catalogue(settings)
        conductor.Conductor(catalogue, jobs, {task: ServeRunner(handle) for task, handle in stages.items()})
        rank = serve.get_replica_context().rank
        await asyncio.to_thread(conductor.launch, settings, f"conductor-{rank.rank}")
        await asyncio.to_thread(JobDesk(settings, catalogue, jobs).resume)
        await conductor.open_queue(settings)

    async def ready(self) -> bool:
        """Answers once the constructor is through: the tables that jobs are queued in are there."""
        return True


@serve.ingress()
class Ingress:
    """Answers HTTP. The application itself is `api.ingress.create_app`, which knows nothing of Ray."""

    async def __init__(  # type: ignore[misc]  # Ray awaits it
        self, settings: Settings, conductor: DeploymentHandle, stages: Mapping[str, DeploymentHandle]
    ) -> None:
        configure_logging(settings)
        await conductor.ready.remote()
        self._stages = stages
        self._settings = settings

    def __serve_build_asgi_app__(self) -> Any:
        catalogue, jobs = _open_catalogue(self._settings)
        backend = Backend(
            settings=self._settings,
            catalogue=catalogue,
            jobs=jobs,
            store=Store(self._settings.store_url),
            desk=JobDesk(self._settings, catalogue, jobs),
            describe=self._describe,
        )
        return create_app(backend)

    async def _describe(self) -> list[EngineReport]:
        return await asyncio.gather(*(_report(task, handle) for task, handle in self._stages.items()))


async def _report(task: str, handle: DeploymentHandle) -> EngineReport:
    try:
        report: EngineReport = await handle.describe.remote()
    except (RayError, RayServeException) as error:
        logger.warning("%s does not answer: %s", task, type(error).__name__)
        return EngineReport(task, None, None, None, "Its replica does not answer; Serve starts another.", (), "")
    return report


def _open_catalogue(settings: Settings) -> tuple[Catalogue, Jobs]:
    database = open_database(settings.database_url)
    return Catalogue(database), Jobs(database)
