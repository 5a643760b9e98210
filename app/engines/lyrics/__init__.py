"""Lyrics: the vocal stem goes in, the sung words and their times come out.

Input: `music.Audio` of the vocal stem, mono, at `RATE_HZ`. Output: `music.Lyrics`, a line for each phrase.
"""

RATE_HZ = 16_000

UNSPACED = frozenset({"zh", "ja", "th", "lo", "my", "yue"})
"""Languages written without spaces between words. The times of their words are those of single characters."""
