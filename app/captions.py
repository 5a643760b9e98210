"""Lyrics as people's players read them: LRC with the time of every word, SubRip (SRT), plain text.

LRC is the enhanced form ("A2", of the A2 Media Player): a time for the line in square brackets, one for each word in
angle brackets, one more for the end of the last. Minutes count on beyond 59. Sung times are rounded, never shifted.
"""

from collections.abc import Sequence
from itertools import zip_longest
from unicodedata import category

from app.engines.lyrics import UNSPACED
from app.music import Lyrics, Word

# Brackets would be read as times or markup, so look-alikes stand in for them.
_BRACKETS = str.maketrans("[]<>", "()‹›")


def to_lrc(lyrics: Lyrics, title: str = "", artist: str = "") -> str:
    """`[ti:…]` and `[ar:…]` where known, then lines such as `[00:12.00]<00:12.00>Hello <00:12.50>you<00:13.00>`."""
    tags = [f"[{tag}:{text}]" for tag, name in (("ti", title), ("ar", artist)) if (text := _plain(name))]
    return "".join(f"{line}\n" for line in [*tags, *(_lrc_line(words, _space(lyrics)) for words in _sung(lyrics))])


def to_srt(lyrics: Lyrics) -> str:
    """A numbered cue for each line."""
    lines = _sung(lyrics)
    cues = []
    for number, (line, after) in enumerate(zip_longest(lines, lines[1:]), start=1):
        text = _space(lyrics).join(_plain(word.text) for word in line)
        cues.append(f"{number}\n{_srt_time(line[0].onset_s)} --> {_srt_time(_end_s(line, after))}\n{text}\n")
    return "\n".join(cues)


def to_text(lyrics: Lyrics) -> str:
    """The words alone, line by line."""
    return "".join(f"{_space(lyrics).join(_one_line(word.text) for word in line)}\n" for line in _sung(lyrics))


def _sung(lyrics: Lyrics) -> list[Sequence[Word]]:
    return [line for line in lyrics.lines if line]


def _space(lyrics: Lyrics) -> str:
    """What stands between two words of the language."""
    return "" if lyrics.language in UNSPACED else " "


def _lrc_line(line: Sequence[Word], space: str) -> str:
    words = space.join(f"<{_lrc_time(word.onset_s)}>{_plain(word.text)}" for word in line)
    return f"[{_lrc_time(line[0].onset_s)}]{words}<{_lrc_time(line[-1].offset_s)}>"


def _end_s(line: Sequence[Word], after: Sequence[Word] | None) -> float:
    """Where the line ends, or where the next one begins if that is sooner."""
    stop_s = max(word.offset_s for word in line)
    return min(stop_s, after[0].onset_s) if after and after[0].onset_s > line[0].onset_s else stop_s


def _plain(text: str) -> str:
    return _one_line(text.translate(_BRACKETS))


def _one_line(text: str) -> str:
    """White space made single spaces, other control characters and broken surrogates left out."""
    return " ".join("".join(c for c in text if c.isspace() or category(c) not in ("Cc", "Cs")).split())


def _lrc_time(time_s: float) -> str:
    """`05:07.25`; `75:00.00` after an hour and a quarter."""
    minutes, hundredths = divmod(round(time_s * 100), 6000)
    return f"{minutes:02d}:{hundredths // 100:02d}.{hundredths % 100:02d}"


def _srt_time(time_s: float) -> str:
    """`01:15:00,250`."""
    seconds, milliseconds = divmod(round(time_s * 1000), 1000)
    return f"{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d},{milliseconds:03d}"
