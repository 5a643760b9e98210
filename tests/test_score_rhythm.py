"""Performed rhythms come out as the values they were read from, whatever the player's jitter and drift."""

import numpy as np
import pytest

from app.music import Analysis, Beat, Note
from app.score.grid import grid_of
from app.score.model import Tuplet
from app.score.writing import write
from tests.score_pieces import Played, Player, lines, names, piece, silence

SEEDS = range(5)


def melody(values: list[float], pitch: int = 60, start: float = 0.0) -> list[Played]:
    """Notes one after another with these lengths in beats; negative ones are rests."""
    played, at = [], start
    for value in values:
        if value > 0:
            played.append((at, value, pitch))
        at += abs(value)
    return played


def written(player: Player, played: list[Played], beats: int, share: float = 0.9) -> list[str]:
    return lines(write(piece({"vocals": player.notes(played, share)}, player.analysis(beats))))


T = 1 / 3
RHYTHMS: dict[str, tuple[list[float], list[str]]] = {
    "quarters": ([1, 1, 1, 1], ["12 12 12 12"]),
    "eighths": ([0.5] * 8, ["6 6 6 6 6 6 6 6"]),
    "sixteenths": ([0.25] * 8 + [1, 1], ["3 3 3 3 3 3 3 3 12 12"]),
    "triplets": ([T, T, T] * 4, ["3:4 3:4 3:4 3:4 3:4 3:4 3:4 3:4 3:4 3:4 3:4 3:4"]),
    "shuffle": ([2 * T, T] * 4, ["3:8 3:4 3:8 3:4 3:8 3:4 3:8 3:4"]),
    "one triplet among eighths": ([0.5, 0.5, T, T, T, 0.5, 0.5, 1], ["6 6 3:4 3:4 3:4 6 6 12"]),
    "dotted quarters": ([1.5, 0.5, 1.5, 0.5], ["18 6 18 6"]),
    "dotted eighths": ([0.75, 0.25, 0.75, 0.25, 2], ["9 3 9 3 24"]),
    "syncopation": ([0.5, 1, 0.5, 2], ["6 12 6 24"]),
    "over the middle of the bar": ([1, 0.5, 1, 0.5, 1], ["12 6 6~ 6 6 12"]),
    "halves and a whole": ([2, 2, 4], ["24 24", "48"]),
    "dotted half": ([3, 1], ["36 12"]),
    "over the bar line": ([3, 2, 3], ["36 12~", "12 36"]),
    "an eighth over the bar line": ([3.5, 1, 3.5], ["24~ 18 6~", "6 18~ 24"]),
    "rests": ([1, -1, 0.5, -0.5, 1], ["12 r12 6 r6 12"]),
    "a bar's rest": ([4, -4, 4], ["48", "R48", "48"]),
    "half a bar's rest": ([1, 1, -2, 4], ["12 12 r24", "48"]),
    "a syncopated rest is cut at the beat": ([1.5, -1, 0.5, 1], ["18 r6 r6 6 12"]),
}


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("rhythm", RHYTHMS)
def test_a_performed_rhythm_is_written_as_it_was_read(rhythm: str, seed: int) -> None:
    values, expected = RHYTHMS[rhythm]
    assert written(Player(seed=seed), melody(values), beats=16) == expected


@pytest.mark.parametrize("bpm", [60, 90, 120])
def test_the_tempo_does_not_change_the_notation(bpm: float) -> None:
    values = [0.5, 0.5, T, T, T, 0.75, 0.25, 1]
    assert written(Player(bpm=bpm), melody(values), beats=16) == ["6 6 3:4 3:4 3:4 9 3 12"]


def test_three_four_has_bars_of_three_beats() -> None:
    player = Player(beats_per_bar=3)
    assert written(player, melody([1, 1, 1, 3, 2, 2, -1, 1]), beats=15) == ["12 12 12", "36", "24 12~", "12 r12 12"]


@pytest.mark.parametrize(("before", "expected"), [([1.0], "12"), ([0.5, 0.5], "6 6"), ([-0.5, 0.5], "r6 6")])
def test_a_pickup_is_an_incomplete_bar_without_number(before: list[float], expected: str) -> None:
    player = Player(pickup_beats=1)
    notes = player.notes([*melody(before, start=-1), *melody([1, 1, 1, 1])])
    score = write(piece({"vocals": notes}, player.analysis(12)))
    assert [(bar.number, bar.beats, bar.pickup) for bar in score.bars] == [(0, 1, True), (1, 4, False)]
    assert lines(score) == [expected, "12 12 12 12"]


def test_a_pickup_before_the_first_beat_that_was_heard_counts_back_from_it() -> None:
    player = Player(first_beat_s=2.0)
    notes = player.notes(melody([0.5, 0.5, 1, 1, 1, 1]))
    shift_s = 60 / player.bpm
    early = [Note(n.onset_s - shift_s, n.offset_s - shift_s, n.pitch_midi, n.velocity) for n in notes]
    score = write(piece({"vocals": early}, player.analysis(12)))
    assert score.bars[0].pickup
    assert lines(score) == ["6 6", "12 12 12 12"]


def test_bar_lines_stand_on_downbeats_even_where_a_bar_is_short() -> None:
    times = np.arange(11) * 0.5
    beats = tuple(Beat(float(t), p) for t, p in zip(times, [1, 2, 3, 4, 1, 2, 1, 2, 3, 4, 1], strict=True))
    notes = [Note(float(t), float(t) + 0.45, 60, 80) for t in times[:10]]
    score = write(piece({"vocals": notes}, Analysis(5.5, 120.0, 4, beats, None, ())))
    assert [bar.beats for bar in score.bars] == [4, 2, 4]


def test_a_beat_the_tracker_missed_is_put_back() -> None:
    player = Player(jitter_s=0.0)
    analysis = player.analysis(12)
    holed = Analysis(analysis.duration_s, None, 4, analysis.beats[:5] + analysis.beats[6:], None, ())
    assert len(grid_of(holed).times_s) == 12
    score = write(piece({"vocals": player.notes(melody([1] * 8))}, holed))
    assert lines(score) == ["12 12 12 12", "12 12 12 12"]


def test_positions_and_seconds_are_inverse_inside_and_beyond_the_beats() -> None:
    grid = grid_of(Player().analysis(12))
    seconds = np.linspace(-2, 15, 200)
    np.testing.assert_allclose(grid.seconds_at(grid.beats_at(seconds)), seconds, atol=1e-9)


def test_music_without_pulse_is_written_at_120() -> None:
    notes = [Note(k * 0.5, k * 0.5 + 0.4, 60 + k, 80) for k in range(6)]
    score = write(piece({"vocals": notes}, silence(4.0)))
    assert score.tempo_bpm == pytest.approx(120)
    assert lines(score) == ["12 12 12 12", "12 12 r24"]


def test_a_pause_of_a_minute_between_beats_is_filled_with_bars() -> None:
    beats = (Beat(0.0, 1), Beat(0.5, 2), Beat(1.0, 3), Beat(1.5, 4), Beat(62.0, 2), Beat(62.5, 3))
    grid = grid_of(Analysis(63.0, 120.0, 4, beats, None, ()))
    assert np.diff(grid.times_s).max() < 1.0


def test_triplets_are_bracketed_from_their_first_to_their_last_note() -> None:
    score = write(piece({"vocals": Player().notes(melody([T, T, T, 1, 1, 1]))}, Player().analysis(8)))
    tuplets = [event.tuplet for event in score.parts[0].staves[0].bars[0][0].events]
    assert tuplets == [Tuplet.START, Tuplet.INSIDE, Tuplet.STOP, None, None, None]


def test_beams_join_the_notes_of_a_beat_and_plain_eighths_of_half_a_bar() -> None:
    values = [0.5] * 4 + [0.75, 0.25, 0.25, 0.25, 0.5]
    score = write(piece({"vocals": Player().notes(melody(values))}, Player().analysis(8)))
    beams = [event.beams for event in score.parts[0].staves[0].bars[0][0].events]
    assert beams[:4] == [("begin",), ("continue",), ("continue",), ("end",)]
    assert beams[4:] == [("begin",), ("end", "backward hook"), ("begin", "begin"), ("continue", "end"), ("end",)]


@pytest.mark.parametrize("share", [0.7, 0.8, 0.9, 1.0, 1.05])
def test_articulation_does_not_turn_full_notes_into_rests(share: float) -> None:
    assert written(Player(), melody([1, 1, 0.5, 0.5, 1, 2, 2]), 12, share)[0] == "12 12 6 6 12"


@pytest.mark.parametrize("share", [0.05, 0.15, 0.3])
def test_staccato_is_written_as_eighths_and_rests_not_as_sixteenths(share: float) -> None:
    assert written(Player(), melody([1, 1, 1, 1]), 8, share) == ["6 r6 6 r6 6 r6 6 r6"]


def test_overlapping_notes_of_a_melody_are_cut() -> None:
    player = Player()
    score = write(piece({"bass": player.notes([(0, 2, 40), (1, 2, 43), (2, 2, 45)])}, player.analysis(8)))
    assert lines(score) == ["12 12 24"]
    assert names(score) == ["E2", "G2", "A2"]


def test_of_two_notes_at_once_a_melody_keeps_the_louder() -> None:
    notes = [Note(0.0, 0.45, 64, 40), Note(0.01, 0.45, 52, 100)]
    assert names(write(piece({"vocals": notes}, silence(2.0)))) == ["E3"]
