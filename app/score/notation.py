"""The written score as MusicXML 4.0, by way of music21. Nothing else in this folder knows music21.

The model already says all that is printed (values, beams, ties, accidentals), so music21 is asked to make no notation
of its own. What it cannot say is mended in the XML afterwards, by `mending`.
"""

from fractions import Fraction
from typing import Any
from xml.etree import ElementTree

from app.score.mending import mend
from app.score.model import TICKS, Bar, Clef, Event, Harmony, Head, Part, Score, Staff, Tuplet, Voice
from app.score.programs import program_of

VALUES = {
    3: ("16th", 0),
    4: ("eighth", 0),
    6: ("eighth", 0),
    8: ("quarter", 0),
    9: ("eighth", 1),
    12: ("quarter", 0),
    18: ("quarter", 1),
    24: ("half", 0),
    36: ("half", 1),
    48: ("whole", 0),
}
"""Length in ticks to the note's type and dots; 4 and 8 are written inside triplets."""

HEADER = b"""<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE score-partwise PUBLIC "-//Recordare//DTD MusicXML 4.0 Partwise//EN" "http://www.musicxml.org/dtds/partwise.dtd">
"""

_BEAMS = {
    "begin": ("start", None),
    "continue": ("continue", None),
    "end": ("stop", None),
    "forward hook": ("partial", "right"),
    "backward hook": ("partial", "left"),
}


def to_musicxml(score: Score) -> bytes:
    """The score as MusicXML; the same score always as the same bytes."""
    from music21.musicxml.m21ToXml import ScoreExporter

    root = ScoreExporter(_stream(score), makeNotation=False).parse()
    mend(root, score)
    ElementTree.indent(root)
    return HEADER + ElementTree.tostring(root, encoding="utf-8") + b"\n"


# music21's streams


def _stream(score: Score) -> Any:
    from music21 import layout, metadata, stream

    whole = stream.Score()
    whole.metadata = metadata.Metadata()
    whole.metadata.movementName = score.title
    whole.metadata.composer = score.artist
    for i, part in enumerate(score.parts):
        staves = [_staff(score, part, k, top=i == 0 and k == 0) for k in range(len(part.staves))]
        for staff in staves:
            whole.insert(0, staff)
        if len(staves) > 1:
            whole.insert(0, layout.StaffGroup(staves, name=part.name, symbol="brace", barTogether=True))
    return whole


def _staff(score: Score, part: Part, index: int, top: bool) -> Any:
    from music21 import stream

    written = part.staves[index]
    staff = stream.PartStaff() if len(part.staves) > 1 else stream.Part()
    staff.partName, staff.partAbbreviation = part.name, part.abbreviation
    if index == 0:
        staff.insert(0, _instrument(part))
    harmonies: dict[int, list[Harmony]] = {}
    for harmony in score.harmonies if top else ():
        harmonies.setdefault(harmony.bar, []).append(harmony)
    offset = Fraction(0)
    for i, bar in enumerate(score.bars):
        measure = _measure(score, i, written, harmonies.get(i, []))
        if i == 0 and top:
            measure.insert(0, _metronome(score.tempo_bpm))
        # Voices of the second staff are numbered on from those of the first: they share one MusicXML part.
        _fill(measure, written.bars[i], first_number=1 + 2 * index, percussion=part.stem == "drums")
        staff.coreInsert(offset, measure)
        offset += bar.beats
    staff.coreElementsChanged()
    return staff


def _instrument(part: Part) -> Any:
    from music21 import instrument

    made = instrument.UnpitchedPercussion() if part.stem == "drums" else instrument.Instrument()
    made.instrumentName = part.name
    made.instrumentAbbreviation = None
    if part.stem != "drums":
        made.midiProgram = program_of(part.stem)
    return made


def _measure(score: Score, index: int, staff: Staff, harmonies: list[Harmony]) -> Any:
    from music21 import key, meter, stream

    bar = score.bars[index]
    measure = stream.Measure(number=bar.number)
    if index == 0:
        measure.clef = _clef(staff.clef)
        if staff.clef is not Clef.PERCUSSION:
            measure.keySignature = key.KeySignature(score.fifths)
    if index == 0 or _meter(score, bar) != _meter(score, score.bars[index - 1]):
        measure.timeSignature = meter.TimeSignature(f"{_meter(score, bar)}/4")
    if bar.pickup:
        measure.paddingLeft = score.beats_per_bar - bar.beats
        measure.showNumber = stream.enums.ShowNumber.NEVER
    if index == len(score.bars) - 1:
        measure.rightBarline = "final"
    for harmony in harmonies:
        measure.insert(Fraction(harmony.start, TICKS), _harmony(harmony))
    return measure


def _meter(score: Score, bar: Bar) -> int:
    return score.beats_per_bar if bar.pickup else bar.beats


def _clef(clef: Clef) -> Any:
    from music21 import clef as clefs

    return {
        Clef.TREBLE: clefs.TrebleClef,
        Clef.TREBLE_8VB: clefs.Treble8vbClef,
        Clef.BASS: clefs.BassClef,
        Clef.BASS_8VB: clefs.Bass8vbClef,
        Clef.PERCUSSION: clefs.PercussionClef,
    }[clef]()


def _metronome(tempo_bpm: float) -> Any:
    from music21 import duration, tempo

    return tempo.MetronomeMark(number=round(tempo_bpm), referent=duration.Duration("quarter"))


def _harmony(harmony: Harmony) -> Any:
    from music21 import harmony as harmonies

    bass = None if harmony.bass is None else _name(*harmony.bass)
    return harmonies.ChordSymbol(root=_name(*harmony.root), bass=bass, kind=harmony.kind, kindStr=harmony.suffix)


def _name(step: str, alter: int) -> str:
    """music21's way to write a pitch: `B-` is B flat."""
    return step + ("#" * alter if alter > 0 else "-" * -alter)


def _fill(measure: Any, voices: tuple[Voice, ...], first_number: int, percussion: bool) -> None:
    from music21 import stream

    stems = {1: "up", 2: "down"} if len(voices) > 1 else {}
    for voice in voices:
        inside = stream.Voice(id=first_number + voice.number - 1)
        for event in voice.events:
            inside.coreInsert(Fraction(event.start, TICKS), _element(event, stems.get(voice.number), percussion))
        inside.coreElementsChanged()
        measure.coreInsert(0, inside)
    measure.coreElementsChanged()


def _element(event: Event, stem: str | None, percussion: bool) -> Any:
    from music21 import chord
    from music21 import percussion as drums

    if not event.heads:
        return _rest(event)
    heads = [_unpitched(head) if percussion else _note(head) for head in event.heads]
    kind = drums.PercussionChord if percussion else chord.Chord
    element = heads[0] if len(heads) == 1 else kind(heads)
    element.duration = _duration(event)
    if stem:
        element.stemDirection = stem
    for beam in event.beams:
        kind_of_beam, direction = _BEAMS[beam]
        element.beams.append(kind_of_beam, direction)
    return element


def _rest(event: Event) -> Any:
    from music21 import duration, note

    if event.whole_bar:
        rest = note.Rest()
        rest.duration = duration.Duration(Fraction(event.length, TICKS))
        rest.fullMeasure = True
    else:
        rest = note.Rest()
        rest.duration = _duration(event)
    if event.hidden:
        rest.style.hideObjectOnPrint = True
    return rest


def _note(head: Head) -> Any:
    from music21 import note, pitch

    made = note.Note(pitch.Pitch(step=head.pitch.step, octave=head.pitch.octave))
    if head.pitch.alter or head.accidental:
        made.pitch.accidental = pitch.Accidental(head.pitch.alter)
        made.pitch.accidental.displayStatus = head.accidental
    made.tie = _tie(head)
    return made


def _unpitched(head: Head) -> Any:
    from music21 import note

    made = note.Unpitched(displayName=f"{head.pitch.step}{head.pitch.octave}")
    made.notehead = head.notehead
    return made


def _tie(head: Head) -> Any:
    from music21 import tie

    if head.tied_from:
        return tie.Tie("continue" if head.tied_to else "stop")
    return tie.Tie("start") if head.tied_to else None


def _duration(event: Event) -> Any:
    from music21 import duration

    kind, dots = VALUES[event.length]
    made = duration.Duration(type=kind, dots=dots)
    if event.tuplet:
        tuplet = duration.Tuplet(3, 2, "eighth")
        tuplet.type = {Tuplet.START: "start", Tuplet.INSIDE: None, Tuplet.STOP: "stop"}[event.tuplet]
        made.appendTuplet(tuplet)
    return made
