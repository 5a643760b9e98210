"""What is written agrees with what is there."""

import re
from pathlib import Path

import yaml

from app.engines.registry import ENGINES, engines_for
from app.main import Args
from app.recipes import RECIPES
from app.settings import Settings

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()


def test_every_setting_is_in_the_readme() -> None:
    rows = re.findall(r"^\| `TUTTI_(\w+)` \| (?:`(.*)`)? ?\| (.*) \|$", README, re.MULTILINE)
    written = {name.lower(): (default or "", meaning) for name, default, meaning in rows}
    there = {
        name: (
            "" if field.default in ("", None) else re.sub(r"\.0$", "", str(field.default)).replace("False", "false"),
            field.description,
        )
        for name, field in Settings.model_fields.items()
    }
    assert written == there


def test_every_recipe_and_engine_is_in_the_readme() -> None:
    assert set(re.findall(r"^\| `(\w+)` \|", README, re.MULTILINE)) >= set(RECIPES)
    for task in ENGINES:
        [row] = re.findall(rf"^\| {task} \| (.*)$", README, re.MULTILINE)
        assert all(f"`{engine.name}`" in row for engine in engines_for(task))


def test_every_make_target_in_the_readme_is_there() -> None:
    targets = set(re.findall(r"^(\w+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert set(re.findall(r"make (\w+)", README)) <= targets
    assert {"demo", "run", "test", "lint", "lock", "bench"} <= targets


def test_serve_config_scales_every_task() -> None:
    config = yaml.safe_load((ROOT / "serve_config.yaml").read_text())
    args = Args.model_validate(config["applications"][0]["args"])
    assert set(args.scale) == set(ENGINES)
    assert sum(scale.cpus * scale.min_replicas for scale in args.scale.values()) <= 0.8  # a one-core machine can start
