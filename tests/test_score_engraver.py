"""The engine and its PDF: pages, fonts, titles of every kind, sizes, and what must be refused."""

from collections.abc import Sequence
from dataclasses import replace
from io import BytesIO
from math import inf, nan
from pathlib import Path
from typing import Any

import pypdf
import pytest

from app.engines.drums import CLOSED_HAT, KICK
from app.errors import BadAudio, JobCancelled
from app.music import Beat, Chord, Hit, Key, Note, Transcription, WrittenScore
from app.score.engraver import Engraver, EngraverOptions
from app.weights import Models
from tests.score_pieces import Player, piece, silence

PAPERS_PT = {"a4": (595.28, 841.89), "letter": (612.0, 792.0)}


@pytest.fixture(scope="module")
def engraver(tmp_path_factory: pytest.TempPathFactory) -> Engraver:
    return Engraver(EngraverOptions(), Models(tmp_path_factory.mktemp("models")))


def engraved(engraver: Engraver, transcription: Transcription, options: EngraverOptions | None = None) -> WrittenScore:
    (written,) = engraver.run([transcription], options or EngraverOptions())
    return written


def pages(written: WrittenScore) -> Sequence[pypdf.PageObject]:
    return pypdf.PdfReader(BytesIO(written.pdf)).pages


def text(written: WrittenScore) -> str:
    return "\n".join(page.extract_text() for page in pages(written))


def song(bars: int = 8) -> Transcription:
    player = Player()
    melody = player.notes([(i, 1, 62 + i % 7) for i in range(bars * 4)])
    chords = player.notes([(i, 4, p) for i in range(0, bars * 4, 4) for p in (50, 57, 62, 66)])
    drums = player.hits([(i / 2, CLOSED_HAT if i % 2 else KICK) for i in range(bars * 8)])
    analysis = player.analysis(bars * 4, Key("D", "major"), [(0, 8, "D:maj"), (8, 12, "Bb:maj7"), (12, 16, "C#:hdim7")])
    return piece({"vocals": melody, "piano": chords}, analysis, drums, title="Lied", artist="Jemand")


def broken() -> dict[str, Transcription]:
    good = song(2)
    analysis = good.analysis
    return {
        "a note's onset": replace(good, parts={"bass": (Note(nan, 1.0, 40, 80),)}),
        "a note's end": replace(good, parts={"bass": (Note(0.0, inf, 40, 80),)}),
        "a hit": replace(good, hits=(Hit(nan, 36, 80),)),
        "a beat": replace(good, analysis=replace(analysis, beats=(Beat(nan, 1),))),
        "a chord": replace(good, analysis=replace(analysis, chords=(Chord(0.0, nan, "C"),))),
        "the tempo": replace(good, analysis=replace(analysis, tempo_bpm=nan)),
        "the duration": replace(good, analysis=replace(analysis, duration_s=inf)),
        "a pitch": replace(good, parts={"bass": (Note(0.0, 1.0, 128, 80),)}),
        "a drum": replace(good, hits=(Hit(0.0, -1, 80),)),
    }


@pytest.mark.parametrize("what", broken())
def test_what_is_not_a_number_is_refused(engraver: Engraver, what: str) -> None:
    with pytest.raises(BadAudio):
        engraver.run([broken()[what]], EngraverOptions())


NASTY = {
    "markup of typst": '#set page(width: 1pt) $x$ *bold* _it_ @ref \\ // "quoted" `code`',
    "markup of XML": "<b>&amp;</b> ]]> <!-- & 'quoted'",
    "a path": "../../etc/passwd / C:\\AUX",
    "emoji": "Night 😀🎸 Drive",
    "right to left": "مرحبا بالعالم שלום",
    "Japanese": "夜に駆ける",
    "control characters": "a\x00b\x07c\x1bd\x7fe\nf\tg\ud800h\ufffei",
    "300 letters": "W" * 300,
    "300 words": "Lied " * 300,
    "nothing": "",
}


@pytest.mark.parametrize("what", NASTY)
def test_any_title_gets_through_and_stays_on_the_page(engraver: Engraver, what: str) -> None:
    title = NASTY[what]
    bass = {"bass": [Note(0.0, 0.5, 40, 80)]}
    written = engraved(engraver, piece(bass, silence(2.0), title=title, artist=title))
    (page,) = pages(written)
    lines = page.extract_text(extraction_mode="layout", layout_mode_space_vertically=False).splitlines()
    # A line of the page holds about 60 capital W; nothing longer was set on one line.
    assert max(len("".join(line.split())) for line in lines) < 130
    assert "Bass" in page.extract_text()


def test_the_musicxml_keeps_the_whole_title(engraver: Engraver) -> None:
    from music21 import converter

    title = 'A "long" & <nasty>/title 😀 ' * 20
    written = engraved(engraver, piece({}, silence(2.0), title=title, artist=title))
    assert converter.parseData(written.musicxml).metadata.movementName == title.strip()


def test_the_pdf_has_title_artist_parts_chords_tempo_and_page_numbers(engraver: Engraver) -> None:
    written = engraved(engraver, song(40))
    reader = pypdf.PdfReader(BytesIO(written.pdf))
    assert reader.metadata is not None
    assert reader.metadata.title == "Lied"
    assert reader.metadata.creation_date is None
    assert len(reader.pages) > 1
    first = reader.pages[0].extract_text()
    for wanted in ("Lied", "Jemand", "Vocals", "Piano", "Drums", "B♭maj7", "C♯m7♭5"):
        assert wanted in first
    assert [page.extract_text().split()[-1] for page in reader.pages] == [str(n + 1) for n in range(len(reader.pages))]


def test_the_metronome_mark_has_its_note_in_an_embedded_font(engraver: Engraver) -> None:
    (page,) = pages(engraved(engraver, song(2)))
    assert "♩ = 104" in " ".join(page.extract_text().split())
    resources: Any = page["/Resources"]
    fonts = [font.get_object() for font in resources["/Font"].values()]
    descriptors = [font["/DescendantFonts"][0].get_object()["/FontDescriptor"].get_object() for font in fonts]
    assert descriptors
    assert all({"/FontFile2", "/FontFile3"} & set(descriptor) for descriptor in descriptors)
    # The note is drawn with the page's text font: not left to a replacement for what no font has.
    assert all("Libertinus" in font["/BaseFont"] for font in fonts)


@pytest.mark.parametrize("paper", PAPERS_PT)
def test_the_paper_can_be_chosen(engraver: Engraver, paper: str) -> None:
    written = engraved(engraver, song(2), EngraverOptions(paper=paper))  # type: ignore[arg-type]
    box = pages(written)[0].mediabox
    assert (float(box.width), float(box.height)) == pytest.approx(PAPERS_PT[paper], abs=0.5)


def test_the_same_input_gives_the_same_bytes_alone_or_in_a_batch(engraver: Engraver) -> None:
    other = piece({"bass": [Note(0.0, 0.5, 40, 80)]}, silence(2.0))
    first, second = engraver.run([song(4), other], EngraverOptions())
    assert engraver.run([song(4)], EngraverOptions()) == [first]
    assert engraver.run([other], EngraverOptions()) == [second]


def test_a_new_engraver_gives_the_same_bytes(engraver: Engraver, tmp_path: Path) -> None:
    another = Engraver(EngraverOptions(), Models(tmp_path))
    assert engraved(another, song(4)) == engraved(engraver, song(4))


@pytest.mark.parametrize("duration_s", [0.0, 1.0, 8.0])
def test_silence_is_a_page_of_rests(engraver: Engraver, duration_s: float) -> None:
    written = engraved(engraver, piece({"vocals": (), "bass": ()}, silence(duration_s), title="Stille"))
    assert "Stille" in text(written)
    assert set(written.midi) == {"vocals", "bass", "all"}


def test_no_inputs_no_outputs(engraver: Engraver) -> None:
    assert engraver.run([], EngraverOptions()) == []


def test_a_system_higher_than_the_page_is_made_to_fit(engraver: Engraver) -> None:
    wide = [Note(0.0, 0.5, pitch, 80) for pitch in (12, 30, 60, 90, 127)]
    parts = dict.fromkeys(("bass", "other", "vocals", "guitar", "piano", "flute", "horn", "organ", "harp"), wide)
    written = engraved(engraver, piece(parts, silence(2.0)))
    assert len(pages(written)) <= 2


def test_progress_grows_to_one_and_may_stop_the_work(engraver: Engraver) -> None:
    seen: list[float] = []
    engraver.run([song(2), song(2)], EngraverOptions(), seen.append)
    assert seen == sorted(seen)
    assert seen[-1] == 1.0

    def cancel(fraction: float) -> None:
        if fraction > 0.5:
            raise JobCancelled

    with pytest.raises(JobCancelled):
        engraver.run([song(2), song(2)], EngraverOptions(), cancel)
