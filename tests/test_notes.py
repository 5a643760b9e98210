"""Basic Pitch hears the notes that were played, and hears them exactly as its own library does."""

import subprocess
import sys
import warnings
from collections.abc import Callable, Sequence
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest
import soundfile

from app.engines.notes import RATE_HZ, basic_pitch
from app.engines.notes.basic_pitch import BasicPitch, BasicPitchOptions, Posteriors
from app.engines.registry import Choice, choose, read_choice
from app.errors import BadAudio, JobCancelled, UnknownOption
from app.music import Audio, FloatArray, Note
from app.weights import Models
from tests import synth

MODELS = Models(Path("no-such-folder"))
DEFAULTS = BasicPitchOptions()


def mono(audio: Audio) -> Audio:
    return Audio(audio.mono()[None], audio.rate_hz)


@pytest.fixture(scope="module")
def engine() -> BasicPitch:
    return BasicPitch(DEFAULTS, MODELS)


@pytest.fixture(scope="module")
def tune() -> Audio:
    """A piano scale of 10 s: seven windows."""
    return mono(
        synth.notes(synth.scale([60, 62, 64, 65, 67, 69, 71, 72, 74, 76, 77, 79], note_s=0.75), synth.PIANO, RATE_HZ)
    )


@pytest.fixture(scope="module")
def chords() -> Audio:
    """Four notes at a time on strings, long enough for three windows and a bit."""
    played = synth.voiced(synth.progression(["C:maj", "A:min", "G:7"], 1.4))
    return mono(synth.notes(played, synth.STRINGS, RATE_HZ))


def near(notes: Sequence[Note], others: Sequence[Note]) -> bool:
    """Same pitches and velocities in the same order, times within 1 ms."""
    return len(notes) == len(others) and all(
        (a.pitch_midi, a.velocity) == (b.pitch_midi, b.velocity)
        and abs(a.onset_s - b.onset_s) < 1e-3
        and abs(a.offset_s - b.offset_s) < 1e-3
        for a, b in zip(notes, others, strict=True)
    )


def library_notes(audio: Audio, path: Path, **thresholds: float) -> list[Note]:
    """What `basic_pitch.inference.predict` makes of the same samples in a file."""
    from basic_pitch import FilenameSuffix, build_icassp_2022_model_path
    from basic_pitch.inference import predict

    soundfile.write(path, audio.samples[0], audio.rate_hz, subtype="FLOAT")
    with warnings.catch_warnings():
        # audioread, with which librosa could open other files
        warnings.filterwarnings("ignore", "'(aifc|audioop|sunau)' is deprecated", DeprecationWarning)
        _, _, events = predict(path, build_icassp_2022_model_path(FilenameSuffix.onnx), **thresholds)
    return sorted(Note(on, off, int(pitch), int(np.round(127 * level))) for on, off, pitch, level, _ in events)


# Bad and empty input


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_samples_that_are_no_numbers_are_refused(engine: BasicPitch, bad: float) -> None:
    samples = synth.sine(440.0, 1.0, RATE_HZ).samples.copy()
    samples[0, 100] = bad
    with pytest.raises(BadAudio, match="not finite"):
        engine.run([Audio(samples, RATE_HZ)], DEFAULTS)


def test_another_rate_is_refused(engine: BasicPitch) -> None:
    with pytest.raises(BadAudio, match="44100"):
        engine.run([synth.sine(440.0, 1.0, 44_100)], DEFAULTS)


@pytest.mark.parametrize("frames", [0, 1, 255, 5 * RATE_HZ])
def test_silence_of_any_length_has_no_notes(engine: BasicPitch, frames: int) -> None:
    # With thresholds this low the network's answer to silence (0.11 at most) would make notes.
    for options in (DEFAULTS, BasicPitchOptions(onset_threshold=0.01, frame_threshold=0.01)):
        assert engine.run([Audio(np.zeros((1, frames), np.float32), RATE_HZ)], options) == [()]


@pytest.mark.parametrize("frames", [1, 300, 3000])
def test_sound_too_short_for_a_note_has_none(engine: BasicPitch, frames: int) -> None:
    shortest = BasicPitchOptions(minimum_note_length_ms=0, onset_threshold=0.01, frame_threshold=0.01)
    loud = Audio(np.ones((1, frames), np.float32), RATE_HZ)
    assert engine.run([loud], DEFAULTS) == [()]
    assert all(n.offset_s <= frames / RATE_HZ for n in engine.run([loud], shortest)[0])


def test_no_inputs_have_no_outputs(engine: BasicPitch) -> None:
    assert engine.run([], DEFAULTS) == []


@pytest.mark.parametrize(
    "wanted",
    [
        {"onset_threshold": 0},
        {"frame_threshold": 1.5},
        {"minimum_note_length_ms": -1},
        {"minimum_frequency_hz": 10},
        {"minimum_frequency_hz": 880, "maximum_frequency_hz": 440},
        {"maximum_frequency_hz": "high"},
        {"pitch_bends": True},
    ],
)
def test_options_out_of_range_are_refused(wanted: dict[str, object]) -> None:
    with pytest.raises(UnknownOption):
        read_choice("notes", wanted)


# The same notes as the library's


def test_a_scale_is_heard_as_by_the_library_and_as_played(engine: BasicPitch, tune: Audio, tmp_path: Path) -> None:
    (notes,) = engine.run([tune], DEFAULTS)
    assert near(notes, library_notes(tune, tmp_path / "tune.wav"))
    played = [n for n in notes if n.velocity > 60]
    assert [n.pitch_midi for n in played] == [60, 62, 64, 65, 67, 69, 71, 72, 74, 76, 77, 79]
    assert np.allclose([n.onset_s for n in played], np.arange(12) * 0.75, atol=0.05)


@pytest.mark.parametrize(
    ("options", "thresholds"),
    [
        (DEFAULTS, {}),
        (
            BasicPitchOptions(0.3, 0.2, 60.0, 100.0, 500.0),
            {
                "onset_threshold": 0.3,
                "frame_threshold": 0.2,
                "minimum_note_length": 60.0,
                "minimum_frequency": 100.0,
                "maximum_frequency": 500.0,
            },
        ),
    ],
)
def test_chords_are_heard_as_by_the_library(
    engine: BasicPitch, chords: Audio, tmp_path: Path, options: BasicPitchOptions, thresholds: dict[str, float]
) -> None:
    (notes,) = engine.run([chords], options)
    assert len(notes) > 10
    assert near(notes, library_notes(chords, tmp_path / "chords.wav", **thresholds))


def test_a_sound_that_lasts_to_the_end_ends_as_in_the_library(engine: BasicPitch, tmp_path: Path) -> None:
    held = synth.sine(440.0, 12.0, RATE_HZ)
    (notes,) = engine.run([held], DEFAULTS)
    assert notes[-1].offset_s > 11.5
    assert near(notes, library_notes(held, tmp_path / "held.wav"))


def test_noise_is_heard_as_by_the_library(engine: BasicPitch, tmp_path: Path) -> None:
    noise = synth.noise(3.0, RATE_HZ)
    eager = BasicPitchOptions(onset_threshold=0.1, frame_threshold=0.1)
    (notes,) = engine.run([noise], eager)
    assert notes
    assert near(notes, library_notes(noise, tmp_path / "noise.wav", onset_threshold=0.1, frame_threshold=0.1))


@pytest.mark.parametrize("frames", [1, 36164 - 3840 - 1, 36164 - 3840, 36164 - 3840 + 1, 3 * 36164])
def test_windows_are_cut_as_by_the_library(frames: int) -> None:
    from basic_pitch.inference import window_audio_file

    samples = np.random.default_rng(0).normal(size=frames).astype(np.float32)
    padded = np.concatenate([np.zeros(3840, np.float32), samples])
    expected = np.stack([window[:, 0] for window, _ in window_audio_file(padded, 36164)])
    assert np.array_equal(basic_pitch.audio_to_windows(samples), expected)


# Steps


def block(frames: int, start: int, stop: int, key: int, level: float) -> Posteriors:
    """One key sounds from frame `start` to `stop`."""
    onsets, sounding = np.zeros((2, frames, 88), np.float32)
    onsets[start, key] = level
    sounding[start:stop, key] = level
    return Posteriors(onsets, sounding)


def test_an_activation_becomes_a_note() -> None:
    (note,) = basic_pitch.posteriors_to_notes(block(100, 20, 60, key=39, level=0.8), DEFAULTS)
    assert (note.pitch_midi, note.velocity) == (60, 102)  # 0.8 x 127 = 101.6
    assert note.onset_s == pytest.approx(20 * 256 / 22050, abs=1e-6)
    assert note.offset_s == pytest.approx(60 * 256 / 22050, abs=1e-6)


@pytest.mark.parametrize(
    ("options", "heard"),
    [
        (replace(DEFAULTS, minimum_note_length_ms=40 * 256 / 22.05 - 6), True),  # 39 frames: 40 are longer
        (replace(DEFAULTS, minimum_note_length_ms=40 * 256 / 22.05), False),
        (replace(DEFAULTS, frame_threshold=0.9, onset_threshold=0.9), False),
        (replace(DEFAULTS, maximum_frequency_hz=250.0), False),  # middle C has 261.6 Hz
        (replace(DEFAULTS, minimum_frequency_hz=300.0), False),
        (replace(DEFAULTS, minimum_frequency_hz=250.0, maximum_frequency_hz=300.0), True),
    ],
)
def test_options_choose_the_notes(options: BasicPitchOptions, heard: bool) -> None:
    posteriors = block(100, 20, 60, key=39, level=0.8)
    assert bool(basic_pitch.posteriors_to_notes(posteriors, options)) is heard
    assert posteriors.sounding.max() == np.float32(0.8), "the input is left as it was"


# Batches, progress, cancelling


def test_a_batch_gives_the_same_as_its_items_one_by_one(
    engine: BasicPitch, tune: Audio, chords: Audio, monkeypatch: pytest.MonkeyPatch
) -> None:
    inputs = [chords, synth.silence(1.0, RATE_HZ), tune, Audio(chords.samples[:, :RATE_HZ], RATE_HZ)]
    singly = [engine.run([one], DEFAULTS)[0] for one in inputs]
    assert engine.run(inputs, DEFAULTS) == singly
    monkeypatch.setattr(basic_pitch, "BATCH", 3)  # batches that end in the middle of a recording
    assert engine.run(inputs, DEFAULTS) == singly
    assert [bool(notes) for notes in singly] == [True, False, True, True]


def test_progress_rises_to_the_end(engine: BasicPitch, tune: Audio, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(basic_pitch, "BATCH", 2)
    heard: list[float] = []
    engine.run([tune, tune], DEFAULTS, heard.append)
    assert heard == sorted(heard)
    assert (heard[0], heard[-1]) == (0.0, 1.0)
    assert len(heard) > 4


def test_cancelling_stops_before_the_next_batch(
    engine: BasicPitch, tune: Audio, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(basic_pitch, "BATCH", 2)
    seen: list[int] = []
    listen = basic_pitch.windows_to_activations

    def counted(session: object, windows: Sequence[FloatArray]) -> FloatArray:
        seen.append(len(windows))
        return listen(session, windows)

    monkeypatch.setattr(basic_pitch, "windows_to_activations", counted)
    with pytest.raises(JobCancelled):
        engine.run([tune], DEFAULTS, cancel_after(0.3))
    assert seen == [2, 2]


def cancel_after(limit: float) -> Callable[[float], None]:
    def progress(fraction: float) -> None:
        if fraction > limit:
            raise JobCancelled

    return progress


# What made the notes


def test_the_bundled_weights_are_named(engine: BasicPitch) -> None:
    import basic_pitch as package

    chosen = choose("notes", Choice(), MODELS)
    identity = chosen.engine.identity(chosen.options, MODELS)
    weights = package.build_icassp_2022_model_path(package.FilenameSuffix.onnx).read_bytes()
    assert chosen.engine is BasicPitch
    assert identity.weights == f"basic_pitch-icassp_2022@{sha256(weights).hexdigest()[:12]}"


def test_loading_is_lazy_quiet_and_without_tensorflow() -> None:
    code = """
import sys, logging, warnings
warnings.simplefilter("error")
from pathlib import Path
from app.engines.notes.basic_pitch import BasicPitch, BasicPitchOptions
from app.weights import Models
assert not {"basic_pitch", "librosa", "onnxruntime"} & set(sys.modules)
BasicPitch(BasicPitchOptions(), Models(Path("nowhere")))
assert "basic_pitch.note_creation" in sys.modules
assert not {"tensorflow", "tflite_runtime", "coremltools", "torch"} & set(sys.modules)
assert not logging.getLogger().handlers and not logging.getLogger().filters
logging.getLogger().warning("still heard")
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr.strip() == "still heard"
    assert done.stdout == ""
