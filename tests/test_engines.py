"""What every engine promises, whatever its task: see `app/engines/contract.py`."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from app.engines import drums, lyrics, notes, rhythm, separation
from app.engines.contract import Engine, Options
from app.engines.registry import ENGINES, Choice, choose, engines_for, read_choice
from app.errors import BadAudio, JobCancelled, NoEngine, UnknownOption
from app.music import Analysis, Audio, Hit, Lyrics, Note, Stems, Transcription, WrittenScore
from app.weights import Models
from jobs import random_demucs, random_whisper
from tests import synth

FORMATS = {
    "separation": (separation.RATE_HZ, separation.CHANNELS),
    "rhythm": (rhythm.RATE_HZ, 1),
    "notes": (notes.RATE_HZ, 1),
    "drums": (drums.RATE_HZ, 1),
    "lyrics": (lyrics.RATE_HZ, 1),
}
EVERY = [(task, engine.name) for task in ENGINES for engine in engines_for(task)]
HEARING = [(task, name) for task, name in EVERY if task in FORMATS]

Loaded = tuple[Engine[Any, Any, Any], Options]


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Models:
    folder = tmp_path_factory.mktemp("models")
    random_demucs.save(folder, "htdemucs", random_demucs.SMALL)
    random_whisper.save(folder / "whisper" / "base.pt")
    return Models(folder)


@pytest.fixture(scope="module")
def load(models: Models) -> Callable[[str, str], Loaded]:
    loaded: dict[tuple[str, str], Loaded] = {}

    def once(task: str, name: str) -> Loaded:
        if (task, name) not in loaded:
            chosen = choose(task, Choice(engine=name), models)
            loaded[task, name] = (chosen.engine(chosen.options, models), chosen.options)
        return loaded[task, name]

    return once


def fit(task: str, audio: Audio) -> Audio:
    """The same samples in the format that a task takes."""
    rate_hz, channels = FORMATS[task]
    return synth.spread(Audio(audio.mono()[None], rate_hz), channels)


def held(output: Any) -> Any:
    """An output as values that can be compared: stems are read."""
    if isinstance(output, Stems):
        blocks = list(output.blocks)
        return {
            name: np.concatenate([block[name] for block in blocks], axis=1) if blocks else np.zeros((2, 0), np.float32)
            for name in output.names
        }
    return output


def is_empty(output: Any) -> bool:
    if isinstance(output, dict):
        return all(np.abs(samples).max(initial=0.0) < 1e-4 for samples in output.values())
    if isinstance(output, Analysis):
        return output.tempo_bpm is None and not output.beats and output.key is None
    if isinstance(output, Lyrics):
        return not output.words
    return output == ()


@pytest.mark.parametrize(("task", "name"), HEARING)
@pytest.mark.parametrize("seconds", [0.0, 3.0])
def test_nothing_in_nothing_out(load: Callable[[str, str], Loaded], task: str, name: str, seconds: float) -> None:
    engine, options = load(task, name)
    [output] = engine.run([fit(task, synth.silence(seconds))], options)
    if name != "demucs":  # random weights make noise of silence
        assert is_empty(held(output))


@pytest.mark.parametrize(("task", "name"), HEARING)
@pytest.mark.parametrize("frames", [1, 100])
def test_very_short_audio_is_no_error(load: Callable[[str, str], Loaded], task: str, name: str, frames: int) -> None:
    engine, options = load(task, name)
    click = Audio(np.full((1, frames), 0.5, np.float32), 44_100)
    [output] = engine.run([fit(task, click)], options)
    if task == "separation":
        assert {samples.shape for samples in held(output).values()} == {(2, frames)}
    else:
        held(output)


@pytest.mark.parametrize(("task", "name"), HEARING)
def test_not_a_number_is_refused(load: Callable[[str, str], Loaded], task: str, name: str) -> None:
    engine, options = load(task, name)
    broken = synth.noise(1.0).samples.copy()
    broken[0, 5000] = np.nan
    with pytest.raises(BadAudio):
        held(engine.run([fit(task, Audio(broken, 44_100))], options)[0])


@pytest.mark.parametrize(("task", "name"), HEARING)
def test_another_rate_is_refused(load: Callable[[str, str], Loaded], task: str, name: str) -> None:
    engine, options = load(task, name)
    rate_hz, channels = FORMATS[task]
    with pytest.raises(BadAudio, match=f"{rate_hz} Hz"):
        held(engine.run([synth.spread(synth.noise(1.0, rate_hz * 2), channels)], options)[0])


@pytest.mark.parametrize(("task", "name"), HEARING)
def test_a_batch_gives_what_its_items_give(load: Callable[[str, str], Loaded], task: str, name: str) -> None:
    engine, options = load(task, name)
    sounds = [fit(task, synth.band(bars=1).mixture), fit(task, synth.noise(1.5)), fit(task, synth.silence(0.5))]
    together = [held(output) for output in engine.run(sounds, options)]
    alone = [held(engine.run([sound], options)[0]) for sound in sounds]
    for one, other in zip(together, alone, strict=True):
        if isinstance(one, dict):
            assert all(np.allclose(one[stem], other[stem], atol=1e-6) for stem in one)
        else:
            assert one == other


@pytest.mark.parametrize(("task", "name"), HEARING)
def test_work_stops_when_progress_says_so(load: Callable[[str, str], Loaded], task: str, name: str) -> None:
    engine, options = load(task, name)

    def unwanted(_: float) -> None:
        raise JobCancelled

    with pytest.raises(JobCancelled):
        held(engine.run([fit(task, synth.band(bars=2).mixture)], options, unwanted)[0])


@pytest.mark.parametrize(("task", "name"), HEARING)
def test_progress_is_a_fraction_that_grows(load: Callable[[str, str], Loaded], task: str, name: str) -> None:
    engine, options = load(task, name)
    seen: list[float] = []
    held(engine.run([fit(task, synth.band(bars=2).mixture)], options, seen.append)[0])
    assert seen == sorted(seen)
    assert seen[0] >= 0.0
    assert seen[-1] == pytest.approx(1.0)


@pytest.mark.parametrize(("task", "name"), EVERY)
def test_any_thread_may_run_it(load: Callable[[str, str], Loaded], task: str, name: str) -> None:
    engine, options = load(task, name)
    sound = fit(task, synth.band(bars=1).mixture) if task in FORMATS else synth.band(bars=1).truth
    outputs = []
    for _ in range(2):
        with ThreadPoolExecutor(1) as thread:
            outputs.append(held(thread.submit(engine.run, [sound], options).result()[0]))
    one, other = outputs
    assert all(np.array_equal(one[key], other[key]) for key in one) if isinstance(one, dict) else one == other


def test_a_score_can_be_written_of_nothing(load: Callable[[str, str], Loaded]) -> None:
    engine, options = load("score", "verovio")
    nothing = Transcription("", "", Analysis(4.0, None, 4, (), None, ()), {}, ())
    one_note = Transcription(
        "", "", Analysis(4.0, None, 4, (), None, ()), {"bass": [Note(0, 1, 40, 80)]}, [Hit(0, 36, 90)]
    )
    together: list[WrittenScore] = engine.run([nothing, one_note], options)
    assert together == [*engine.run([nothing], options), *engine.run([one_note], options)]
    assert all(score.pdf.startswith(b"%PDF") for score in together)


@pytest.mark.parametrize(("task", "name"), EVERY)
def test_an_engine_says_who_it_is(load: Callable[[str, str], Loaded], models: Models, task: str, name: str) -> None:
    engine, options = load(task, name)
    identity = type(engine).identity(options, models)
    assert (identity.task, identity.engine) == (task, name)
    assert identity.version
    assert asdict(options) == asdict(type(engine).options_type())


@pytest.mark.parametrize("task", [task for task in ENGINES if task != "lyrics"])
def test_every_task_has_an_engine_that_needs_no_download(task: str, tmp_path: Path) -> None:
    assert choose(task, Choice(), Models(tmp_path)).engine is engines_for(task)[-1]


def test_auto_says_why_it_did_not_take_the_best(tmp_path: Path) -> None:
    chosen = choose("separation", Choice(), Models(tmp_path))
    assert chosen.engine.name == "spectral"
    assert "python -m app.weights fetch htdemucs" in chosen.instead_of


def test_auto_takes_the_best_that_is_there(models: Models) -> None:
    chosen = choose("separation", Choice(), models)
    assert (chosen.engine.name, chosen.instead_of) == ("demucs", "")


def test_an_option_of_one_engine_rules_out_the_others(tmp_path: Path) -> None:
    with pytest.raises(NoEngine, match="spectral has no option model"):
        choose("separation", read_choice("separation", {"model": "htdemucs_ft"}), Models(tmp_path))


@pytest.mark.parametrize(
    ("wanted", "reason"),
    [
        ({"engine": "spleeter"}, "choose one of auto, demucs, spectral"),
        ({"tempo": 3}, "no option tempo"),
        ({"engine": "demucs", "model": "htdemucs_7s"}, "htdemucs_6s"),
        ({"engine": "demucs", "overlap": "a lot"}, "overlap"),
    ],
)
def test_what_no_engine_understands_is_refused(wanted: dict[str, Any], reason: str) -> None:
    with pytest.raises(UnknownOption, match=reason):
        read_choice("separation", wanted)
