"""MIDI made audible with the General MIDI bank that pretty_midi ships (TimGM6mb, GPL-2, by Tim Brechbill).

In: `pretty_midi.PrettyMIDI`. Out: `music.Audio`, stereo. The same song always gives the same samples. Instruments are
rendered one by one and added up, so what `render_instruments` gives adds up to what `render` gives.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from app.music import Audio, FloatArray

if TYPE_CHECKING:
    import pretty_midi

RATE_HZ = 44_100
TAIL_S = 1.0
"""Rendered past the last note's end, for its release to die away."""

DRUM_BANK = 128  # where SoundFont 2 keeps percussion kits


def render(song: "pretty_midi.PrettyMIDI", rate_hz: int = RATE_HZ) -> Audio:
    """The whole song, turned down where it would be louder than full scale. A song without notes is `TAIL_S` long."""
    frames = round((song.get_end_time() + TAIL_S) * rate_hz)
    parts = render_instruments(song, rate_hz)
    return Audio(within_full_scale(sum(parts, np.zeros((2, frames), dtype=np.float32))), rate_hz)


def render_instruments(song: "pretty_midi.PrettyMIDI", rate_hz: int = RATE_HZ) -> list[FloatArray]:
    """Each instrument alone, (2, frames), all of the same length and together possibly above full scale."""
    frames = round((song.get_end_time() + TAIL_S) * rate_hz)
    return [_render_instrument(instrument, frames, rate_hz) for instrument in song.instruments]


def within_full_scale(samples: FloatArray) -> FloatArray:
    """The same samples, or quieter ones where some lie outside [-1, 1]."""
    peak = float(np.abs(samples).max(initial=0.0))
    return samples if peak <= 1.0 else np.asarray(samples / peak, dtype=np.float32)


def bank_path() -> Path:
    """Where pretty_midi keeps its General MIDI bank."""
    import pretty_midi

    return Path(pretty_midi.__file__).with_name("TimGM6mb.sf2")


def _render_instrument(instrument: "pretty_midi.Instrument", frames: int, rate_hz: int) -> FloatArray:
    import tinysoundfont

    synth = tinysoundfont.Synth(samplerate=rate_hz)
    bank = synth.sfload(str(bank_path()))
    synth.program_select(0, bank, DRUM_BANK if instrument.is_drum else 0, instrument.program, instrument.is_drum)
    pieces, now = [np.zeros((0, 2), dtype=np.float32)], 0
    for time_s, _, method, arguments in sorted(_events(instrument), key=lambda event: event[:2]):
        at = min(round(time_s * rate_hz), frames)
        if at > now:
            pieces.append(_next_frames(synth, at - now))
            now = at
        getattr(synth, method)(0, *arguments)
    if frames > now:
        pieces.append(_next_frames(synth, frames - now))
    return np.ascontiguousarray(np.concatenate(pieces).T)


def _next_frames(synth: Any, frames: int) -> FloatArray:
    return np.frombuffer(synth.generate_simple(frames), dtype=np.float32).reshape(-1, 2)


def _events(instrument: "pretty_midi.Instrument") -> Iterator[tuple[float, int, str, tuple[int, ...]]]:
    """(time in seconds, order among simultaneous events, method of the synthesizer, its arguments).

    At the same time a controller goes first, and a note ends before the next one of its pitch starts.
    """
    for change in instrument.control_changes:
        yield change.time, 0, "control_change", (change.number, change.value)
    for bend in instrument.pitch_bends:
        yield bend.time, 0, "pitchbend", (bend.pitch + 8192,)
    for note in instrument.notes:
        yield note.end, 1, "noteoff", (note.pitch,)
        yield note.start, 2, "noteon", (note.pitch, note.velocity)
