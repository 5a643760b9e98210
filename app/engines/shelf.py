"""Loaded engines, kept for the next run."""

from collections import OrderedDict
from threading import Lock
from typing import Any

from app.engines.contract import Engine
from app.engines.registry import Chosen
from app.weights import Models

KEPT = 2
"""Engines kept at once. Two: the usual one and one that somebody asked for by name; more would fill a shared GPU."""


class Shelf:
    """Engines with their weights loaded, the least recently used given up first."""

    def __init__(self, models: Models, device: str) -> None:
        self._models = models
        self._device = device
        self._engines: OrderedDict[tuple[str, str | None], Engine[Any, Any, Any]] = OrderedDict()
        self._lock = Lock()

    def take(self, chosen: Chosen) -> Engine[Any, Any, Any]:
        """The engine, loaded now unless it is here already."""
        identity = chosen.engine.identity(chosen.options, self._models)
        name = (identity.engine, identity.weights)
        with self._lock:
            if name not in self._engines:
                self._engines[name] = chosen.engine(chosen.options, self._models, self._device)
            self._engines.move_to_end(name)
            while len(self._engines) > KEPT:
                self._engines.popitem(last=False)
            return self._engines[name]

    def loaded(self) -> list[str]:
        return [engine for engine, _ in self._engines]
