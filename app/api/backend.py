"""What the HTTP API stands on. `ingress.create_app(backend)` makes the FastAPI application; neither knows of Ray."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from app.catalogue import Catalogue
from app.desk import JobDesk
from app.job import Jobs
from app.running import EngineReport
from app.settings import Settings
from app.store import Store


@dataclass(frozen=True)
class Backend:
    settings: Settings
    """Resolved."""
    catalogue: Catalogue
    jobs: Jobs
    store: Store
    desk: JobDesk
    describe: Callable[[], Awaitable[list[EngineReport]]]
    """Asks every task's deployment how it stands."""
