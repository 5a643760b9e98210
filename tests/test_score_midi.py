"""The MIDI files lie on the recording: read back by pretty_midi, notes stand where they were played."""

from io import BytesIO

import mido
import numpy as np
import pretty_midi
import pytest

from app.music import Analysis, Beat, Hit, Key, Note, Transcription
from app.score.grid import grid_of
from app.score.midi import to_midi
from tests.score_pieces import Player, piece, silence


def read(data: bytes) -> pretty_midi.PrettyMIDI:
    return pretty_midi.PrettyMIDI(BytesIO(data))


def band(player: Player) -> Transcription:
    parts = {
        "bass": player.notes([(i, 1, 33 + i % 5) for i in range(60)]),
        "vocals": player.notes([(i / 3, 1 / 3, 60 + i % 12) for i in range(150)]),
        "piano": player.notes([(i, 2, p + i % 3) for i in range(0, 60, 2) for p in (48, 55, 64)]),
    }
    hits = player.hits([(i / 2, (36, 42, 38, 42)[i % 4]) for i in range(120)])
    return piece(parts, player.analysis(64, Key("F#", "minor")), hits)


@pytest.mark.parametrize("pickup", [0, 1, 3])
@pytest.mark.parametrize("first_beat_s", [0.0, 0.02, 0.9, 7.3])
def test_notes_read_back_within_a_millisecond(pickup: int, first_beat_s: float) -> None:
    player = Player(drift=0.15, pickup_beats=pickup, first_beat_s=first_beat_s)
    transcription = band(player)
    # Jitter may put the very first note a little before the recording.
    whole = read(to_midi(transcription)["all"])
    assert len(whole.instruments) == 4
    for stem, name in (("bass", "Bass"), ("vocals", "Vocals"), ("piano", "Piano")):
        (instrument,) = [i for i in whole.instruments if i.name == name]
        found = sorted((n.pitch, n.start, n.end, n.velocity) for n in instrument.notes)
        wanted = sorted((n.pitch_midi, max(0.0, n.onset_s), n.offset_s, n.velocity) for n in transcription.parts[stem])
        np.testing.assert_allclose(found, wanted, atol=1e-3)
    (drums,) = [i for i in whole.instruments if i.is_drum]
    found_hits = sorted((n.pitch, n.start) for n in drums.notes)
    wanted_hits = sorted((h.drum_midi, max(0.0, h.onset_s)) for h in transcription.hits)
    np.testing.assert_allclose(found_hits, wanted_hits, atol=1e-3)


def test_the_file_has_the_beats_bars_key_and_tempo_of_the_recording() -> None:
    player = Player(pickup_beats=1, drift=0.1)
    transcription = band(player)
    whole = read(to_midi(transcription)["all"])
    beats = np.array([beat.time_s for beat in transcription.analysis.beats])
    found = whole.get_beats()
    inside = beats[beats < whole.get_end_time() - 1]
    assert len(inside) > 50
    assert np.abs(found[:, None] - inside[None, :]).min(axis=0).max() < 1e-3
    downbeats = np.array([b.time_s for b in transcription.analysis.beats if b.position == 1 and b.time_s < 20])
    assert np.abs(whole.get_downbeats()[:, None] - downbeats[None, :]).min(axis=0).max() < 1e-3
    (key,) = whole.key_signature_changes
    assert pretty_midi.key_number_to_key_name(key.key_number) == "F# minor"
    assert whole.time_signature_changes[-1].numerator == 4
    assert whole.estimate_tempo() > 0
    _, tempi = whole.get_tempo_changes()
    assert np.median(tempi) == pytest.approx(grid_of(transcription.analysis).tempo_bpm, rel=0.01)


def test_programs_channels_and_a_file_for_each_stem() -> None:
    files = to_midi(band(Player()))
    assert set(files) == {"bass", "vocals", "piano", "drums", "all"}
    assert {i.name: i.program for i in read(files["all"]).instruments if not i.is_drum} == {
        "Bass": 33,
        "Vocals": 53,
        "Piano": 0,
    }
    channels = {m.channel for t in mido.MidiFile(file=BytesIO(files["drums"])).tracks for m in t if not m.is_meta}
    assert channels == {9}
    assert [i.name for i in read(files["bass"]).instruments] == ["Bass"]


def test_a_note_struck_again_while_it_sounds_is_let_go_first() -> None:
    notes = [Note(0.0, 2.0, 60, 80), Note(1.0, 3.0, 60, 90)]
    (instrument,) = read(to_midi(piece({"piano": notes}, silence(4.0)))["piano"]).instruments
    assert [(round(n.start, 3), round(n.end, 3)) for n in instrument.notes] == [(0.0, 1.0), (1.0, 3.0)]


@pytest.mark.parametrize("note", [Note(1.0, 1.0, 60, 80), Note(1.0, 0.5, 60, 0), Note(1.0, 1.2, 60, 500)])
def test_degenerate_notes_still_make_a_readable_file(note: Note) -> None:
    (instrument,) = read(to_midi(piece({"vocals": [note]}, silence(2.0)))["all"]).instruments
    (read_back,) = instrument.notes
    assert read_back.start == pytest.approx(1.0, abs=1e-3)
    assert read_back.end > read_back.start
    assert 1 <= read_back.velocity <= 127


def test_silence_is_a_valid_file() -> None:
    files = to_midi(piece({}, silence(8.0), title="Stille 😀"))
    assert set(files) == {"all"}
    assert read(files["all"]).instruments == []


def test_the_same_transcription_gives_the_same_bytes() -> None:
    assert to_midi(band(Player())) == to_midi(band(Player()))


def test_beats_that_begin_late_and_long_pauses_stay_in_what_midi_can_say() -> None:
    beats = (Beat(40.0, 3), Beat(40.5, 4), Beat(41.0, 1), Beat(41.5, 2), Beat(110.0, 4), Beat(110.5, 1))
    notes = [Note(1.0, 2.0, 50, 80), Note(41.0, 41.2, 60, 80), Note(100.0, 100.5, 61, 80), Note(115.0, 116.0, 62, 80)]
    transcription = piece({"vocals": notes}, Analysis(120.0, None, 4, beats, None, ()), [Hit(60.0, 36, 80)])
    (instrument,) = read(to_midi(transcription)["vocals"]).instruments
    np.testing.assert_allclose([n.start for n in instrument.notes], [1.0, 41.0, 100.0, 115.0], atol=1e-3)
