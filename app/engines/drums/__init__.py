"""Drums: the drum stem goes in, its strokes come out.

Input: `music.Audio` of the drum stem, mono, at `RATE_HZ`. Output: `tuple[music.Hit, ...]`, ordered by onset, with the
General MIDI numbers below.
"""

RATE_HZ = 44_100

KICK = 36
SNARE = 38
CLOSED_HAT = 42
PEDAL_HAT = 44
OPEN_HAT = 46
LOW_TOM = 45
MID_TOM = 47
HIGH_TOM = 50
CRASH = 49
RIDE = 51
DRUM_NAMES = {
    KICK: "kick",
    SNARE: "snare",
    CLOSED_HAT: "closed hat",
    PEDAL_HAT: "pedal hat",
    OPEN_HAT: "open hat",
    LOW_TOM: "low tom",
    MID_TOM: "mid tom",
    HIGH_TOM: "high tom",
    CRASH: "crash",
    RIDE: "ride",
}
