"""FFmpeg, kept on a short lead: a file goes in, frames come out; frames go in, float32 at one rate comes out.

file → `opened` → container → `frames` → av.AudioFrame → `Mixer` → (channels, frames) arrays → `reblock` → even blocks

What users send is not to be trusted. FFmpeg's playlist demuxers (hls, concat, dash, sdp…) open whatever a file names,
on this disk or in this network, so only containers in `CONTAINERS` are opened; and FFmpeg is handed an open file and
no protocol, so that even those can open nothing by themselves.

FFmpeg writes nothing to the terminal: PyAV keeps its log off unless asked.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import av
import numpy as np
from av.container import InputContainer

from app.errors import NotAudio
from app.music import FloatArray

CONTAINERS = ("aac", "aiff", "flac", "matroska", "mov", "mp3", "ogg", "wav")
"""FFmpeg's names of the demuxers that may run. `mov` is m4a and mp4 too; its references to other files stay unread."""

# Half of swresample's default filter of 32 taps is its transition band: it loses 1.3 dB at 10 kHz on the way to
# 22.05 kHz. With 128 it is flat there, aliases lie below -100 dB, and a minute of stereo still takes 0.04 s.
# Mixing down is scaled so that full scale in every channel is full scale in the mix.
RESAMPLING = {"filter_size": "128", "rematrix_maxval": "1.0"}

KNOWN_COUNTS = (1, 2, 6, 8)
"""Channel counts whose order is a convention (mono, stereo, 5.1, 7.1) even where a file does not name its speakers."""


@dataclass
class Damage:
    """How many packets of a file could not be decoded."""

    packets: int = 0
    damaged: int = 0
    last: str = ""


@contextmanager
def opened(path: Path, filename: str) -> Iterator[InputContainer]:
    """The container in `path` with an audio stream in it. Raises `NotAudio`."""
    allowed = {"format_whitelist": ",".join(CONTAINERS), "protocol_whitelist": "none"}
    with path.open("rb") as file:
        try:
            container = av.open(file, "r", metadata_errors="replace", container_options=allowed)
        except av.error.ArgumentError as e:  # found out to be what it is, and that is not on the list
            raise NotAudio(filename=filename, reason="files of its kind are not taken") from e
        except av.FFmpegError as e:
            raise NotAudio(filename=filename, reason="its content is unknown, damaged or incomplete") from e
        with container:
            if not container.streams.audio:
                raise NotAudio(filename=filename, reason="it has no audio track")
            if container.streams.audio[0].codec_context is None:
                raise NotAudio(filename=filename, reason="no decoder here knows how its audio is encoded")
            yield container


def frames(container: InputContainer, damage: Damage) -> Iterator[av.AudioFrame]:
    """The first audio stream's frames. Packets that cannot be decoded are counted and skipped, as players do."""
    packets = container.demux(container.streams.audio[0])
    while True:
        try:
            packet = next(packets)
        except StopIteration:
            return
        except av.FFmpegError as e:  # the container itself breaks off here
            damage.last = str(e)
            return
        damage.packets += 1
        try:
            yield from packet.decode()
        except av.FFmpegError as e:
            damage.damaged += 1
            damage.last = str(e)


def reblock(chunks: Iterator[FloatArray], frames: int) -> Iterator[FloatArray]:
    """The same samples in blocks of just `frames`; the last may be shorter. Never empty."""
    held: list[FloatArray] = []
    count = 0
    for chunk in chunks:
        held.append(chunk)
        count += chunk.shape[1]
        if count >= frames:
            joined = np.concatenate(held, axis=1)
            whole = count - count % frames
            for start in range(0, whole, frames):
                yield joined[:, start : start + frames]
            held, count = [joined[:, whole:]], count - whole
    if count:
        yield np.concatenate(held, axis=1)


class Mixer:
    """Turns frames of one kind into float32 at one rate with one or two channels.

    Two or more channels are mixed by FFmpeg's matrices (centre and surround at -3 dB, no LFE). It would play mono at
    -3 dB in both channels, which is right for speakers and wrong for a level meter: here mono is copied. Channels
    whose places nobody knows are averaged.
    """

    def __init__(self, first: av.AudioFrame, rate_hz: int, channels: int) -> None:
        self._kind = _kind(first)
        self._channels = channels
        count = first.layout.nb_channels
        placed = count in KNOWN_COUNTS or not first.layout.name.endswith("channels")
        layout = "mono" if count == 1 or channels == 1 else "stereo"
        self._out = (1 if layout == "mono" else 2) if placed else count
        self._resampler = av.AudioResampler("flt", layout if placed else first.layout, rate_hz, options=RESAMPLING)

    def takes(self, frame: av.AudioFrame) -> bool:
        return _kind(frame) == self._kind

    def mix(self, frame: av.AudioFrame | None) -> Iterator[FloatArray]:
        """What `frame` adds, or what is left inside for None: arrays (channels, frames)."""
        for out in self._resampler.resample(frame):
            samples = np.asarray(out.to_ndarray(), np.float32).reshape(-1, self._out).T
            if self._out > 2:
                samples = samples.mean(axis=0, keepdims=True)
            if samples.shape[0] != self._channels:
                samples = np.repeat(samples, self._channels, axis=0)
            yield np.ascontiguousarray(samples)


def _kind(frame: av.AudioFrame) -> tuple[str, str, int]:
    return frame.format.name, frame.layout.name, frame.sample_rate
