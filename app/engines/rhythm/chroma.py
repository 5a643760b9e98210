"""Samples to pitch classes: how strongly each of the twelve sounds at each moment, in the bass and above it."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from app.engines.rhythm import RATE_HZ
from app.music import FloatArray

HOP = 1024  # 46 ms; chords change no faster than beats, 270 ms and more
FRAMES_PER_S = RATE_HZ / HOP
LOWEST_MIDI = 24  # C1, 33 Hz
OCTAVES = 7
PER_SEMITONE = 3  # bins, so that the recording's tuning can be read off them
BASS_BELOW_MIDI = 48  # C3: a bass guitar's usual range ends about there
CENTRE_MIDI, WIDTH_SEMITONES = 62.0, 12.0  # where accompaniment lies; far above are mostly overtones and cymbals
LONGEST_WINDOW = 1024 * 2 ** (OCTAVES - 1)  # samples that the lowest octave's filters need, 3.0 s
COMPRESSION = 100  # log(1 + 100 x): 40 dB below the loudest still counts

SMALLEST = float(np.finfo(np.float32).tiny)  # keeps silence from dividing by zero


@dataclass(frozen=True, eq=False)
class Chroma:
    """Two arrays (12, frames) at `FRAMES_PER_S`, C first, 0 or more."""

    bass: FloatArray
    treble: FloatArray


def chroma(samples: FloatArray) -> Chroma:
    """Of mono samples at `RATE_HZ`, not empty."""
    tuning = find_tuning(_constant_q(samples, 0.0))
    bins = _constant_q(samples, tuning)
    loud = np.log1p(COMPRESSION * bins / max(float(bins.max()), SMALLEST))
    semitones = _to_semitones(loud)
    pitches = LOWEST_MIDI + np.arange(len(semitones))
    weight = np.exp(-0.5 * ((pitches - CENTRE_MIDI) / WIDTH_SEMITONES) ** 2)
    weight[pitches < BASS_BELOW_MIDI] = 0
    return Chroma(_fold(semitones * (pitches < BASS_BELOW_MIDI)[:, None]), _fold(semitones * weight[:, None]))


def find_tuning(bins: FloatArray) -> float:
    """How far the recording lies above A4 = 440 Hz, in semitones, -0.5 to 0.5.

    The mean direction of the energy around the semitone: Dressler & Streich, "Tuning Frequency Estimation Using
    Circular Statistics", ISMIR 2007.
    """
    energy = (bins**2).sum(axis=1)
    direction = np.sum(energy * np.exp(2j * np.pi * np.arange(len(energy)) / PER_SEMITONE))
    return float(np.angle(direction) / (2 * np.pi))


def _constant_q(samples: FloatArray, tuning: float) -> FloatArray:
    """Magnitudes (bins, frames)."""
    import librosa

    per_octave = 12 * PER_SEMITONE
    long_enough = np.pad(samples, (0, max(0, LONGEST_WINDOW - len(samples))))
    return np.abs(
        librosa.cqt(
            long_enough,
            sr=RATE_HZ,
            hop_length=HOP,
            fmin=librosa.midi_to_hz(LOWEST_MIDI),
            n_bins=OCTAVES * per_octave,
            bins_per_octave=per_octave,
            tuning=tuning * PER_SEMITONE,  # librosa counts it in bins
        )
    )


def _to_semitones(bins: FloatArray) -> FloatArray:
    """The bin on each semitone with half of its two neighbours."""
    padded = np.pad(bins, ((1, 1), (0, 0)))
    smooth = 0.5 * padded[:-2] + padded[1:-1] + 0.5 * padded[2:]
    return np.asarray(smooth[::PER_SEMITONE], dtype=np.float32)


def _fold(semitones: FloatArray) -> FloatArray:
    return np.asarray(semitones.reshape(-1, 12, semitones.shape[1]).sum(axis=0), dtype=np.float32)


def in_spans(frames: FloatArray, edges_s: NDArray[np.float64]) -> FloatArray:
    """The median of each span between neighbouring edges, shape (12, spans). The median passes over drum strokes."""
    edges = np.round(edges_s * FRAMES_PER_S).astype(int)
    starts = np.clip(edges[:-1], 0, frames.shape[1] - 1)
    stops = np.clip(edges[1:], starts + 1, frames.shape[1])
    return np.stack([np.median(frames[:, a:b], axis=1) for a, b in zip(starts, stops, strict=True)], axis=1)
