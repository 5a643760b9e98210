"""The words of music that everything else speaks: frozen values, with units in their names.

Times are seconds from the start of the recording, pitches MIDI note numbers (60 is middle C), velocities 1 to 127,
drums General MIDI percussion key numbers (36 is the bass drum), chord labels as in Harte et al., "Symbolic
Representation of Musical Chords", ISMIR 2005 (`C:maj7`, `N` for no chord), keys as `A minor`.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float32]

STEMS = ("drums", "bass", "other", "vocals", "guitar", "piano")
"""Every stem a separation may make, in the order in which they are shown."""


class Recording(Protocol):
    """Audio that may be too long to hold: it is read in blocks, from the start, as often as needed."""

    @property
    def rate_hz(self) -> int: ...

    @property
    def channels(self) -> int: ...

    @property
    def frames(self) -> int:
        """Samples in each channel."""

    def blocks(self, frames: int) -> Iterator[FloatArray]:
        """The samples in order, each block (channels, `frames`) but the last, which may be shorter."""


@dataclass(frozen=True, eq=False)
class Audio:
    """Audio in memory: `samples` is float32 in [-1, 1], shape (channels, frames). It is a Recording too."""

    samples: FloatArray
    rate_hz: int

    def __post_init__(self) -> None:
        if self.samples.ndim != 2 or self.samples.dtype != np.float32:
            raise ValueError(
                f"samples must be float32 (channels, frames), not {self.samples.dtype} {self.samples.shape}"
            )
        if self.rate_hz <= 0:
            raise ValueError(f"rate_hz must be positive, not {self.rate_hz}")

    @property
    def channels(self) -> int:
        return int(self.samples.shape[0])

    @property
    def frames(self) -> int:
        return int(self.samples.shape[1])

    @property
    def duration_s(self) -> float:
        return self.frames / self.rate_hz

    def mono(self) -> FloatArray:
        """The mean of the channels, shape (frames,)."""
        return np.asarray(self.samples.mean(axis=0), dtype=np.float32)

    def blocks(self, frames: int) -> Iterator[FloatArray]:
        for start in range(0, self.frames, frames):
            yield self.samples[:, start : start + frames]


@dataclass(frozen=True)
class Stems:
    """A recording taken apart. Can be read once, block by block, so that a long song never has to be held whole.

    `blocks` yields, in order of time, one array (channels, frames) for each of `names`; the blocks of all the stems
    at one step have the same number of frames, and all blocks together as many as the recording had.
    """

    names: tuple[str, ...]
    rate_hz: int
    blocks: Iterator[Mapping[str, FloatArray]] = field(repr=False)


@dataclass(frozen=True, order=True)
class Note:
    onset_s: float
    offset_s: float
    pitch_midi: int
    velocity: int


@dataclass(frozen=True, order=True)
class Hit:
    """One stroke on one drum."""

    onset_s: float
    drum_midi: int
    velocity: int


@dataclass(frozen=True, order=True)
class Beat:
    time_s: float
    position: int
    """Place in the bar: 1 is the downbeat."""


@dataclass(frozen=True, order=True)
class Chord:
    onset_s: float
    offset_s: float
    label: str


@dataclass(frozen=True)
class Key:
    tonic: str
    """A letter with `#` or `b`: `A`, `F#`, `Bb`."""
    mode: str
    """`major` or `minor`."""

    def __str__(self) -> str:
        return f"{self.tonic} {self.mode}"


@dataclass(frozen=True)
class Analysis:
    """What a listener would tap and hum along to. A recording with no pulse has no tempo and no beats."""

    duration_s: float
    tempo_bpm: float | None
    beats_per_bar: int
    beats: tuple[Beat, ...]
    key: Key | None
    chords: tuple[Chord, ...]


@dataclass(frozen=True, order=True)
class Word:
    onset_s: float
    offset_s: float
    text: str
    confidence: float
    """Probability, 0 to 1."""


@dataclass(frozen=True)
class Lyrics:
    """Sung words, line by line. No lines: no words were found."""

    language: str | None
    """ISO 639-1, or None where nothing was sung."""
    lines: tuple[tuple[Word, ...], ...]

    @property
    def words(self) -> tuple[Word, ...]:
        return tuple(word for line in self.lines for word in line)


@dataclass(frozen=True)
class Transcription:
    """All that is needed to write a piece down. `parts` holds the notes of each pitched stem."""

    title: str
    artist: str
    analysis: Analysis
    parts: Mapping[str, Sequence[Note]]
    hits: Sequence[Hit]


@dataclass(frozen=True)
class WrittenScore:
    """A piece written down."""

    musicxml: bytes
    pdf: bytes
    midi: Mapping[str, bytes]
    """One Standard MIDI File for each part, `drums` among them, and `all` with everything."""
