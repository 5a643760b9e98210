"""General MIDI programs, counted from 0, and the channel of the drums."""

DRUM_CHANNEL = 9  # the tenth

PROGRAMS = {
    "vocals": 53,  # Voice Oohs
    "guitar": 25,  # Acoustic Guitar (steel)
    "piano": 0,  # Acoustic Grand Piano
    "other": 0,
    "bass": 33,  # Electric Bass (finger)
}


def program_of(stem: str) -> int:
    """The program that plays a stem; a piano for what has no other name."""
    return PROGRAMS.get(stem, 0)
