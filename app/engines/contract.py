"""What every engine is: a class that loads its weights once and then turns a list of inputs into a list of outputs."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import ClassVar, Generic, TypeVar

import numpy as np

from app.errors import BadAudio
from app.music import Audio, FloatArray
from app.weights import Models

Progress = Callable[[float], None]
"""Takes the fraction done, 0 to 1. Raises `errors.JobCancelled` when the work is no longer wanted: let it through."""

In = TypeVar("In")
Out = TypeVar("Out")
Opt = TypeVar("Opt", bound="Options")


def unheard(fraction: float) -> None:
    """A Progress nobody listens to."""


def samples_of(audio: Audio, rate_hz: int) -> FloatArray:
    """The input of a task that takes mono audio at `rate_hz`, shape (frames,).

    Raises `errors.BadAudio` where the rate is another, or a sample is not a finite number.
    """
    if audio.rate_hz != rate_hz:
        raise BadAudio(reason=f"it has {audio.rate_hz} Hz where {rate_hz} Hz are taken")
    if not np.isfinite(audio.samples).all():
        raise BadAudio(reason="it holds samples that are not finite numbers (NaN or infinity)")
    return audio.mono()


@dataclass(frozen=True)
class Options:
    """What a caller may choose for one run. Engines extend it with fields of their own.

    Fields have plain types (`Literal`, `Annotated[int, Ge(1)]`…), a default and a docstring: they are validated,
    documented in the API and part of the key under which results are kept.
    """


@dataclass(frozen=True)
class EngineIdentity:
    """Which engine made an artifact, recorded with it and part of its key."""

    task: str
    engine: str
    version: str
    """Changes whenever the same input could give another output."""
    weights: str | None
    """Name and fingerprint of the weights, `htdemucs@5d2a9f0c31ab`; None where there are none."""


class Engine(ABC, Generic[In, Out, Opt]):
    """One way to do one task.

    The constructor loads weights and is slow; `run` may be called many times, by one thread at a time. The same
    inputs and options must always give the same outputs.
    """

    task: ClassVar[str]
    name: ClassVar[str]
    version: ClassVar[str]
    options_type: ClassVar[type[Options]] = Options

    def __init__(self, options: Opt, models: Models, device: str = "cpu") -> None:
        """Load what `options` ask for onto `device` (`cpu`, `cuda`). Raises `errors.WeightsMissing`."""
        self.device = device

    @classmethod
    def weights(cls, options: Opt) -> str | None:
        """The name in `app.weights.TABLE` of the weights that these options need, or None."""
        return None

    @classmethod
    def identity(cls, options: Opt, models: Models) -> EngineIdentity:
        name = cls.weights(options)
        weights = None if name is None else f"{name}@{models.fingerprint(name)}"
        return EngineIdentity(task=cls.task, engine=cls.name, version=cls.version, weights=weights)

    @abstractmethod
    def run(self, inputs: Sequence[In], options: Opt, progress: Progress = unheard) -> list[Out]:
        """One output for each input, in order. A batch gives the same as its items one by one.

        Raises `errors.BadAudio` where an input holds NaN or infinity. Empty and silent inputs give empty results.
        """
