"""Beats to bars: which beat is a downbeat, and whether bars have three or four.

A bar is recognised by what recurs in it: the bass drum on its first beat, the snare drum between, a new chord at its
start, as in Goto, "An Audio-Based Real-Time Beat Tracking System for Music With or Without Drum-Sounds", JNMR 2001.
"""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from app.engines.rhythm.beats import Times
from app.engines.rhythm.onsets import FRAMES_PER_S, OnsetStrength
from app.music import Beat, FloatArray

USUAL_METER = 4
USUAL_METER_BONUS = 0.1  # of a correlation: most songs are in four, so three has to fit clearly better

# What the beats of a bar are expected to have, for each number of beats.
KICK = {3: (1.0, 0.0, 0.0), 4: (1.0, 0.0, 0.7, 0.0)}
SNARE = {3: (0.0, 1.0, 1.0), 4: (0.0, 1.0, 0.0, 1.0)}
CHANGE = {3: (1.0, 0.0, 0.0), 4: (1.0, 0.0, 0.3, 0.0)}

REACH_S = 0.05  # a drum within this of a beat is on it; less than a sixteenth note at 200 beats a minute


def count_beats(
    times: Times, strength: OnsetStrength, pitch_classes: FloatArray | None
) -> tuple[int, tuple[Beat, ...]]:
    """Beats in a bar, and the beats with their positions.

    `pitch_classes` (any, n) has one column for each beat; None where the music has no key, so that its pitch classes
    are only the drums'.
    """
    features = {"kick": _at(times, strength.kick), "snare": _at(times, strength.snare)}
    if pitch_classes is not None:
        features["change"] = changes(pitch_classes)
    meter, phase = find_meter(features)
    return meter, tuple(Beat(float(time), 1 + (i - phase) % meter) for i, time in enumerate(times))


def find_meter(features: Mapping[str, NDArray[np.float64]]) -> tuple[int, int]:
    """Beats in a bar and the index of the first downbeat, by the correlation of each feature with its pattern."""
    patterns = {"kick": KICK, "snare": SNARE, "change": CHANGE}
    best, answer = -np.inf, (USUAL_METER, 0)
    for meter in (USUAL_METER, 3):
        for phase in range(meter):
            score = USUAL_METER_BONUS * (meter == USUAL_METER)
            for name, values in features.items():
                expected = np.resize(np.roll(patterns[name][meter], phase), len(values))
                score += _correlation(values, expected)
            if score > best:
                best, answer = score, (meter, phase)
    return answer


def changes(pitch_classes: FloatArray) -> NDArray[np.float64]:
    """How much the harmony of each beat differs from the one before, 0 to 1: one less their cosine."""
    length = np.linalg.norm(pitch_classes, axis=0)
    unit = pitch_classes / np.where(length > 0, length, 1)
    return np.concatenate([[0.0], 1 - (unit[:, 1:] * unit[:, :-1]).sum(axis=0)])[: pitch_classes.shape[1]]


def _at(times: Times, strength: FloatArray) -> NDArray[np.float64]:
    """The strongest onset near each beat."""
    reach = round(REACH_S * FRAMES_PER_S)
    frames = np.round(times * FRAMES_PER_S).astype(int)
    return np.array([strength[max(0, f - reach) : f + reach + 1].max(initial=0.0) for f in frames])


def _correlation(values: NDArray[np.float64], expected: NDArray[np.float64]) -> float:
    """Pearson's, 0 where either does not vary."""
    a, b = values - values.mean(), expected - expected.mean()
    scale = np.sqrt((a @ a) * (b @ b))
    return float(a @ b / scale) if scale > 0 else 0.0
