"""Rhythm and harmony without learned weights: librosa's spectra, dynamic programming, chord templates, music21's keys.

Input: `music.Audio`, mono, at `RATE_HZ`. Output: `music.Analysis`. Steps, each callable alone: `onsets`, `beats`,
`bars`, `chroma`, `chords`, `key`, where the papers are named. Nothing is downloaded.
"""

from collections.abc import Sequence
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from app.engines.contract import Engine, Options, Progress, samples_of, unheard
from app.engines.rhythm import RATE_HZ, beats, chords, chroma, onsets
from app.engines.rhythm.bars import USUAL_METER, count_beats
from app.engines.rhythm.key import find_key
from app.music import Analysis, Audio, Beat, FloatArray
from app.weights import Models

SHORTEST_S = 1.5  # below it there is neither a pulse nor a harmony to speak of
SPAN_S = 0.5  # one chord is looked for in each such span where there are no beats
QUIET = 10 ** (-50 / 20)  # of the loudest 10 ms: what is softer before and after the music is the room


class Librosa(Engine[Audio, Analysis, Options]):
    """Works on any machine: ten minutes of music take it three seconds on two cores."""

    task: ClassVar[str] = "rhythm"
    name: ClassVar[str] = "librosa"
    version: ClassVar[str] = "1"

    def __init__(self, options: Options, models: Models, device: str = "cpu") -> None:
        import librosa  # noqa: F401  the slow import, once
        import music21  # noqa: F401

        super().__init__(options, models, device)

    def run(self, inputs: Sequence[Audio], options: Options, progress: Progress = unheard) -> list[Analysis]:
        analyses = []
        for i, audio in enumerate(inputs):
            progress(i / len(inputs))
            analyses.append(analyse(audio))
        progress(1.0)
        return analyses


def analyse(audio: Audio) -> Analysis:
    """Raises `BadAudio` where a sample is not a finite number."""
    samples = samples_of(audio, RATE_HZ)
    if audio.duration_s < SHORTEST_S or not samples.any():
        return Analysis(audio.duration_s, None, USUAL_METER, (), None, ())
    return _analyse_sound(samples, audio.duration_s)


def _analyse_sound(samples: FloatArray, duration_s: float) -> Analysis:
    strength = onsets.onset_strength(samples)
    tempo_bpm, times = _pulse(samples, strength)
    pitch_classes = chroma.chroma(samples)
    edges = _edges(times, duration_s)
    bass, treble = (chroma.in_spans(part, edges) for part in (pitch_classes.bass, pitch_classes.treble))
    key = find_key(treble.mean(axis=1))
    meter, grid = USUAL_METER, tuple[Beat, ...]()
    if len(times):
        tonal = np.vstack([bass, treble])[:, np.searchsorted(edges, times)]
        meter, grid = count_beats(times, strength, None if key is None else tonal)
    found = chords.find_chords(bass, treble, edges, key)
    return Analysis(duration_s, tempo_bpm, meter, grid, key, tuple(found))


def _pulse(samples: FloatArray, strength: onsets.OnsetStrength) -> tuple[float | None, beats.Times]:
    """Tempo and beat times, from where the music begins to where it has died away."""
    salient = onsets.standardised(strength.all)
    tempo_bpm = beats.find_tempo(salient)
    if tempo_bpm is None:
        return None, np.zeros(0)
    first_s, last_s = _extent(samples)
    times = beats.fill_out(beats.even_out(beats.track_beats(salient, tempo_bpm)), first_s, last_s)
    if len(times) < beats.LEAST_PERIODS:
        return None, np.zeros(0)
    return float(60 / np.median(np.diff(times))), times


def _extent(samples: FloatArray) -> tuple[float, float]:
    """When the first and the last sound is, in seconds."""
    level = onsets.level(samples)
    loud = np.flatnonzero(level > QUIET * level.max())
    return float(loud[0] / onsets.FRAMES_PER_S), float(loud[-1] / onsets.FRAMES_PER_S)


def _edges(times: beats.Times, duration_s: float) -> NDArray[np.float64]:
    """The spans in which chords are looked for: between beats, or half seconds; they cover the piece."""
    inner = times if len(times) else np.arange(SPAN_S, duration_s - SPAN_S / 2, SPAN_S)
    between = inner[(inner > 0) & (inner < duration_s)]
    return np.concatenate([[0.0], between, [duration_s]])
