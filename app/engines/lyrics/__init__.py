"""Lyrics: the vocal stem goes in, the sung words and their times come out.

Input: `music.Audio` of the vocal stem, mono, at `RATE_HZ`. Output: `music.Lyrics`.
"""

RATE_HZ = 16_000
