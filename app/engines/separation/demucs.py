"""Separation with Demucs, the neural network of Défossez et al.

Input: recordings, 44.1 kHz stereo. Output: their stems, `drums bass other vocals`, for htdemucs_6s `guitar piano` too.
The result is that of `demucs.api.Separator(shifts=0)`; but that one holds the song and all its stems in memory, and
here a few segments are held at a time. No random shifts: the same song always gives the same stems.

Papers: Défossez, "Hybrid Spectrogram and Waveform Source Separation", MDX workshop of ISMIR 2021 (mdx_extra); Rouard,
Massa and Défossez, "Hybrid Transformers for Music Source Separation", ICASSP 2023 (htdemucs). Weights: for research
only, see `app.weights`.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from itertools import groupby, islice
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
from annotated_types import Ge, Le
from numpy.typing import NDArray

from app.engines.contract import Engine, Options, Progress, unheard
from app.engines.separation import CHANNELS, RATE_HZ
from app.engines.separation.streaming import BLOCK_FRAMES, Level, check, counter, spans
from app.errors import WeightsBroken
from app.music import FloatArray, Recording, Stems
from app.weights import Models

# Audio in one call of a model on a GPU: as much as mdx_extra takes in its single segment, five of htdemucs's. On a CPU
# a batch is no faster than its segments one by one, and needs more memory.
GPU_BATCH_S = 44.0


@dataclass(frozen=True)
class DemucsOptions(Options):
    """Which network, and how carefully."""

    model: Literal["htdemucs", "htdemucs_ft", "htdemucs_6s", "mdx_extra"] = "htdemucs"
    """htdemucs_ft: a network for each stem, better and four times slower. htdemucs_6s: guitar and piano as well."""
    overlap: Annotated[float, Ge(0), Le(0.9)] = 0.25
    """Share of a segment that the next one covers again. At 0.9 each second is computed ten times over."""


@dataclass(frozen=True)
class Segment:
    """A stretch of the recording, in frames: what the model is given, and the part of its answer that is used."""

    offset: int
    frames: int
    padded_frames: int

    @property
    def left(self) -> int:
        return (self.padded_frames - self.frames) // 2

    @property
    def bounds(self) -> tuple[int, int]:
        """What the model is given. The last segments reach back into what came before, as demucs's TensorChunk does."""
        return self.offset - self.left, self.offset - self.left + self.padded_frames


class Demucs(Engine[Recording, Stems, DemucsOptions]):
    task: ClassVar[str] = "separation"
    name: ClassVar[str] = "demucs"
    version: ClassVar[str] = f"1+demucs{version('demucs')}"
    options_type: ClassVar[type[Options]] = DemucsOptions

    def __init__(self, options: DemucsOptions, models: Models, device: str = "cpu") -> None:
        super().__init__(options, models, device)
        self.model_name = options.model
        self.bag = load(options.model, models, device)
        self.batch_s = 0.0 if device == "cpu" else GPU_BATCH_S

    @classmethod
    def weights(cls, options: DemucsOptions) -> str:
        return options.model

    def run(self, inputs: Sequence[Recording], options: DemucsOptions, progress: Progress = unheard) -> list[Stems]:
        if options.model != self.model_name:
            raise ValueError(f"this engine has loaded {self.model_name}, not {options.model}")
        levels = [check(recording) for recording in inputs]
        done = counter(sum(recording.frames for recording in inputs) * len(self.bag.models), progress)
        return [
            Stems(tuple(self.bag.sources), RATE_HZ, self._stems(recording, level, options.overlap, done))
            for recording, level in zip(inputs, levels, strict=True)
        ]

    def _stems(
        self, recording: Recording, level: Level, overlap: float, done: Callable[[int], None]
    ) -> Iterator[Mapping[str, FloatArray]]:
        answers = [self._answer(model, recording, level, overlap, done) for model in self.bag.models]
        for block in mix(answers, np.asarray(self.bag.weights, np.float32)):
            yield dict(zip(self.bag.sources, block, strict=True))

    def _answer(
        self, model: Any, recording: Recording, level: Level, overlap: float, done: Callable[[int], None]
    ) -> Iterator[FloatArray]:
        """One model's stems, blocks (sources, channels, frames). Normalised as in demucs.api.Separator."""
        mean, std = np.float32(level.mean), np.float32(level.std + 1e-8)
        blocks = ((block - mean) / std for block in recording.blocks(BLOCK_FRAMES))
        length = int(model.samplerate * model.segment)
        stride = int((1 - overlap) * length)
        plan = segments(recording.frames, length, stride, getattr(model, "valid_length", lambda frames: frames))
        batch = max(1, int(self.batch_s / model.segment))
        answers = run_batched(model, spans(blocks, (s.bounds for s in plan)), batch, self.device)
        used = (answer[..., s.left : s.left + s.frames] for s, answer in zip(plan, answers, strict=True))
        for block in overlap_add(used, triangle(length), stride):
            done(block.shape[-1])
            yield block * std + mean


def load(name: str, models: Models, device: str) -> Any:
    """A demucs BagOfModels, ready to be used on `device`. Raises `WeightsMissing`, `WeightsBroken`."""
    from pickle import UnpicklingError

    from demucs.apply import BagOfModels
    from demucs.pretrained import get_model

    folder = models.path(name)
    try:
        model = get_model(name, repo=folder)
    except (RuntimeError, UnpicklingError, EOFError, KeyError, TypeError) as error:  # demucs's own are RuntimeErrors
        raise WeightsBroken(weights=name, models_dir=folder, reason=f"{type(error).__name__}: {error}") from error
    bag = model if isinstance(model, BagOfModels) else BagOfModels([model])
    if (bag.samplerate, bag.audio_channels) != (RATE_HZ, CHANNELS):
        reason = f"made for {bag.audio_channels} channels at {bag.samplerate} Hz, not {CHANNELS} at {RATE_HZ} Hz"
        raise WeightsBroken(weights=name, models_dir=folder, reason=reason)
    return bag.to(device).eval()


def segments(frames: int, length: int, stride: int, padded: Callable[[int], int]) -> list[Segment]:
    """Where the model is run; `padded` says how many frames it wants in order to answer for so many."""
    offsets = range(0, frames, stride)
    shares = [min(length, frames - offset) for offset in offsets]
    return [Segment(offset, share, padded(share)) for offset, share in zip(offsets, shares, strict=True)]


def run_batched(model: Any, pieces: Iterable[FloatArray], batch: int, device: str) -> Iterator[FloatArray]:
    """The model's answer (sources, channels, frames) to each piece (channels, frames), computed `batch` at a time."""
    for _, alike in groupby(pieces, key=lambda piece: piece.shape):
        while group := list(islice(alike, batch)):
            yield from run_model(model, np.stack(group), device)


def run_model(model: Any, pieces: FloatArray, device: str) -> FloatArray:
    import torch

    with torch.inference_mode():
        answer = model(torch.from_numpy(pieces).to(device))
        return np.asarray(answer.cpu().numpy(), np.float32)


def triangle(length: int) -> FloatArray:
    """The weight of each frame of a segment: most in the middle, where the model sees most context."""
    rise, fall = np.arange(1, length // 2 + 1), np.arange(length - length // 2, 0, -1)
    weight = np.concatenate([rise, fall]).astype(np.float32)
    return weight / weight.max()


def overlap_add(chunks: Iterable[FloatArray], weight: FloatArray, stride: int) -> Iterator[FloatArray]:
    """The weighted mean of chunks (…, frames) that begin `stride` apart: `stride` frames are ready after each."""
    total, weights = None, np.zeros(0, np.float32)
    for chunk in chunks:
        own = weight[: chunk.shape[-1]]
        total = own * chunk if total is None else add_longer(total, own * chunk)
        weights = add_longer(weights, own)
        yield total[..., :stride] / weights[:stride]
        total, weights = total[..., stride:], weights[stride:]


def add_longer(one: FloatArray, other: FloatArray) -> FloatArray:
    """Their sum along the last axis, where either may end before the other."""
    long, short = (one, other) if one.shape[-1] > other.shape[-1] else (other, one)
    total = long.copy()
    total[..., : short.shape[-1]] += short
    return total


def mix(answers: Sequence[Iterator[FloatArray]], weights: NDArray[np.float32]) -> Iterator[FloatArray]:
    """The weighted mean of several models' blocks (sources, channels, frames), cut where any of them is cut.

    `weights`: (models, sources).
    """
    shares = (weights / weights.sum(axis=0))[:, :, None, None]
    held = [next(answer, None) for answer in answers]
    while all(block is not None for block in held):
        blocks = [block for block in held if block is not None]
        frames = min(block.shape[-1] for block in blocks)
        yield np.sum([share * block[..., :frames] for share, block in zip(shares, blocks, strict=True)], axis=0)
        held = [
            block[..., frames:] if block.shape[-1] > frames else next(answer, None)
            for block, answer in zip(blocks, answers, strict=True)
        ]
