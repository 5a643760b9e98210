"""Separation by the shapes in the spectrogram: no weights and nothing to download, and what that can do.

Input: recordings, 44.1 kHz stereo. Output: `drums bass other vocals`, which add up to the recording.

In a spectrogram a steady tone is a horizontal line and a stroke a vertical one, so that a median over time keeps tones,
a median over frequency strokes (Fitzgerald, "Harmonic/percussive separation using median filtering", DAFx 2010). A
voice is neither: in long windows it moves too much to be a line, in short ones it is one (Fitzgerald and Gainza,
"Single channel vocal separation using median filtering and factorisation techniques", ISAST Transactions 2010; the
cascade with a rest is that of Driedger, Müller and Disch, "Extending harmonic-percussive separation", ISMIR 2014). So:
what is steady in long windows is accompaniment; of the rest, strokes in short windows are drums, and tones vocals, as
far as they sit in the middle of the stereo image (Avendano, "Frequency-domain source identification and manipulation
in stereo mixes", WASPAA 2003). Low steady tones are bass, and what is left over is other.

A sample depends on what lies up to 1.3 s from it and on nothing further. The recording is read in chunks with that much
context on both sides, which gives the same as the whole at once, and less than 15 s of it are held.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from app.engines.contract import Engine, Options, Progress, unheard
from app.engines.separation import RATE_HZ
from app.engines.separation.streaming import BLOCK_FRAMES, check, counter, spans
from app.music import FloatArray, Recording, Stems

Spectrum = NDArray[np.complex64]

STEM_NAMES = ("drums", "bass", "other", "vocals")


@dataclass(frozen=True)
class Window:
    """One resolution of the spectrogram, and how far its medians look."""

    frames: int
    median_times: int
    median_bins: int

    @property
    def hop(self) -> int:
        return self.frames // 4

    @property
    def reach(self) -> int:
        """How far a change in the sound can change the masked sound, in frames."""
        return 2 * self.frames + self.median_times // 2 * self.hop


# The sizes were tried on three songs of MDB Drums (Southall et al., ISMIR 2017): with half the long window, vocals lose
# 3 dB SI-SDR; with twice the short one, drums lose 1.5 dB.
LONG = Window(frames=16_384, median_times=9, median_bins=17)  # 0.37 s; medians over 0.74 s and 46 Hz
SHORT = Window(frames=1024, median_times=31, median_bins=17)  # 23 ms; medians over 0.18 s and 730 Hz
BASS_BELOW_HZ = 220.0  # A3, above most of a bass guitar's notes; with 150 or 300 Hz bass loses 2 or 1 dB
VOICE_ABOVE_HZ = 150.0  # below lie few fundamentals of a singing voice, and the bass drum's tail
VOICE_BELOW_HZ = 8000.0  # above there are sibilants at most, which are strokes in short windows anyway

CHUNK_FRAMES = 128 * LONG.hop  # 11.9 s
CONTEXT_FRAMES = -(-(LONG.reach + SHORT.reach) // LONG.hop) * LONG.hop  # 57344 frames, 1.3 s


@dataclass(frozen=True)
class SpectralOptions(Options):
    """There is nothing to choose."""


class Spectral(Engine[Recording, Stems, SpectralOptions]):
    task: ClassVar[str] = "separation"
    name: ClassVar[str] = "spectral"
    version: ClassVar[str] = "1"
    options_type: ClassVar[type[Options]] = SpectralOptions

    def run(self, inputs: Sequence[Recording], options: SpectralOptions, progress: Progress = unheard) -> list[Stems]:
        for recording in inputs:
            check(recording)
        done = counter(sum(recording.frames for recording in inputs), progress)
        return [Stems(STEM_NAMES, RATE_HZ, stems(recording, done)) for recording in inputs]


def stems(recording: Recording, done: Callable[[int], None]) -> Iterator[Mapping[str, FloatArray]]:
    """The stems, chunk by chunk; `done` hears of each chunk's frames."""
    starts = range(0, recording.frames, CHUNK_FRAMES)
    bounds = [(start - CONTEXT_FRAMES, start + CHUNK_FRAMES + CONTEXT_FRAMES) for start in starts]
    for start, samples in zip(starts, spans(recording.blocks(BLOCK_FRAMES), bounds), strict=True):
        frames = min(CHUNK_FRAMES, recording.frames - start)
        inside = slice(CONTEXT_FRAMES, CONTEXT_FRAMES + frames)
        found = {name: stem[:, inside] for name, stem in take_apart(samples).items()}
        done(frames)
        found["other"] = samples[:, inside] - found["drums"] - found["bass"] - found["vocals"]
        yield {name: found[name] for name in STEM_NAMES}


def take_apart(samples: FloatArray) -> dict[str, FloatArray]:
    """All stems but `other`, each (channels, frames). Wrong within CONTEXT_FRAMES of both ends."""
    spectrum = to_spectrum(samples, LONG)
    steady = spectrum * steadiness(spectrum, LONG)
    rest = samples - to_samples(steady, LONG)
    bass = to_samples(steady * below(BASS_BELOW_HZ, LONG), LONG)

    spectrum = to_spectrum(rest, SHORT)
    tones = spectrum * steadiness(spectrum, SHORT)
    low = below(VOICE_ABOVE_HZ, SHORT)
    voice = below(VOICE_BELOW_HZ, SHORT) - low
    return {
        "drums": to_samples(spectrum - tones, SHORT),
        "bass": bass + to_samples(tones * low, SHORT),
        "vocals": to_samples(tones * voice * centredness(spectrum), SHORT),
    }


def to_spectrum(samples: FloatArray, window: Window) -> Spectrum:
    """(channels, frames) to (channels, bins, times)."""
    import librosa

    spectrum: Spectrum = librosa.stft(samples, n_fft=window.frames, hop_length=window.hop, center=False)
    return spectrum


def to_samples(spectrum: Spectrum, window: Window) -> FloatArray:
    """The inverse of `to_spectrum`, but for a window's length at both ends, where too few windows overlap."""
    import librosa

    samples: FloatArray = librosa.istft(spectrum, n_fft=window.frames, hop_length=window.hop, center=False)
    edge = window.frames - window.hop
    samples[:, :edge] = samples[:, -edge:] = 0
    return samples


def steadiness(spectrum: Spectrum, window: Window) -> FloatArray:
    """How much of each bin at each time is tone and not stroke, 0 to 1, shape (bins, times), for all channels alike."""
    loudness = np.abs(spectrum).mean(axis=0)
    tones = median_along_rows(loudness, window.median_times) ** 2
    strokes = median_along_rows(loudness.T, window.median_bins).T ** 2
    return tones / (tones + strokes + SILENCE)


SILENCE = np.float32(1e-20)  # keeps 0/0 away; the power of a bin at -200 dB


def median_along_rows(values: FloatArray, width: int) -> FloatArray:
    """The running median of each row, its ends repeated beyond it.

    All rows go through SciPy as one long one, because its filter for one dimension is 5 to 15 times faster than the one
    for several; what lies between two rows is cut off.
    """
    from scipy.ndimage import median_filter

    half = width // 2
    padded = np.pad(values, ((0, 0), (half, half)), mode="edge")
    return median_filter(padded.ravel(), size=width).reshape(padded.shape)[:, half:-half]


def centredness(spectrum: Spectrum) -> FloatArray:
    """How much of each bin at each time is the same on the left and on the right, 0 to 1, shape (bins, times)."""
    left, right = spectrum
    alike = 2 * np.real(left * right.conj()) / (np.abs(left) ** 2 + np.abs(right) ** 2 + SILENCE)
    return np.clip(alike, 0, 1).astype(np.float32)


def below(hz: float, window: Window) -> FloatArray:
    """A low pass, 1 well below `hz`, one half there and 0 well above, shape (bins, 1)."""
    bins_hz = np.arange(window.frames // 2 + 1) * RATE_HZ / window.frames
    gain = 1 / (1 + (bins_hz / hz) ** 8)
    return gain[:, None].astype(np.float32)
