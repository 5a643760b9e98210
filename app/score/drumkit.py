"""Where each drum stands on the percussion staff, by General MIDI number.

Positions as in Weinberg, "Guidelines for Drumset Notation", 1998: drums on lines and spaces as high as they sound,
cymbals above with crosses, what the feet play with stems down. Positions are written as in the treble clef.
"""

from dataclasses import dataclass

from app.score.model import Spelled


@dataclass(frozen=True)
class Drum:
    midi: int
    name: str
    place: Spelled
    notehead: str
    foot: bool = False


def _drum(midi: int, name: str, place: str, notehead: str = "normal", foot: bool = False) -> Drum:
    return Drum(midi, name, Spelled(place[0], 0, int(place[1])), notehead, foot)


KIT = (
    _drum(36, "Bass Drum", "F4", foot=True),
    _drum(44, "Pedal Hi-Hat", "D4", "x", foot=True),
    _drum(38, "Snare Drum", "C5"),
    _drum(37, "Side Stick", "C5", "x"),
    _drum(45, "Low Tom", "A4"),
    _drum(47, "Mid Tom", "D5"),
    _drum(50, "High Tom", "E5"),
    _drum(51, "Ride Cymbal", "F5", "x"),
    _drum(53, "Ride Bell", "F5", "diamond"),
    _drum(42, "Closed Hi-Hat", "G5", "x"),
    _drum(46, "Open Hi-Hat", "G5", "circle-x"),
    _drum(56, "Cowbell", "E5", "triangle"),
    _drum(49, "Crash Cymbal", "A5", "x"),
)
"""No two stand at one place with one notehead, so that a note on the page says which drum it is."""

_ALIKE = {
    **{35: 36, 40: 38, 39: 37, 41: 45, 43: 45, 48: 47, 52: 49, 54: 42, 55: 49, 57: 49, 59: 51},
    **{60: 50, 61: 47, 62: 50, 63: 50, 64: 45, 65: 50, 66: 45, 67: 56, 68: 56, 69: 42, 70: 42, 80: 51, 81: 51},
}
"""Other General MIDI drums and the one of the kit that they are written as."""

_BY_MIDI = {drum.midi: drum for drum in KIT}


def drum_for(midi: int) -> Drum:
    """The drum that a General MIDI number is written as; what no kit has is written as a side stick."""
    return _BY_MIDI[_ALIKE.get(midi, midi)] if _ALIKE.get(midi, midi) in _BY_MIDI else _BY_MIDI[37]


def drum_at(place: Spelled, notehead: str) -> Drum:
    """The drum that stands at a place of the staff."""
    return next(drum for drum in KIT if (drum.place, drum.notehead) == (place, notehead))
