"""Pieces with known notation, performed: what the tests of the score play to it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from app.music import Analysis, Beat, Chord, Hit, Key, Note, Transcription
from app.score.model import Event, Score

Played = tuple[float, float, int]
"""Begin and length in beats from the first downbeat, and pitch."""


@dataclass(frozen=True)
class Player:
    """Plays notes on beats whose tempo drifts by up to `drift`, each onset and end up to `jitter_s` off."""

    bpm: float = 104.0
    drift: float = 0.06
    jitter_s: float = 0.02
    beats_per_bar: int = 4
    pickup_beats: int = 0
    first_beat_s: float = 0.9
    seed: int = 0

    def times(self, beats: int) -> NDArray[np.float64]:
        """Times of beats 0, 1, …, the first `pickup_beats` of them before the first downbeat."""
        steps = 60 / self.bpm * (1 + self.drift * np.sin(np.arange(beats - 1) / 3))
        return self.first_beat_s + np.concatenate([[0.0], np.cumsum(steps)])

    def beats(self, count: int) -> tuple[Beat, ...]:
        positions = [(i - self.pickup_beats) % self.beats_per_bar + 1 for i in range(count)]
        return tuple(Beat(float(t), p) for t, p in zip(self.times(count), positions, strict=True))

    def notes(self, played: Sequence[Played], share: float = 0.9) -> tuple[Note, ...]:
        """The performance; each note sounds for `share` of its length."""
        random = np.random.default_rng(self.seed)
        times = self.times(200)

        def at(beat: float) -> float:
            exact = np.interp(beat + self.pickup_beats, np.arange(200), times)
            return float(exact + random.uniform(-self.jitter_s, self.jitter_s))

        return tuple(sorted(Note(at(b), at(b + length * share), pitch, 80) for b, length, pitch in played))

    def hits(self, strokes: Sequence[tuple[float, int]]) -> tuple[Hit, ...]:
        notes = self.notes([(beat, 0.1, drum) for beat, drum in strokes])
        return tuple(Hit(note.onset_s, note.pitch_midi, note.velocity) for note in notes)

    def analysis(self, beats: int, key: Key | None = None, chords: Sequence[tuple[float, float, str]] = ()) -> Analysis:
        times = self.times(200)
        at = [(float(times[round(a)]), float(times[round(b)]), label) for a, b, label in chords]
        return Analysis(
            duration_s=float(times[beats]),
            tempo_bpm=self.bpm,
            beats_per_bar=self.beats_per_bar,
            beats=self.beats(beats),
            key=key,
            chords=tuple(Chord(a, b, label) for a, b, label in at),
        )


def piece(
    parts: Mapping[str, Sequence[Note]],
    analysis: Analysis,
    hits: Sequence[Hit] = (),
    title: str = "A piece",
    artist: str = "A player",
) -> Transcription:
    return Transcription(title, artist, analysis, {stem: tuple(notes) for stem, notes in parts.items()}, tuple(hits))


def silence(duration_s: float) -> Analysis:
    return Analysis(duration_s, None, 4, (), None, ())


def lines(score: Score, part: int = 0, staff: int = 0, voice: int = 1) -> list[str]:
    """One voice as text, bar by bar: `12` is a quarter note (in ticks), `r12` a rest, `(r12)` a hidden one, `12~` a
    note tied to the next, `3:4` a triplet's eighth, `R48` a bar's rest."""
    written = []
    for voices in score.parts[part].staves[staff].bars:
        events = next((v.events for v in voices if v.number == voice), ())
        written.append(" ".join(_text(event) for event in events))
    return written


def _text(event: Event) -> str:
    if event.whole_bar:
        return f"R{event.length}"
    value = f"3:{event.length}" if event.tuplet else str(event.length)
    if not event.heads:
        return f"(r{value})" if event.hidden else f"r{value}"
    return value + ("~" if event.heads[0].tied_to else "")


def names(score: Score, part: int = 0, staff: int = 0) -> list[str]:
    """The pitches of a staff's first voice in order, as `F#4`, chords as `C4+E4`."""
    return [
        "+".join(f"{h.pitch.step}{'#' * h.pitch.alter or 'b' * -h.pitch.alter}{h.pitch.octave}" for h in event.heads)
        for voices in score.parts[part].staves[staff].bars
        for event in voices[0].events
        if event.heads and not event.heads[0].tied_from
    ]
