"""Chord labels as in Harte et al., ISMIR 2005, read into what a chord symbol and a spelling need.

`Bb:min7/5` is a root, a quality and a bass given as a degree. A label without a quality is a major chord; `N` and `X`
are none.
"""

from dataclasses import dataclass

from app.score.spelling import LOWEST, in_key, line_of_fifths

# Degrees on the line of fifths, counted from the root.
_MINOR_3, _MINOR_7, _DIM_5 = -3, -2, -6
_MAJOR_2, _MAJOR_3, _FOURTH, _FIFTH, _AUG_5, _MAJOR_6, _MAJOR_7, _DIM_7 = 2, 4, -1, 1, 8, 3, 5, -9

QUALITIES: dict[str, tuple[str, str, tuple[int, ...]]] = {
    "maj": ("major", "", (0, _MAJOR_3, _FIFTH)),
    "min": ("minor", "m", (0, _MINOR_3, _FIFTH)),
    "dim": ("diminished", "dim", (0, _MINOR_3, _DIM_5)),
    "aug": ("augmented", "+", (0, _MAJOR_3, _AUG_5)),
    "maj7": ("major-seventh", "maj7", (0, _MAJOR_3, _FIFTH, _MAJOR_7)),
    "min7": ("minor-seventh", "m7", (0, _MINOR_3, _FIFTH, _MINOR_7)),
    "7": ("dominant-seventh", "7", (0, _MAJOR_3, _FIFTH, _MINOR_7)),
    "dim7": ("diminished-seventh", "dim7", (0, _MINOR_3, _DIM_5, _DIM_7)),
    "hdim7": ("half-diminished-seventh", "m7♭5", (0, _MINOR_3, _DIM_5, _MINOR_7)),
    "minmaj7": ("minor-major-seventh", "m(maj7)", (0, _MINOR_3, _FIFTH, _MAJOR_7)),
    "maj6": ("major-sixth", "6", (0, _MAJOR_3, _FIFTH, _MAJOR_6)),
    "min6": ("minor-sixth", "m6", (0, _MINOR_3, _FIFTH, _MAJOR_6)),
    "9": ("dominant-ninth", "9", (0, _MAJOR_3, _FIFTH, _MINOR_7, _MAJOR_2)),
    "maj9": ("major-ninth", "maj9", (0, _MAJOR_3, _FIFTH, _MAJOR_7, _MAJOR_2)),
    "min9": ("minor-ninth", "m9", (0, _MINOR_3, _FIFTH, _MINOR_7, _MAJOR_2)),
    "sus2": ("suspended-second", "sus2", (0, _MAJOR_2, _FIFTH)),
    "sus4": ("suspended-fourth", "sus4", (0, _FOURTH, _FIFTH)),
    "5": ("power", "5", (0, _FIFTH)),
}
"""Harte's name to MusicXML's kind as music21 names it, the printed suffix, and the notes as fifths from the root."""

_DEGREES = {1: 0, 2: 2, 3: 4, 4: -1, 5: 1, 6: 3, 7: 5}
"""Degrees of the major scale on the line of fifths."""


FLAT_ROOTS, SHARP_ROOTS = -5, LOWEST
"""Where the roots that a key uses begin on the line of fifths, from its tonic: chords of other keys are borrowed from
the flat side (in C major Db, Ab, Eb, Bb), but diminished ones lead upwards (C#dim, G#dim)."""


@dataclass(frozen=True)
class ReadChord:
    """A chord, its notes given by their places on the line of fifths (C is 0)."""

    root: int
    kind: str
    suffix: str
    notes: tuple[int, ...]
    bass: int | None


def read_chord(label: str, key_fifths: int) -> ReadChord | None:
    """Read a label; the root is named as the key spells it. None: no chord, or none that can be read."""
    chord, _, bass = label.partition("/")
    name, _, quality = chord.partition(":")
    if not name or name[0] not in "ABCDEFG" or name[1:].strip("#b"):
        return None
    kind, suffix, notes = QUALITIES[_known(quality)]
    lowest = SHARP_ROOTS if _DIM_5 in notes else FLAT_ROOTS
    root = _plain(in_key(line_of_fifths(name) * 7 % 12, key_fifths, lowest))
    degree = _degree(bass)
    low = _plain(root + degree) if degree else None
    return ReadChord(root, kind, suffix, tuple(root + note for note in notes), low)


def _plain(place: int) -> int:
    """The same pitch with at most one sharp or flat: nobody reads chords over B double flat."""
    return place if -8 <= place <= 12 else (place + 5) % 12 - 5


def _known(quality: str) -> str:
    """The quality itself, or the plainest that it extends: added and missing degrees in brackets are left out."""
    plain = quality.partition("(")[0] or "maj"
    if plain in QUALITIES:
        return plain
    if plain.startswith("min"):
        return "min7" if plain in ("min11", "min13") else "min"
    return "7" if plain in ("11", "13") else "maj"


def _degree(text: str) -> int | None:
    """A degree like `b7` as fifths from the root; None where there is none, or none that can be read."""
    digits = text.lstrip("#b")
    if not digits.isdigit():
        return None
    degree = (int(digits) - 1) % 7 + 1
    return _DEGREES[degree] + 7 * (text.count("#") - text.count("b"))
