"""Goals, and the stages that reach them. Pure: no I/O, no Ray."""

from collections.abc import Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cache
from graphlib import TopologicalSorter

from app.errors import UnknownRecipe
from app.stages import STAGES, Stage


@dataclass(frozen=True)
class Recipe:
    """A named goal: the stages whose results are wanted. What those need comes along by itself."""

    name: str
    summary: str
    goals: tuple[str, ...]


RECIPES: Mapping[str, Recipe] = {
    recipe.name: recipe
    for recipe in (
        Recipe("transcribe", "Everything: stems, notes, drums, lyrics, analysis and sheet music.", tuple(STAGES)),
        Recipe("stems", "Drums, bass, voice and the rest, each in a file of its own.", ("separation",)),
        Recipe("drum_score", "A drum sheet, drum MIDI and the drum stem.", ("drum_score",)),
        Recipe("lyrics", "The sung words, with their times.", ("lyrics",)),
        Recipe("analysis", "Tempo, beats, key and chords.", ("rhythm",)),
    )
}


def recipe_called(name: str) -> Recipe:
    """Raises `UnknownRecipe`."""
    if name not in RECIPES:
        raise UnknownRecipe(recipe=name, known=", ".join(RECIPES))
    return RECIPES[name]


@cache
def needs(stage: Stage) -> tuple[str, ...]:
    """The stages that make what this stage takes."""
    return tuple(
        other.name
        for other in STAGES.values()
        if any(_overlap(made, needed) for made in other.makes for needed in stage.needs)
    )


@cache
def plan(recipe: str) -> tuple[Stage, ...]:
    """Every stage that the recipe needs, each after those whose results it takes. Raises `UnknownRecipe`."""
    graph: dict[str, tuple[str, ...]] = {}
    wanted = list(recipe_called(recipe).goals)
    while wanted:
        name = wanted.pop()
        if name not in graph:
            graph[name] = needs(STAGES[name])
            wanted.extend(graph[name])
    order = list(STAGES)
    sorter = TopologicalSorter({name: graph[name] for name in sorted(graph, key=order.index)})
    return tuple(STAGES[name] for name in sorter.static_order())


def _overlap(made: str, needed: str) -> bool:
    return fnmatchcase(made, needed) or fnmatchcase(needed, made)
