"""Drum strokes without learned weights: onsets in four bands, and rules on how each band rises and dies away.

Input: `music.Audio` of the drum stem, mono, at `RATE_HZ`. Output: `tuple[music.Hit, ...]`, ordered by onset. Nothing is
downloaded. Several drums can be struck at once; two strokes closer than 40 ms are one.

Onsets: rise of the bands' logarithmic envelopes, peaks picked with an adaptive threshold, as in Dixon, "Onset Detection
Revisited", DAFx 2006, and Böck, Krebs & Schedl, "Evaluating the Online Capabilities of Onset Detection Methods", ISMIR
2012. Bands and rules: FitzGerald, "Automatic Drum Transcription and Source Separation", 2004, section 2.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import maximum_filter1d, uniform_filter1d
from scipy.signal import butter, sosfilt

from app.engines.contract import Engine, Options, Progress, samples_of, unheard
from app.engines.drums import RATE_HZ
from app.engines.drums.strokes import DIED_AWAY, Levels, Stroke, drums_of, velocity
from app.music import Audio, FloatArray, Hit

HOP = 220
FRAMES_PER_S = RATE_HZ / HOP  # 200.5

Envelopes = Mapping[str, NDArray[np.float64]]


@dataclass(frozen=True)
class Band:
    low_hz: float
    high_hz: float
    smooth_s: float
    """Length of the mean: a period of the band's lowest tone, so that the envelope does not follow the wave."""


BANDS = {
    "low": Band(30, 100, 0.025),  # a bass drum's fundamental
    "body": Band(150, 450, 0.012),  # the skins of snare drum and toms
    "noise": Band(1_000, 5_000, 0.006),  # a snare drum's wires; every drum's attack
    "high": Band(8_000, 16_000, 0.006),  # cymbals
}

COMPRESSION = 30  # log(1 + 30 x): 30 dB below a band's loudest sound still counts
LAG = 2  # frames, 10 ms: a drum's attack
APART = 8  # frames, 40 ms: a flam is one stroke, a 32nd at 180 beats a minute (42 ms) are two
AROUND = 40  # frames on each side over which the mean rise is taken, 200 ms
LEAST_RISE = 0.2  # above that mean, in the bands' mean: found 95 in 100 strokes of six rock songs, 99 in 100 right
ATTACK = 10  # frames, 50 ms: within these the slowest drum, the kick, is at its loudest
BEFORE = 8  # frames, 40 ms: what sounded before
PITCH_WINDOW = 4096  # samples, 93 ms: tells toms 11 Hz apart
LEAD = 10  # frames of silence put before the recording, so that a stroke at its very start rises too
BLOCK = 12_000 * HOP  # samples, a minute: filtering long recordings piece by piece keeps memory small
MARGIN = 200 * HOP  # samples, 1 s: by then the filters have forgotten where a piece began
SILENCE = 1e-4  # -80 dB: a stem in which nothing is louder is empty


class Onset(Engine[Audio, tuple[Hit, ...], Options]):
    """Works on any machine, some hundred times faster than the music plays."""

    task: ClassVar[str] = "drums"
    name: ClassVar[str] = "onset"
    version: ClassVar[str] = "1"

    def run(self, inputs: Sequence[Audio], options: Options, progress: Progress = unheard) -> list[tuple[Hit, ...]]:
        transcribed = []
        for i, audio in enumerate(inputs):
            progress(i / len(inputs))
            transcribed.append(find_hits(audio))
        progress(1.0)
        return transcribed


def find_hits(audio: Audio) -> tuple[Hit, ...]:
    """Raises `BadAudio` where a sample is not a finite number."""
    samples = samples_of(audio, RATE_HZ)
    if np.abs(samples).max(initial=0.0) < SILENCE:
        return ()
    samples = np.pad(samples, (LEAD * HOP, 0))
    levels = {name: envelope(samples, band) for name, band in BANDS.items()}
    onsets = find_onsets(levels)
    return to_hits(onsets, describe(levels, samples, onsets)) if onsets else ()


def envelope(samples: FloatArray, band: Band) -> NDArray[np.float64]:
    """Root mean square of the band, a value for every frame."""
    sections = butter(2, (band.low_hz, band.high_hz), "bandpass", fs=RATE_HZ, output="sos")
    width = round(band.smooth_s * RATE_HZ)
    pieces = [np.zeros(0)]
    for start in range(0, len(samples), BLOCK):
        left = max(0, start - MARGIN)
        band_pass = sosfilt(sections, samples[left : start + BLOCK + MARGIN])
        power = uniform_filter1d(band_pass**2, width)[start - left :][:BLOCK:HOP]
        pieces.append(np.sqrt(np.maximum(power, 0)))
    return np.concatenate(pieces)


def find_onsets(levels: Envelopes) -> list[int]:
    """Frames at which a stroke begins, in order."""
    rise = np.mean([_rise(level) for level in levels.values()], axis=0)
    threshold = uniform_filter1d(rise, 2 * AROUND + 1) + LEAST_RISE
    peaks = (rise == maximum_filter1d(rise, APART + 1)) & (rise > threshold)
    onsets: list[int] = []
    for peak in np.flatnonzero(peaks):
        if not onsets or peak - onsets[-1] >= APART:
            onsets.append(int(peak))
    return onsets


def _rise(level: NDArray[np.float64]) -> NDArray[np.float64]:
    loudness = np.log1p(COMPRESSION * level / max(float(level.max()), SILENCE))
    rise = np.maximum(0, loudness[LAG:] - loudness[:-LAG])
    return np.pad(rise, (min(LAG, len(level)), 0))[: len(level)]


def describe(levels: Envelopes, samples: FloatArray, onsets: Sequence[int]) -> list[Stroke]:
    """What is heard of each stroke until the next one."""
    limits = [*onsets[1:], len(levels["low"])]
    peaks = [_peak(levels, onset, limit) for onset, limit in zip(onsets, limits, strict=True)]
    strongest = _strongest(peaks)
    return [
        Stroke(
            peak=peak,
            below_strongest=peak - strongest,
            body_50ms=_after(levels["body"], onset, limit, 0.05),
            noise_50ms=_after(levels["noise"], onset, limit, 0.05),
            noise_90ms=_after(levels["noise"], onset, limit, 0.09),
            high_110ms=_after(levels["high"], onset, limit, 0.11),
            noise_300ms=_after(levels["noise"], onset, limit, min(0.3, (limit - onset) / FRAMES_PER_S - 0.03)),
            body_hz=_body_hz(samples, onset),
        )
        for onset, limit, peak in zip(onsets, limits, peaks, strict=True)
    ]


def _peak(levels: Envelopes, onset: int, limit: int) -> Levels:
    """How far each band rose within 50 ms over what it had before."""
    stop = max(onset + 1, min(limit - LAG, onset + ATTACK))
    rises = {}
    for name, level in levels.items():
        before = float(level[max(0, onset - BEFORE) : max(1, onset - LAG)].mean())
        rises[name] = _decibels(float(level[max(0, onset - LAG) : stop].max()) - before)
    return Levels(**rises)


def _strongest(peaks: Sequence[Levels]) -> Levels:
    """The level that one in ten strokes reaches in each band: not the maximum, which may be a single accent."""
    rows = np.array([(p.low, p.body, p.noise, p.high) for p in peaks])
    return Levels(*(float(level) for level in np.quantile(rows, 0.9, axis=0)))


def _after(level: NDArray[np.float64], onset: int, limit: int, seconds: float) -> float:
    """Level `seconds` after the onset less the peak's, in decibels."""
    frame = onset + round(seconds * FRAMES_PER_S)
    if frame + LAG >= limit - LAG:
        return DIED_AWAY
    peak = float(level[max(0, onset - LAG) : min(onset + ATTACK, len(level))].max())
    return _decibels(float(level[frame - LAG : frame + LAG + 1].mean())) - _decibels(peak)


def _body_hz(samples: FloatArray, onset: int) -> float:
    start = onset * HOP
    piece = samples[start : start + PITCH_WINDOW]
    spectrum = np.abs(np.fft.rfft(piece * np.hanning(len(piece)), 2 * PITCH_WINDOW))
    pitches = np.fft.rfftfreq(2 * PITCH_WINDOW, 1 / RATE_HZ)
    inside = (pitches > 70) & (pitches < 400)
    return float(pitches[inside][np.argmax(spectrum[inside])])


def _decibels(magnitude: float) -> float:
    return float(20 * np.log10(max(magnitude, 1e-5)))


def to_hits(onsets: Sequence[int], strokes: Sequence[Stroke]) -> tuple[Hit, ...]:
    hits = [
        Hit(max(0, onset - LEAD) / FRAMES_PER_S, drum, velocity(below))
        for onset, stroke in zip(onsets, strokes, strict=True)
        for drum, below in drums_of(stroke).items()
    ]
    return tuple(sorted(hits))
