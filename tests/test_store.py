"""The store: what goes in comes out, whole, under its own name; in a folder and in an object store alike."""

import os
from pathlib import Path

import fsspec
import pytest

from app.errors import ArtifactGone
from app.store import Store, digest_of


@pytest.fixture(params=["folder", "object store"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    if request.param == "folder":
        return Store((tmp_path / "store").as_uri())
    fsspec.filesystem("memory").store.clear()
    return Store("memory://bucket/store")


@pytest.fixture
def song(tmp_path: Path) -> Path:
    path = tmp_path / "song.flac"
    path.write_bytes(bytes(range(256)) * 5000)
    return path


def test_bytes_come_back_whole(store: Store, song: Path) -> None:
    blob = store.put(song)
    with store.open(blob.digest, "stems/bass.flac") as file:
        assert file.read() == song.read_bytes()
        file.seek(-3, 2)
        assert file.read() == b"\xfd\xfe\xff"
    assert blob.size_bytes == song.stat().st_size
    assert blob.digest == digest_of(song)


def test_same_bytes_are_kept_once(store: Store, song: Path, tmp_path: Path) -> None:
    twin = tmp_path / "twin.flac"
    twin.write_bytes(song.read_bytes())
    assert store.put(song) == store.put(twin)
    assert len(store.fs.find(store.root)) == 1


def test_files_are_lent_by_role(store: Store, song: Path) -> None:
    blob = store.put(song)
    with store.files({"stems/bass.flac": blob.digest}) as files:
        assert files["stems/bass.flac"].read_bytes() == song.read_bytes()


def test_what_is_gone_is_named(store: Store) -> None:
    with pytest.raises(ArtifactGone, match=r"stems/bass\.flac is no longer in the store"):
        store.open("0" * 64, "stems/bass.flac")
    with pytest.raises(ArtifactGone, match="original"), store.files({"original": "0" * 64}):
        pass


def test_deleting_twice_is_no_error(store: Store, song: Path) -> None:
    blob = store.put(song)
    store.delete(blob.digest)
    store.delete(blob.digest)
    assert not store.has(blob.digest)


def test_results_are_kept_by_key(store: Store) -> None:
    assert store.read_result("ab12") is None
    store.write_result("ab12", b'{"stage": "drums"}')
    assert store.read_result("ab12") == b'{"stage": "drums"}'
    store.delete_result("ab12")
    store.delete_result("ab12")
    assert store.read_result("ab12") is None


def test_a_failed_write_leaves_nothing(tmp_path: Path, song: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = Store((tmp_path / "store").as_uri())

    def full_disk(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("shutil.copyfileobj", full_disk)
    with pytest.raises(OSError, match="No space left"):
        store.put(song)
    assert [path for path in (tmp_path / "store").rglob("*") if path.is_file()] == []


def test_what_a_killed_writer_left_is_swept_away_in_time(tmp_path: Path, song: Path) -> None:
    store = Store((tmp_path / "store").as_uri())
    blob = store.put(song)
    old, fresh = (tmp_path / "store" / "partial" / name for name in ("old", "fresh"))
    for path in (old, fresh):
        path.write_bytes(b"half a so")
    os.utime(old, (0, 0))
    store.sweep()
    assert (old.exists(), fresh.exists()) == (False, True)
    assert store.has(blob.digest)
