"""What separating in a stream needs: a recording checked once, read in overlapping spans, and progress counted."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from app.engines.contract import Progress
from app.engines.separation import CHANNELS, RATE_HZ
from app.errors import BadAudio
from app.music import FloatArray, Recording

BLOCK_FRAMES = 1 << 18  # 6 s: 2 MiB in stereo, and few enough calls to read by


@dataclass(frozen=True)
class Level:
    """The mean and the standard deviation (n - 1) of the mean of the channels."""

    mean: float
    std: float


def check(recording: Recording) -> Level:
    """Read it through once and measure it. Raises `BadAudio` for NaN, infinity, and another rate or channel count.

    Separation fails here, before its first stem is written, and not half way.
    """
    if (recording.rate_hz, recording.channels) != (RATE_HZ, CHANNELS):
        found = f"{recording.channels} channels at {recording.rate_hz} Hz"
        raise BadAudio(reason=f"separation takes {CHANNELS} channels at {RATE_HZ} Hz, not {found}")
    total = squares = 0.0
    for block in recording.blocks(BLOCK_FRAMES):
        if not np.isfinite(block).all():
            raise BadAudio(reason="it holds samples that are not finite numbers (NaN or infinity)")
        mono = block.mean(axis=0, dtype=np.float64)
        total += float(mono.sum())
        squares += float(mono @ mono)
    mean = total / max(recording.frames, 1)
    variance = (squares - total * mean) / max(recording.frames - 1, 1)
    return Level(mean=mean, std=max(variance, 0.0) ** 0.5)  # rounding can leave a variance just below 0


def spans(blocks: Iterator[FloatArray], bounds: Iterable[tuple[int, int]]) -> Iterator[FloatArray]:
    """The samples from `start` to `end` for each (start, end) of `bounds`, in frames, with zeros beyond both ends.

    The starts never go back, and no start lies behind the end before it: just what lies between is held.
    """
    held, begin = next(blocks, np.zeros((CHANNELS, 0), np.float32)), 0
    for start, end in bounds:
        while begin + held.shape[1] < end and (block := next(blocks, None)) is not None:
            gone = max(0, start - begin)
            held, begin = np.concatenate([held[:, gone:], block], axis=1), begin + gone
        inside = held[:, max(0, start - begin) : max(0, end - begin)]
        left = max(0, -start)
        yield np.pad(inside, ((0, 0), (left, end - start - left - inside.shape[1])))


def counter(frames: int, progress: Progress) -> Callable[[int], None]:
    """Takes frames as they are done, and tells `progress` the share of all `frames` done so far."""
    done = 0

    def add(more: int) -> None:
        nonlocal done
        done += more
        progress(done / frames)

    return add
