"""Titles and names as they can be written and printed: tags of recordings hold anything."""

LONGEST_WORD = 24
"""A longer word may be broken anywhere: at 20 points about this many capital letters fill a line."""


def printable(text: str) -> str:
    """`text` on one line, without what XML 1.0 cannot hold: control characters and lone surrogates."""
    return " ".join("".join(" " if c in "\t\n\r" else c for c in text if _is_xml(c)).split())


def shortened(text: str, chars: int) -> str:
    """At most `chars` characters, the last an ellipsis where something was cut off."""
    return text if len(text) <= chars else text[: chars - 1].rstrip() + "…"


def breakable(text: str) -> str:
    """`text` with places where a line may end (zero-width spaces) inside words too long for a line."""
    return " ".join(_split(word) for word in text.split(" "))


def _is_xml(character: str) -> bool:
    code = ord(character)
    return code in (9, 10, 13) or 0x20 <= code <= 0xD7FF or 0xE000 <= code <= 0xFFFD or code >= 0x10000


def _split(word: str) -> str:
    if len(word) <= LONGEST_WORD:
        return word
    half = LONGEST_WORD // 2
    return "\u200b".join(word[i : i + half] for i in range(0, len(word), half))
