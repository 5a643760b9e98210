"""The catalogue: owners see only their own, deleting leaves what others share, migrations make the tables."""

from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from app.catalogue import Catalogue, Made, Track
from app.database import migrate, open_database
from app.errors import TrackInUse, UnknownArtifact, UnknownTrack
from app.job import Jobs, Status
from app.tables import metadata


@pytest.fixture
def database(tmp_path: Path) -> sa.Engine:
    engine = open_database(f"sqlite:///{tmp_path / 'new' / 'tutti.db'}")
    migrate(engine)
    return engine


@pytest.fixture
def catalogue(database: sa.Engine) -> Catalogue:
    return Catalogue(database)


def add(catalogue: Catalogue, owner: str = "ada", digest: str = "d1", title: str = "Song") -> Track:
    return catalogue.add_track(
        owner=owner,
        title=title,
        artist="Anon",
        filename="song.flac",
        digest=digest,
        size_bytes=3 * 2**31,
        container="flac",
        codec="flac",
        rate_hz=44_100,
        channels=2,
        duration_s=2.5,
    )


def made(role: str = "stems/bass.flac", digest: str = "d2", key: str = "k1") -> Made:
    return Made(role, digest, 10, "audio/flac", key, "separation", "spectral", "1", None, {"a": 1}, 0.5)


def test_migrations_make_exactly_the_tables(database: sa.Engine) -> None:
    with database.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []
    migrate(database)  # again: nothing to do


def test_a_track_comes_back_as_it_was_told(catalogue: Catalogue) -> None:
    track = add(catalogue, title='"Ça/va?" 🎵')
    assert catalogue.track("ada", track.id) == track
    assert track.created_at.tzinfo is not None


def test_owners_do_not_see_each_other(catalogue: Catalogue) -> None:
    track = add(catalogue)
    [artifact_id] = catalogue.add_artifacts(track.id, None, [made()])
    with pytest.raises(UnknownTrack):
        catalogue.track("bob", track.id)
    with pytest.raises(UnknownTrack):
        catalogue.rename("bob", track.id, title="Mine")
    with pytest.raises(UnknownTrack):
        catalogue.delete_track("bob", track.id)
    with pytest.raises(UnknownArtifact):
        catalogue.artifact("bob", artifact_id)
    assert catalogue.tracks("bob") == ([], 0)
    assert catalogue.track("ada", track.id).title == "Song"


def test_tracks_are_listed_newest_first_in_pages(catalogue: Catalogue) -> None:
    names = [add(catalogue, title=f"Song {n}").title for n in range(5)]
    page, total = catalogue.tracks("ada", limit=2, offset=1)
    assert total == 5
    assert [track.title for track in page] == [names[3], names[2]]


def test_telling_twice_records_once(catalogue: Catalogue) -> None:
    track = add(catalogue)
    assert catalogue.add_artifacts(track.id, None, [made()]) == catalogue.add_artifacts(track.id, None, [made()])
    assert len(catalogue.artifacts("ada", track.id)) == 1


def test_another_engine_adds_and_does_not_overwrite(catalogue: Catalogue) -> None:
    track = add(catalogue)
    catalogue.add_artifacts(track.id, None, [made(key="k1", digest="d2")])
    catalogue.add_artifacts(track.id, None, [made(key="k9", digest="d9")])
    assert {artifact.digest for artifact in catalogue.artifacts("ada", track.id)} == {"d2", "d9"}


def test_deleting_leaves_what_another_track_shares(catalogue: Catalogue) -> None:
    mine, yours = add(catalogue), add(catalogue, owner="bob")
    catalogue.add_artifacts(mine.id, None, [made(), made("midi/all.mid", "d3", "k2")])
    catalogue.add_artifacts(yours.id, None, [made()])
    first = catalogue.delete_track("ada", mine.id)
    assert (first.digests, first.keys) == (("d3",), ("k2",))
    last = catalogue.delete_track("bob", yours.id)
    assert (last.digests, last.keys) == (("d1", "d2"), ("k1",))


def test_a_track_in_use_is_not_deleted(catalogue: Catalogue, database: sa.Engine) -> None:
    track, jobs = add(catalogue), Jobs(database)
    job = jobs.add("ada", track.id, "stems", {}, {"separation": 1.0})
    with pytest.raises(TrackInUse, match=job.id):
        catalogue.delete_track("ada", track.id)
    jobs.finish(job.id, Status.CANCELLED)
    catalogue.delete_track("ada", track.id)
    assert jobs.jobs("ada") == ([], 0)
