"""Rhythm and harmony: what a listener would tap and hum along to.

Input: `music.Audio` of the whole mixture, mono, at `RATE_HZ`. Output: `music.Analysis`.
"""

RATE_HZ = 22_050
