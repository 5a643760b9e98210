"""What is in the libraries: tracks and their artifacts, by owner. An owner never sees another owner's things."""

import uuid
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Engine

from app.database import aware, now
from app.errors import TrackInUse, UnknownArtifact, UnknownTrack
from app.tables import artifacts, job_artifacts, jobs, tracks


@dataclass(frozen=True)
class Track:
    """One piece of recorded music in somebody's library."""

    id: str
    owner: str
    title: str
    artist: str
    filename: str
    digest: str
    size_bytes: int
    container: str
    codec: str
    rate_hz: int
    channels: int
    duration_s: float
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True)
class Made:
    """A file that a stage made, and how: what the catalogue is told of it."""

    role: str
    """Its name within the track: `stems/drums.flac`."""
    digest: str
    size_bytes: int
    media_type: str
    key: str
    stage: str
    engine: str
    engine_version: str
    weights: str | None
    parameters: Mapping[str, Any]
    seconds: float
    """How long the stage took that made it."""


@dataclass(frozen=True)
class Artifact(Made):
    """A file that belongs to a track."""

    id: str
    track_id: str
    created_at: datetime


@dataclass(frozen=True)
class Leftovers:
    """What nothing in the catalogue names any more: it may be deleted from the store."""

    digests: tuple[str, ...]
    keys: tuple[str, ...]


class Catalogue:
    """Tracks and artifacts in a database. Blocking: call it from a thread."""

    def __init__(self, database: Engine) -> None:
        self._database = database

    def add_track(self, **facts: Any) -> Track:
        """`facts` are the fields of `Track` but its id and times."""
        time = now()
        track = Track(id=uuid.uuid4().hex, created_at=time, updated_at=time, **facts)
        with self._database.begin() as connection:
            connection.execute(tracks.insert().values(**asdict(track)))
        return track

    def track(self, owner: str, track_id: str) -> Track:
        """Raises `UnknownTrack`."""
        query = tracks.select().where(tracks.c.id == track_id, tracks.c.owner == owner)
        with self._database.connect() as connection:
            row = connection.execute(query).mappings().first()
        if row is None:
            raise UnknownTrack(track_id=track_id)
        return Track(**aware(dict(row)))

    def tracks(self, owner: str, limit: int = 50, offset: int = 0) -> tuple[list[Track], int]:
        """The owner's tracks, newest first, and how many there are in all."""
        mine = tracks.c.owner == owner
        page = tracks.select().where(mine).order_by(tracks.c.created_at.desc(), tracks.c.id).limit(limit).offset(offset)
        with self._database.connect() as connection:
            rows = connection.execute(page).mappings().all()
            total = connection.execute(sa.select(sa.func.count()).select_from(tracks).where(mine)).scalar_one()
        return [Track(**aware(dict(row))) for row in rows], total

    def rename(self, owner: str, track_id: str, title: str | None = None, artist: str | None = None) -> Track:
        """Change what the track is called. Raises `UnknownTrack`."""
        changes = {name: value for name, value in (("title", title), ("artist", artist)) if value is not None}
        query = tracks.update().where(tracks.c.id == track_id, tracks.c.owner == owner)
        with self._database.begin() as connection:
            connection.execute(query.values(updated_at=now(), **changes))
        return self.track(owner, track_id)

    def delete_track(self, owner: str, track_id: str) -> Leftovers:
        """Forget a track, its artifacts and its finished jobs. Raises `UnknownTrack`, `TrackInUse`."""
        track = self.track(owner, track_id)
        with self._database.begin() as connection:
            busy = sa.select(jobs.c.id).where(jobs.c.track_id == track_id, jobs.c.finished_at.is_(None))
            job_id = connection.execute(busy).scalars().first()
            if job_id is not None:
                raise TrackInUse(track_id=track_id, job_id=job_id)
            mine = connection.execute(artifacts.select().where(artifacts.c.track_id == track_id)).mappings().all()
            connection.execute(tracks.delete().where(tracks.c.id == track_id))
            digests = {row["digest"] for row in mine} | {track.digest}
            return Leftovers(
                digests=tuple(sorted(digests - self._still_named(connection, digests))),
                keys=tuple(sorted({row["key"] for row in mine} - self._keys_in_use(connection, mine))),
            )

    def names(self, digest: str) -> bool:
        """Whether any track or artifact, of any owner, has this content."""
        with self._database.connect() as connection:
            return bool(self._still_named(connection, {digest}))

    def add_artifacts(self, track_id: str, job_id: str | None, made: Iterable[Made]) -> list[str]:
        """Record what a stage made (once, however often it is told) and which job asked for it."""
        with self._database.begin() as connection:
            ids = [self._add_artifact(connection, track_id, one) for one in made]
            for artifact_id in ids if job_id else ():
                known = sa.select(job_artifacts.c.job_id).where(
                    job_artifacts.c.job_id == job_id, job_artifacts.c.artifact_id == artifact_id
                )
                if connection.execute(known).first() is None:
                    connection.execute(job_artifacts.insert().values(job_id=job_id, artifact_id=artifact_id))
        return ids

    def artifacts(self, owner: str, track_id: str) -> list[Artifact]:
        """All artifacts of a track, newest first. Raises `UnknownTrack`."""
        self.track(owner, track_id)
        query = artifacts.select().where(artifacts.c.track_id == track_id)
        return self._artifacts(query.order_by(artifacts.c.created_at.desc(), artifacts.c.role))

    def job_artifacts(self, job_id: str) -> list[Artifact]:
        """What one job made or found made, by role."""
        query = artifacts.select().join(job_artifacts).where(job_artifacts.c.job_id == job_id)
        return self._artifacts(query.order_by(artifacts.c.role))

    def artifact(self, owner: str, artifact_id: str) -> Artifact:
        """Raises `UnknownArtifact`."""
        query = artifacts.select().join(tracks).where(artifacts.c.id == artifact_id, tracks.c.owner == owner)
        found = self._artifacts(query)
        if not found:
            raise UnknownArtifact(artifact=artifact_id)
        return found[0]

    def _artifacts(self, query: sa.Select[Any]) -> list[Artifact]:
        with self._database.connect() as connection:
            return [Artifact(**aware(dict(row))) for row in connection.execute(query).mappings()]

    @staticmethod
    def _add_artifact(connection: sa.Connection, track_id: str, made: Made) -> str:
        same = (artifacts.c.track_id == track_id, artifacts.c.role == made.role, artifacts.c.key == made.key)
        known = connection.execute(sa.select(artifacts.c.id).where(*same)).scalar()
        if known is not None:
            # Made again after the store lost it: the bytes are the same unless an engine broke its promise.
            connection.execute(artifacts.update().where(artifacts.c.id == known).values(digest=made.digest))
            return str(known)
        artifact_id = uuid.uuid4().hex
        row = {**asdict(made), "id": artifact_id, "track_id": track_id, "created_at": now()}
        connection.execute(artifacts.insert().values(**row))
        return artifact_id

    @staticmethod
    def _still_named(connection: sa.Connection, digests: set[str]) -> set[str]:
        by_tracks = sa.select(tracks.c.digest).where(tracks.c.digest.in_(digests))
        by_artifacts = sa.select(artifacts.c.digest).where(artifacts.c.digest.in_(digests))
        return set(connection.execute(by_tracks.union(by_artifacts)).scalars())

    @staticmethod
    def _keys_in_use(connection: sa.Connection, rows: Iterable[Mapping[Any, Any]]) -> set[str]:
        keys = {row["key"] for row in rows}
        return set(connection.execute(sa.select(artifacts.c.key).where(artifacts.c.key.in_(keys))).scalars())
