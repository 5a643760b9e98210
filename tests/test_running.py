"""Running stages: made once, found again, made anew when anything that matters is different."""

from dataclasses import replace
from pathlib import Path

import pytest

from app.engines.contract import unheard
from app.engines.registry import Choice
from app.errors import JobCancelled, NoEngine
from app.running import Bench, StageCall, report, run_stage
from app.stages import ORIGINAL, Labels
from app.store import Store
from app.weights import Models
from tests import synth

SPECTRAL = Choice(engine="spectral")


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(Store((tmp_path / "store").as_uri()), Models(tmp_path / "models"))


@pytest.fixture
def original(bench: Bench, tmp_path: Path) -> dict[str, str]:
    path = synth.write(synth.band(bars=1).mixture, tmp_path / "band.wav")
    return {ORIGINAL: bench.store.put(path).digest}


def test_a_result_is_found_again(bench: Bench, original: dict[str, str]) -> None:
    call = StageCall("separation", original, SPECTRAL)
    first, again = run_stage(call, bench, unheard), run_stage(call, bench, unheard)
    assert not first.reused
    assert again.reused
    assert again.result == first.result
    assert [file.role for file in first.result.files] == [
        "stems/bass.flac",
        "stems/drums.flac",
        "stems/other.flac",
        "stems/vocals.flac",
    ]


def test_another_engine_or_input_is_another_result(bench: Bench, original: dict[str, str], tmp_path: Path) -> None:
    other = {ORIGINAL: bench.store.put(synth.write(synth.noise(1), tmp_path / "noise.wav")).digest}
    first = run_stage(StageCall("rhythm", original), bench, unheard)
    assert run_stage(StageCall("rhythm", other), bench, unheard).result.key != first.result.key


def test_renaming_costs_only_the_stages_that_write_the_name(bench: Bench, original: dict[str, str]) -> None:
    call = StageCall("rhythm", original, labels=Labels("Old", "Anon"))
    assert not run_stage(call, bench, unheard).reused
    assert run_stage(replace(call, labels=Labels("New", "Anon")), bench, unheard).reused
    stems = {
        file.role: file.digest
        for file in run_stage(StageCall("separation", original, SPECTRAL), bench, unheard).result.files
    }
    hits = run_stage(StageCall("drums", {"stems/drums.flac": stems["stems/drums.flac"]}), bench, unheard).result.files
    beats = run_stage(call, bench, unheard).result.files
    sheet = StageCall("drum_score", {file.role: file.digest for file in (*hits, *beats)}, labels=Labels("Old", "Anon"))
    first = run_stage(sheet, bench, unheard)
    renamed = run_stage(replace(sheet, labels=Labels("New", "Anon")), bench, unheard)
    assert not renamed.reused
    assert first.result.key != renamed.result.key


def test_a_result_whose_files_are_gone_is_made_anew(bench: Bench, original: dict[str, str]) -> None:
    call = StageCall("separation", original, SPECTRAL)
    first = run_stage(call, bench, unheard)
    bench.store.delete(first.result.files[0].digest)
    again = run_stage(call, bench, unheard)
    assert not again.reused
    assert again.result.files == first.result.files


def test_a_cancelled_stage_leaves_nothing_behind(bench: Bench, original: dict[str, str]) -> None:
    before = bench.store.fs.find(bench.store.root)

    def unwanted(_: float) -> None:
        raise JobCancelled

    with pytest.raises(JobCancelled):
        run_stage(StageCall("separation", original, SPECTRAL), bench, unwanted)
    assert bench.store.fs.find(bench.store.root) == before
    assert not run_stage(StageCall("separation", original, SPECTRAL), bench, unheard).reused  # and no lock is held


def test_a_stage_without_an_engine_says_why(bench: Bench, original: dict[str, str]) -> None:
    with pytest.raises(NoEngine, match="fetch whisper-base"):
        run_stage(StageCall("lyrics", {"stems/vocals.flac": original[ORIGINAL]}), bench, unheard)


def test_a_bench_reports_what_auto_gets(bench: Bench, original: dict[str, str]) -> None:
    assert report("separation", bench).loaded == ()
    run_stage(StageCall("separation", original, SPECTRAL), bench, unheard)
    found = report("separation", bench)
    assert (found.engine, found.loaded, found.device) == ("spectral", ("spectral",), "cpu")
    assert "htdemucs" in found.instead_of
    assert report("lyrics", bench).engine is None
