"""Where somebody sings: a vocal stem cut into passages by its energy.

Whisper was trained on speech and writes something for any 30 s it is given: in silence and in the faint remains of
other instruments it invents words ("Thank you for watching"). So only passages with a voice in them are sent to it.

Steps: `samples_to_levels`, `levels_to_regions`, `regions_to_passages`; all of them are `find_passages`.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from app.music import FloatArray

FRAME_S = 0.02  # as fine as Whisper's own times

# Nothing quieter is a voice. The loudest frames of sung stems (five MedleyDB songs) lie at -15 to -23 dB.
FLOOR_DB = -50.0
# Nor what is so much quieter than the loud frames. Of those stems it leaves in every frame with an annotated pitch.
RANGE_DB = 30.0
# Loud is what one frame in twenty exceeds: a click or one shout does not raise it.
LOUD_PERCENTILE = 95.0
# Once heard, a voice is followed further down than where it was noticed, so that the ends of words stay whole.
HYSTERESIS_DB = 6.0

# A bar at 120 beats a minute. Shorter pauses stay inside a passage: they are breaths, and Whisper wants the context.
GAP_S = 2.0
# Shorter sounds that stand alone are no words but clicks and breaths.
SHORTEST_S = 0.2
# Soft consonants before and after the voiced sound.
PADDING_S = 0.25

LONGEST_S = 30.0  # what Whisper hears at once
EARLIEST_CUT_S = 15.0  # a passage that is too long keeps at least this much before the cut
PAUSE_S = 0.3  # a cut is sought in the quietest stretch this long; the quietest frame alone may lie inside a word


@dataclass(frozen=True, order=True)
class Passage:
    """Samples `start` to `stop` of a recording."""

    start: int
    stop: int

    @property
    def frames(self) -> int:
        return self.stop - self.start


Region = tuple[int, int]
"""First frame, and the first one after."""
Levels = NDArray[np.float64]


def find_passages(samples: FloatArray, rate_hz: int) -> tuple[Passage, ...]:
    """Passages of at most 30 s of (samples,) in which somebody sings, in order; none where all is silent."""
    frame = round(FRAME_S * rate_hz)
    levels_db = samples_to_levels(samples, frame)
    passages = regions_to_passages(levels_to_regions(levels_db), levels_db)
    return tuple(Passage(start * frame, min(stop * frame, len(samples))) for start, stop in passages)


def samples_to_levels(samples: FloatArray, frame: int) -> Levels:
    """RMS level of each frame in dB below full scale, the mean taken off so that a constant offset is silence."""
    padded = np.pad(samples, (0, -len(samples) % frame)).reshape(-1, frame)
    return 20 * np.log10(np.maximum(padded.std(axis=1, dtype=np.float64), 1e-10))  # -200 dB for digital silence


def levels_to_regions(levels_db: Levels) -> list[Region]:
    """Stretches of frames with a voice in them, short pauses included, lone short sounds left out."""
    heard = levels_db[levels_db > FLOOR_DB]
    if not len(heard):
        return []
    noticed_db = max(FLOOR_DB, float(np.percentile(heard, LOUD_PERCENTILE)) - RANGE_DB)
    regions = [
        (start, stop)
        for start, stop in _runs(levels_db > noticed_db - HYSTERESIS_DB)
        if levels_db[start:stop].max() > noticed_db
    ]
    return [(a, b) for a, b in _joined(regions, _frames(GAP_S)) if b - a >= _frames(SHORTEST_S)]


def regions_to_passages(regions: Sequence[Region], levels_db: Levels) -> list[Region]:
    """The regions with some padding, those longer than 30 s cut where they are quietest."""
    padding = _frames(PADDING_S)
    padded = [(max(0, start - padding), min(len(levels_db), stop + padding)) for start, stop in regions]
    return [piece for start, stop in padded for piece in _cut(start, stop, levels_db)]


def loudest(samples: FloatArray, passages: Sequence[Passage], limit: int) -> FloatArray:
    """The loudest passages one after the other, in order of time, cut to `limit` samples."""
    by_level = sorted(passages, key=lambda p: -float(np.square(samples[p.start : p.stop]).mean()))
    chosen, total = [], 0
    for passage in by_level:
        if total < limit:
            chosen.append(passage)
            total += passage.frames
    return np.concatenate([samples[p.start : p.stop] for p in sorted(chosen)])[:limit]


def _runs(mask: NDArray[np.bool_]) -> list[Region]:
    """Stretches in which the mask is true."""
    edges = np.flatnonzero(np.diff(mask.astype(np.int8), prepend=0, append=0)).tolist()
    return list(zip(edges[::2], edges[1::2], strict=True))


def _joined(regions: Sequence[Region], gap: int) -> list[Region]:
    """Regions that are less than `gap` frames apart made one."""
    joined: list[Region] = []
    for start, stop in regions:
        if joined and start - joined[-1][1] < gap:
            joined[-1] = (joined[-1][0], stop)
        else:
            joined.append((start, stop))
    return joined


def _cut(start: int, stop: int, levels_db: Levels) -> list[Region]:
    """One region in pieces of at most 30 s."""
    pieces = []
    while stop - start > _frames(LONGEST_S):
        cut = start + _quietest(levels_db[start:stop])
        pieces.append((start, cut))
        start = cut
    return [*pieces, (start, stop)]


def _quietest(levels_db: Levels) -> int:
    """The frame between 15 and 30 s around which it is quietest; the rest after it is no shorter than a pause."""
    pause = _frames(PAUSE_S)
    first, last = _frames(EARLIEST_CUT_S), min(_frames(LONGEST_S), len(levels_db) - pause)
    around = np.lib.stride_tricks.sliding_window_view(levels_db[first - pause // 2 : last + pause // 2 + 1], pause)
    return first + int(around.mean(axis=1).argmin())


def _frames(seconds: float) -> int:
    return round(seconds / FRAME_S)
