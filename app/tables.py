"""The tables of the catalogue. `migrations/` makes them; a test holds the two together."""

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    DateTime,
    Float,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
)

metadata = MetaData()

tracks = Table(
    "tracks",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("owner", String(64), nullable=False),
    Column("title", Text, nullable=False),
    Column("artist", Text, nullable=False),
    Column("filename", Text, nullable=False),
    Column("digest", String(64), nullable=False, index=True),
    Column("size_bytes", BigInteger, nullable=False),
    Column("container", String(32), nullable=False),
    Column("codec", String(32), nullable=False),
    Column("rate_hz", Integer, nullable=False),
    Column("channels", Integer, nullable=False),
    Column("duration_s", Float, nullable=False),
    Column("created_at", DateTime(timezone=True), nullable=False),
    Column("updated_at", DateTime(timezone=True), nullable=False),
    Index("ix_tracks_owner_created", "owner", "created_at"),
)

artifacts = Table(
    "artifacts",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("track_id", String(32), ForeignKey("tracks.id", ondelete="CASCADE"), nullable=False),
    Column("role", Text, nullable=False),
    Column("digest", String(64), nullable=False, index=True),
    Column("size_bytes", BigInteger, nullable=False),
    Column("media_type", String(128), nullable=False),
    Column("key", String(64), nullable=False, index=True),
    Column("stage", String(32), nullable=False),
    Column("engine", String(64), nullable=False),
    Column("engine_version", String(64), nullable=False),
    Column("weights", Text),
    Column("parameters", JSON, nullable=False),
    Column("seconds", Float, nullable=False),
    Column("created_at", DateTime(timezone=True), nullable=False),
    UniqueConstraint("track_id", "role", "key"),
)

jobs = Table(
    "jobs",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("owner", String(64), nullable=False),
    Column("track_id", String(32), ForeignKey("tracks.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("recipe", String(32), nullable=False),
    Column("options", JSON, nullable=False),
    Column("status", String(16), nullable=False, index=True),
    Column("progress", Float, nullable=False),
    Column("error", JSON),
    Column("cancel_requested", Boolean, nullable=False),
    Column("place", Integer, nullable=False),
    Column("created_at", DateTime(timezone=True), nullable=False),
    Column("updated_at", DateTime(timezone=True), nullable=False),
    Column("started_at", DateTime(timezone=True)),
    Column("finished_at", DateTime(timezone=True)),
    Index("ix_jobs_owner_created", "owner", "created_at"),
)

job_stages = Table(
    "job_stages",
    metadata,
    Column("job_id", String(32), ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True),
    Column("stage", String(32), primary_key=True),
    Column("position", Integer, nullable=False),
    Column("status", String(16), nullable=False),
    Column("progress", Float, nullable=False),
    Column("weight", Float, nullable=False),
    Column("note", Text, nullable=False),
    Column("reused", Boolean, nullable=False),
    Column("seconds", Float),
    Column("engine", String(64)),
    Column("engine_version", String(64)),
    Column("weights", Text),
    Column("parameters", JSON),
    Column("started_at", DateTime(timezone=True)),
    Column("finished_at", DateTime(timezone=True)),
)

job_artifacts = Table(
    "job_artifacts",
    metadata,
    Column("job_id", String(32), ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True),
    Column("artifact_id", String(32), ForeignKey("artifacts.id", ondelete="CASCADE"), primary_key=True),
)
