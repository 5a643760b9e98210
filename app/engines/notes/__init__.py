"""Notes: a pitched stem goes in, its notes come out.

Input: `music.Audio` of one stem, mono, at `RATE_HZ`. Output: `tuple[music.Note, ...]`, ordered by onset.
"""

RATE_HZ = 22_050
