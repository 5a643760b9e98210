"""What tests share: one Ray cluster with the application for the whole session."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from jobs import random_demucs, random_whisper
from jobs.client import Client
from jobs.local import LocalApplication, free_port
from tests import synth


@pytest.fixture(scope="session")
def application(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalApplication]:
    """The real application, with small random weights for Demucs and for Whisper's `tiny`, and none for `base`."""
    folder = tmp_path_factory.mktemp("application")
    random_demucs.save(folder / "data" / "models", "htdemucs", random_demucs.SMALL)
    random_whisper.save(folder / "data" / "models" / "whisper" / "tiny.pt")
    settings = {"data_dir": folder / "data", "max_upload_bytes": 60_000_000, "max_duration_s": 300}
    with LocalApplication(port=free_port(), settings=settings) as running:
        yield running


@pytest.fixture
def client(application: LocalApplication, request: pytest.FixtureRequest) -> Iterator[Client]:
    """A client who owns nothing yet: each test has a library of its own."""
    with Client(application.url, owner=re.sub(r"[^\w-]", "-", request.node.name, flags=re.ASCII)[-64:]) as mine:
        yield mine


@pytest.fixture
def song(tmp_path: Path) -> Path:
    """Two bars of a small band."""
    return synth.write(synth.band(bars=2).mixture, tmp_path / "band.flac", title="Two Bars", artist="The Band")
