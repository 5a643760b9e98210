"""The demo song is music as written, and the file of it can be read with its tags."""

from itertools import pairwise
from pathlib import Path

import av
import numpy as np

from app.music import Transcription
from jobs.demo_song import ARTIST, BEAT_S, BEATS_PER_BAR, PATTERNS, TITLE, demo_song, play, write_demo_song, write_down
from jobs.sound import render_instruments


def lowest_at(song: Transcription, part: str, time_s: float) -> int:
    return min(n.pitch_midi for n in song.parts[part] if abs(n.onset_s - time_s) < 1e-6)


def test_song_is_of_the_promised_length_and_never_louder_than_full_scale() -> None:
    audio, song = demo_song()
    assert 20 <= song.analysis.duration_s <= audio.duration_s <= 40
    assert 0.9 < np.abs(audio.samples).max() <= 1


def test_every_part_and_pattern_fills_its_bars() -> None:
    song = write_down()
    beats = len(PATTERNS) * BEATS_PER_BAR
    assert {len(steps) for pattern in PATTERNS for steps in pattern.values()} == {16}
    assert len(song.analysis.beats) == beats
    assert abs(song.analysis.chords[-1].offset_s - beats * BEAT_S) < 1e-6
    for notes in song.parts.values():
        assert song.analysis.duration_s - 4 * BEAT_S <= max(n.onset_s for n in notes) < song.analysis.duration_s
        assert all(0 <= n.onset_s < n.offset_s <= song.analysis.duration_s for n in notes)


def test_bass_and_left_hand_play_the_chords_root() -> None:
    song = write_down()
    letters = {"C": 0, "D": 2, "F": 5, "G": 7, "A": 9}
    for chord in song.analysis.chords[1:]:
        root = letters[chord.label[0]]
        assert {lowest_at(song, part, chord.onset_s) % 12 for part in ("bass", "piano")} == {root}


def test_no_instrument_plays_a_key_twice_at_once() -> None:
    for instrument in play(write_down()).instruments:
        notes = sorted((n.pitch, n.start, n.end) for n in instrument.notes)
        assert all(a[0] != b[0] or a[2] <= b[1] + 1e-9 for a, b in pairwise(notes))


def test_piano_stands_on_both_sides_and_the_bass_in_the_middle() -> None:
    midi = play(write_down())
    levels = {
        instrument.name: part.std(axis=1)
        for instrument, part in zip(midi.instruments, render_instruments(midi), strict=True)
    }
    assert levels["piano, left hand"][0] > 1.2 * levels["piano, left hand"][1]
    assert levels["piano, right hand"][1] > 1.2 * levels["piano, right hand"][0]
    assert abs(levels["bass"][0] / levels["bass"][1] - 1) < 0.05


def test_file_has_tags_and_is_always_the_same(tmp_path: Path) -> None:
    first, second = (write_demo_song(tmp_path / folder / "song.flac") for folder in "ab")
    assert first.read_bytes() == second.read_bytes()
    with av.open(str(first)) as file:
        tags = {name.lower(): text for name, text in file.metadata.items()}
        assert (tags["title"], tags["artist"]) == (TITLE, ARTIST)
        assert file.streams.audio[0].channels == 2
