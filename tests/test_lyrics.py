"""Whisper's words come back as it wrote them, in their places in the song."""

import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest
import torch

from app.engines.lyrics import RATE_HZ, UNSPACED
from app.engines.lyrics import whisper as engine_module
from app.engines.lyrics.passages import find_passages, loudest
from app.engines.lyrics.whisper import Language, Whisper, WhisperOptions, passage_to_segments, segments_to_lines
from app.engines.registry import Choice, choose, read_choice
from app.errors import BadAudio, JobCancelled, NoEngine, UnknownOption, WeightsBroken
from app.music import Audio, FloatArray, Lyrics, Word
from app.weights import Models
from jobs import random_whisper
from tests import synth
from tests.test_passages import sung

DEFAULTS = WhisperOptions()


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Models:
    folder = tmp_path_factory.mktemp("models")
    random_whisper.save(folder / "whisper" / "base.pt")
    random_whisper.save(folder / "whisper" / "tiny.pt", text_layers=4, text_heads=6)
    random_whisper.save(folder / "whisper" / "small.pt", certainty=6)
    return Models(folder)


@pytest.fixture(scope="module")
def engine(models: Models) -> Whisper:
    """Found as users find it."""
    chosen = choose("lyrics", Choice(), models)
    made = chosen.engine(chosen.options, models)
    assert isinstance(made, Whisper)
    return made


@pytest.fixture(scope="module")
def song() -> Audio:
    return sung((0, 1.5), (110, 2), (0, 3), (660, 2.5), (440, 1), (0, 4), (330, 1.8), (0, 3), (220, 2), (0, 1))


@pytest.fixture(scope="module")
def found(engine: Whisper, song: Audio) -> Lyrics:
    (lyrics,) = engine.run([song], DEFAULTS)
    return lyrics


# Bad and empty input


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_samples_that_are_no_numbers_are_refused(engine: Whisper, bad: float) -> None:
    samples = sung((220, 1)).samples.copy()
    samples[0, 7] = bad
    with pytest.raises(BadAudio, match="not finite"):
        engine.run([Audio(samples, RATE_HZ)], DEFAULTS)


def test_another_rate_is_refused(engine: Whisper) -> None:
    with pytest.raises(BadAudio, match="44100"):
        engine.run([synth.sine(220, 1.0, 44_100)], DEFAULTS)


@pytest.mark.parametrize(
    "quiet", [synth.silence(0, RATE_HZ), synth.silence(3, RATE_HZ), synth.noise(3, RATE_HZ, level=0.001)]
)
def test_the_model_is_not_asked_about_silence(engine: Whisper, quiet: Audio, monkeypatch: pytest.MonkeyPatch) -> None:
    def asked(*_: object) -> None:
        raise AssertionError

    monkeypatch.setattr(engine._model.encoder, "forward", asked)
    assert engine.run([quiet], DEFAULTS) == [Lyrics(None, ())]


@pytest.mark.parametrize(
    "wanted",
    [{"model": "huge"}, {"language": "English"}, {"language": "xx"}, {"model": "base", "language": "yue"}, {"beam": 5}],
)
def test_options_out_of_range_are_refused(wanted: dict[str, object]) -> None:
    with pytest.raises(UnknownOption):
        read_choice("lyrics", wanted)


def test_the_languages_are_whispers_own() -> None:
    from whisper.tokenizer import LANGUAGES

    assert set(get_args(Language)) == set(LANGUAGES)
    assert set(LANGUAGES) > UNSPACED
    assert WhisperOptions(model="turbo", language="yue").language == "yue"


def test_without_weights_the_error_says_how_to_get_them(tmp_path: Path) -> None:
    with pytest.raises(NoEngine, match=r"python -m app\.weights fetch whisper-turbo"):
        choose("lyrics", Choice(options=(("model", "turbo"),)), Models(tmp_path))


@pytest.mark.parametrize("content", ["nothing", "text", "half a model", "another model"])
def test_a_file_that_is_no_model_is_named(models: Models, tmp_path: Path, content: str) -> None:
    path = tmp_path / "whisper" / "medium.pt"
    path.parent.mkdir()
    if content == "another model":
        torch.save({"weight": torch.zeros(3)}, path)
    else:
        whole = models.path("whisper-base").read_bytes()
        path.write_bytes({"nothing": b"", "text": b"no weights", "half a model": whole[: len(whole) // 2]}[content])
    with pytest.raises(WeightsBroken, match=r"medium\.pt cannot be loaded"):
        Whisper(WhisperOptions(model="medium"), Models(tmp_path))


# The same text and times as whisper's


def transcribed(engine: Whisper, samples: FloatArray, language: str | None) -> dict[str, Any]:
    """By whisper itself, as a user of the library would call it."""
    import whisper

    torch.manual_seed(0)
    return whisper.transcribe(
        engine._model,
        samples,
        language=language,
        word_timestamps=True,
        condition_on_previous_text=False,
        fp16=False,
    )


def test_text_and_times_are_whispers_for_each_passage(engine: Whisper, song: Audio, found: Lyrics) -> None:
    samples = song.mono()
    passages = find_passages(samples, RATE_HZ)
    language = transcribed(engine, loudest(samples, passages, 30 * RATE_HZ), None)["language"]
    expected = []
    for passage in passages:
        for segment in transcribed(engine, samples[passage.start : passage.stop], language)["segments"]:
            words = [
                (word["word"].strip(), passage.start / RATE_HZ + word["start"], float(word["probability"]))
                for word in segment["words"]
            ]
            if any(probability >= 0.15 for _, _, probability in words):
                expected.append(words)
    assert len(passages) == 4
    assert len(expected) >= 3
    assert found.language == language
    assert [[word.text for word in line] for line in found.lines] == [[text for text, *_ in line] for line in expected]
    for line, reference in zip(found.lines, expected, strict=True):
        assert [word.onset_s for word in line] == pytest.approx([onset_s for _, onset_s, _ in reference], abs=1e-3)
        assert [word.confidence for word in line] == pytest.approx([sure for *_, sure in reference])
    assert len({" ".join(word.text for word in line) for line in found.lines}) > 1, "the text depends on the sound"


def test_words_lie_where_they_are_sung(song: Audio, found: Lyrics) -> None:
    passages = find_passages(song.mono(), RATE_HZ)
    assert found.words
    for word in found.words:
        assert word.offset_s >= word.onset_s + 0.02
        assert any(p.start <= word.onset_s * RATE_HZ <= p.stop for p in passages)


def test_the_language_can_be_given(engine: Whisper, found: Lyrics) -> None:
    (lyrics,) = engine.run([sung((440, 2))], WhisperOptions(language="it"))
    assert lyrics.language == "it"
    assert found.language in ("de", "en"), "the only ones that this model knows"


def test_an_unsure_model_draws_the_same_words_every_time(models: Models) -> None:
    unsure = Whisper(WhisperOptions(model="small"), models)
    samples = sung((220, 0.6)).mono()
    expected = transcribed(unsure, samples, "en")["segments"]
    assert any(segment["temperature"] > 0 for segment in expected)
    torch.manual_seed(5)
    before = torch.random.get_rng_state()
    assert passage_to_segments(unsure._model, samples, "en") == expected
    assert torch.equal(torch.random.get_rng_state(), before), "nobody else's random numbers are changed"


def test_the_alignment_heads_are_those_whisper_chose(models: Models, engine: Whisper) -> None:
    import whisper

    of_the_size = Whisper(WhisperOptions(model="tiny"), models)._model
    heads = of_the_size.alignment_heads.to_dense()
    of_the_size.set_alignment_heads(whisper._ALIGNMENT_HEADS["tiny"])
    assert torch.equal(heads, of_the_size.alignment_heads.to_dense())
    assert 0 < int(heads.sum()) < heads.numel() // 2
    # Half as many layers: all heads of the upper half, whisper's default.
    assert engine._model.alignment_heads.to_dense().tolist() == [[False, False], [True, True]]


# Words


def heard(*words: tuple[str, float, float], probability: float = 0.9) -> Mapping[str, Any]:
    return {"words": [{"word": word, "start": on, "end": off, "probability": probability} for word, on, off in words]}


def test_words_are_moved_to_their_place_in_the_song() -> None:
    lines = segments_to_lines([heard((" Hey,", 0.1, 0.4), (" you", 0.4, 0.4))], onset_s=61.2, language="en")
    assert lines == [(Word(61.3, 61.6, "Hey,", 0.9), Word(61.6, 61.62, "you", 0.9))]


def test_parts_without_a_space_between_are_one_word() -> None:
    segment = heard((" twenty", 0.0, 0.5), ("-first", 0.5, 1.0), (" of", 1.0, 1.1))
    assert [word.text for (*words,) in segments_to_lines([segment], 0.0, "en") for word in words] == [
        "twenty-first",
        "of",
    ]
    (line,) = segments_to_lines([heard(("愛", 0.0, 0.5), ("し", 0.5, 0.7))], 0.0, "ja")
    assert [word.text for word in line] == ["愛", "し"]


def test_empty_segments_and_guesses_are_no_lines() -> None:
    guess = heard((" Thank", 0.0, 0.5), (" you", 0.5, 0.9), probability=0.14)
    assert segments_to_lines([heard(), guess, heard((" ", 0.0, 0.1))], 0.0, "en") == []


# Batches, progress, cancelling


def test_a_batch_gives_the_same_as_its_items_one_by_one(engine: Whisper, song: Audio, found: Lyrics) -> None:
    tone = sung((440, 2))
    (of_the_tone,) = engine.run([tone], DEFAULTS)
    inputs = [tone, synth.silence(2, RATE_HZ), song]
    assert engine.run(inputs, DEFAULTS) == [of_the_tone, Lyrics(None, ()), found]
    assert of_the_tone.words
    assert engine.run([], DEFAULTS) == []


def test_progress_rises_to_the_end(engine: Whisper, song: Audio) -> None:
    told: list[float] = []
    engine.run([song, sung((440, 2))], DEFAULTS, told.append)
    assert told == pytest.approx([0, 0.125, 0.25, 0.375, 0.5, 1.0])


def test_cancelling_stops_before_the_next_passage(
    engine: Whisper, song: Audio, monkeypatch: pytest.MonkeyPatch
) -> None:
    lengths: list[int] = []

    def counted(model: object, samples: FloatArray, language: str) -> list[Mapping[str, Any]]:
        lengths.append(len(samples))
        return passage_to_segments(model, samples, language)

    def cancel(fraction: float) -> None:
        if fraction >= 0.5:
            raise JobCancelled

    monkeypatch.setattr(engine_module, "passage_to_segments", counted)
    with pytest.raises(JobCancelled):
        engine.run([song], DEFAULTS, cancel)
    assert len(lengths) == 2


# What made the words


def test_the_weights_are_named(models: Models) -> None:
    identity = Whisper.identity(DEFAULTS, models)
    assert identity.weights == f"whisper-base@{models.fingerprint('whisper-base')}"
    assert WhisperOptions(model="large-v3") != DEFAULTS
    assert {Whisper.weights(WhisperOptions(model=name)) for name in get_args(engine_module.Model)} <= set(models.table)


def test_nothing_is_asked_of_other_programs(tmp_path: Path) -> None:
    """No ffmpeg: it works with an empty PATH. The import is light and quiet."""
    random_whisper.save(tmp_path / "whisper" / "base.pt")
    code = f"""
import os, sys, warnings
os.environ["PATH"] = ""
warnings.simplefilter("error")
from pathlib import Path
import numpy as np
from app.engines.lyrics.whisper import Whisper, WhisperOptions
from app.music import Audio
from app.weights import Models
assert not {{"torch", "whisper", "numba"}} & set(sys.modules)
engine = Whisper(WhisperOptions(), Models(Path({str(tmp_path)!r})))
tone = 0.3 * np.sin(2 * np.pi * 440 * np.arange(32000) / 16000)
print(engine.run([Audio(tone.astype(np.float32)[None], 16000)], WhisperOptions())[0].words[0].text)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip()
    assert done.stderr == ""
