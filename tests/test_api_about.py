"""What the application says about itself: health, engines, recipes and its own description."""

import asyncio
import re
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from app import VERSION
from app.api import health
from app.api.backend import Backend
from app.engines.registry import ENGINES
from app.recipes import RECIPES
from app.running import EngineReport
from tests import api_server


@pytest.fixture
def behind(tmp_path: Path) -> Backend:
    return api_server.backend(tmp_path)


@pytest.fixture
def api(behind: Backend) -> TestClient:
    return api_server.client(behind)


def describing(behind: Backend, *reports: EngineReport, wait_s: float = 0.0) -> TestClient:
    async def describe() -> list[EngineReport]:
        await asyncio.sleep(wait_s)
        return list(reports)

    return api_server.client(replace(behind, describe=describe))


def report(task: str, engine: str | None, loaded: tuple[str, ...] = (), device: str = "cpu") -> EngineReport:
    return EngineReport(task, engine, "1", None, "demucs: no weights." if engine == "spectral" else "", loaded, device)


def test_health_has_all_that_clients_look_for(api: TestClient) -> None:
    told = api.get("health").json()
    assert (told["status"], told["version"], told["gpu_available"]) == ("healthy", VERSION, False)
    assert abs((datetime.now(UTC) - datetime.fromisoformat(told["timestamp"])).total_seconds()) < 60
    assert told["models_loaded"] is False  # nothing has run yet
    by_task = {engine["task"]: engine for engine in told["engines"]}
    assert set(by_task) == set(ENGINES)
    assert by_task["separation"]["engine"] == "spectral"
    assert "python -m app.weights fetch" in by_task["separation"]["instead_of"]
    assert by_task["lyrics"]["engine"] is None


@pytest.mark.parametrize(
    ("reports", "loaded", "gpu"),
    [
        ([report("separation", "spectral", ("spectral",)), report("lyrics", None)], True, False),
        ([report("separation", "demucs", ("demucs",), "cuda")], True, True),
        ([report("separation", "demucs", ("spectral",))], False, False),
        ([report("separation", "demucs"), report("notes", "basic_pitch", ("basic_pitch",))], False, False),
    ],
)
def test_health_says_what_is_loaded(reports: list[EngineReport], loaded: bool, gpu: bool, behind: Backend) -> None:
    told = describing(behind, *reports).get("health").json()
    assert (told["models_loaded"], told["gpu_available"]) == (loaded, gpu)


def test_health_does_not_wait_for_ever(behind: Backend, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health, "PATIENCE_S", 0.01)
    answer = describing(behind, wait_s=60).get("health")
    assert (answer.status_code, answer.json()["status"]) == (503, "starting")


def test_engines_are_listed_best_first_with_their_options(api: TestClient) -> None:
    engines = api.get("engines").json()["items"]
    separation = [engine for engine in engines if engine["task"] == "separation"]
    assert [engine["name"] for engine in separation] == ["demucs", "spectral"]
    demucs, spectral = separation
    assert (demucs["available"], spectral["available"]) == (False, True)
    assert "python -m app.weights fetch" in demucs["reason"]
    assert "model" in demucs["options"]["properties"]


def test_every_recipe_is_listed_with_its_stages(api: TestClient) -> None:
    recipes = {recipe["name"]: recipe for recipe in api.get("recipes").json()["items"]}
    assert set(recipes) == set(RECIPES)
    assert recipes["stems"]["stages"] == ["separation"]
    assert recipes["drum_score"]["stages"][-1] == "drum_score"


def test_the_description_names_every_route_and_how_it_fails(api: TestClient) -> None:
    described: dict[str, Any] = api.get("http://test/openapi.json").json()
    assert described["info"]["version"] == VERSION
    operations = [(path, verb) for path, verbs in described["paths"].items() for verb in verbs]
    assert ("/api/v1/tracks", "post") in operations
    assert ("/api/v1/download/{job_id}/audio", "get") in operations
    for path, verb in operations:
        operation = described["paths"][path][verb]
        assert operation["description"], (path, verb)
        problem = operation["responses"]["4XX"]["content"]["application/problem+json"]["schema"]["$ref"]
        assert problem.removeprefix("#/components/schemas/") in described["components"]["schemas"]
    sent = described["paths"]["/api/v1/tracks"]["post"]["requestBody"]["content"]
    assert set(sent) == {"multipart/form-data", "application/json"}


def test_the_docs_need_no_internet(api: TestClient) -> None:
    page = api.get("http://test/docs")
    assert page.status_code == 200
    assert "/openapi.json" in page.text
    assets = re.findall(r'(?:src|href)="([^"]+)"', page.text)
    assert len(assets) == 3
    for asset in assets:
        assert asset.startswith("/docs/assets/")
        got = api.get(f"http://test{asset}")
        assert got.status_code == 200
        assert len(got.content) > 1_000
    assert api.get("http://test/docs/assets/core.py").status_code == 404
