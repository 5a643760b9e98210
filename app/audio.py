"""Audio in and out: what users send becomes samples, and samples become files.

file → `probe` → SoundFile (the facts, or a clear refusal)
file → `open_recording` → music.Recording (read in blocks) or `load` → music.Audio (in memory)
blocks → `FlacWriter`, `write_flac`, `write_wav` → file

This module and decoder.py under it are the only users of PyAV and soundfile.
"""

import logging
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from io import SEEK_CUR
from pathlib import Path
from types import TracebackType
from typing import Self

import av
import numpy as np
import soundfile
from av.container import InputContainer

from app.decoder import Damage, Mixer, frames, opened, reblock
from app.errors import BadAudio, EmptyFile, NoSound, NotAudio, TooLong, TruncatedAudio
from app.music import Audio, FloatArray, Recording

log = logging.getLogger(__name__)

# A file counts as truncated where it holds less than it declares by more than both. Padding of MP3 and AAC is up to
# three frames of 1152 samples (0.43 s at 8 kHz) and is declared by some encoders and not by others; container
# durations cover the longest track, pictures too; and decoders drop what is scratched (see MAX_DAMAGED_SHARE).
MISSING_S = 0.5
MISSING_SHARE = 0.02

LONGEST_MP3_FRAME = 1441
"""Bytes of a frame at 320 kbit/s and 32 kHz, padded."""

PLACEHOLDER_BYTES = 0x7FFFF000 - 4096
"""Sizes from here on mean "unknown": sox writes 0x7ffff000 less its header, arecord 0x7fffffff or 0x80000000, FFmpeg
0xffffffff."""

MAX_DAMAGED_SHARE = 0.1
"""Share of a file's packets that may be undecodable. Players skip over a scratch, and so do we; where a tenth is gone
it is another file than it claims to be, or no longer the recording."""

TAG_CHARACTERS = 1000
"""Longest title or artist taken from tags, which may hold megabytes. The longest real titles have some 500."""

BLOCK_FRAMES = 65_536  # 1.5 s at 44.1 kHz


@dataclass(frozen=True)
class SoundFile:
    """What a file really holds: decoded to its end, not read off its header."""

    container: str
    codec: str
    rate_hz: int
    channels: int
    duration_s: float
    title: str | None
    artist: str | None


def probe(path: Path, filename: str, max_duration_s: float) -> SoundFile:
    """Decode all of `path` once, in little memory, and tell what it is. `filename` is what its owner calls it.

    Raises `EmptyFile`, `NotAudio`, `NoSound`, `TruncatedAudio`, `TooLong` (without decoding further) or `BadAudio`.
    """
    if path.stat().st_size == 0:
        raise EmptyFile(filename=filename)
    with opened(path, filename) as container:
        declared_s = _declared_s(path, container)
        if declared_s is not None and declared_s - _missing_s(declared_s) > max_duration_s:
            raise TooLong(filename=filename, limit_s=max_duration_s)
        heard = _listen(container, filename, max_duration_s)
        _check_whole(heard, declared_s, filename)
        stream = container.streams.audio[0]
        tags = _tags(container)
        return SoundFile(
            container=container.format.name.partition(",")[0].replace("mov", "mp4"),
            codec=stream.codec_context.codec.canonical_name,
            rate_hz=heard.rate_hz,
            channels=heard.channels,
            duration_s=float(heard.duration_s),
            title=tags.get("title"),
            artist=tags.get("artist"),
        )


def open_recording(path: Path, rate_hz: int = 44_100, channels: int = 2) -> Recording:
    """The file at `path` as blocks at `rate_hz`, mixed to 1 or 2 `channels`. Raises `NotAudio` when it is read.

    Every `blocks` decodes from the start, and always the same. `frames` costs a decoding of its own once.
    """
    return _Decoded(path, rate_hz, channels)


def load(path: Path, rate_hz: int, channels: int = 1) -> Audio:
    """All of the file at `path` in memory, at `rate_hz`, mixed to 1 or 2 `channels`. Raises `NotAudio`."""
    chunks = list(_Decoded(path, rate_hz, channels).chunks())
    samples = np.concatenate(chunks, axis=1) if chunks else np.zeros((channels, 0), np.float32)
    return Audio(samples, rate_hz)


# Decoding


@dataclass
class _Heard:
    """What came out when a file was decoded."""

    rate_hz: int
    channels: int
    frames: int
    duration_s: Fraction
    damage: Damage


def _listen(container: InputContainer, filename: str, max_duration_s: float) -> _Heard:
    heard = _Heard(rate_hz=0, channels=0, frames=0, duration_s=Fraction(0), damage=Damage())
    for frame in frames(container, heard.damage):
        if heard.frames == 0:
            heard.rate_hz, heard.channels = frame.sample_rate, frame.layout.nb_channels
        heard.frames += frame.samples
        heard.duration_s += Fraction(frame.samples, frame.sample_rate)
        if heard.duration_s > max_duration_s:
            raise TooLong(filename=filename, limit_s=max_duration_s)
        if frame.format.name.startswith(("flt", "dbl")) and not np.isfinite(frame.to_ndarray()).all():
            raise BadAudio(reason=f"{filename} holds samples that are not numbers. Export it again")
    return heard


def _check_whole(heard: _Heard, declared_s: float | None, filename: str) -> None:
    damage = heard.damage
    if damage.last:
        log.warning("%d of %d packets undecodable: %s", damage.damaged, damage.packets, damage.last)
    if heard.frames == 0 and damage.damaged:
        raise NotAudio(filename=filename, reason="none of its audio can be decoded")
    if declared_s is not None and heard.duration_s < declared_s - _missing_s(declared_s):
        raise TruncatedAudio(filename=filename, decoded_s=float(heard.duration_s), declared_s=declared_s)
    if heard.frames == 0:
        raise NoSound(filename=filename)
    if damage.damaged > 1 + MAX_DAMAGED_SHARE * damage.packets:  # 1: the very last packet may be cut off
        raise NotAudio(filename=filename, reason=f"{damage.damaged} of {damage.packets} pieces of it are damaged")


def _missing_s(declared_s: float) -> float:
    return max(MISSING_S, MISSING_SHARE * declared_s)


def _declared_s(path: Path, container: InputContainer) -> float | None:
    """How long the file's own header says that it is; None where it says nothing, as in Ogg and raw AAC.

    FFmpeg does not tell apart what it read and what it worked out from the file's size: WAV's length it cuts to that
    size, and MP3 declares its length only in a Xing or VBRI header. Both are looked up in the file itself.
    """
    kind = container.format.name.partition(",")[0]
    stream = container.streams.audio[0]
    if kind == "wav":
        return _wav_declared_s(path)
    if kind in ("ogg", "aac") or (kind == "mp3" and not _mp3_declares(path)):
        return None
    if stream.duration is not None and stream.time_base is not None:
        return float(stream.duration * stream.time_base)
    return None if container.duration is None else container.duration / av.time_base


def _wav_declared_s(path: Path) -> float | None:
    """From the sizes of its chunks; None where a program that wrote to a pipe left a placeholder there."""
    bytes_per_s = 0
    with path.open("rb") as file:
        if file.read(12)[:4] != b"RIFF":  # RF64 and big-endian files are rare: FFmpeg's word must do
            return None
        while len(head := file.read(8)) == 8:
            name, size = struct.unpack("<4sI", head)
            if name == b"data":
                return size / bytes_per_s if bytes_per_s and 0 < size < PLACEHOLDER_BYTES else None
            start = file.tell()
            if name == b"fmt " and size >= 16:
                bytes_per_s = struct.unpack("<8xI", file.read(12))[0]
            file.seek(start + size + size % 2)
    return None


def _mp3_declares(path: Path) -> bool:
    """Whether its first frame, after any ID3 tags, is a header that says how many frames follow."""
    with path.open("rb") as file:
        while (head := file.read(10))[:3] == b"ID3" and len(head) == 10:
            a, b, c, d = head[6:]
            file.seek((a << 21) + (b << 14) + (c << 7) + d, SEEK_CUR)
        first = head + file.read(LONGEST_MP3_FRAME)
    return any(marker in first for marker in (b"Xing", b"Info", b"VBRI"))


def _tags(container: InputContainer) -> Mapping[str, str]:
    """The tags of file and stream, keys in lower case; empty ones are left out."""
    found = {**container.streams.audio[0].metadata, **container.metadata}
    tags = {key.lower(): " ".join(value.replace("\0", " ").split()) for key, value in found.items()}
    return {key: value[:TAG_CHARACTERS] for key, value in tags.items() if value}


@dataclass(frozen=True)
class _Decoded:
    """A file as a music.Recording."""

    path: Path
    rate_hz: int
    channels: int

    def __post_init__(self) -> None:
        if self.channels not in (1, 2):
            raise ValueError(f"channels must be 1 or 2, not {self.channels}")

    @cached_property
    def frames(self) -> int:
        return sum(chunk.shape[1] for chunk in self.chunks())

    def blocks(self, frames: int) -> Iterator[FloatArray]:
        return reblock(self.chunks(), frames)

    def chunks(self) -> Iterator[FloatArray]:
        """The samples as they fall out of the decoder, (channels, some frames) each."""
        with opened(self.path, self.path.name) as container:
            mixer = None
            for frame in frames(container, Damage()):
                if mixer is None or not mixer.takes(frame):  # some streams change rate or channels on the way
                    if mixer is not None:
                        yield from mixer.mix(None)
                    mixer = Mixer(frame, self.rate_hz, self.channels)
                yield from mixer.mix(frame)
            if mixer is not None:
                yield from mixer.mix(None)


# Encoding


class FlacWriter:
    """Writes blocks to a FLAC file of 24 bits as they come: `with FlacWriter(path, 44_100, 2) as f: f.write(block)`.

    24 bits, because stems are added up again: their rounding lies at -144 dB, that of 16 bits at -96 dB before six of
    them are summed. FLAC holds nothing beyond full scale, and a stem may go beyond it although the mixture does not
    (its peak was cancelled by another stem): such samples are clipped and counted in `clipped`. Scaling the stem
    instead would unbalance it against the others, and every sample of it for the sake of a few.
    """

    def __init__(self, path: Path, rate_hz: int, channels: int) -> None:
        self.frames = 0
        self.clipped = 0
        self._file = soundfile.SoundFile(path, "w", rate_hz, channels, subtype="PCM_24", format="FLAC")

    def write(self, block: FloatArray) -> None:
        """Append samples of shape (channels, frames)."""
        self.frames += block.shape[1]
        self.clipped += int(np.count_nonzero(np.abs(block) > 1))
        self._file.write(block.T)  # soundfile tells libsndfile to clip rather than wrap around

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()


def write_flac(path: Path, recording: Recording) -> None:
    """All of a recording to a FLAC file of 24 bits; beyond full scale it is clipped."""
    with FlacWriter(path, recording.rate_hz, recording.channels) as file:
        for block in recording.blocks(BLOCK_FRAMES):
            file.write(block)


def write_wav(path: Path, recording: Recording) -> None:
    """All of a recording to a WAV file of 16 bits, which everything can play; beyond full scale it is clipped."""
    with soundfile.SoundFile(path, "w", recording.rate_hz, recording.channels, subtype="PCM_16", format="WAV") as file:
        for block in recording.blocks(BLOCK_FRAMES):
            file.write(block.T)
