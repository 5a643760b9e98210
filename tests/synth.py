"""Audio whose truth is known: made here from notes, strokes, beats and chords that the caller gets as well."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import pretty_midi
import soundfile

from app.engines.drums import CLOSED_HAT, CRASH, KICK, SNARE
from app.music import Analysis, Audio, Beat, Chord, FloatArray, Hit, Key, Note, Transcription
from jobs.sound import render_instruments, within_full_scale

RATE_HZ = 44_100
PIANO, BASS, STRINGS, FLUTE = 0, 33, 48, 73  # General MIDI programs
STROKE_S = 0.1  # how long a drum's key is held; the bank's drums ring on
LETTERS = ("C", "C#", "D", "Eb", "E", "F", "F#", "G", "G#", "A", "Bb", "B")
INTERVALS = {"maj": (0, 4, 7), "min": (0, 3, 7), "7": (0, 4, 7, 10)}


@dataclass(frozen=True)
class Band:
    """A song, its stems (which add up to it) and all that can be heard in it."""

    mixture: Audio
    stems: Mapping[str, Audio]
    truth: Transcription


# Without music


def silence(seconds: float, rate_hz: int = RATE_HZ, channels: int = 1) -> Audio:
    return Audio(np.zeros((channels, round(seconds * rate_hz)), dtype=np.float32), rate_hz)


def noise(seconds: float, rate_hz: int = RATE_HZ, channels: int = 1, level: float = 0.1) -> Audio:
    """White noise, the same at every call."""
    draw = np.random.default_rng(0).normal(scale=level, size=(channels, round(seconds * rate_hz)))
    return Audio(draw.clip(-1, 1).astype(np.float32), rate_hz)


def sine(pitch_hz: float, seconds: float, rate_hz: int = RATE_HZ, level: float = 0.5) -> Audio:
    time_s = np.arange(round(seconds * rate_hz)) / rate_hz
    return Audio((level * np.sin(2 * np.pi * pitch_hz * time_s)).astype(np.float32)[None], rate_hz)


def not_a_number(seconds: float = 1.0, rate_hz: int = RATE_HZ) -> Audio:
    """Sound with one sample that is NaN."""
    samples = sine(440.0, seconds, rate_hz).samples.copy()
    samples[0, samples.shape[1] // 2] = np.nan
    return Audio(samples, rate_hz)


# With music


def notes(played: Sequence[Note], program: int = PIANO, rate_hz: int = RATE_HZ) -> Audio:
    """The notes on one General MIDI instrument, in stereo, with a second to die away."""
    return _mix([_pitched(played, program)], rate_hz)


def drums(hits: Sequence[Hit], rate_hz: int = RATE_HZ) -> Audio:
    """The strokes on the General MIDI kit, in stereo."""
    return _mix([_kit(hits)], rate_hz)


def scale(pitches_midi: Sequence[int], note_s: float = 0.4, velocity: int = 90) -> tuple[Note, ...]:
    """One note after the other, the last tenth of each silent."""
    return tuple(Note(i * note_s, (i + 0.9) * note_s, pitch, velocity) for i, pitch in enumerate(pitches_midi))


def beats(tempo_bpm: float, beats_per_bar: int, bars: int) -> tuple[Beat, ...]:
    """A steady grid from 0 s on."""
    return tuple(Beat(i * 60 / tempo_bpm, 1 + i % beats_per_bar) for i in range(bars * beats_per_bar))


def groove(grid: Sequence[Beat]) -> tuple[Hit, ...]:
    """Rock in 4/4 (kick on 1 and 3, snare on 2 and 4), oom-pah-pah in 3/4; hi-hat on every half beat."""
    beat_s = grid[1].time_s - grid[0].time_s
    in_three = max(beat.position for beat in grid) == 3
    drum = {1: KICK, 2: SNARE, 3: SNARE if in_three else KICK, 4: SNARE}
    hits = [Hit(beat.time_s, drum[beat.position], 110 if beat.position == 1 else 95) for beat in grid]
    hits += [Hit(beat.time_s + part * beat_s, CLOSED_HAT, 80 - round(40 * part)) for beat in grid for part in (0, 0.5)]
    return tuple(sorted(hits))


def progression(labels: Sequence[str], chord_s: float) -> tuple[Chord, ...]:
    """One chord after the other, each `chord_s` long."""
    return tuple(Chord(i * chord_s, (i + 1) * chord_s, label) for i, label in enumerate(labels))


def voiced(chords: Sequence[Chord], strokes: int = 2, velocity: int = 80) -> tuple[Note, ...]:
    """Each chord played `strokes` times, close to middle C, its root doubled below. `N` is a rest."""
    played = []
    for chord in chords:
        stroke_s = (chord.offset_s - chord.onset_s) / strokes
        for i in range(strokes):
            start_s = chord.onset_s + i * stroke_s
            played += [Note(start_s, start_s + 0.9 * stroke_s, pitch, velocity) for pitch in _pitches(chord.label)]
    return tuple(played)


def band(tempo_bpm: float = 120.0, bars: int = 4, rate_hz: int = RATE_HZ) -> Band:
    """I-vi-IV-V in C major, a chord a bar in 4/4: drums, bass on the root, strings (`other`), a flute (`vocals`)."""
    grid = beats(tempo_bpm, 4, bars)
    chords = progression([("C:maj", "A:min", "F:maj", "G:maj")[bar % 4] for bar in range(bars)], 4 * 60 / tempo_bpm)
    hits = (*groove(grid), Hit(0.0, CRASH, 100))
    tune = scale([p for c in chords for p in (_pitches(c.label)[i] + 12 for i in (1, 2, 3, 2))], 60 / tempo_bpm)
    roots = tuple(Note(b.time_s, b.time_s + 50 / tempo_bpm, 36 + _root(_at(chords, b.time_s)), 100) for b in grid)
    parts = {"bass": roots, "other": voiced(chords), "vocals": tune}
    programs = {"bass": BASS, "other": STRINGS, "vocals": FLUTE}
    stems = _stems({"drums": _kit(hits)} | {name: _pitched(parts[name], programs[name]) for name in parts}, rate_hz)
    mixture = Audio(np.sum([stem.samples for stem in stems.values()], axis=0, dtype=np.float32), rate_hz)
    analysis = Analysis(mixture.duration_s, tempo_bpm, 4, grid, Key("C", "major"), chords)
    return Band(mixture, stems, Transcription("Four Chords", "The Synthetics", analysis, parts, tuple(sorted(hits))))


def _pitches(label: str) -> list[int]:
    """MIDI numbers of a chord: the root below middle C, then the chord upwards from middle C."""
    if label == "N":
        return []
    root, _, quality = label.partition(":")
    above = sorted(60 + (LETTERS.index(root) + interval) % 12 for interval in INTERVALS[quality])
    return [48 + LETTERS.index(root), *above]


def _root(label: str) -> int:
    return LETTERS.index(label.partition(":")[0])


def _at(chords: Sequence[Chord], time_s: float) -> str:
    return next(chord.label for chord in reversed(chords) if chord.onset_s <= time_s + 1e-6)


def _pitched(played: Sequence[Note], program: int) -> pretty_midi.Instrument:
    instrument = pretty_midi.Instrument(program)
    instrument.notes = [pretty_midi.Note(n.velocity, n.pitch_midi, n.onset_s, n.offset_s) for n in played]
    return instrument


def _kit(hits: Sequence[Hit]) -> pretty_midi.Instrument:
    kit = pretty_midi.Instrument(0, is_drum=True)
    kit.notes = [pretty_midi.Note(h.velocity, h.drum_midi, h.onset_s, h.onset_s + STROKE_S) for h in hits]
    return kit


def _mix(instruments: Sequence[pretty_midi.Instrument], rate_hz: int) -> Audio:
    return Audio(within_full_scale(_sum(_render(instruments, rate_hz))), rate_hz)


def _stems(instruments: Mapping[str, pretty_midi.Instrument], rate_hz: int) -> dict[str, Audio]:
    """Each instrument alone, all turned down alike so that their sum stays within full scale."""
    parts = _render(list(instruments.values()), rate_hz)
    gain = 1 / max(1.0, float(np.abs(_sum(parts)).max(initial=0.0)) * 1.001)  # 1.001: rounding of the scaled sum
    return {
        name: Audio((gain * part).astype(np.float32), rate_hz) for name, part in zip(instruments, parts, strict=True)
    }


def _sum(parts: Sequence[FloatArray]) -> FloatArray:
    return np.sum(parts, axis=0, dtype=np.float32)


def _render(instruments: Sequence[pretty_midi.Instrument], rate_hz: int) -> list[FloatArray]:
    song = pretty_midi.PrettyMIDI()
    song.instruments.extend(instruments)
    return render_instruments(song, rate_hz)


# In files


def spread(audio: Audio, channels: int) -> Audio:
    """The same sound on each of `channels` channels."""
    return Audio(np.tile(audio.mono(), (channels, 1)), audio.rate_hz)


def write(audio: Audio, path: Path, bits: Literal[16, 24] = 16, title: str = "", artist: str = "") -> Path:
    """Encode as the path's suffix says (wav, flac, ogg, mp3, m4a), with tags where given. mp3 and m4a ignore `bits`."""
    tags = {name: text for name, text in {"title": title, "artist": artist}.items() if text}
    if path.suffix in (".mp3", ".m4a"):
        _write_coded(audio, path, tags)
    else:
        subtype = "VORBIS" if path.suffix == ".ogg" else f"PCM_{bits}"
        with soundfile.SoundFile(path, "w", audio.rate_hz, audio.channels, subtype) as file:
            for name, text in tags.items():
                setattr(file, name, text)
            file.write(audio.samples.T)
    return path


def _write_coded(audio: Audio, path: Path, tags: Mapping[str, str]) -> None:
    import av

    with av.open(str(path), "w") as container:
        container.metadata.update(tags)
        codec = {".mp3": "mp3", ".m4a": "aac"}[path.suffix]
        layout = {1: "mono", 2: "stereo", 6: "5.1"}[audio.channels]
        stream = container.add_stream(codec, rate=audio.rate_hz, layout=layout)
        assert isinstance(stream, av.AudioStream)
        frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(audio.samples), format="fltp", layout=layout)
        frame.sample_rate = audio.rate_hz
        for packet in (*stream.encode(frame), *stream.encode(None)):
            container.mux(packet)
