"""The truth that other tests rely on is itself true, and MIDI becomes the sound it should."""

from pathlib import Path

import av
import numpy as np
import pretty_midi
import pytest

from app.engines.drums import KICK, SNARE
from app.music import Audio, FloatArray, Hit, Note
from jobs.sound import render, render_instruments
from tests import synth


def loudness(audio: Audio, start_s: float, stop_s: float) -> float:
    """Root mean square of the channels' mean."""
    piece = audio.mono()[round(start_s * audio.rate_hz) : round(stop_s * audio.rate_hz)]
    return float(np.sqrt(np.mean(piece**2)))


def strongest_hz(samples: FloatArray, rate_hz: int) -> float:
    spectrum = np.abs(np.fft.rfft(samples * np.hanning(len(samples))))
    return float(np.argmax(spectrum) * rate_hz / len(samples))


def pan(value: int) -> pretty_midi.PrettyMIDI:
    song = pretty_midi.PrettyMIDI()
    instrument = pretty_midi.Instrument(synth.FLUTE)
    instrument.notes = [pretty_midi.Note(100, 69, 0.0, 1.0)]
    instrument.control_changes = [pretty_midi.ControlChange(10, value, 0.0)]
    song.instruments = [instrument]
    return song


def test_render_of_nothing_is_silent() -> None:
    assert not render(pretty_midi.PrettyMIDI()).samples.any()


@pytest.mark.parametrize("rate_hz", [8_000, 44_100, 96_000])
def test_render_keeps_pitch_and_length_at_any_rate(rate_hz: int) -> None:
    audio = render(pan(64), rate_hz)
    assert audio.samples.shape == (2, 2 * rate_hz)
    assert strongest_hz(audio.mono()[:rate_hz], rate_hz) == pytest.approx(440.0, abs=3)


def test_render_repeats_itself() -> None:
    np.testing.assert_array_equal(render(pan(64)).samples, render(pan(64)).samples)


def test_render_obeys_controllers() -> None:
    left, right = np.abs(render(pan(0)).samples).max(axis=1)
    assert left > 50 * right


def test_render_bends_pitch() -> None:
    song = pan(64)
    song.instruments[0].pitch_bends = [pretty_midi.PitchBend(4096, 0.0)]  # half of the standard two semitones
    samples = render(song).mono()[:44_100]
    assert strongest_hz(samples, 44_100) == pytest.approx(466.2, abs=3)


def test_render_turns_loud_songs_down() -> None:
    song = pretty_midi.PrettyMIDI()
    song.instruments = [synth._kit([Hit(0.1, KICK, 127), Hit(0.1, SNARE, 127)]) for _ in range(8)]
    assert np.abs(np.sum(render_instruments(song), axis=0)).max() > 1
    assert np.abs(render(song).samples).max() == pytest.approx(1.0)


def test_notes_sound_when_and_as_high_as_they_say() -> None:
    audio = synth.notes([Note(0.5, 1.0, 69, 100), Note(1.5, 2.0, 81, 100)], synth.FLUTE)
    assert loudness(audio, 0, 0.49) == 0
    assert strongest_hz(audio.mono()[22_050:44_100], 44_100) == pytest.approx(440, abs=5)
    assert strongest_hz(audio.mono()[66_150:88_200], 44_100) == pytest.approx(880, abs=5)


def test_drums_sound_when_they_say() -> None:
    audio = synth.drums([Hit(0.5, KICK, 100)])
    assert loudness(audio, 0, 0.499) == 0
    assert loudness(audio, 0.5, 0.55) > 0.05


@pytest.mark.parametrize(("meter", "expected"), [(3, [1, 2, 3, 1, 2, 3]), (4, [1, 2, 3, 4, 1, 2, 3, 4])])
def test_beats_count_the_bar(meter: int, expected: list[int]) -> None:
    grid = synth.beats(120, meter, 2)
    assert [beat.position for beat in grid] == expected
    assert grid[-1].time_s == pytest.approx((2 * meter - 1) * 0.5)


def test_voiced_chords_have_their_pitch_classes() -> None:
    played = synth.voiced(synth.progression(["A:min", "N", "G:7"], 1.0), strokes=1)
    sounding = {start: {n.pitch_midi % 12 for n in played if n.onset_s == start} for start in (0.0, 1.0, 2.0)}
    assert sounding == {0.0: {9, 0, 4}, 1.0: set(), 2.0: {7, 11, 2, 5}}


def test_band_is_the_sum_of_its_stems() -> None:
    band = synth.band(bars=2)
    total = np.sum([stem.samples for stem in band.stems.values()], axis=0)
    np.testing.assert_allclose(total, band.mixture.samples, atol=1e-6)
    assert np.abs(band.mixture.samples).max() <= 1
    assert set(band.stems) == {"drums", *band.truth.parts}


@pytest.mark.parametrize(
    ("suffix", "rate_hz", "channels"),
    [
        ("wav", 8_000, 1),
        ("wav", 96_000, 6),
        ("flac", 48_000, 6),
        ("ogg", 44_100, 2),
        ("mp3", 8_000, 1),
        ("mp3", 44_100, 2),
        ("m4a", 48_000, 6),
    ],
)
def test_files_hold_what_was_written(tmp_path: Path, suffix: str, rate_hz: int, channels: int) -> None:
    path = tmp_path / f"sound.{suffix}"
    synth.write(synth.spread(synth.sine(440, 1.0, rate_hz), channels), path, title='A "title" 🎵', artist="x" * 300)
    with av.open(str(path)) as file:
        stream = file.streams.audio[0]
        tags = {name.lower(): text for name, text in {**file.metadata, **stream.metadata}.items()}
        samples = np.concatenate([frame.to_ndarray().reshape(-1) for frame in file.decode(stream)])
    assert (stream.rate, stream.channels) == (rate_hz, channels)
    assert (tags["title"], tags["artist"]) == ('A "title" 🎵', "x" * 300)
    assert len(samples) == pytest.approx(rate_hz * channels, rel=0.3)  # coders pad by up to two frames
