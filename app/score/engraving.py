"""MusicXML to PDF: Verovio engraves it system by system, typst sets the systems under a title on pages.

One SVG for each system rather than for each page, so that a title may be as high as it needs and text (any script, any
length) is set by something that can set text. Verovio asks for Times, which a bare machine has not, and for its own
music font inside text, for the metronome's note and for sharps and flats of chord symbols: both are replaced by
Libertinus Serif, which typst carries and which has those signs. Fonts are embedded in the PDF.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any, Literal

from app.errors import StageFailed
from app.score.titles import breakable, shortened

Paper = Literal["a4", "letter"]

SIZES_MM = {"a4": (210.0, 297.0), "letter": (215.9, 279.4)}
PAPERS = {"a4": "a4", "letter": "us-letter"}
MARGIN_MM = 15.0
GAP_MM = 7.0
"""Between two systems."""

TITLE_CHARS, ARTIST_CHARS = 300, 200
"""More is cut off in print with an ellipsis (never in the MusicXML): 300 characters are six lines."""

TEXT_FONT = "Libertinus Serif"

SIGNS = {"\ueca5": "♩", "\uea64": "♭", "\uea65": "♮", "\uea66": "♯"}
"""Verovio's glyphs that appear inside our text, by their numbers in SMuFL, and the same signs in Unicode."""

_MUSIC_IN_TEXT = re.compile(r'<tspan font-family="[^"]*" font-size="(\d+)px">([\ue000-\uf8ff])</tspan>')
_VIEW_BOX = re.compile(r'<svg viewBox="0 0 ([\d.]+) ([\d.]+)"')


@dataclass(frozen=True)
class System:
    """One line of music over all staves, as SVG, and its size in its own units."""

    svg: str
    width: float
    height: float


def engrave(musicxml: bytes, staves: int, paper: Paper) -> list[System]:
    """The systems of a score, each as wide as the page's text. Raises `errors.StageFailed`."""
    import verovio

    verovio.enableLog(verovio.LOG_ERROR)
    toolkit = verovio.toolkit(False)
    # Verovio knows where its fonts are only in the thread that imported it.
    toolkit.setResourcePath(str(resources.files("verovio") / "data"))
    toolkit.setOptions(_options(staves, paper))
    if not toolkit.loadData(musicxml.decode()):
        raise StageFailed(stage="score", reason="Verovio cannot read the MusicXML")
    return [_system(toolkit.renderToSVG(page)) for page in range(1, toolkit.getPageCount() + 1)]


def _options(staves: int, paper: Paper) -> dict[str, Any]:
    return {
        "breaks": "auto",
        "systemMaxPerPage": 1,
        "adjustPageHeight": True,
        "header": "none",
        "footer": "none",
        "pageWidth": round((SIZES_MM[paper][0] - 2 * MARGIN_MM) * 10),  # in tenths of millimetres
        "pageHeight": 60_000,
        **{f"pageMargin{side}": 0 for side in ("Top", "Bottom", "Left", "Right")},
        "unit": _unit(staves),
        "svgViewBox": True,
        "smuflTextFont": "none",
        # A fixed seed: names inside the SVG are otherwise random.
        "xmlIdSeed": 1,
    }


def _unit(staves: int) -> float:
    """Half the distance of two staff lines, in tenths of millimetres: rastral 3 for one or two staves (7.2 mm high),
    rastral 5 for a band (6 mm), rastral 7 (5 mm) for more, as publishers do for full scores."""
    if staves <= 2:
        return 8.5
    return 7.5 if staves <= 4 else 6.2


def _system(svg: str) -> System:
    size = _VIEW_BOX.search(svg)
    if size is None:
        raise StageFailed(stage="score", reason="Verovio made an SVG without a size")
    svg = _MUSIC_IN_TEXT.sub(_sign, svg).replace("Times, serif", TEXT_FONT)
    return System(svg, float(size[1]), float(size[2]))


def _sign(match: re.Match[str]) -> str:
    """A music glyph inside text as a letter of the text's font, which is smaller on the same size."""
    size_px = round(int(match[1]) * 0.75)
    return f'<tspan font-size="{size_px}px">{SIGNS[match[2]]}</tspan>'


class Printer:
    """Sets systems on pages. Finds the machine's fonts once, which takes a moment where there are many."""

    def __init__(self) -> None:
        import typst

        # The machine's own fonts too: titles in scripts that the bundled ones lack come out right where it can.
        self._fonts = typst.Fonts(include_system_fonts=True, include_embedded_fonts=True)
        self._page = Path(__file__).with_name("page.typ").read_bytes()

    def print(self, title: str, artist: str, systems: Sequence[System], paper: Paper) -> bytes:
        """A PDF, its title in its properties, without a date: the same input gives the same bytes."""
        import typst

        inputs = _texts(title, artist) | _placed(systems, paper)
        pdf: bytes = typst.compile(self._page, font_paths=self._fonts, format="pdf", sys_inputs=inputs)
        return pdf


def _texts(title: str, artist: str) -> dict[str, str]:
    shown = shortened(title, TITLE_CHARS)
    return {
        "title": title,
        "artist": artist,
        "title_lines": breakable(shown),
        "artist_line": breakable(shortened(artist, ARTIST_CHARS)),
        "title_size": "20pt" if len(shown) <= 60 else "14pt" if len(shown) <= 150 else "11pt",
    }


def _placed(systems: Sequence[System], paper: Paper) -> dict[str, str]:
    """The systems and how wide to print them: a system higher than a page is made to fit it."""
    width_mm, height_mm = (size - 2 * MARGIN_MM for size in SIZES_MM[paper])
    # Under the longest title there is still half a page: a system that does not fit goes to the next.
    inputs = {
        "paper": PAPERS[paper],
        "margin": f"{MARGIN_MM}mm",
        "gap": f"{GAP_MM}mm",
        "systems": str(len(systems)),
    }
    for i, system in enumerate(systems):
        inputs[f"system{i}"] = system.svg
        inputs[f"width{i}"] = f"{min(width_mm, 0.98 * height_mm * system.width / system.height):.2f}mm"
    return inputs
