"""Samples to onset strength: how much louder the sound becomes at each moment, in all and in the drums' bands.

The whole is the spectral flux of a logarithmic mel spectrogram, as in Böck & Widmer, "Maximum Filter Vibrato
Suppression for Onset Detection", DAFx 2013, without the maximum filter; the drums' bands are cut out by filters, whose
slopes are steeper than those of a short spectrum.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.ndimage import uniform_filter1d
from scipy.signal import butter, sosfiltfilt

from app.engines.rhythm import RATE_HZ
from app.music import FloatArray

HOP = 220
FRAMES_PER_S = RATE_HZ / HOP  # 100.2
WINDOW = 1024  # 46 ms: short enough to tell sixteenths at 200 beats a minute (75 ms) apart
MEL_BANDS = 40
LOWEST_HZ, HIGHEST_HZ = 30, 11_000
COMPRESSION = 1_000  # log(1 + 1000 x): what is 60 dB below the loudest still counts
LAG = 2  # frames between the spectra compared; a rise is noted at the later one, which put drum onsets 4 ms early

BLOCK = 6_000 * HOP  # samples, a minute
MARGIN = 100 * HOP  # samples, 1 s: by then the filters have forgotten where a piece began

KICK_HZ = (30, 100)  # a bass drum's fundamental lies at 50 to 90 Hz, that of a snare or tom above 120 Hz
SNARE_HZ = (150, 3_000)
DRUM_COMPRESSION = 5  # little: the loud strokes are the ones that mark the bar; 50 lets other drums' leakage count

SMALLEST = float(np.finfo(np.float32).tiny)  # keeps silence from dividing by zero


@dataclass(frozen=True, eq=False)
class OnsetStrength:
    """Each array has a value for every frame, at `FRAMES_PER_S`, 0 or more; a frame's time is its index / rate."""

    kick: FloatArray
    snare: FloatArray
    all: FloatArray


def onset_strength(samples: FloatArray) -> OnsetStrength:
    """Of mono samples at `RATE_HZ`, `WINDOW` or longer."""
    return OnsetStrength(_band_rise(samples, KICK_HZ), _band_rise(samples, SNARE_HZ), _flux(samples))


def _flux(samples: FloatArray) -> FloatArray:
    return _rise(_loudness(in_blocks(samples, _mel), COMPRESSION)).mean(axis=0)


def _mel(samples: FloatArray) -> FloatArray:
    """Magnitudes (bands, frames)."""
    import librosa

    mel: FloatArray = librosa.feature.melspectrogram(
        y=samples,
        sr=RATE_HZ,
        n_fft=WINDOW,
        hop_length=HOP,
        n_mels=MEL_BANDS,
        fmin=LOWEST_HZ,
        fmax=HIGHEST_HZ,
        power=1,
    )
    return mel


def _band_rise(samples: FloatArray, band_hz: tuple[int, int]) -> FloatArray:
    sections = butter(2, band_hz, "bandpass", fs=RATE_HZ, output="sos")

    def band_level(piece: FloatArray) -> FloatArray:
        return level(np.asarray(sosfiltfilt(sections, piece), dtype=np.float32))

    return _rise(_loudness(in_blocks(samples, band_level), DRUM_COMPRESSION))


def in_blocks(samples: FloatArray, measure: Callable[[FloatArray], FloatArray]) -> FloatArray:
    """What `measure` gives for all the samples, a column for every frame, without holding its work for all at once."""
    pieces = []
    for start in range(0, len(samples), BLOCK):
        left = max(0, start - MARGIN)
        frames = measure(samples[left : start + BLOCK + MARGIN])[..., (start - left) // HOP :]
        is_last = start + BLOCK >= len(samples)
        pieces.append(frames if is_last else frames[..., : BLOCK // HOP])
    return np.concatenate(pieces, axis=-1)


def level(samples: FloatArray) -> FloatArray:
    """Root mean square around each frame's time."""
    frames = 1 + len(samples) // HOP
    padded = np.pad(samples, (HOP // 2, HOP))[: frames * HOP]
    return np.sqrt(np.mean(padded.reshape(frames, HOP) ** 2, axis=1))


def _loudness(magnitudes: FloatArray, compression: float) -> FloatArray:
    """Logarithmic, relative to the loudest."""
    loudest = max(float(magnitudes.max()), SMALLEST)
    return np.log1p(compression * (magnitudes / loudest))


def _rise(loudness: FloatArray) -> FloatArray:
    rise = np.zeros_like(loudness)
    rise[..., LAG:] = np.maximum(0, loudness[..., LAG:] - loudness[..., :-LAG])
    return rise


def standardised(strength: FloatArray) -> FloatArray:
    """Relative to the surrounding two seconds, so that quiet passages have as strong onsets as loud ones.

    A floor of a tenth of the largest deviation keeps silence from being blown up.
    """
    width = 2 * round(FRAMES_PER_S) + 1
    excess = strength - uniform_filter1d(strength, width)
    deviation = np.sqrt(uniform_filter1d(excess**2, width))
    floor = 0.1 * float(deviation.max(initial=0.0))
    if floor == 0:
        return np.zeros_like(strength)
    return np.asarray(excess / (deviation + floor), dtype=np.float32)
