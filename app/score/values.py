"""Note values: a stretch of time becomes the notes a musician expects to see, cut at bars and beats, tied and beamed.

The rules are those of Gould, "Behind Bars", 2011, chapter 6: a value may not hide the middle of a 4/4 bar nor, unless
it is plain syncopation, a beat; rests are never syncopated; triplets stay inside their beat.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from app.score.model import EIGHTH, SIXTEENTH, TICKS, Event, Head, Tuplet

HALF, DOTTED_HALF, WHOLE = 24, 36, 48
FLAGS = {3: 2, 4: 1, 6: 1, 9: 1}
"""Length to the number of flags; longer values have none. 4 is a triplet's eighth."""


@dataclass(frozen=True)
class Stretch:
    """Part of one sound or silence inside one bar, in ticks from the bar's beginning."""

    start: int
    end: int
    heads: tuple[Head, ...]
    goes_on: bool
    """Whether the sound lasts into the next bar."""


def events_of(stretches: Sequence[Stretch], bar_ticks: int) -> tuple[Event, ...]:
    """Written events that fill a bar, rests put in between. `stretches` are in order and do not overlap."""
    if not stretches:
        return (Event(0, bar_ticks, whole_bar=True),)
    events: list[Event] = []
    at = 0
    for stretch in stretches:
        events += rests(at, stretch.start, bar_ticks)
        events += _notes(stretch, bar_ticks)
        at = stretch.end
    events += rests(at, bar_ticks, bar_ticks)
    return _beamed(_bracketed(events), bar_ticks)


def rests(start: int, end: int, bar_ticks: int) -> list[Event]:
    return [Event(a, b - a) for a, b in _cut(start, end, bar_ticks, _rest_reads)]


def _notes(stretch: Stretch, bar_ticks: int) -> list[Event]:
    pieces = _cut(stretch.start, stretch.end, bar_ticks, _note_reads)
    events = []
    for i, (start, end) in enumerate(pieces):
        first, last = i == 0, i == len(pieces) - 1
        heads = tuple(
            replace(head, tied_from=head.tied_from or not first, tied_to=not last or stretch.goes_on)
            for head in stretch.heads
        )
        events.append(Event(start, end - start, heads))
    return events


def _cut(start: int, end: int, bar_ticks: int, reads: Callable[[int, int, int], bool]) -> list[tuple[int, int]]:
    """Cut a stretch at the strongest place inside it until every piece is one value that reads well."""
    if start >= end:
        return []
    if reads(start, end - start, bar_ticks):
        return [(start, end)]
    at = _strongest_inside(start, end, bar_ticks)
    return [*_cut(start, at, bar_ticks, reads), *_cut(at, end, bar_ticks, reads)]


def _strongest_inside(start: int, end: int, bar_ticks: int) -> int:
    """The middle of a 4/4 bar, else a beat, else an eighth, else a sixteenth or a triplet's place."""
    if bar_ticks == WHOLE and start < HALF < end:
        return HALF
    first_beat = (start // TICKS + 1) * TICKS
    if first_beat < end:
        # From off the beat, cut at the first beat; from on the beat, keep as many whole beats together as can be.
        return first_beat if start % TICKS else (end - 1) // TICKS * TICKS
    raster = SIXTEENTH if start % SIXTEENTH == 0 and end % SIXTEENTH == 0 else 4
    places = [tick for tick in range(start + 1, end) if tick % raster == 0]
    return min(places, key=lambda tick: (tick % EIGHTH, tick)) if places else start + 1


def _note_reads(start: int, length: int, bar_ticks: int) -> bool:
    end, within = start + length, start % TICKS
    if within + length <= TICKS:
        return length in (3, 4, 6, 8, 9, 12)
    if bar_ticks == WHOLE and start < HALF < end and not (within == 0 and length in (HALF, DOTTED_HALF, WHOLE)):
        return False
    if within == 0:
        return length in (12, 18, HALF, DOTTED_HALF, WHOLE)
    return within == EIGHTH and length in (12, 18)


def _rest_reads(start: int, length: int, bar_ticks: int) -> bool:
    within = start % TICKS
    if within + length <= TICKS:
        # Dotted rests inside a beat hide the eighth.
        return length in (4, 8, 12) or (length == 6 and start % EIGHTH == 0) or length == 3
    return length == HALF and start % HALF == 0 and bar_ticks % WHOLE == 0


def _bracketed(events: Sequence[Event]) -> list[Event]:
    """Mark the events of each beat that is divided in three as a triplet."""
    marked = list(events)
    beats: dict[int, list[int]] = {}
    for i, event in enumerate(events):
        if event.start % SIXTEENTH or event.end % SIXTEENTH:
            beats.setdefault(event.start // TICKS, []).append(i)
    for places in beats.values():
        for i in places:
            kind = Tuplet.START if i == places[0] else Tuplet.STOP if i == places[-1] else Tuplet.INSIDE
            marked[i] = replace(events[i], tuplet=kind)
    return marked


def _beamed(events: Sequence[Event], bar_ticks: int) -> tuple[Event, ...]:
    """Join the flagged notes of each beat by beams; plain eighths over two beats of a bar in two, or a bar in three."""
    runs: list[list[int]] = []
    for i, event in enumerate(events):
        if not event.heads or event.length not in FLAGS:
            continue
        last = runs[-1] if runs else []
        if last and last[-1] == i - 1 and _joins(events[last[0]], event, events[i - 1], bar_ticks):
            last.append(i)
        else:
            runs.append([i])
    beamed = list(events)
    for run in _split_mixed(runs, events):
        for i, beams in zip(run, _beams([FLAGS[events[i].length] for i in run]), strict=True):
            beamed[i] = replace(events[i], beams=beams)
    return tuple(beamed)


def _joins(first: Event, event: Event, before: Event, bar_ticks: int) -> bool:
    """Whether `event` may go under the beam that began with `first`: the same beat, or the same group of beats."""
    group = HALF if bar_ticks % HALF == 0 else bar_ticks
    return first.start // group == event.start // group and bool(before.heads)


def _split_mixed(runs: Sequence[list[int]], events: Sequence[Event]) -> list[list[int]]:
    """Runs of anything but plain eighths are cut at every beat; single notes keep their flags."""
    split: list[list[int]] = []
    for run in runs:
        plain = all(events[i].length == EIGHTH and events[i].start % EIGHTH == 0 for i in run)
        by_beat: dict[int, list[int]] = {}
        for i in run:
            by_beat.setdefault(0 if plain else events[i].start // TICKS, []).append(i)
        split += by_beat.values()
    return [run for run in split if len(run) > 1]


def _beams(flags: Sequence[int]) -> list[tuple[str, ...]]:
    """The beams of a run of notes with these numbers of flags."""
    return [tuple(_beam(flags, i, level) for level in range(1, flags[i] + 1)) for i in range(len(flags))]


def _beam(flags: Sequence[int], i: int, level: int) -> str:
    left = i > 0 and flags[i - 1] >= level
    right = i + 1 < len(flags) and flags[i + 1] >= level
    if left and right:
        return "continue"
    if left or right:
        return "end" if left else "begin"
    return "backward hook" if i > 0 else "forward hook"
