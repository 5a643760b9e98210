"""Pitch classes to key, with music21."""

import numpy as np

from app.music import FloatArray, Key

LEAST_CORRELATION = 0.54  # with the best key's profile: noise and drums alone had 0.27 to 0.50, rock songs 0.58 to 0.95
UNITS = 1000  # music21 wants durations; a thousand of them are fine enough


def find_key(strengths: FloatArray) -> Key | None:
    """Of how much each pitch class sounds, shape (12,). None where no key fits, as with drums alone.

    The Krumhansl-Schmuckler algorithm with Temperley's weights, which music21 takes from the Kostka-Payne corpus.
    """
    from music21.note import Note
    from music21.stream.base import Stream

    if not strengths.any():
        return None
    lengths = np.round(UNITS * strengths / strengths.sum())
    histogram: Stream[Note] = Stream()
    for pitch_class in np.flatnonzero(lengths):
        histogram.append(Note(int(pitch_class), quarterLength=int(lengths[pitch_class])))
    best = histogram.analyze("key.temperley")
    if best.correlationCoefficient < LEAST_CORRELATION:
        return None
    return Key(best.tonic.name.replace("-", "b"), best.mode)
