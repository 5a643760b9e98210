"""The written score as plain values: what a musician would see on the page, and what an editor would change.

Time inside a score is counted in ticks, `TICKS` to a beat, a beat being a quarter note. Twelve, because both sixteenths
(3 ticks) and triplet eighths (4 ticks) are whole then. An event's `start` is counted from its bar's beginning.
"""

from dataclasses import dataclass
from enum import Enum

TICKS = 12
SIXTEENTH = 3
EIGHTH = 6


class Clef(Enum):
    """Clefs; the ones "8vb" sound an octave below what is written, as guitars, basses and tenors are used to."""

    TREBLE = "treble"
    TREBLE_8VB = "treble8vb"
    BASS = "bass"
    BASS_8VB = "bass8vb"
    PERCUSSION = "percussion"


class Tuplet(Enum):
    """Where an event stands in its triplet."""

    START = "start"
    INSIDE = "inside"
    STOP = "stop"


@dataclass(frozen=True, order=True)
class Spelled:
    """A pitch with its name: F# and Gb are two."""

    step: str
    alter: int
    """Semitones up or down: 1 is sharp."""
    octave: int
    """4 is the octave of middle C."""


@dataclass(frozen=True)
class Head:
    """One notehead: a pitch, or a place on the percussion staff."""

    pitch: Spelled
    tied_from: bool = False
    tied_to: bool = False
    accidental: bool = False
    """Whether its sharp, flat or natural is printed."""
    notehead: str = "normal"
    """As in MusicXML: `normal`, `x`, `circle-x`, `diamond`, `triangle`."""


@dataclass(frozen=True)
class Event:
    """What one voice does for one written note value. No heads: a rest."""

    start: int
    length: int
    heads: tuple[Head, ...] = ()
    whole_bar: bool = False
    """A rest for the whole bar, whatever the bar's length."""
    hidden: bool = False
    """A rest that is there to keep time and is not printed."""
    tuplet: Tuplet | None = None
    beams: tuple[str, ...] = ()
    """One for each beam, as in MusicXML: `begin`, `continue`, `end`, `forward hook`, `backward hook`."""

    @property
    def end(self) -> int:
        return self.start + self.length


@dataclass(frozen=True)
class Voice:
    number: int
    events: tuple[Event, ...]
    """Without gaps, from the bar's beginning to its end."""


@dataclass(frozen=True)
class Bar:
    """One bar of the whole score."""

    number: int
    first_beat: int
    """Index of its first beat in the grid; the first beat that was detected is 0."""
    beats: int
    pickup: bool = False
    """An incomplete first bar: it has no number."""

    @property
    def ticks(self) -> int:
        return self.beats * TICKS


@dataclass(frozen=True)
class Staff:
    clef: Clef
    bars: tuple[tuple[Voice, ...], ...]
    """The voices of each bar of the score."""


@dataclass(frozen=True)
class Part:
    stem: str
    name: str
    abbreviation: str
    staves: tuple[Staff, ...]


@dataclass(frozen=True)
class Harmony:
    """A chord symbol. `kind` as in MusicXML, `suffix` as it is printed after the root."""

    bar: int
    """Index in `Score.bars`."""
    start: int
    root: tuple[str, int]
    """Step and alteration: `("B", -1)`."""
    kind: str
    suffix: str
    bass: tuple[str, int] | None = None


@dataclass(frozen=True)
class Score:
    title: str
    artist: str
    tempo_bpm: float
    fifths: int
    """The key signature: sharps if positive, flats if negative."""
    beats_per_bar: int
    bars: tuple[Bar, ...]
    parts: tuple[Part, ...]
    harmonies: tuple[Harmony, ...]
