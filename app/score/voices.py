"""Who plays what: notes are dealt out to hands and voices, so that each voice does one thing at a time.

A voice is a list of `Sound`s in order that never overlap. Melody instruments get one voice, of single notes; others up
to two on a staff: a second voice appears only where a note is held while others move, for that is when a pianist or
guitarist reads two voices. Overlaps shorter than that are legato or pedal and are cut at the next onset.
"""

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

import numpy as np

from app.score.model import EIGHTH, SIXTEENTH, TICKS
from app.score.quantise import Timed
from app.score.viterbi import cheapest_path

HELD = TICKS
"""A note that goes on for a beat or more after the next onset is held; less is legato."""

SPAN, FINGERS = 12, 5
"""Semitones that a hand reaches without effort, and what it reaches with."""

SPLITS = np.arange(43, 80)
"""Pitches from which on the right hand may play, G2 to G5: beyond these one hand has it all."""

LEGATO_SHORT, LEGATO_LONG = 0.6, 0.75
"""The part of the time to the next onset that a note must fill to be written without a rest: up to a beat, and beyond.
Players fill 60 to 90 % of a note they read as full; quarter, eighth rest, eighth fills two thirds and has its rest."""

BEFORE_REST = 0.85
"""The same where a rest follows: more, for there is no onset to say where the note was to end."""


@dataclass(frozen=True)
class Sound:
    """What one voice plays at one time, in ticks of the grid. `pitches` ascend."""

    start: int
    end: int
    pitches: tuple[int, ...]


@dataclass(frozen=True)
class Group:
    """Notes that begin together in one voice; `held`: they go on while the other voice moves."""

    notes: tuple[Timed, ...]
    held: bool = False

    @property
    def start(self) -> int:
        return self.notes[0].start

    @property
    def lowest(self) -> int:
        return min(note.pitch_midi for note in self.notes)

    @property
    def highest(self) -> int:
        return max(note.pitch_midi for note in self.notes)

    def sounds_at(self, tick: int) -> bool:
        return self.held and max(note.end for note in self.notes) - tick >= SIXTEENTH


Dealt = tuple[Group | None, Group | None]


def one_voice(notes: Sequence[Timed]) -> list[Sound]:
    """A melody: at each onset the loudest note, cut where the next begins."""
    loudest = [max(group.notes, key=lambda note: (note.velocity, note.played)) for group in _by_start(notes)]
    return _sounds([Group((note,)) for note in loudest], [note.start for note in loudest])


def two_voices(notes: Sequence[Timed]) -> tuple[list[Sound], list[Sound]]:
    """An upper and a lower voice of chords; the lower one is empty where one voice says everything."""
    groups = _by_start(notes)
    upper: list[Group] = []
    lower: list[Group] = []
    for group, following in zip(groups, [*groups[1:], None], strict=False):
        above = upper[-1] if upper and upper[-1].sounds_at(group.start) else None
        below = lower[-1] if lower and lower[-1].sounds_at(group.start) else None
        high, low = _beside(group, above, below) if above or below else _alone(group, following)
        upper += [high] if high else []
        lower += [low] if low else []
    onsets = [group.start for group in groups]
    return _sounds(upper, onsets), _sounds(lower, onsets)


def two_hands(notes: Sequence[Timed]) -> tuple[list[Timed], list[Timed]]:
    """The right hand's notes and the left's: at each onset there is a pitch from which on the right hand plays.

    That pitch moves as little as it can while both hands stay in reach, and stays near middle C where it is free, so
    that a melody alone is the right hand's where it is high and the left's where it is low.
    """
    groups = _by_start(notes)
    if not groups:
        return [], []
    costs = np.array([_strains(group, held) for group, held in zip(groups, _still_down(groups), strict=True)])
    # As dear a semitone as a stretch: on eight performances of the Vienna 4x22 corpus this puts 94 % of the notes into
    # the hand of the printed score, half as much 93 %, a tenth 92 %.
    path = cheapest_path(costs, 1.0 * np.abs(SPLITS[:, None] - SPLITS[None, :]))
    pairs = [(note, int(SPLITS[k])) for group, k in zip(groups, path, strict=True) for note in group.notes]
    return [n for n, split in pairs if n.pitch_midi >= split], [n for n, split in pairs if n.pitch_midi < split]


def _by_start(notes: Sequence[Timed]) -> list[Group]:
    return [Group(tuple(group)) for _, group in groupby(sorted(notes), key=lambda note: note.start)]


def _still_down(groups: Sequence[Group]) -> list[list[int]]:
    """For each group the pitches of earlier notes that still sound."""
    down: list[Timed] = []
    pitches = []
    for group in groups:
        down = [note for note in down if note.end > group.start]
        pitches.append([note.pitch_midi for note in down])
        down += group.notes
    return pitches


def _strains(group: Group, held: Sequence[int]) -> list[float]:
    """What it costs two hands to play `group` at each of the `SPLITS`: semitones out of reach, fingers missing.

    Notes still held count less than those to be struck, for the pedal may hold them.
    """
    struck = [note.pitch_midi for note in group.notes]
    return [
        2.0 * (_stretch(struck, split) + _crowd(struck, split))
        + _stretch([*struck, *held], split)
        # A weak pull to middle C (60), to decide where nothing else does.
        + 0.05 * abs(split - 60)
        for split in SPLITS.tolist()
    ]


def _hands(pitches: Sequence[int], split: int) -> tuple[list[int], list[int]]:
    return [p for p in pitches if p < split], [p for p in pitches if p >= split]


def _stretch(pitches: Sequence[int], split: int) -> int:
    return sum(max(0, max(hand) - min(hand) - SPAN) for hand in _hands(pitches, split) if hand)


def _crowd(pitches: Sequence[int], split: int) -> int:
    return sum(max(0, len(hand) - FINGERS) for hand in _hands(pitches, split))


def _alone(group: Group, following: Group | None) -> Dealt:
    """Deal a group while nothing is held: notes to be held go to the voice farther from what comes next."""
    if following is None:
        return group, None
    held = tuple(note for note in group.notes if note.end - following.start >= HELD)
    short = tuple(note for note in group.notes if note not in held)
    if not held:
        return group, None
    stays, moves = Group(held, held=True), Group(short) if short else following
    if stays.lowest > moves.highest:
        return stays, Group(short) if short else None
    if stays.highest < moves.lowest:
        return Group(short) if short else None, stays
    return group, None


def _beside(group: Group, above: Group | None, below: Group | None) -> Dealt:
    """Deal a group while the upper or the lower voice, or both, hold a note: that voice is cut only if it must be."""
    if above and below:
        middle = (above.lowest + below.highest) / 2
        return (group, None) if (group.lowest + group.highest) / 2 >= middle else (None, group)
    if above:
        return (None, group) if group.highest < above.lowest else (group, None)
    return (group, None) if below and group.lowest > below.highest else (None, group)


def _sounds(groups: Sequence[Group], onsets: Sequence[int]) -> list[Sound]:
    """The written sounds of a voice. `onsets`: where anything begins on its staff."""
    nexts = [group.start for group in groups[1:]]
    return [_sound(group, following, onsets) for group, following in zip(groups, [*nexts, None], strict=False)]


def _sound(group: Group, following: int | None, onsets: Sequence[int]) -> Sound:
    """One written sound, as long as its middle note: a chord is not let go all at once."""
    middle = sorted(group.notes, key=lambda note: note.played)[len(group.notes) // 2]
    end = _drawn_out(middle, onsets)
    end = end if following is None else min(end, following)
    return Sound(group.start, end, tuple(sorted(note.pitch_midi for note in group.notes)))


def _drawn_out(note: Timed, onsets: Sequence[int]) -> int:
    """The end of a note: drawn out to what begins after it, or to the next beat, where it nearly gets there."""
    later = bisect_left(onsets, note.end)
    if later < len(onsets):
        room, gap = onsets[later] - note.start, onsets[later] - note.end
        share = LEGATO_SHORT if room <= TICKS else LEGATO_LONG
        if gap <= SIXTEENTH or (gap <= EIGHTH and note.played >= share * room):
            return onsets[later]
    beat = -(-note.end // TICKS) * TICKS
    nearly = beat - note.end <= EIGHTH and note.played >= BEFORE_REST * (beat - note.start)
    return beat if nearly else note.end
