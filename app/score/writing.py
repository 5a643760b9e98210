"""From a transcription to a written score: the steps of this folder in their order."""

from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from app.music import Analysis, Chord, Note, Transcription
from app.score.chords import ReadChord, read_chord
from app.score.grid import Grid, grid_of
from app.score.model import TICKS, Bar, Clef, Harmony, Part, Score, Staff
from app.score.quantise import Timed, quantise
from app.score.spelling import fifths_of, step_and_alter
from app.score.staves import Frame, drum_staff, pitched_staff
from app.score.titles import printable
from app.score.voices import one_voice, two_hands, two_voices

ORDER = ("vocals", "guitar", "piano", "other", "bass", "drums")
"""Parts from the top of the page down, as in a lead sheet: the singer, what accompanies, bass and drums."""

NAMES = {
    "vocals": ("Vocals", "Voc."),
    "guitar": ("Guitar", "Gtr."),
    "piano": ("Piano", "Pno."),
    "other": ("Other", "Oth."),
    "bass": ("Bass", "Bs."),
    "drums": ("Drums", "Dr."),
}

MELODIES = ("vocals", "bass")
"""Parts of one note at a time."""

GRAND_BELOW, GRAND_ABOVE = 55, 64
"""`other` gets two staves where a tenth of its notes lie below G3 and a tenth above E4: too wide for one clef."""


def write(transcription: Transcription) -> Score:
    """The score of a transcription. Parts without notes are left out, unless all are."""
    analysis = transcription.analysis
    grid = grid_of(analysis)
    parts = {stem: quantise(notes, grid) for stem, notes in sorted(transcription.parts.items())}
    strokes = [Note(hit.onset_s, hit.onset_s, hit.drum_midi, hit.velocity) for hit in transcription.hits]
    parts |= {"drums": quantise(strokes, grid)}
    fifths = fifths_of(analysis.key)
    bars = _bars(grid, [note for notes in parts.values() for note in notes], analysis.duration_s)
    frame = Frame(bars, fifths, _chords(analysis.chords, grid, fifths))
    stems = _stems(parts, top_down(transcription.parts))
    return Score(
        title=printable(transcription.title),
        artist=printable(transcription.artist),
        tempo_bpm=_tempo_bpm(analysis, grid),
        fifths=fifths,
        beats_per_bar=grid.beats_per_bar,
        bars=bars,
        parts=tuple(_part(stem, parts.get(stem, ()), frame) for stem in stems),
        harmonies=_harmonies(frame),
    )


def _tempo_bpm(analysis: Analysis, grid: Grid) -> float:
    """The tempo that the analysis states, if its beats bear it out: some trackers state the double or the half."""
    stated, found = analysis.tempo_bpm, grid.tempo_bpm
    return stated if stated and abs(stated - found) < 0.1 * found else found


def _stems(parts: Mapping[str, Sequence[Timed]], asked: Sequence[str]) -> list[str]:
    """The parts to write, from the top down."""
    return top_down([stem for stem, notes in parts.items() if notes] or list(asked[:1]) or ["drums"])


def top_down(stems: Iterable[str]) -> list[str]:
    """Stems in the order of the page; those it does not know above the bass."""
    place = {stem: i for i, stem in enumerate(ORDER)}
    return sorted(stems, key=lambda stem: (place.get(stem, place["bass"] - 0.5), stem))


def _bars(grid: Grid, notes: Sequence[Timed], duration_s: float) -> tuple[Bar, ...]:
    """The bars from the first note to the last, or all there is room for in a silent recording."""
    if not notes:
        first, last = 0, int(np.ceil(grid.beats_at([duration_s])[0] - 1e-6)) - 1
        return grid.bars(0, max(first, last))
    first = min(note.start for note in notes) // TICKS
    last = max(note.end - 1 for note in notes) // TICKS
    return grid.bars(first, last)


def _chords(chords: Sequence[Chord], grid: Grid, fifths: int) -> tuple[tuple[int, int, ReadChord], ...]:
    """The chords that can be read, from beat to beat: harmony changes with the beat, detectors a little beside it."""
    read = []
    for chord in sorted(chords):
        known = read_chord(chord.label, fifths)
        start, end = np.rint(grid.beats_at([chord.onset_s, chord.offset_s])).astype(int) * TICKS
        if known and end > start:
            read.append((int(start), int(end), known))
    return tuple(read)


def _harmonies(frame: Frame) -> tuple[Harmony, ...]:
    """A symbol wherever the chord changes."""
    lines = [bar.first_beat * TICKS for bar in frame.bars]
    end_of_piece = lines[-1] + frame.bars[-1].ticks
    placed: dict[int, ReadChord] = {}
    previous: ReadChord | None = None
    for start, end, chord in frame.chords:
        at = max(start, lines[0])
        if at < min(end, end_of_piece) and chord != previous:
            placed[at] = previous = chord
    harmonies = []
    for at, chord in placed.items():
        bar = bisect_right(lines, at) - 1
        bass = None if chord.bass is None else step_and_alter(chord.bass)
        harmonies.append(Harmony(bar, at - lines[bar], step_and_alter(chord.root), chord.kind, chord.suffix, bass))
    return tuple(harmonies)


def _part(stem: str, notes: Sequence[Timed], frame: Frame) -> Part:
    name, abbreviation = NAMES.get(stem, (stem.capitalize(), stem[:3].capitalize() + "."))
    return Part(stem, name, abbreviation, _staves(stem, notes, frame))


def _staves(stem: str, notes: Sequence[Timed], frame: Frame) -> tuple[Staff, ...]:
    if stem == "drums":
        return (drum_staff(notes, frame.bars),)
    if stem in MELODIES:
        return (pitched_staff(_clef(stem, notes), (one_voice(notes),), frame),)
    if stem == "piano" or (stem == "other" and _is_wide(notes)):
        right, left = two_hands(notes)
        hands = ((Clef.TREBLE, right), (Clef.BASS, left))
        return tuple(pitched_staff(clef, two_voices(hand), frame) for clef, hand in hands)
    return (pitched_staff(_clef(stem, notes), two_voices(notes), frame),)


def _is_wide(notes: Sequence[Timed]) -> bool:
    if not notes:
        return False
    low, high = np.percentile([note.pitch_midi for note in notes], [10, 90])
    return bool(low < GRAND_BELOW and high > GRAND_ABOVE)


def _clef(stem: str, notes: Sequence[Timed]) -> Clef:
    """The clef that the instrument's players read, by where most notes lie."""
    middle = float(np.median([note.pitch_midi for note in notes])) if notes else 60.0
    if stem == "guitar":
        return Clef.TREBLE_8VB
    if stem == "bass":
        return Clef.BASS_8VB if middle < 43 or not notes else Clef.BASS  # G2 is the bass clef's bottom line
    if stem == "vocals" and 50 <= middle < 60:
        return Clef.TREBLE_8VB  # a tenor
    return Clef.TREBLE if middle >= 57 else Clef.BASS
