"""The built-in rhythm engine on music whose beats, bars, key and chords are known."""

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import mir_eval
import numpy as np
import pytest
from numpy.typing import NDArray

from app.engines.contract import Options
from app.engines.rhythm import RATE_HZ, chroma, onsets
from app.engines.rhythm.bars import find_meter
from app.engines.rhythm.beats import even_out, fill_out
from app.engines.rhythm.chords import label
from app.engines.rhythm.key import find_key
from app.engines.rhythm.librosa import Librosa
from app.errors import BadAudio, JobCancelled
from app.music import Analysis, Audio, Beat, Chord, Key
from app.weights import Models
from tests import synth


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Librosa:
    return Librosa(Options(), Models(tmp_path_factory.mktemp("models")))


def analyse(engine: Librosa, audio: Audio) -> Analysis:
    [analysis] = engine.run([Audio(audio.mono()[None], audio.rate_hz)], Options())
    return analysis


def times(beats: Sequence[Beat]) -> NDArray[np.float64]:
    return np.array([beat.time_s for beat in beats])


def downbeats(beats: Sequence[Beat]) -> list[Beat]:
    return [beat for beat in beats if beat.position == 1]


def beat_f(truth: Sequence[Beat], found: Sequence[Beat]) -> float:
    """F-measure within 70 ms. What is found while the last beat rings on is left out: it is neither right nor wrong."""
    last_s = truth[-1].time_s + 0.07
    return float(mir_eval.beat.f_measure(times(truth), times([beat for beat in found if beat.time_s <= last_s])))


def chord_accuracy(truth: Sequence[Chord], found: Sequence[Chord]) -> float:
    """Share of the time with the right root and third, as mir_eval's majmin."""

    def unpacked(chords: Sequence[Chord]) -> tuple[NDArray[np.float64], list[str]]:
        return np.array([(c.onset_s, c.offset_s) for c in chords]), [c.label for c in chords]

    (true_spans, true_labels), (spans, labels) = unpacked(truth), unpacked(found)
    spans, labels = mir_eval.util.adjust_intervals(spans, labels, true_spans.min(), true_spans.max(), "N", "N")
    merged, true_labels, labels = mir_eval.util.merge_labeled_intervals(true_spans, true_labels, spans, labels)
    durations = mir_eval.util.intervals_to_durations(merged)
    return float(mir_eval.chord.weighted_accuracy(mir_eval.chord.majmin(true_labels, labels), durations))


# Input that is not music


@pytest.mark.parametrize("seconds", [0.0, 1 / RATE_HZ, 0.1, 1.0, 1.5, 1.6, 4.0])
def test_silence_has_no_rhythm(engine: Librosa, seconds: float) -> None:
    analysis = analyse(engine, synth.silence(seconds, RATE_HZ))
    assert analysis == Analysis(analysis.duration_s, None, 4, (), None, ())
    assert analysis.duration_s == pytest.approx(seconds, abs=1 / RATE_HZ)


@pytest.mark.parametrize("seconds", [1.0, 1.5, 3.0, 10.0])
@pytest.mark.parametrize("level", [1e-6, 0.1])
def test_noise_has_neither_pulse_nor_key_nor_chords(engine: Librosa, seconds: float, level: float) -> None:
    analysis = analyse(engine, synth.noise(seconds, RATE_HZ, level=level))
    assert (analysis.tempo_bpm, analysis.beats, analysis.key) == (None, (), None)
    assert {chord.label for chord in analysis.chords} <= {"N"}


def test_one_tone_has_no_pulse(engine: Librosa) -> None:
    analysis = analyse(engine, synth.sine(440, 5, RATE_HZ))
    assert (analysis.tempo_bpm, analysis.beats) == (None, ())


def test_samples_that_are_not_numbers_are_refused(engine: Librosa) -> None:
    with pytest.raises(BadAudio):
        engine.run([synth.not_a_number(2.0, RATE_HZ)], Options())


def test_batch_gives_the_same_as_its_items_and_again(engine: Librosa) -> None:
    batch = [
        synth.drums(synth.groove(synth.beats(120, 4, 2)), RATE_HZ),
        synth.silence(1.0, RATE_HZ),
        synth.notes(synth.voiced(synth.progression(["C:maj", "G:maj"], 2.0)), rate_hz=RATE_HZ),
    ]
    together = engine.run(batch, Options())
    assert together == [engine.run([audio], Options())[0] for audio in batch]
    assert together == engine.run(batch, Options())


def test_progress_ends_at_one_and_may_stop_the_work(engine: Librosa) -> None:
    heard: list[float] = []
    engine.run([synth.silence(1.0, RATE_HZ)] * 3, Options(), heard.append)
    assert heard == sorted(heard)
    assert heard[-1] == 1.0

    def cancelled(fraction: float) -> None:
        raise JobCancelled

    with pytest.raises(JobCancelled):
        engine.run([synth.silence(1.0, RATE_HZ)], Options(), cancelled)


# Tempo, beats and bars


@pytest.mark.parametrize("meter", [3, 4])
@pytest.mark.parametrize("tempo_bpm", [90, 120, 150])
def test_grooves_beats_and_bars_are_found(engine: Librosa, tempo_bpm: float, meter: int) -> None:
    truth = synth.beats(tempo_bpm, meter, 6)
    analysis = analyse(engine, synth.drums(synth.groove(truth), RATE_HZ))
    assert analysis.tempo_bpm == pytest.approx(tempo_bpm, rel=0.02)
    assert analysis.beats_per_bar == meter
    assert beat_f(truth, analysis.beats) >= 0.9
    assert beat_f(downbeats(truth), downbeats(analysis.beats)) >= 0.9


def test_beats_are_not_bound_to_start_with_the_recording(engine: Librosa) -> None:
    truth = tuple(Beat(beat.time_s + 1.3, beat.position) for beat in synth.beats(100, 4, 5))
    analysis = analyse(engine, synth.drums(synth.groove(truth), RATE_HZ))
    assert beat_f(truth, analysis.beats) >= 0.9
    assert beat_f(downbeats(truth), downbeats(analysis.beats)) >= 0.9


def test_beats_follow_a_band_that_slows_down(engine: Librosa) -> None:
    spacing_s = np.geomspace(0.45, 0.55, 40)  # 133 to 109 beats a minute
    starts_s = np.concatenate([[0.2], 0.2 + np.cumsum(spacing_s)[:-1]])
    truth = tuple(Beat(float(start_s), 1 + i % 4) for i, start_s in enumerate(starts_s))
    analysis = analyse(engine, synth.drums(synth.groove(truth), RATE_HZ))
    assert beat_f(truth, analysis.beats) >= 0.9


@pytest.mark.parametrize("tempo_bpm", [90, 120, 150])
def test_a_bands_analysis_is_found(engine: Librosa, tempo_bpm: float) -> None:
    band = synth.band(tempo_bpm, bars=8, rate_hz=RATE_HZ)
    truth, analysis = band.truth.analysis, analyse(engine, band.mixture)
    assert analysis.tempo_bpm == pytest.approx(tempo_bpm, rel=0.02)
    assert beat_f(truth.beats, analysis.beats) >= 0.9
    assert beat_f(downbeats(truth.beats), downbeats(analysis.beats)) >= 0.9
    assert analysis.key == truth.key
    assert chord_accuracy(truth.chords, analysis.chords) >= 0.9
    found_s = times(analysis.beats)
    assert found_s[0] >= 0
    assert (np.diff(found_s) > 0).all()
    assert analysis.chords[0].onset_s == 0
    assert analysis.chords[-1].offset_s == band.mixture.duration_s
    assert all(a.offset_s == b.onset_s for a, b in pairwise(analysis.chords))


def test_onset_strength_in_blocks_is_that_of_the_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    samples = synth.drums(synth.groove(synth.beats(120, 4, 4)), RATE_HZ).mono()
    whole = onsets.onset_strength(samples)
    monkeypatch.setattr(onsets, "BLOCK", 300 * onsets.HOP)
    blocks = onsets.onset_strength(samples)
    for name in ("kick", "snare", "all"):
        np.testing.assert_allclose(getattr(blocks, name), getattr(whole, name), atol=1e-3)


def test_jitter_is_taken_out_of_a_steady_grid_and_drift_is_kept() -> None:
    jitter_s = np.random.default_rng(0).normal(scale=0.01, size=40)
    steady, drifting = 0.5 * np.arange(40), np.cumsum(np.geomspace(0.4, 0.6, 40))
    np.testing.assert_allclose(even_out(steady + jitter_s), steady, atol=0.01)
    np.testing.assert_allclose(even_out(drifting + jitter_s), drifting, atol=0.02)


def test_beats_are_continued_to_the_ends_of_the_sound() -> None:
    np.testing.assert_allclose(fill_out(np.array([2.0, 2.5, 3.0]), 0.98, 4.2), [1.0, 1.5, 2.0, 2.5, 3.0, 3.5, 4.0])


@pytest.mark.parametrize(("meter", "phase"), [(4, 0), (4, 2), (4, 3), (3, 0), (3, 1)])
def test_meter_is_read_off_the_drums(meter: int, phase: int) -> None:
    beats = np.arange(24)
    in_bar = (beats - phase) % meter
    kick = np.where(in_bar == 0, 1.0, np.where((in_bar == 2) & (meter == 4), 0.6, 0.0))
    snare = np.isin(in_bar, (1, 3) if meter == 4 else (1, 2)).astype(float)
    assert find_meter({"kick": kick, "snare": snare}) == (meter, phase)


# Key and chords


@pytest.mark.parametrize(
    ("labels", "key"),
    [
        (["C:maj", "F:maj", "G:maj", "C:maj"], "C major"),
        (["Bb:maj", "Eb:maj", "F:7", "Bb:maj"], "Bb major"),
        (["A:min", "D:min", "E:7", "A:min"], "A minor"),
        (["F#:min", "B:min", "C#:maj", "F#:min"], "F# minor"),
    ],
)
def test_a_cadences_key_and_chords_are_found(engine: Librosa, labels: list[str], key: str) -> None:
    truth = synth.progression(labels, 2.0)
    analysis = analyse(engine, synth.notes(synth.voiced(truth), rate_hz=RATE_HZ))
    assert str(analysis.key) == key
    assert chord_accuracy(truth, analysis.chords) >= 0.9
    assert [chord.label for chord in analysis.chords] == labels


@pytest.mark.parametrize("cents", [-40, 30])
def test_chords_of_a_band_that_is_out_of_tune_are_found(engine: Librosa, cents: float) -> None:
    truth = synth.progression(["C:maj", "A:min", "F:maj", "G:maj"], 2.0)
    in_tune = synth.notes(synth.voiced(truth), rate_hz=RATE_HZ)
    ratio = 2 ** (cents / 1200)
    frames = np.arange(0, in_tune.frames - 1, ratio)
    detuned = np.interp(frames, np.arange(in_tune.frames), in_tune.mono()).astype(np.float32)
    analysis = analyse(engine, Audio(detuned[None], RATE_HZ))
    stretched = [Chord(c.onset_s / ratio, c.offset_s / ratio, c.label) for c in truth]
    assert chord_accuracy(stretched, analysis.chords) >= 0.9


def test_tuning_is_measured_in_semitones() -> None:
    bins = chroma._constant_q(synth.sine(440 * 2 ** (0.3 / 12), 3.0, RATE_HZ).mono(), 0.0)
    assert chroma.find_tuning(bins) == pytest.approx(0.3, abs=0.05)


def test_a_rest_is_no_chord(engine: Librosa) -> None:
    truth = synth.progression(["C:maj", "N", "N", "G:maj"], 2.0)
    analysis = analyse(engine, synth.notes(synth.voiced(truth), rate_hz=RATE_HZ))
    assert [chord.label for chord in analysis.chords] == ["C:maj", "N", "G:maj"]


def test_drums_alone_have_no_chords_and_no_key(engine: Librosa) -> None:
    analysis = analyse(engine, synth.drums(synth.groove(synth.beats(120, 4, 4)), RATE_HZ))
    assert analysis.key is None
    assert {chord.label for chord in analysis.chords} == {"N"}


def test_names_follow_the_key() -> None:
    assert [label(10, Key("F", "major")), label(22, Key("B", "minor"))] == ["Bb:maj", "A#:min"]


def test_nothing_sounding_has_no_key() -> None:
    assert find_key(np.zeros(12, dtype=np.float32)) is None


# Real recordings


SONGS = Path(__file__).parents[2] / "shared" / "data" / "multitrack"


def test_real_songs_beats_are_found(engine: Librosa) -> None:
    import librosa
    import soundfile

    if not SONGS.is_dir():
        pytest.skip("no data")
    scores = []
    for song in sorted(SONGS.iterdir()):
        samples, rate_hz = soundfile.read(song / "mixture.flac", dtype="float32", always_2d=True)
        mono = librosa.resample(samples.mean(axis=1), orig_sr=rate_hz, target_sr=RATE_HZ, res_type="soxr_hq")
        truth = [Beat(time_s, int(position)) for time_s, position in np.loadtxt(song / "beats.txt")]
        found = analyse(engine, Audio(mono[None], RATE_HZ)).beats
        scores.append((beat_f(truth, found), beat_f(downbeats(truth), downbeats(found))))
    beat, downbeat = np.mean(scores, axis=0)
    assert beat >= 0.9  # 0.99 measured
    assert downbeat >= 0.85  # 0.98 measured; one song of six in the wrong half bar costs 0.17
