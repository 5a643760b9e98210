"""Pitch classes to chords: how well each chord's template fits each beat, and the likeliest sequence of them.

Templates with overtones as in Papadopoulos & Peeters, "Large-Scale Study of Chord Estimation Algorithms Based on Chroma
Representation and HMM", CBMI 2007.
"""

import numpy as np
from numpy.typing import NDArray

from app.music import Chord, FloatArray, Key

INTERVALS = {"maj": (0, 4, 7), "min": (0, 3, 7), "7": (0, 4, 7, 10)}
NO_CHORD = "N"
OVERTONES = 4  # the second and fourth fall on the note itself, the third on its fifth
OVERTONE_DECAY = 0.6  # of one overtone to the next, from the paper
BASS_WEIGHT = 0.25  # the bass mostly plays the root; more would make every passing note a chord
SHARPNESS = 12.0  # of the likelihood: a fit better by 0.1 is three times as likely
SEVENTH_PENALTY = 0.02  # four notes always fit a little better than three
# Half a second's best chord fits, on the median, noise and drums alone by 0.74 to 0.79 and rock songs by 0.82 to 0.96,
# but songs have poorer moments: what has a key gets the benefit of the doubt.
NO_CHORD_FIT = 0.75
NO_CHORD_NO_KEY_FIT = 0.8
STAY = 0.85  # chance that a chord goes on over a beat: they last two bars or one, seldom one beat

SHARP_NAMES = ("C", "C#", "D", "D#", "E", "F", "F#", "G", "G#", "A", "A#", "B")
FLAT_NAMES = ("C", "Db", "D", "Eb", "E", "F", "Gb", "G", "Ab", "A", "Bb", "B")
FLAT_KEYS = frozenset(
    [f"{tonic} major" for tonic in ("F", "Bb", "Eb", "Ab", "Db", "Gb", "Cb")]
    + [f"{tonic} minor" for tonic in ("D", "G", "C", "F", "Bb", "Eb", "Ab")]
)


def find_chords(bass: FloatArray, treble: FloatArray, edges_s: NDArray[np.float64], key: Key | None) -> list[Chord]:
    """Chords that cover the spans (12, n) between the n + 1 edges; the same chord in neighbouring spans is one."""
    from librosa.sequence import viterbi

    likely = likelihoods(bass, treble, NO_CHORD_NO_KEY_FIT if key is None else NO_CHORD_FIT)
    states = likely.shape[0]
    moves = np.full((states, states), (1 - STAY) / (states - 1))
    np.fill_diagonal(moves, STAY)
    path = viterbi(likely, moves)
    labels = [label(int(state), key) for state in path]
    return _merged(labels, edges_s)


def likelihoods(bass: FloatArray, treble: FloatArray, no_chord_fit: float) -> NDArray[np.float64]:
    """Shape (37, n), columns add up to one: 12 major, 12 minor, 12 seventh chords upwards from C, no chord."""
    fit = _templates() @ _unit(treble) + BASS_WEIGHT * np.tile(_unit(bass), (len(INTERVALS), 1))
    fit[24:] -= SEVENTH_PENALTY
    fit = np.vstack([fit, np.full((1, fit.shape[1]), no_chord_fit)])
    fit[-1, ~treble.any(axis=0)] = 2.0  # above the best fit there can be: silence is no chord
    odds = np.exp(SHARPNESS * (fit - fit.max(axis=0)))
    return odds / odds.sum(axis=0)


def label(state: int, key: Key | None) -> str:
    """`Bb:maj` in the keys written with flats, else `A#:maj`."""
    if state == 12 * len(INTERVALS):
        return NO_CHORD
    names = FLAT_NAMES if str(key) in FLAT_KEYS else SHARP_NAMES
    return f"{names[state % 12]}:{tuple(INTERVALS)[state // 12]}"


def _templates() -> NDArray[np.float64]:
    """Shape (36, 12), of length one."""
    rows = []
    for intervals in INTERVALS.values():
        row = np.zeros(12)
        for interval in intervals:
            for n in range(1, OVERTONES + 1):
                row[(interval + round(12 * np.log2(n))) % 12] += OVERTONE_DECAY ** (n - 1)
        rows += [np.roll(row, root) for root in range(12)]
    return np.array(rows) / np.linalg.norm(rows, axis=1, keepdims=True)


def _unit(columns: FloatArray) -> NDArray[np.float64]:
    length = np.linalg.norm(columns, axis=0)
    return np.asarray(columns / np.where(length > 0, length, 1), dtype=np.float64)


def _merged(labels: list[str], edges_s: NDArray[np.float64]) -> list[Chord]:
    chords: list[Chord] = []
    for text, onset_s, offset_s in zip(labels, edges_s[:-1], edges_s[1:], strict=True):
        if chords and chords[-1].label == text:
            chords[-1] = Chord(chords[-1].onset_s, float(offset_s), text)
        else:
            chords.append(Chord(float(onset_s), float(offset_s), text))
    return chords
