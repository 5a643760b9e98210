"""Recipes: every goal comes with what it needs, in an order that can be walked."""

import pytest

from app.errors import UnknownRecipe
from app.recipes import RECIPES, needs, plan
from app.stages import STAGES


def test_stages_need_whoever_makes_their_files() -> None:
    assert {name: set(needs(stage)) for name, stage in STAGES.items()} == {
        "separation": set(),
        "rhythm": set(),
        "notes": {"separation"},
        "drums": {"separation"},
        "lyrics": {"separation"},
        "drum_score": {"rhythm", "drums"},
        "score": {"rhythm", "notes", "drums"},
    }


def test_a_plan_holds_only_what_the_goal_needs() -> None:
    assert [stage.name for stage in plan("analysis")] == ["rhythm"]
    assert [stage.name for stage in plan("lyrics")] == ["separation", "lyrics"]
    assert {stage.name for stage in plan("drum_score")} == {"separation", "rhythm", "drums", "drum_score"}
    assert {stage.name for stage in plan("transcribe")} == set(STAGES)


@pytest.mark.parametrize("recipe", RECIPES)
def test_no_stage_comes_before_what_it_needs(recipe: str) -> None:
    names = [stage.name for stage in plan(recipe)]
    assert all(names.index(need) < position for position, name in enumerate(names) for need in needs(STAGES[name]))


def test_an_unknown_recipe_names_the_known_ones() -> None:
    with pytest.raises(UnknownRecipe, match=r"no recipe called karaoke.*transcribe, stems"):
        plan("karaoke")


def test_notes_takes_every_stem_but_the_drums() -> None:
    roles = {f"stems/{name}.flac": name for name in ("drums", "bass", "other", "vocals", "guitar", "piano")}
    assert sorted(STAGES["notes"].inputs(roles).values()) == ["bass", "guitar", "other", "piano", "vocals"]
