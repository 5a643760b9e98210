"""The performance as Standard MIDI Files: every note at its own time, under a tempo map of the detected beats.

So the file lines up with the recording, and a sequencer's bars and beats with the music. Time 0 of the file is time 0
of the recording; what lies before the first beat is filled with whole beats at a tempo of their own.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from io import BytesIO
from typing import Any

import mido
import numpy as np

from app.music import Key, Note, Transcription
from app.score.grid import Floats, Grid, grid_of
from app.score.programs import DRUM_CHANNEL, program_of
from app.score.spelling import fifths_of, step_and_alter
from app.score.titles import printable
from app.score.writing import NAMES, top_down

TICKS_PER_BEAT = 960
"""Rounding to a tick moves a note by less than half a millisecond down to 62 beats a minute, 1 ms down to 31."""

STROKE_S = 0.1
"""How long a stroke on a drum lasts: samplers play it to its end, but editors want something to show."""

SOONEST_S = 0.001
"""A first beat earlier than this is at time 0: no beat is that short, and no ear hears the difference."""

CHANNELS = tuple(channel for channel in range(16) if channel != DRUM_CHANNEL)

Timed = tuple[int, mido.Message | mido.MetaMessage]
"""A message and the tick, from the beginning, at which it happens."""


@dataclass(frozen=True, eq=False)
class TempoMap:
    """Beats from time 0 of the recording on, and where the bars begin."""

    times_s: Floats
    """Times of beats 0, 1, …; the first is 0."""
    meters: tuple[tuple[int, int], ...]
    """Beat, and how many beats a bar has from there on."""

    def tick_at(self, time_s: float) -> int:
        last = len(self.times_s) - 2
        beat = min(max(0, int(np.searchsorted(self.times_s, time_s, side="right")) - 1), last)
        start, end = self.times_s[beat], self.times_s[beat + 1]
        return max(0, round((beat + (time_s - start) / (end - start)) * TICKS_PER_BEAT))


def to_midi(transcription: Transcription) -> dict[str, bytes]:
    """One file for each stem, `drums` where there are hits, and `all`."""
    analysis = transcription.analysis
    conductor = _conductor(tempo_map(grid_of(analysis)), analysis.key, printable(transcription.title))
    ticks = tempo_map(grid_of(analysis))
    stems = dict(transcription.parts)
    if transcription.hits:
        stems["drums"] = [Note(h.onset_s, h.onset_s + STROKE_S, h.drum_midi, h.velocity) for h in transcription.hits]
    tracks = {
        stem: _track(stem, stems[stem], ticks, DRUM_CHANNEL if stem == "drums" else CHANNELS[i % len(CHANNELS)])
        for i, stem in enumerate(top_down(stems))
    }
    files = {stem: _file([conductor, track]) for stem, track in tracks.items()}
    return files | {"all": _file([conductor, *tracks.values()])}


def tempo_map(grid: Grid) -> TempoMap:
    """The beats of a grid from time 0 on, with whole beats put in before the first one."""
    heard = [time_s for time_s in grid.times_s if time_s >= SOONEST_S]
    skipped = len(grid.times_s) - len(heard)
    step_s = grid.times_s[1] - grid.times_s[0]
    lead = 1 if skipped else max(1, round(heard[0] / step_s))
    before = [heard[0] * k / lead for k in range(lead)]
    after = float(grid.seconds_at([len(grid.times_s)])[0])
    shift = lead - skipped
    bars = grid.bars(-shift, len(grid.times_s) - 1)
    meters: list[tuple[int, int]] = []
    for bar in bars:
        if not meters or meters[-1][1] != bar.beats:
            meters.append((bar.first_beat + shift, bar.beats))
    return TempoMap(np.array([*before, *heard, after]), tuple(meters))


def _conductor(tempo: TempoMap, key: Key | None, title: str) -> mido.MidiTrack:
    """The first track: title, key, meters and tempo."""
    messages: list[Timed] = [(0, mido.MetaMessage("track_name", name=title))]
    if key is not None:
        messages.append((0, mido.MetaMessage("key_signature", key=_key_name(key))))
    for beat, beats in tempo.meters:
        messages.append((beat * TICKS_PER_BEAT, mido.MetaMessage("time_signature", numerator=beats, denominator=4)))
    # Differences of rounded times, so that rounding to microseconds does not add up over a song.
    lengths = np.diff(np.rint(tempo.times_s * 1e6)).astype(int).tolist()
    for beat, length in enumerate(lengths):
        if beat == 0 or length != lengths[beat - 1]:
            messages.append((beat * TICKS_PER_BEAT, mido.MetaMessage("set_tempo", tempo=length)))
    return _in_order(messages)


def _key_name(key: Key) -> str:
    step, alter = step_and_alter(fifths_of(key) + (3 if key.mode == "minor" else 0))
    return step + {1: "#", -1: "b"}.get(alter, "") + ("m" if key.mode == "minor" else "")


def _track(stem: str, notes: Sequence[Note], tempo: TempoMap, channel: int) -> mido.MidiTrack:
    name = NAMES[stem][0] if stem in NAMES else stem
    messages: list[Timed] = [(0, mido.MetaMessage("track_name", name=name))]
    program = 0 if stem == "drums" else program_of(stem)
    messages.append((0, mido.Message("program_change", program=program, channel=channel)))
    for pitch, played in _by_pitch(notes).items():
        for note, following in zip(played, [*played[1:], None], strict=False):
            start, end = tempo.tick_at(note.onset_s), tempo.tick_at(note.offset_s)
            # A key must be let go before it is struck again, or players end the wrong note.
            latest = end if following is None else min(end, tempo.tick_at(following.onset_s))
            velocity = min(127, max(1, note.velocity))
            messages.append((start, mido.Message("note_on", note=pitch, velocity=velocity, channel=channel)))
            off = mido.Message("note_off", note=pitch, velocity=0, channel=channel)
            messages.append((max(start + 1, latest), off))
    return _in_order(messages)


def _by_pitch(notes: Iterable[Note]) -> Mapping[int, list[Note]]:
    played: dict[int, list[Note]] = {}
    for note in sorted(notes):
        played.setdefault(note.pitch_midi, []).append(note)
    return played


def _in_order(messages: Sequence[Timed]) -> mido.MidiTrack:
    """A track of messages with the ticks between them; where two fall together, notes end before others begin."""
    rank = {"note_off": 1, "note_on": 2}
    track = mido.MidiTrack()
    before = 0
    for tick, message in sorted(messages, key=lambda m: (m[0], rank.get(m[1].type, 0), getattr(m[1], "note", 0))):
        track.append(message.copy(time=tick - before))
        before = tick
    track.append(mido.MetaMessage("end_of_track", time=0))
    return track


def _file(tracks: Sequence[Any]) -> bytes:
    midi = mido.MidiFile(type=1, ticks_per_beat=TICKS_PER_BEAT, charset="utf-8")
    midi.tracks.extend(tracks)
    buffer = BytesIO()
    midi.save(file=buffer)
    return buffer.getvalue()
