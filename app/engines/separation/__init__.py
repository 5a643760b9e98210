"""Separation: a recording goes in, its stems come out.

Input: `music.Recording` at `RATE_HZ` with two channels. Output: `music.Stems` at the same rate, with as many frames as
went in; names from `music.STEMS`. The stems are computed while they are read, so that memory does not grow with the
length of the song: `progress` is called, and may raise, between blocks while the caller reads them.
"""

RATE_HZ = 44_100
CHANNELS = 2
