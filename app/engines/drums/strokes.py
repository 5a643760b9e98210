"""What is heard of one stroke, and which drums that is.

All levels are decibels. The rules compare a stroke with itself (how much of one band to another, how it dies away),
which holds for any recording, and with the strongest strokes of the piece, so that what leaks from a loud drum into
another one's band is not taken for it. Thresholds were chosen by looking at a General MIDI kit and at six rock songs.
"""

from dataclasses import dataclass

from app.engines.drums import (
    CLOSED_HAT,
    CRASH,
    HIGH_TOM,
    KICK,
    LOW_TOM,
    MID_TOM,
    OPEN_HAT,
    RIDE,
    SNARE,
)


@dataclass(frozen=True)
class Levels:
    """How far each band rose, in decibels."""

    low: float
    body: float
    noise: float
    high: float

    def __sub__(self, other: "Levels") -> "Levels":
        return Levels(self.low - other.low, self.body - other.body, self.noise - other.noise, self.high - other.high)


@dataclass(frozen=True)
class Stroke:
    peak: Levels
    below_strongest: Levels
    """The peak less that of the piece's strongest strokes in the same band; about 0 for a full stroke."""
    body_50ms: float
    """Level after 50 ms less that of the peak; so are the others. What the next stroke covers counts as died away."""
    noise_50ms: float
    noise_90ms: float
    high_110ms: float
    noise_300ms: float
    """Just before the next stroke where that comes earlier."""
    body_hz: float
    """The strongest tone between 70 and 400 Hz: a tom's pitch."""


DIED_AWAY = -60.0
LOWEST_SNARE_HZ = 127  # between the low tom (124 Hz) and the snare drum (135 Hz) of the General MIDI kit


def drums_of(stroke: Stroke) -> dict[int, float]:
    """The General MIDI drums struck, with how far each is below the piece's strongest; empty if none is heard."""
    struck: dict[int, float] = {}
    if is_kick(stroke):
        struck[KICK] = stroke.below_strongest.low
    if KICK not in struck and is_tom(stroke):
        struck[tom(stroke)] = stroke.below_strongest.body
    elif is_snare(stroke, with_kick=KICK in struck):
        struck[SNARE] = stroke.below_strongest.noise
    if is_cymbal(stroke, with_kick=KICK in struck, with_skin=bool(struck.keys() - {KICK})):
        struck[cymbal(stroke, alone=not struck)] = stroke.below_strongest.high
    return struck


def is_kick(stroke: Stroke) -> bool:
    """Most of its sound is below 100 Hz; of snare drums (-20 to -7 dB) and toms (-16 to 0 dB) it is not."""
    return stroke.below_strongest.low > -12 and stroke.peak.low - stroke.peak.body > 1


def is_snare(stroke: Stroke, with_kick: bool) -> bool:
    """Skin and wires sound together. A kick's beater may be as loud as wires, but is gone after 50 ms (-10 dB)."""
    wires = stroke.peak.noise - stroke.peak.body
    if with_kick:
        loud = stroke.below_strongest.body > -12 and stroke.below_strongest.noise > -6
        return loud and wires > -4 and stroke.noise_50ms > -9
    return stroke.below_strongest.body > -12 and stroke.below_strongest.noise > -14 and wires > -9


def is_tom(stroke: Stroke) -> bool:
    """A skin that is low, or that rings on when the stick's noise is gone."""
    if stroke.below_strongest.body < -12:
        return False
    depth = stroke.peak.low - stroke.peak.body
    if stroke.body_hz < LOWEST_SNARE_HZ and depth > -12:
        return True
    bare = stroke.peak.noise - stroke.peak.body < -5
    return bare and stroke.body_50ms > -8 and stroke.noise_50ms < stroke.body_50ms - 5


def tom(stroke: Stroke) -> int:
    """By pitch. Tuned from about 80 to 200 Hz; the limits are those between the General MIDI kit's."""
    if stroke.body_hz < LOWEST_SNARE_HZ:
        return LOW_TOM
    return MID_TOM if stroke.body_hz < 150 else HIGH_TOM


def is_cymbal(stroke: Stroke, with_kick: bool, with_skin: bool) -> bool:
    """Sound above 8 kHz, more than a kick's click (-20 dB of its noise) or a snare's wires (-16 dB) have."""
    brightness = stroke.peak.high - stroke.peak.noise
    if with_skin:
        return stroke.below_strongest.high > -8 and brightness > -13
    if with_kick:
        return stroke.below_strongest.high > -14 and brightness > -17
    return stroke.below_strongest.high > -26 and (brightness > -8 or stroke.noise_90ms > -4)


def cymbal(stroke: Stroke, alone: bool) -> int:
    """By how long it rings: closed hi-hats are 20 dB down after 0.1 s, rides 13, open hats and crashes 5 and less."""
    if stroke.noise_90ms > -4:
        return CRASH if stroke.noise_300ms > -6 and stroke.peak.noise - stroke.peak.body > 7 else OPEN_HAT
    if alone and stroke.high_110ms > -18 and stroke.noise_50ms < -8:
        return RIDE
    return OPEN_HAT if stroke.high_110ms > -8 else CLOSED_HAT


def velocity(below_strongest_db: float) -> int:
    """1 to 127; the strongest strokes have 110. Loudness goes with the square of velocity, as synthesizers have it."""
    return max(1, min(127, round(110 * 10 ** (below_strongest_db / 40))))
