"""Which engines there are, best first, and which of them a run gets."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from functools import cache
from importlib import import_module
from typing import Any

from pydantic import TypeAdapter, ValidationError

from app.engines.contract import Engine, Options
from app.errors import NoEngine, UnknownOption
from app.weights import Models

ENGINES: Mapping[str, tuple[str, ...]] = {
    "separation": ("app.engines.separation.demucs:Demucs", "app.engines.separation.spectral:Spectral"),
    "rhythm": ("app.engines.rhythm.librosa:Librosa",),
    "notes": ("app.engines.notes.basic_pitch:BasicPitch",),
    "drums": ("app.engines.drums.onset:Onset",),
    "lyrics": ("app.engines.lyrics.whisper:Whisper",),
    "score": ("app.score.engraver:Engraver",),
}
"""Task to its engines, best first; the last of each needs no download, but for lyrics, where nothing can replace a
language model."""

AUTO = "auto"


@dataclass(frozen=True)
class Choice:
    """What a caller asked of one task: an engine's name or `auto`, and options by name."""

    engine: str = AUTO
    options: tuple[tuple[str, Any], ...] = ()


@dataclass(frozen=True)
class Chosen:
    """The engine that a choice gets."""

    engine: type[Engine[Any, Any, Any]]
    options: Options
    instead_of: str
    """Why better engines were passed over; empty where the best one was taken."""


@cache
def engines_for(task: str) -> tuple[type[Engine[Any, Any, Any]], ...]:
    """The engine classes of a task, best first."""
    classes = []
    for path in ENGINES[task]:
        module, _, name = path.partition(":")
        classes.append(getattr(import_module(module), name))
    return tuple(classes)


def read_choice(task: str, wanted: Mapping[str, Any]) -> Choice:
    """Check what a caller wants of `task`, as `{"engine": "demucs", "model": "htdemucs_ft"}`.

    Raises `UnknownOption` where no engine of the task has such an option or takes such a value.
    """
    wanted = dict(wanted)
    engine = wanted.pop("engine", AUTO)
    known = [cls.name for cls in engines_for(task)]
    if engine not in (AUTO, *known):
        raise UnknownOption(option=f"{task}.engine={engine}", reason=f"choose one of {', '.join([AUTO, *known])}")
    choice = Choice(engine=engine, options=tuple(sorted(wanted.items())))
    problems = [problem for cls in _candidates(task, choice) if (problem := _problem(cls, wanted))]
    if len(problems) == len(_candidates(task, choice)):
        raise UnknownOption(option=f"{task}: {wanted}", reason="; ".join(problems))
    return choice


def choose(task: str, choice: Choice, models: Models) -> Chosen:
    """The first engine that takes these options and whose weights are there, or may be fetched.

    Raises `NoEngine` with the reason for each engine passed over.
    """
    reasons: list[str] = []
    for cls in _candidates(task, choice):
        reason = _problem(cls, dict(choice.options))
        if not reason:
            options = _options(cls, dict(choice.options))
            weights = cls.weights(options)
            reason = models.missing(weights) if weights else None
            if not reason:
                return Chosen(engine=cls, options=options, instead_of=" ".join(reasons))
        reasons.append(f"{cls.name}: {reason}")
    raise NoEngine(task=task, reasons=" ".join(reasons))


def _candidates(task: str, choice: Choice) -> list[type[Engine[Any, Any, Any]]]:
    return [cls for cls in engines_for(task) if choice.engine in (AUTO, cls.name)]


def _options(cls: type[Engine[Any, Any, Any]], wanted: Mapping[str, Any]) -> Options:
    return TypeAdapter(cls.options_type).validate_python(dict(wanted))


def _problem(cls: type[Engine[Any, Any, Any]], wanted: Mapping[str, Any]) -> str | None:
    """Why this engine cannot take these options, or None."""
    names = [option.name for option in fields(cls.options_type)]
    unknown = [name for name in wanted if name not in names]
    if unknown:
        return f"{cls.name} has no option {', '.join(unknown)} (it has: {', '.join(names) or 'none'})."
    try:
        _options(cls, wanted)
    except ValidationError as error:
        return "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors()) + "."
    return None
