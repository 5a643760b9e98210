"""What goes over the wire, as pydantic models."""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, Generic, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, JsonValue, StringConstraints, computed_field

from app.job import Status

PREFIX = "/api/v1"
MAX_LABEL_CHARACTERS = 1_000
"""Longest title or artist, as in `audio.TAG_CHARACTERS`."""

Item = TypeVar("Item")


def _printable(text: str) -> str:
    """PostgreSQL keeps no NUL, and nobody can read the other control characters."""
    if any(ord(character) < 32 for character in text):
        raise ValueError("must not hold control characters or line breaks")
    return text


Label = Annotated[
    str, StringConstraints(strip_whitespace=True, max_length=MAX_LABEL_CHARACTERS), AfterValidator(_printable)
]


class Sent(BaseModel):
    """What clients send: nothing is taken that is not understood."""

    model_config = ConfigDict(extra="forbid")


class Shown(BaseModel):
    """What clients are shown, made from a dataclass of the same fields."""

    model_config = ConfigDict(from_attributes=True)


class Labels(Sent):
    title: Label = Field("", description="Empty: taken from the file's tags, or else from its name.")
    artist: Label = Field("", description="Empty: taken from the file's tags.")


class TrackFromUrl(Labels):
    url: str = Field(max_length=8_192, description="http or https link straight to an audio file.")


class TrackChange(Sent):
    title: Annotated[Label, Field(min_length=1)] | None = None
    artist: Label | None = None


class JobRequest(Sent):
    track_id: str
    recipe: str = Field(description="One of GET /api/v1/recipes.", examples=["transcribe"])
    options: dict[str, dict[str, JsonValue]] = Field(
        default_factory=dict,
        description="Task to options, as GET /api/v1/engines lists them; `engine` chooses one by name.",
        examples=[{"separation": {"engine": "demucs"}, "lyrics": {"language": "de"}}],
    )


class TrackView(Shown):
    """A piece of recorded music in a library."""

    id: str
    title: str
    artist: str
    filename: str
    digest: str = Field(description="SHA-256 of the recording.")
    size_bytes: int
    container: str
    codec: str
    rate_hz: int
    channels: int
    duration_s: float
    created_at: datetime
    updated_at: datetime

    @computed_field  # type: ignore[prop-decorator]
    @property
    def content_url(self) -> str:
        return f"{PREFIX}/tracks/{self.id}/content"


class ArtifactView(Shown):
    """A file that belongs to a track, and how it was made."""

    id: str
    track_id: str
    role: str = Field(description="Its name within the track, such as `stems/drums.flac`.")
    media_type: str
    digest: str = Field(description="SHA-256 of the file.")
    size_bytes: int
    stage: str
    engine: str
    engine_version: str
    weights: str | None
    parameters: Mapping[str, Any]
    key: str = Field(description="SHA-256 of all that the stage's result depends on.")
    seconds: float = Field(description="How long the stage took that made it.")
    created_at: datetime

    @computed_field  # type: ignore[prop-decorator]
    @property
    def content_url(self) -> str:
        return f"{PREFIX}/artifacts/{self.id}/content"


class StageView(Shown):
    """How one stage of a job fares."""

    stage: str
    status: Status
    progress: float
    weight: float = Field(description="Its share of the job's progress.")
    note: str = Field(description="Why it was skipped, what it ran instead of, or why it failed.")
    reused: bool = Field(description="Its result was there already.")
    seconds: float | None = Field(description="What making the result took, whenever that was.")
    engine: str | None
    engine_version: str | None
    weights: str | None
    parameters: Mapping[str, Any] | None
    started_at: datetime | None
    finished_at: datetime | None


class JobView(Shown):
    """One run of one recipe on one track."""

    id: str
    track_id: str
    recipe: str
    options: Mapping[str, Any]
    status: Status
    progress: float = Field(description="0 to 1; never runs backwards.")
    error: Mapping[str, Any] | None = Field(description="The problem that stopped it, as in RFC 9457.")
    cancel_requested: bool
    created_at: datetime
    updated_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    stages: list[StageView]


class Report(Shown):
    """Everything that a job made, and how."""

    track: TrackView
    job: JobView
    artifacts: list[ArtifactView]


class EngineView(Shown):
    """One way to do one task."""

    task: str
    name: str
    version: str
    available: bool = Field(description="Whether it can run with its default options.")
    reason: str = Field(description="Why it cannot run, and what to do about it; empty if it can.")
    options: Mapping[str, Any] = Field(description="JSON Schema of its options.")


class RecipeView(Shown):
    """A named goal."""

    name: str
    summary: str
    stages: list[str] = Field(description="The stages that it runs, in order.")


class TaskHealth(Shown):
    """How one task's deployment stands."""

    task: str
    engine: str | None = Field(description="What `auto` gets here; null where nothing can run.")
    version: str | None
    weights: str | None
    instead_of: str = Field(description="Why better engines, or all, are passed over.")
    loaded: list[str]
    device: str


class Health(BaseModel):
    status: str = Field(description="`healthy`, or `starting` while not every deployment answers.")
    version: str
    models_loaded: bool = Field(description="Whether every task that can run has its default engine in memory.")
    gpu_available: bool
    timestamp: datetime
    engines: list[TaskHealth]


class Page(BaseModel, Generic[Item]):
    """A part of a list, newest first."""

    items: list[Item]
    total: int
    limit: int
    offset: int


class Listing(BaseModel, Generic[Item]):
    """A whole list, which is never long."""

    items: list[Item]


class Problem(BaseModel):
    """What went wrong, as in RFC 9457."""

    type: str = Field(examples=["/problems/unknown-track"])
    title: str
    status: int
    detail: str = Field(description="What happened and what to do.")
    instance: str = Field(description="The path that was asked for.")
