"""What stands in the MusicXML, read back by music21: pitches, hands, drums, chords, and valid silence."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any
from xml.etree import ElementTree

import pytest

from app.engines.drums import CLOSED_HAT, CRASH, KICK, OPEN_HAT, SNARE
from app.music import Chord, Key, Note, Transcription
from app.score.chords import QUALITIES, read_chord
from app.score.drumkit import KIT, drum_for
from app.score.model import Clef
from app.score.notation import to_musicxml
from app.score.spelling import fifths_of, spell
from app.score.writing import write
from tests.score_pieces import Player, lines, names, piece, silence

SCALE = (0, 2, 4, 5, 7, 9, 11, 12)


def reread(transcription: Transcription) -> Any:
    from music21 import converter

    return converter.parseData(to_musicxml(write(transcription)), format="musicxml")


def xml(transcription: Transcription) -> ElementTree.Element:
    return ElementTree.fromstring(to_musicxml(write(transcription)))


# pitches


@pytest.mark.parametrize(
    ("key", "pitch", "name"),
    [
        (Key("D", "major"), 66, "F#4"),
        (Key("F", "major"), 70, "Bb4"),
        (Key("A", "minor"), 68, "G#4"),
        (Key("C", "minor"), 71, "B4"),
        (Key("C", "minor"), 68, "Ab4"),
        (Key("Gb", "major"), 71, "Cb5"),
        (Key("F#", "major"), 65, "E#4"),
        (None, 60, "C4"),
    ],
)
def test_pitches_are_spelled_by_the_key(key: Key | None, pitch: int, name: str) -> None:
    score = write(piece({"vocals": [Note(0.0, 0.5, pitch, 80)]}, Player(first_beat_s=0.0).analysis(4, key)))
    assert names(score) == [name]


@pytest.mark.parametrize("tonic", ["C", "G", "D", "A", "E", "B", "F#", "F", "Bb", "Eb", "Ab", "Db", "Gb"])
def test_a_major_scale_needs_no_accidentals(tonic: str) -> None:
    low = 60 + {"C": 0, "D": 2, "E": 4, "F": 5, "G": 7, "A": 9, "B": 11}[tonic[0]] + tonic.count("#") - tonic.count("b")
    player = Player()
    notes = player.notes([(i, 1, low + step) for i, step in enumerate(SCALE)])
    score = write(piece({"vocals": notes}, player.analysis(12, Key(tonic, "major"))))
    heads = [h for (voice,) in score.parts[0].staves[0].bars for event in voice.events for h in event.heads]
    assert len({head.pitch.step for head in heads}) == 7
    assert not any(head.accidental for head in heads)


def test_a_key_with_more_than_six_accidentals_is_written_as_its_neighbour() -> None:
    assert fifths_of(Key("G#", "major")) == fifths_of(Key("Ab", "major")) == -4


def test_a_chord_spells_its_own_notes() -> None:
    c_minor = read_chord("C:min", 0)
    assert c_minor is not None
    assert spell(63, 0, c_minor.notes).step == "E"
    # The tonic's diminished chord in C asks for G flat where the key alone says F sharp.
    diminished = read_chord("C:dim", 0)
    assert diminished is not None
    assert (spell(66, 0).step, spell(66, 0, diminished.notes).step) == ("F", "G")


def test_accidentals_hold_for_the_bar_and_are_cancelled_in_it() -> None:
    player = Player()
    pitches = [66, 66, 65, 66, 65]
    notes = player.notes([(i, 1, pitch) for i, pitch in enumerate(pitches)])
    score = write(piece({"vocals": notes}, player.analysis(12, Key("C", "major"))))
    heads = [h for (voice,) in score.parts[0].staves[0].bars for event in voice.events for h in event.heads]
    assert [head.accidental for head in heads] == [True, False, True, True, False]


# hands and voices


def test_piano_hands_stay_together() -> None:
    player = Player()
    right = [(i, 1, pitch) for i, pitch in enumerate((72, 74, 76, 77, 79, 77, 76, 74))]
    left = [(i, 1, pitch) for i, pitch in enumerate((48, 50, 52, 53, 55, 53, 52, 50))]
    score = write(piece({"piano": player.notes([*right, *left])}, player.analysis(12)))
    assert [staff.clef for staff in score.parts[0].staves] == [Clef.TREBLE, Clef.BASS]
    assert names(score, staff=0) == ["C5", "D5", "E5", "F5", "G5", "F5", "E5", "D5"]
    assert names(score, staff=1) == ["C3", "D3", "E3", "F3", "G3", "F3", "E3", "D3"]


def test_no_hand_has_to_reach_two_octaves() -> None:
    player = Player()
    chords = [(i, 1, pitch) for i in range(8) for pitch in (36, 48, 64, 67, 72)]
    score = write(piece({"piano": player.notes(chords)}, player.analysis(12)))
    assert names(score, staff=0) == ["E4+G4+C5"] * 8
    assert names(score, staff=1) == ["C2+C3"] * 8


def test_a_note_held_under_others_gets_a_voice_of_its_own() -> None:
    player = Player()
    moving = [(i, 1, pitch) for i, pitch in enumerate((64, 65, 67, 69))]
    score = write(piece({"guitar": player.notes([(0, 4, 45), *moving])}, player.analysis(8)))
    assert lines(score, voice=1) == ["12 12 12 12"]
    assert lines(score, voice=2) == ["48"]


def test_legato_and_pedal_do_not_make_a_second_voice() -> None:
    player = Player()
    played = [(i * 0.5, 0.8, 60 + i) for i in range(8)]
    score = write(piece({"guitar": player.notes(played)}, player.analysis(8)))
    assert lines(score) == ["6 6 6 6 6 6 6 6"]
    assert [len(bar) for bar in score.parts[0].staves[0].bars] == [1]


@pytest.mark.parametrize(
    ("stem", "pitches", "clefs"),
    [
        ("bass", (28, 33, 35), [Clef.BASS_8VB]),
        ("vocals", (67, 69, 71), [Clef.TREBLE]),
        ("vocals", (45, 47, 48), [Clef.BASS]),
        ("guitar", (52, 55, 59), [Clef.TREBLE_8VB]),
        ("other", (67, 69, 71), [Clef.TREBLE]),
        ("other", (36, 40, 79, 84), [Clef.TREBLE, Clef.BASS]),
    ],
)
def test_clefs_fit_the_range(stem: str, pitches: Sequence[int], clefs: list[Clef]) -> None:
    notes = Player().notes([(i, 1, pitch) for i, pitch in enumerate(pitches)])
    score = write(piece({stem: notes}, Player().analysis(8)))
    assert [staff.clef for staff in score.parts[0].staves] == clefs


def test_octave_clefs_do_not_change_what_sounds() -> None:
    score = reread(piece({"bass": Player().notes([(0, 4, 28)])}, Player().analysis(8)))
    assert [pitch.midi for pitch in score.parts[0].flatten().pitches] == [28]


# drums


def test_drums_stand_where_drummers_look_for_them() -> None:
    player = Player()
    strokes = [(0, KICK), (0, CRASH), (1, SNARE), (2, OPEN_HAT), (3, CLOSED_HAT), (2, KICK)]
    root = xml(piece({}, player.analysis(8), hits=player.hits(strokes)))
    notes = [note for note in root.iter("note") if note.find("unpitched") is not None]
    seen = {
        (
            note.findtext("unpitched/display-step", "") + note.findtext("unpitched/display-octave", ""),
            note.findtext("notehead", "normal"),
            note.findtext("stem"),
        )
        for note in notes
    }
    assert seen == {
        ("F4", "normal", "down"),
        ("A5", "x", "up"),
        ("C5", "normal", "up"),
        ("G5", "circle-x", "up"),
        ("G5", "x", "up"),
    }
    assert root.findtext(".//clef/sign") == "percussion"


def test_every_drum_on_the_page_names_the_instrument_that_plays_it() -> None:
    player = Player()
    strokes = [(0, KICK), (0, CRASH), (1, SNARE), (1, CLOSED_HAT)]
    root = xml(piece({}, player.analysis(8), hits=player.hits(strokes)))
    midi = {node.get("id"): int(node.findtext("midi-unpitched", "0")) - 1 for node in root.iter("midi-instrument")}
    assert {node.findtext("midi-channel") for node in root.iter("midi-instrument")} == {"10"}
    played = [midi[node.get("id")] for node in root.iter("instrument")]
    assert sorted(played) == sorted([KICK, CRASH, SNARE, CLOSED_HAT])
    declared = {node.get("id") for node in root.iter("score-instrument")}
    assert {node.get("id") for node in root.iter("instrument")} <= declared


def test_no_two_drums_look_the_same_and_every_number_has_one() -> None:
    assert len({(drum.place, drum.notehead) for drum in KIT}) == len(KIT)
    assert all(drum_for(midi) in KIT for midi in range(128))


def test_a_beat_of_rock_is_two_voices_without_a_forest_of_rests() -> None:
    player = Player()
    hats = [(i / 2, CLOSED_HAT) for i in range(8)]
    strokes = [*hats, (0, KICK), (2, KICK), (1, SNARE), (3, SNARE)]
    score = write(piece({}, player.analysis(8), hits=player.hits(strokes)))
    assert lines(score, voice=1) == ["6 6 6 6 6 6 6 6"]
    assert lines(score, voice=2) == ["12 (r12) 12 (r12)"]


# chords


def test_chord_symbols_stand_over_the_top_part_at_their_beats() -> None:
    player = Player()
    chords = [(0, 4, "D:maj"), (4, 6, "B:min7"), (6, 8, "A:7/3"), (8, 9, "N"), (9, 12, "F#:hdim7")]
    analysis = player.analysis(12, Key("D", "major"), chords)
    notes = player.notes([(i, 1, 62) for i in range(12)])
    score = reread(piece({"vocals": notes, "bass": notes}, analysis))
    from music21 import harmony

    found = [
        [(symbol.measureNumber, float(symbol.offset), symbol.figure) for symbol in part[harmony.ChordSymbol]]
        for part in score.parts
    ]
    assert found[0] == [(1, 0.0, "D"), (2, 0.0, "Bm7"), (2, 2.0, "A7/C#"), (3, 1.0, "F#ø7")]
    assert found[1] == []


@pytest.mark.parametrize("quality", QUALITIES)
def test_every_quality_is_a_chord_of_music21_with_the_same_notes(quality: str) -> None:
    from music21 import harmony

    chord = read_chord(f"C:{quality}", 0)
    assert chord is not None
    expected = {pitch.pitchClass for pitch in harmony.ChordSymbol(root="C", kind=chord.kind).pitches}
    assert {place * 7 % 12 for place in chord.notes} == expected


@pytest.mark.parametrize("label", ["N", "X", "", "H:maj", "nonsense", ":", "/", "C#b?:maj"])
def test_labels_that_are_no_chord_are_left_out(label: str) -> None:
    assert read_chord(label, 0) is None


@pytest.mark.parametrize(
    ("label", "root", "bass"), [("Db:min7/b3", ("C", 1), ("E", 0)), ("Gb:min/b3", ("F", 1), ("A", 0))]
)
def test_roots_are_named_as_the_key_names_them(label: str, root: tuple[str, int], bass: tuple[str, int]) -> None:
    player = Player(first_beat_s=0.0)
    analysis = player.analysis(8, Key("E", "major"), [(0, 4, label)])
    (harmony,) = write(piece({"vocals": [Note(0.1, 2.0, 64, 80)]}, analysis)).harmonies
    assert (harmony.root, harmony.bass) == (root, bass)


# the whole page


def test_parts_have_names_and_stand_in_the_order_of_a_lead_sheet() -> None:
    player = Player()
    notes = player.notes([(0, 4, 60)])
    transcription = piece(
        {"bass": notes, "other": notes, "vocals": notes, "guitar": (), "piano": notes},
        player.analysis(8),
        hits=player.hits([(0, KICK)]),
    )
    root = xml(transcription)
    assert [node.text for node in root.iter("part-name")] == ["Vocals", "Piano", "Other", "Bass", "Drums"]
    assert [node.get("id") for node in root.findall("part")] == ["P1", "P2", "P3", "P4", "P5"]


@pytest.mark.parametrize("parts", [{}, {"bass": (), "vocals": ()}])
def test_silence_is_bars_of_rests_at_120(parts: dict[str, Sequence[Note]]) -> None:
    transcription = piece(parts, silence(8.0))
    assert lines(write(transcription)) == ["R48"] * 4
    score = reread(transcription)
    assert len(score.parts) == 1
    assert len(score.parts[0].getElementsByClass("Measure")) == 4
    assert all(rest.fullMeasure for rest in score.recurse().notesAndRests)


def test_signatures_tempo_and_metadata_are_on_the_first_page() -> None:
    player = Player(beats_per_bar=3, bpm=97.0, drift=0.0)
    notes = player.notes([(i, 1, 65) for i in range(6)])
    transcription = piece(
        {"vocals": notes}, player.analysis(9, Key("Bb", "major")), title="Walzer & <Nacht>", artist="N. N."
    )
    score = reread(transcription)
    assert (score.metadata.movementName, score.metadata.composer) == ("Walzer & <Nacht>", "N. N.")
    first = score.parts[0].measure(1)
    assert first.timeSignature.ratioString == "3/4"
    assert first.keySignature.sharps == -2
    assert [mark.number for mark in score.recurse().getElementsByClass("MetronomeMark")] == [97]


def test_the_written_score_lasts_as_long_in_music21_as_its_bars_say() -> None:
    player = Player(seed=3)
    notes = player.notes([(i / 3, 1 / 3, 60 + i % 7) for i in range(12)] + [(5, 2.5, 52), (7.5, 1.5, 55)])
    transcription = piece({"piano": notes, "bass": notes}, player.analysis(12), hits=player.hits([(1.5, KICK)]))
    score = reread(transcription)
    for part in score.parts:
        assert [float(m.duration.quarterLength) for m in part.getElementsByClass("Measure")] == [4.0, 4.0, 4.0]


def test_the_same_transcription_gives_the_same_bytes() -> None:
    player = Player()
    transcription = piece(
        {"piano": player.notes([(i, 1, 50 + i) for i in range(8)])}, player.analysis(12), player.hits([(0, KICK)])
    )
    first, second = to_musicxml(write(transcription)), to_musicxml(write(transcription))
    assert first == second
    assert b"encoding-date" not in first


def test_chords_of_a_silent_passage_before_the_music_do_not_shift_it() -> None:
    player = Player()
    analysis = player.analysis(16, None, [(0, 16, "C:maj")])
    score = write(piece({"vocals": player.notes([(8, 4, 60)])}, analysis))
    assert lines(score) == ["48"]
    assert [(h.bar, h.start) for h in score.harmonies] == [(0, 0)]


@pytest.mark.parametrize(
    ("label", "key", "root"),
    [
        ("A#:maj", Key("D", "major"), ("B", -1)),
        ("D#:maj", Key("C", "major"), ("E", -1)),
        ("G#:maj", Key("E", "major"), ("G", 1)),
        ("Ab:dim", Key("A", "minor"), ("G", 1)),
        ("A#:min", Key("F", "major"), ("B", -1)),
        ("Gb:maj", Key("D", "major"), ("F", 1)),
    ],
)
def test_chords_of_other_keys_are_flat_and_leading_ones_sharp(label: str, key: Key, root: tuple[str, int]) -> None:
    analysis = Player(first_beat_s=0.0).analysis(8, key, [(0, 4, label)])
    (harmony,) = write(piece({"vocals": [Note(0.1, 2.0, 64, 80)]}, analysis)).harmonies
    assert harmony.root == root


def test_a_chord_between_two_beats_goes_to_the_nearer_one() -> None:
    analysis = Player(first_beat_s=0.0, bpm=120, drift=0.0).analysis(8)
    late = Chord(0.56, 2.1, "G:maj")
    moved = write(piece({"vocals": [Note(0.0, 2.0, 60, 80)]}, replace(analysis, chords=(late,))))
    assert [(h.bar, h.start) for h in moved.harmonies] == [(0, 12)]
