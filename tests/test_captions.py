"""Lyrics in the exact form that players read."""

import pytest

from app.captions import to_lrc, to_srt, to_text
from app.music import Lyrics, Word

SONG = Lyrics(
    "en",
    (
        (Word(0.004, 0.5, "Row,", 0.9), Word(0.5, 0.996, "row", 0.8)),
        (Word(59.999, 61.25, "gently", 0.7),),
        (Word(4503.2, 4503.9, "down", 0.7), Word(4503.9, 4504.55, "the", 0.7), Word(4505.0, 4506.0, "stream", 0.7)),
    ),
)


def test_lrc_has_a_time_for_every_word() -> None:
    assert to_lrc(SONG, "Row Your Boat", "Traditional") == (
        "[ti:Row Your Boat]\n"
        "[ar:Traditional]\n"
        "[00:00.00]<00:00.00>Row, <00:00.50>row<00:01.00>\n"
        "[01:00.00]<01:00.00>gently<01:01.25>\n"
        "[75:03.20]<75:03.20>down <75:03.90>the <75:05.00>stream<75:06.00>\n"
    )


def test_srt_has_a_cue_for_every_line() -> None:
    assert to_srt(SONG) == (
        "1\n00:00:00,004 --> 00:00:00,996\nRow, row\n\n"
        "2\n00:00:59,999 --> 00:01:01,250\ngently\n\n"
        "3\n01:15:03,200 --> 01:15:06,000\ndown the stream\n"
    )


def test_text_is_the_words() -> None:
    assert to_text(SONG) == "Row, row\ngently\ndown the stream\n"


@pytest.mark.parametrize("lyrics", [Lyrics(None, ()), Lyrics("en", ((),))])
def test_no_words_make_empty_files(lyrics: Lyrics) -> None:
    assert (to_lrc(lyrics), to_srt(lyrics), to_text(lyrics)) == ("", "", "")
    assert to_lrc(lyrics, title="Instrumental") == "[ti:Instrumental]\n"


def test_titles_cannot_break_out_of_their_tag() -> None:
    lrc = to_lrc(Lyrics(None, ()), 'A [live]\n[00:00.00]B\u2028 \ud800<i>\x00  \t🎵 "C"/D', "  \n ")
    assert lrc == '[ti:A (live) (00:00.00)B ‹i› 🎵 "C"/D]\n'


def test_words_cannot_be_read_as_times_or_cues() -> None:
    sly = Lyrics("en", ((Word(1.0, 2.0, "<00:09.00>[x]\n\n9", 0.5), Word(2.0, 3.0, "no", 0.5)),))
    assert to_lrc(sly) == "[00:01.00]<00:01.00>‹00:09.00›(x) 9 <00:02.00>no<00:03.00>\n"
    assert to_text(sly) == "<00:09.00>[x] 9 no\n"
    assert to_srt(sly) == "1\n00:00:01,000 --> 00:00:03,000\n‹00:09.00›(x) 9 no\n"


def test_languages_without_spaces_are_written_without() -> None:
    words = (Word(1.0, 1.5, "愛", 0.9), Word(1.5, 2.0, "して", 0.9))
    assert to_text(Lyrics("ja", (words,))) == "愛して\n"
    assert to_lrc(Lyrics("ja", (words,))) == "[00:01.00]<00:01.00>愛<00:01.50>して<00:02.00>\n"
    assert to_srt(Lyrics("ja", (words,))).endswith("\n愛して\n")
    assert to_text(Lyrics("ko", (words,))) == "愛 して\n"


def test_cues_do_not_overlap() -> None:
    lines = ((Word(1.0, 4.0, "held", 0.9), Word(2.0, 2.5, "long", 0.9)), (Word(3.5, 5.0, "next", 0.9),))
    srt = to_srt(Lyrics("en", lines))
    assert "00:00:01,000 --> 00:00:03,500" in srt
    assert "00:00:03,500 --> 00:00:05,000" in srt


def test_no_cue_ends_before_it_starts() -> None:
    at_once = tuple((Word(1.0, 2.0, text, 0.9),) for text in ("one", "two"))
    assert to_srt(Lyrics("en", at_once)).count("00:00:01,000 --> 00:00:02,000") == 2
