"""From seconds to musical time: the beats that were heard carry the bars that are written.

Positions are counted in beats, as real numbers: 0 is the first beat that was detected, 2.5 lies half way between the
third and the fourth. Between beats time runs evenly; before the first and after the last it goes on at the tempo there.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from app.music import Analysis, Beat
from app.score.model import Bar

DEFAULT_BPM = 120.0
"""For music without a pulse: the tempo that sequencers and Standard MIDI Files start from."""

SHORTEST_BEAT_S = 0.1
"""600 beats a minute: two detections closer than this are one beat heard twice."""

LONGEST_BEAT_S = 3.0
"""20 beats a minute, half of what metronomes go down to: slower events are no pulse that one could write by."""

EDGE_BEATS = 4
"""How many beats tell the tempo before the first and after the last: about one bar."""

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Grid:
    """The beats of a piece: at least two times, strictly increasing, and where in the bar they stand."""

    times_s: tuple[float, ...]
    positions: tuple[int, ...]
    beats_per_bar: int

    @property
    def tempo_bpm(self) -> float:
        return float(60 / np.median(np.diff(self.times_s)))

    def beats_at(self, times_s: Sequence[float] | Floats) -> Floats:
        """Positions in beats of times in seconds, same shape."""
        return _stretched(np.asarray(times_s, dtype=np.float64), self._times(), self._indices())

    def seconds_at(self, beats: Sequence[float] | Floats) -> Floats:
        """Times in seconds of positions in beats, same shape: the inverse of `beats_at`."""
        return _stretched(np.asarray(beats, dtype=np.float64), self._indices(), self._times())

    def bars(self, first: int, last: int) -> tuple[Bar, ...]:
        """The bars from the one that holds beat `first` to the one that holds beat `last`.

        Before the first downbeat that was detected the first bar begins at `first` and may be a pickup.
        """
        lines = self._barlines(first, last)
        pickup = lines[1] <= self._first_downbeat() and lines[1] - lines[0] < self.beats_per_bar
        return tuple(
            Bar(number=i if pickup else i + 1, first_beat=start, beats=end - start, pickup=pickup and i == 0)
            for i, (start, end) in enumerate(pairwise(lines))
        )

    def _barlines(self, first: int, last: int) -> list[int]:
        """Where the bars begin, and where the last one ends."""
        lines = self._downbeats()
        while lines[-1] <= last:
            lines.append(lines[-1] + self.beats_per_bar)
        while lines[0] > first:
            lines.insert(0, lines[0] - self.beats_per_bar)
        while len(lines) > 2 and lines[1] <= first:
            lines.pop(0)
        while len(lines) > 2 and lines[-2] > last:
            lines.pop()
        if lines[0] < first < self._first_downbeat():
            lines[0] = first
        return lines

    def _downbeats(self) -> list[int]:
        """Indices of the downbeats; where the detector left one out for two bars or more, those that must be there."""
        lines = [self._first_downbeat()]
        for beat in np.flatnonzero(np.asarray(self.positions) == 1).tolist():
            while beat - lines[-1] >= 2 * self.beats_per_bar:
                lines.append(lines[-1] + self.beats_per_bar)
            if beat > lines[-1]:
                lines.append(beat)
        return lines

    def _first_downbeat(self) -> int:
        if 1 in self.positions:
            return self.positions.index(1)
        return (1 - self.positions[0]) % self.beats_per_bar

    def _times(self) -> Floats:
        return np.asarray(self.times_s, dtype=np.float64)

    def _indices(self) -> Floats:
        return np.arange(len(self.times_s), dtype=np.float64)


def grid_of(analysis: Analysis) -> Grid:
    """The grid of a recording. Where no beat was heard, an even one from its start, at its tempo if it has one."""
    beats_per_bar = max(1, analysis.beats_per_bar)
    beats = _distinct(analysis.beats)
    if len(beats) > 1 and _step_s(beats) > LONGEST_BEAT_S:
        beats = ()
    beats = _filled(beats, beats_per_bar) or (Beat(0.0, 1),)
    if len(beats) == 1:
        step_s = 60 / (analysis.tempo_bpm or DEFAULT_BPM)
        beats = (*beats, Beat(beats[0].time_s + step_s, beats[0].position % beats_per_bar + 1))
    return Grid(tuple(beat.time_s for beat in beats), tuple(beat.position for beat in beats), beats_per_bar)


def _stretched(x: Floats, xs: Floats, ys: Floats) -> Floats:
    """Piecewise linear from `xs` to `ys`, both increasing, and beyond both ends at the mean slope there."""
    y: Floats = np.interp(x, xs, ys)
    edge = min(EDGE_BEATS, len(xs) - 1)
    before, after = x < xs[0], x > xs[-1]
    y[before] = ys[0] + (x[before] - xs[0]) * (ys[edge] - ys[0]) / (xs[edge] - xs[0])
    y[after] = ys[-1] + (x[after] - xs[-1]) * (ys[-1] - ys[-1 - edge]) / (xs[-1] - xs[-1 - edge])
    return y


def _distinct(beats: Sequence[Beat]) -> tuple[Beat, ...]:
    """The beats in order, without those heard twice."""
    kept: list[Beat] = []
    for beat in sorted(beats):
        if not kept or beat.time_s - kept[-1].time_s >= SHORTEST_BEAT_S:
            kept.append(beat)
    return tuple(kept)


def _step_s(beats: Sequence[Beat]) -> float:
    return float(np.median(np.diff([beat.time_s for beat in beats])))


def _filled(beats: tuple[Beat, ...], beats_per_bar: int) -> tuple[Beat, ...]:
    """The beats with the missing ones put in: where a gap is a multiple of a beat and the bar's count agrees, or where
    it is two bars or longer, whatever the count."""
    if len(beats) < 3:
        return beats
    step_s = _step_s(beats)
    filled = [beats[0]]
    for beat in beats[1:]:
        last = filled[-1]
        steps = round((beat.time_s - last.time_s) / step_s)
        agrees = (beat.position - last.position - steps) % beats_per_bar == 0
        if (steps > 1 and agrees) or steps >= 2 * beats_per_bar:
            for k in range(1, steps):
                time_s = last.time_s + (beat.time_s - last.time_s) * k / steps
                filled.append(Beat(time_s, (last.position - 1 + k) % beats_per_bar + 1))
        filled.append(beat)
    return tuple(filled)
