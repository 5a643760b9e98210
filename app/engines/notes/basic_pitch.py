"""Notes by Basic Pitch: a small network hears onsets and sounding pitches, and peak picking turns them into notes.

Input: mono audio at 22.05 kHz. Output: notes from A0 (21) to C8 (108), times on a grid of about 11.6 ms, velocity from
the mean activation. The weights come with the basic_pitch package (Apache-2.0, as its code); their ONNX form runs here
on onnxruntime, in batches of windows, and the package's own note creation follows, so that the notes are those of
`basic_pitch.inference.predict`.

Bittner et al., "A Lightweight Instrument-Agnostic Model for Polyphonic Note Transcription and Multipitch Estimation",
ICASSP 2022, https://arxiv.org/abs/2203.09893. Steps: `audio_to_windows`, `windows_to_activations` (the network),
`activations_to_posteriors`, `posteriors_to_notes`.
"""

import logging
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from importlib import import_module, metadata
from importlib.util import find_spec
from itertools import chain, islice
from pathlib import Path
from types import ModuleType
from typing import Annotated, Any

import numpy as np
from annotated_types import Ge, Gt, Le

from app.engines.contract import Engine, EngineIdentity, Options, Progress, samples_of, unheard
from app.engines.notes import RATE_HZ
from app.music import Audio, FloatArray, Note
from app.weights import Models

FRAME = 256  # samples in a frame of the network's output
WINDOW = 2 * RATE_HZ - FRAME  # 43844 samples, 172 frames: what the network takes
MARGIN_FRAMES = 15  # cut from both ends of each window, where the network sees too little
HOP = WINDOW - 2 * MARGIN_FRAMES * FRAME  # 36164 samples
# The library counts so when it cuts off the last window's padding. The frames that are left of the windows are 86.58 a
# second, so that the last 0.7 % of a recording are lost. Ours are its notes, so they are here too.
FRAMES_PER_SECOND = RATE_HZ // FRAME  # 86

# On 2 CPU cores batches of 2 to 16 windows all take 14 % less time than window by window; a GPU has room for them too.
BATCH = 16
# 1.7 times as fast as one thread. Not all cores: other engines run at the same time, and 10 s take 0.1 s as it is.
CPU_THREADS = 2

# The graph's names for its input (batch, 43844, 1) and outputs (batch, 172, 88), as basic_pitch.inference has them.
INPUT = "serving_default_input_2:0"
ONSETS = "StatefulPartitionedCall:2"
SOUNDING = "StatefulPartitionedCall:1"

PIANO_HZ = (27.5, 4186.1)  # A0 to C8, all that the network knows


@dataclass(frozen=True)
class BasicPitchOptions(Options):
    """How sure the network must be of a note. The defaults are the library's."""

    onset_threshold: Annotated[float, Gt(0), Le(1)] = 0.5
    """Activation from which on a note starts."""
    frame_threshold: Annotated[float, Gt(0), Le(1)] = 0.3
    """Activation down to which a note sounds on."""
    minimum_note_length_ms: Annotated[float, Ge(0), Le(10_000)] = 127.70
    """Shorter notes are left out."""
    minimum_frequency_hz: Annotated[float, Ge(PIANO_HZ[0]), Le(PIANO_HZ[1])] | None = None
    """Lower notes are left out."""
    maximum_frequency_hz: Annotated[float, Ge(PIANO_HZ[0]), Le(PIANO_HZ[1])] | None = None
    """Higher notes are left out."""

    def __post_init__(self) -> None:
        low, high = self.minimum_frequency_hz, self.maximum_frequency_hz
        if low is not None and high is not None and low >= high:
            raise ValueError(f"minimum_frequency_hz {low} must be below maximum_frequency_hz {high}")

    @property
    def minimum_note_frames(self) -> int:
        return round(self.minimum_note_length_ms / 1000 * (RATE_HZ / FRAME))  # 11 by default


@dataclass(frozen=True, eq=False)
class Posteriors:
    """What the network hears: float32 (frames, 88), activations 0 to 1, one column for each piano key."""

    onsets: FloatArray
    sounding: FloatArray


def audio_to_windows(samples: FloatArray) -> FloatArray:
    """(samples,) to overlapping windows (windows, 43844), a read-only view. Silent audio has no windows."""
    if not samples.any():
        return np.empty((0, WINDOW), dtype=np.float32)
    margin = MARGIN_FRAMES * FRAME
    count = -(-(margin + len(samples)) // HOP)
    padded = np.zeros((count - 1) * HOP + WINDOW, dtype=np.float32)
    padded[margin : margin + len(samples)] = samples
    return np.lib.stride_tricks.sliding_window_view(padded, WINDOW)[::HOP]


def windows_to_activations(session: Any, windows: Sequence[FloatArray]) -> FloatArray:
    """One batch through the network's `InferenceSession`: (windows, 2, 142, 88), onsets first, then what sounds."""
    outputs = session.run([ONSETS, SOUNDING], {INPUT: np.stack(windows)[..., None]})
    activations: FloatArray = np.stack(outputs, axis=1)[:, :, MARGIN_FRAMES:-MARGIN_FRAMES]
    return activations


def activations_to_posteriors(windows: Sequence[FloatArray], samples: int) -> Posteriors:
    """Windows (2, 142, 88) put together again, cut to the length of `samples` samples."""
    if not windows:
        return Posteriors(np.empty((0, 88), np.float32), np.empty((0, 88), np.float32))
    onsets, sounding = np.concatenate(windows, axis=1)[:, : int(samples * (FRAMES_PER_SECOND / RATE_HZ))]
    return Posteriors(onsets, sounding)


def posteriors_to_notes(posteriors: Posteriors, options: BasicPitchOptions) -> tuple[Note, ...]:
    """The library's note creation, with onsets inferred from jumps of what sounds, and its "melodia trick"."""
    count = len(posteriors.sounding)
    # No note fits: it must be longer than the minimum and end before the last frame. (The library fails on no frames.)
    if count <= options.minimum_note_frames + 1:
        return ()
    creation = _note_creation()
    with np.errstate(divide="ignore", invalid="ignore"):  # it divides the jumps by their largest, which may be 0
        events = creation.output_to_notes_polyphonic(
            posteriors.sounding.copy(),  # copies: it blanks frequencies out of bounds in place
            posteriors.onsets.copy(),
            onset_thresh=options.onset_threshold,
            frame_thresh=options.frame_threshold,
            min_note_len=options.minimum_note_frames,
            infer_onsets=True,
            max_freq=options.maximum_frequency_hz,
            min_freq=options.minimum_frequency_hz,
        )
    times_s = creation.model_frames_to_time(count)
    return tuple(sorted(_note(times_s, *event) for event in events))


class BasicPitch(Engine[Audio, tuple[Note, ...], BasicPitchOptions]):
    task = "notes"
    name = "basic_pitch"
    version = f"1+basic-pitch-{metadata.version('basic-pitch')}"
    options_type = BasicPitchOptions

    def __init__(
        self, options: BasicPitchOptions, models: Models, device: str = "cpu", cpu_threads: int = CPU_THREADS
    ) -> None:
        super().__init__(options, models, device)
        self._session = _session(device, cpu_threads)
        _note_creation()  # imported here, which takes seconds, and not in the first run

    @classmethod
    def identity(cls, options: BasicPitchOptions, models: Models) -> EngineIdentity:
        """Names the weights that the package brings, though no table lists them."""
        return EngineIdentity(cls.task, cls.name, cls.version, f"basic_pitch-icassp_2022@{_fingerprint()}")

    def run(
        self, inputs: Sequence[Audio], options: BasicPitchOptions, progress: Progress = unheard
    ) -> list[tuple[Note, ...]]:
        """The notes of each input. The windows of all of them share batches."""
        recordings = [samples_of(audio, RATE_HZ) for audio in inputs]
        windows = [audio_to_windows(samples) for samples in recordings]
        listening = self._listen(list(chain.from_iterable(windows)), progress)
        notes = []
        for samples, own in zip(recordings, windows, strict=True):
            posteriors = activations_to_posteriors(list(islice(listening, len(own))), len(samples))
            notes.append(posteriors_to_notes(posteriors, options))
        progress(1.0)
        return notes

    def _listen(self, windows: Sequence[FloatArray], progress: Progress) -> Iterator[FloatArray]:
        """The activations of each window, in order."""
        for start in range(0, len(windows), BATCH):
            progress(start / len(windows))
            yield from windows_to_activations(self._session, windows[start : start + BATCH])


def _note(times_s: FloatArray, start: int, stop: int, pitch_midi: int, amplitude: np.float32) -> Note:
    velocity = max(1, int(np.round(127 * amplitude)))  # 0 would be a "note off" in MIDI
    return Note(float(times_s[start]), float(times_s[stop]), int(pitch_midi), velocity)


# The package


def _weights() -> Path:
    spec = find_spec("basic_pitch")  # does not import it
    if spec is None or not spec.submodule_search_locations:
        raise ModuleNotFoundError("basic_pitch")
    return Path(spec.submodule_search_locations[0]) / "saved_models" / "icassp_2022" / "nmp.onnx"


@cache
def _fingerprint() -> str:
    return sha256(_weights().read_bytes()).hexdigest()[:12]


def _session(device: str, cpu_threads: int) -> Any:
    import onnxruntime

    wanted = ["CUDAExecutionProvider"] if device.startswith("cuda") else []
    providers = [name for name in wanted if name in onnxruntime.get_available_providers()]
    settings = onnxruntime.SessionOptions()
    settings.intra_op_num_threads = cpu_threads
    return onnxruntime.InferenceSession(str(_weights()), settings, providers=[*providers, "CPUExecutionProvider"])


@cache
def _note_creation() -> ModuleType:
    """The library's module that makes notes. Imports librosa, and no TensorFlow."""
    with _missing_backends_unmentioned(), warnings.catch_warnings():
        # resampy, which the library needs only to make notes audible
        warnings.filterwarnings("ignore", "pkg_resources is deprecated", UserWarning)
        return import_module("basic_pitch.note_creation")


@contextmanager
def _missing_backends_unmentioned() -> Iterator[None]:
    """Importing basic_pitch logs that CoreML, TFLite and TensorFlow are missing; onnxruntime is all that is used here.

    It does so by `logging.warning`, which also installs a handler where there is none: the NullHandler prevents that.
    """
    root, handler = logging.getLogger(), logging.NullHandler()

    def by_another(record: logging.LogRecord) -> bool:
        return Path(record.pathname).parent.name != "basic_pitch"

    root.addHandler(handler)
    root.addFilter(by_another)
    try:
        yield
    finally:
        root.removeFilter(by_another)
        root.removeHandler(handler)
