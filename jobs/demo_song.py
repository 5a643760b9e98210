"""The song that `make demo` takes apart: "When the Saints Go Marching In", a spiritual in the public domain.

Trumpet and bass in the middle, the piano's hands left and right of it, drums; 17 bars of 4/4 at 126 beats a minute, all
of it arranged below and played on a General MIDI bank. Out: `music.Audio` and, as truth, `music.Transcription`.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from app.engines.drums import CLOSED_HAT, CRASH, HIGH_TOM, KICK, LOW_TOM, MID_TOM, OPEN_HAT, SNARE
from app.music import Analysis, Audio, Beat, Chord, Hit, Key, Note, Transcription
from jobs.sound import render

if TYPE_CHECKING:
    import pretty_midi

TITLE = "When the Saints Go Marching In"
ARTIST = "The Tutti Marching Band"
TEMPO_BPM = 126.0  # a brisk march; 17 bars last 32 s
BEAT_S = 60 / TEMPO_BPM
BEATS_PER_BAR = 4
STEPS_PER_BEAT = 4  # a column of the drum patterns is a sixteenth

# A letter and its length in beats; `-` is a rest. C to B lie in the octave above middle C.
MELODY = """
-1 C1 E1 F1 | G4    | -1 C1 E1 F1 | G4    | -1 C1 E1 F1 | G2 E2 | C2 E2 | D4
-1 E1 E1 D1 | C3 C1 | E2 G2       | G1 F3 | -2 E1 F1    | G2 E2 | C2 D2 | C4
C2 -2
"""
# Chords of each bar, of equal length within it; `N` where the trumpet and the drums begin alone.
HARMONY = """
N     | C:maj | F:maj | C:maj | A:min | C:maj | A:min | G:7
G:7   | C:maj | C:7   | F:maj | F:min | C:maj | D:min G:7 | C:maj
C:maj
"""
INTERVALS = {"maj": (0, 4, 7), "min": (0, 3, 7), "7": (0, 4, 10)}  # the piano leaves out a seventh chord's fifth
PITCHES = {"C": 0, "D": 2, "E": 4, "F": 5, "G": 7, "A": 9, "B": 11}

# Velocity is ten times the digit, `a` being 10 and `b` 11; `.` is a rest.
INTRO = {CLOSED_HAT: "6...6...6...6...", SNARE: "............7.89", LOW_TOM: "..........7....."}
GROOVE = {CLOSED_HAT: "7.5.7.5.7.5.7.5.", SNARE: "....9.......9...", KICK: "a.....7.9......."}
LIFT = {
    CLOSED_HAT: "7.5.7.5.7.5.7...",
    OPEN_HAT: "..............8.",
    SNARE: "....9.......9..4",
    KICK: "a.....7.9.7.....",
}
FILL = {
    SNARE: "....9...99......",
    HIGH_TOM: "..........99....",
    MID_TOM: "............9...",
    LOW_TOM: "..............a.",
    CLOSED_HAT: "7.5.7.5.........",
    KICK: "a.......9...9...",
}
ENDING = {CRASH: "a...............", KICK: "b.......a.......", SNARE: "........a......."}
PATTERNS = (INTRO, *[GROOVE, GROOVE, GROOVE, LIFT] * 2, *[GROOVE, GROOVE, LIFT] * 2, FILL, ENDING)
CRASHES = (1, 9, 13)  # bars that open with a crash

TRUMPET, PIANO, FINGER_BASS = 56, 0, 33  # General MIDI programs
PAN = 10  # the MIDI controller; 0 is left, 64 the middle, 127 right


def demo_song() -> tuple[Audio, Transcription]:
    """The song and all that is played in it. 44.1 kHz, stereo, about 33 s."""
    song = write_down()
    audio = render(play(song))
    return audio, song


def write_demo_song(path: Path) -> Path:
    """The song as a FLAC file with its title and artist."""
    import soundfile

    audio, song = demo_song()
    path.parent.mkdir(parents=True, exist_ok=True)
    with soundfile.SoundFile(path, "w", audio.rate_hz, audio.channels, "PCM_16", format="FLAC") as file:
        file.title, file.artist = song.title, song.artist
        file.write(audio.samples.T)
    return path


def write_down() -> Transcription:
    bars = len(PATTERNS)
    chords = tuple(_chords())
    parts = {"melody": tuple(_melody()), "bass": tuple(_bass(chords)), "piano": (*_left(chords), *_right(chords))}
    beats = tuple(Beat(i * BEAT_S, 1 + i % BEATS_PER_BAR) for i in range(bars * BEATS_PER_BAR))
    analysis = Analysis(
        duration_s=bars * BEATS_PER_BAR * BEAT_S,
        tempo_bpm=TEMPO_BPM,
        beats_per_bar=BEATS_PER_BAR,
        beats=beats,
        key=Key("C", "major"),
        chords=chords,
    )
    return Transcription(TITLE, ARTIST, analysis, parts, tuple(sorted(_hits())))


def play(song: Transcription) -> "pretty_midi.PrettyMIDI":
    """The written song as MIDI, with its instruments' places between left and right."""
    import pretty_midi

    midi = pretty_midi.PrettyMIDI(initial_tempo=TEMPO_BPM)
    chords = song.analysis.chords
    midi.instruments = [
        _instrument("trumpet", song.parts["melody"], TRUMPET, 64),
        _instrument("bass", song.parts["bass"], FINGER_BASS, 64),
        _instrument("piano, left hand", tuple(_left(chords)), PIANO, 40),
        _instrument("piano, right hand", tuple(_right(chords)), PIANO, 88),
    ]
    kit = pretty_midi.Instrument(0, is_drum=True, name="drums")
    kit.notes = [pretty_midi.Note(h.velocity, h.drum_midi, h.onset_s, h.onset_s + BEAT_S / 4) for h in song.hits]
    midi.instruments.append(kit)
    return midi


def _instrument(name: str, notes: Sequence[Note], program: int, pan: int) -> "pretty_midi.Instrument":
    import pretty_midi

    instrument = pretty_midi.Instrument(program, name=name)
    instrument.control_changes = [pretty_midi.ControlChange(PAN, pan, 0.0)]
    instrument.notes = [pretty_midi.Note(n.velocity, n.pitch_midi, n.onset_s, n.offset_s) for n in notes]
    return instrument


def _note(beat: float, beats: float, pitch_midi: int, velocity: int) -> Note:
    """A note a little shorter than written, as wind and string players separate them."""
    return Note(beat * BEAT_S, (beat + 0.92 * beats) * BEAT_S, pitch_midi, velocity)


def _bars(text: str) -> list[list[str]]:
    return [bar.split() for line in text.strip().splitlines() for bar in line.split("|")]


def _melody() -> Iterator[Note]:
    beat = 0.0
    for symbol in (symbol for bar in _bars(MELODY) for symbol in bar):
        beats = float(symbol[1:])
        if symbol[0] != "-":
            yield _note(beat, beats, 60 + PITCHES[symbol[0]], 105 if beat % BEATS_PER_BAR == 0 else 95)
        beat += beats


def _chords() -> Iterator[Chord]:
    for bar, labels in enumerate(_bars(HARMONY)):
        beats = BEATS_PER_BAR / len(labels)
        for i, label in enumerate(labels):
            start = BEATS_PER_BAR * bar + i * beats
            yield Chord(start * BEAT_S, (start + beats) * BEAT_S, label)


def _pitches(label: str) -> tuple[int, ...]:
    """Pitch classes of a chord from its root upwards, the root first."""
    root, _, quality = label.partition(":")
    return tuple(PITCHES[root] + interval for interval in INTERVALS[quality])


def _span(chord: Chord) -> tuple[float, float]:
    """First beat and length in beats."""
    return round(chord.onset_s / BEAT_S), round((chord.offset_s - chord.onset_s) / BEAT_S)


def _bass(chords: Sequence[Chord]) -> Iterator[Note]:
    """Root and fifth in half notes, and a step up or down to the next root on the last beat where it moves."""
    for chord, following in zip(chords[1:], (*chords[2:], chords[-1]), strict=True):
        start, beats = _span(chord)
        root, target = _low(_pitches(chord.label)[0]), _low(_pitches(following.label)[0])
        leads = target != root and beats == BEATS_PER_BAR
        yield _note(start, 2, root, 95)
        if beats == BEATS_PER_BAR and chord is not chords[-1]:
            yield _note(start + 2, 1 if leads else 2, _low(root + 7), 85)
        if leads:
            yield _note(start + 3, 1, target - 1 if target > root else target + 2, 85)


def _low(pitch: int) -> int:
    """The same pitch class between the E and the D sharp of a bass guitar's lowest octave (28 to 39)."""
    return 28 + (pitch - 28) % 12


def _left(chords: Sequence[Chord]) -> Iterator[Note]:
    """The piano's left hand: the root on the first beat of each chord."""
    for chord in chords[1:]:
        start, beats = _span(chord)
        yield _note(start, min(beats, 3), 48 + _pitches(chord.label)[0] % 12, 90)


def _right(chords: Sequence[Chord]) -> Iterator[Note]:
    """The piano's right hand: the chord close above E3, on two, after three and on four; at the end held."""
    for chord in chords[1:]:
        start, beats = _span(chord)
        places = ((0.0, 2.0),) if chord is chords[-1] else ((1.0, 0.5), (2.5, 0.5), (3.0, 0.5))
        for place, length in places:
            if place < beats:
                for pitch in sorted(52 + (pitch - 52) % 12 for pitch in _pitches(chord.label)):
                    yield _note(start + place, length, pitch, 100)


def _hits() -> Iterator[Hit]:
    step_s = BEAT_S / STEPS_PER_BEAT
    for bar, pattern in enumerate(PATTERNS):
        for drum, velocities in pattern.items():
            for step, digit in enumerate(velocities):
                if digit != ".":
                    start_s = bar * BEATS_PER_BAR * BEAT_S + step * step_s
                    yield Hit(start_s, drum, 10 * int(digit, 16))
    for bar in CRASHES:
        yield Hit(bar * BEATS_PER_BAR * BEAT_S, CRASH, 100)
