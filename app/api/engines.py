"""What there is to choose from: engines by task, and recipes."""

from fastapi import APIRouter
from pydantic import TypeAdapter

from app.api.access import Access
from app.api.schemas import EngineView, Listing, RecipeView
from app.engines.registry import ENGINES, Choice, choose, engines_for
from app.errors import NoEngine
from app.recipes import RECIPES, plan
from app.weights import Models

router = APIRouter()


@router.get("/engines", tags=["engines"])
def list_engines(backend: Access) -> Listing[EngineView]:
    """Every engine of every task, best first, with its options. `auto` takes the first that is available."""
    assert backend.settings.models_dir is not None, "settings are resolved before they are handed out"
    models = Models(backend.settings.models_dir, may_fetch=backend.settings.fetch_weights)
    return Listing(items=[_engine(task, engine.name, models) for task in ENGINES for engine in engines_for(task)])


@router.get("/recipes", tags=["recipes"])
def list_recipes() -> Listing[RecipeView]:
    """Every goal that a job can have."""
    return Listing(
        items=[
            RecipeView(name=recipe.name, summary=recipe.summary, stages=[stage.name for stage in plan(recipe.name)])
            for recipe in RECIPES.values()
        ]
    )


def _engine(task: str, name: str, models: Models) -> EngineView:
    engine = next(cls for cls in engines_for(task) if cls.name == name)
    try:
        choose(task, Choice(engine=name), models)
        reason = ""
    except NoEngine as error:
        reason = str(error)
    return EngineView(
        task=task,
        name=name,
        version=engine.version,
        available=not reason,
        reason=reason,
        options=TypeAdapter(engine.options_type).json_schema(),
    )
