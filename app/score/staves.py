"""From voices to the bars of a staff: cut at bar lines, with heads, ties and accidentals, and few rests."""

from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from app.score.chords import ReadChord
from app.score.drumkit import drum_for
from app.score.model import TICKS, Bar, Clef, Event, Head, Spelled, Staff, Voice
from app.score.quantise import Timed
from app.score.spelling import signature_alter, spell
from app.score.values import Stretch, events_of
from app.score.voices import Sound

Heads = Callable[[Sound], tuple[Head, ...]]


@dataclass(frozen=True)
class Frame:
    """What every part of a score shares."""

    bars: tuple[Bar, ...]
    fifths: int
    chords: tuple[tuple[int, int, ReadChord], ...]
    """In order, each with its start and end in ticks of the grid; without silences and unreadable labels."""

    def chord_at(self, tick: int) -> tuple[int, ...]:
        """The notes of the chord that sounds, as places on the line of fifths."""
        i = bisect_right(self.chords, tick, key=lambda chord: chord[0]) - 1
        return self.chords[i][2].notes if i >= 0 and tick < self.chords[i][1] else ()


def pitched_staff(clef: Clef, voices: Sequence[Sequence[Sound]], frame: Frame) -> Staff:
    def heads(sound: Sound) -> tuple[Head, ...]:
        chord = frame.chord_at(sound.start)
        return tuple(Head(spell(pitch, frame.fifths, chord)) for pitch in sound.pitches)

    bars = _bars(voices, frame.bars, heads)
    return Staff(clef, tuple(_with_accidentals(bar, frame.fifths) for bar in bars))


def drum_staff(notes: Sequence[Timed], bars: Sequence[Bar]) -> Staff:
    """Hands above, feet below. A stroke has no length: it is written up to the next one, within its beat."""
    hands = [note for note in notes if not drum_for(note.pitch_midi).foot]
    feet = [note for note in notes if drum_for(note.pitch_midi).foot]
    return Staff(Clef.PERCUSSION, tuple(_bars((_strokes(hands), _strokes(feet)), bars, _drum_heads)))


def _strokes(notes: Sequence[Timed]) -> list[Sound]:
    drums: dict[int, set[int]] = {}
    for note in sorted(notes):
        drums.setdefault(note.start, set()).add(drum_for(note.pitch_midi).midi)
    beat_ends = [start // TICKS * TICKS + TICKS for start in drums]
    nexts = [*list(drums)[1:], *beat_ends[-1:]]
    ends = map(min, beat_ends, nexts)
    return [Sound(start, end, tuple(sorted(drums[start]))) for start, end in zip(drums, ends, strict=True)]


def _drum_heads(sound: Sound) -> tuple[Head, ...]:
    drums = sorted((drum_for(pitch) for pitch in sound.pitches), key=lambda drum: _height(drum.place))
    return tuple(Head(drum.place, notehead=drum.notehead) for drum in drums)


def _height(pitch: Spelled) -> int:
    return pitch.octave * 7 + "CDEFGAB".index(pitch.step)


def _bars(voices: Sequence[Sequence[Sound]], bars: Sequence[Bar], heads: Heads) -> list[tuple[Voice, ...]]:
    """The voices bar by bar: those that sound in it, or one that rests."""
    by_bar = [_cut_at_bars(voice, bars, heads) for voice in voices]
    written = []
    for i, bar in enumerate(bars):
        sounding = [cut[i] for cut in by_bar if cut[i]] or [[]]
        events = [events_of(stretches, bar.ticks) for stretches in sounding]
        written.append(tuple(Voice(n, _without_needless_rests(n, events)) for n in range(1, len(events) + 1)))
    return written


def _cut_at_bars(voice: Sequence[Sound], bars: Sequence[Bar], heads: Heads) -> list[list[Stretch]]:
    lines = [bar.first_beat * TICKS for bar in bars]
    cut: list[list[Stretch]] = [[] for _ in bars]
    for sound in voice:
        for i in range(max(0, bisect_right(lines, sound.start) - 1), len(bars)):
            start, end = max(sound.start, lines[i]), min(sound.end, lines[i] + bars[i].ticks)
            if start >= end:
                break
            tied = tuple(replace(head, tied_from=start > sound.start) for head in heads(sound))
            cut[i].append(Stretch(start - lines[i], end - lines[i], tied, end < sound.end and i + 1 < len(bars)))
    return cut


def _without_needless_rests(number: int, voices: Sequence[tuple[Event, ...]]) -> tuple[Event, ...]:
    """Voice `number` of a bar: its rests are hidden where another voice sounds, and shown once where all are silent."""
    events = voices[number - 1]
    if len(voices) == 1:
        return events
    others = [event for k, voice in enumerate(voices, 1) if k != number for event in voice if event.heads]

    def covered(rest: Event) -> bool:
        return all(any(o.start <= tick < o.end for o in others) for tick in range(rest.start, rest.end))

    # In a triplet nothing is hidden: its bracket would stand over nothing.
    return tuple(replace(e, hidden=not e.heads and e.tuplet is None and (number > 1 or covered(e))) for e in events)


def _with_accidentals(voices: tuple[Voice, ...], fifths: int) -> tuple[Voice, ...]:
    """Print a sharp, flat or natural where a note differs from the signature or from what stood before in the bar."""
    state: dict[tuple[str, int], int] = {}
    shown: dict[tuple[int, int], tuple[Head, ...]] = {}
    order = sorted((event.start, v, e) for v, voice in enumerate(voices) for e, event in enumerate(voice.events))
    for _, v, e in order:
        heads = []
        for head in voices[v].events[e].heads:
            place = (head.pitch.step, head.pitch.octave)
            differs = head.pitch.alter != state.get(place, signature_alter(head.pitch.step, fifths))
            if not head.tied_from:
                state[place] = head.pitch.alter
            heads.append(replace(head, accidental=differs and not head.tied_from))
        shown[v, e] = tuple(heads)
    return tuple(
        replace(voice, events=tuple(replace(event, heads=shown[v, e]) for e, event in enumerate(voice.events)))
        for v, voice in enumerate(voices)
    )
