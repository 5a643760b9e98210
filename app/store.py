"""Artifacts by what they contain: a folder or any fsspec URL, written atomically.

    blobs/ab/abcd…        the bytes whose SHA-256 is abcd…
    results/12/1234….json what a stage made, under the key of its inputs, engine and parameters (see `running.py`)
    partial/              what is being written, in a folder; it is renamed when it is whole

A result is written after its blobs, so whatever a result names is there. Two writers of the same content write the
same bytes under the same name: whoever is last changes nothing.
"""

import hashlib
import os
import shutil
import time
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import IO

import fsspec
from fsspec.implementations.local import LocalFileSystem

from app.errors import ArtifactGone

_READ_BYTES = 1 << 20

ABANDONED_S = 86_400
"""A day: hours more than the largest file needs on the slowest disk."""


@dataclass(frozen=True)
class Blob:
    """Some bytes in the store."""

    digest: str
    """SHA-256, 64 hexadecimal digits."""
    size_bytes: int


class Store:
    """The bytes of every artifact. Safe to use from many threads and processes."""

    def __init__(self, url: str) -> None:
        self.fs, self.root = fsspec.core.url_to_fs(url)
        self._is_local = isinstance(self.fs, LocalFileSystem)

    def put(self, path: Path) -> Blob:
        """Keep a copy of the file at `path`."""
        blob = Blob(digest=digest_of(path), size_bytes=path.stat().st_size)
        target = self._blob(blob.digest)
        if not self.fs.exists(target):
            self._write(path, target)
        return blob

    def has(self, digest: str) -> bool:
        return bool(self.fs.exists(self._blob(digest)))

    def open(self, digest: str, role: str) -> IO[bytes]:
        """The bytes, seekable. Raises `ArtifactGone`, which names them by their `role`."""
        try:
            return self.fs.open(self._blob(digest), "rb")
        except FileNotFoundError as error:
            raise ArtifactGone(role=role) from error

    @contextmanager
    def files(self, digests: Mapping[str, str]) -> Iterator[dict[str, Path]]:
        """Each role's bytes as a file that may be read but not changed, for as long as the context lasts."""
        with TemporaryDirectory(prefix="tutti-") as folder:
            yield {role: self._file(role, digest, Path(folder)) for role, digest in digests.items()}

    def delete(self, digest: str) -> None:
        with suppress(FileNotFoundError):
            self.fs.rm_file(self._blob(digest))

    def read_result(self, key: str) -> bytes | None:
        try:
            return bytes(self.fs.cat_file(self._result(key)))
        except FileNotFoundError:
            return None

    def write_result(self, key: str, content: bytes) -> None:
        with TemporaryDirectory(prefix="tutti-") as folder:
            path = Path(folder) / "result.json"
            path.write_bytes(content)
            self._write(path, self._result(key))

    def delete_result(self, key: str) -> None:
        with suppress(FileNotFoundError):
            self.fs.rm_file(self._result(key))

    def sweep(self) -> None:
        """Delete what writers that died left unfinished, once it is older than any write can take."""
        for partial in self._partial_folder().glob("*") if self._is_local else ():
            if time.time() - partial.stat().st_mtime > ABANDONED_S:
                partial.unlink(missing_ok=True)

    def _partial_folder(self) -> Path:
        """On the same file system as the blobs, so that renaming is atomic."""
        return Path(self.root) / "partial"

    def _blob(self, digest: str) -> str:
        return f"{self.root}/blobs/{digest[:2]}/{digest}"

    def _result(self, key: str) -> str:
        return f"{self.root}/results/{key[:2]}/{key}.json"

    def _file(self, role: str, digest: str, folder: Path) -> Path:
        if self._is_local:
            path = Path(self._blob(digest))
            if not path.exists():
                raise ArtifactGone(role=role)
            return path
        path = folder / role
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            self.fs.get_file(self._blob(digest), str(path))
        except FileNotFoundError as error:
            raise ArtifactGone(role=role) from error
        return path

    def _write(self, path: Path, target: str) -> None:
        """Object stores show an object once it is whole; in a folder, renaming does the same."""
        if not self._is_local:
            self.fs.put_file(str(path), target)
            return
        final = Path(target)
        final.parent.mkdir(parents=True, exist_ok=True)
        partial = self._partial_folder() / uuid.uuid4().hex
        partial.parent.mkdir(exist_ok=True)
        try:
            with path.open("rb") as source, partial.open("wb") as copy:
                shutil.copyfileobj(source, copy, _READ_BYTES)
                copy.flush()
                os.fsync(copy.fileno())  # or a power cut could leave a named, empty file
            partial.replace(final)
        finally:
            partial.unlink(missing_ok=True)


def digest_of(path: Path) -> str:
    """SHA-256 of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
