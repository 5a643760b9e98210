"""What music21 cannot say, mended in its XML.

It knows one instrument for each class and so no drum kit, and it writes the day and random names into the file, where
the same score must give the same bytes.
"""

from collections.abc import Iterator
from xml.etree.ElementTree import Element, SubElement

from app.score.drumkit import KIT, drum_at
from app.score.model import Score, Spelled
from app.score.programs import DRUM_CHANNEL


def mend(root: Element, score: Score) -> None:
    """Change the MusicXML of `score`, in place."""
    _drop_dates(root)
    _name_parts(root, score)
    for part, node in zip(score.parts, root.findall("part"), strict=True):
        if part.stem == "drums":
            _declare_kit(root, node)


def _drop_dates(root: Element) -> None:
    encoding = root.find("identification/encoding")
    if encoding is not None:
        for date in encoding.findall("encoding-date"):
            encoding.remove(date)


def _name_parts(root: Element, score: Score) -> None:
    """P1, P2… for parts and P1-I1 for their instruments, instead of random names, and a MIDI channel for each."""
    # Channel 10 is for drums.
    channels = [channel for channel in range(1, 17) if channel != DRUM_CHANNEL + 1]
    declared = root.findall("part-list/score-part")
    for i, (part, declaration, node) in enumerate(zip(score.parts, declared, root.findall("part"), strict=True)):
        name = f"P{i + 1}"
        declaration.set("id", name)
        node.set("id", name)
        for instrument in [*declaration.findall("score-instrument"), *declaration.findall("midi-instrument")]:
            instrument.set("id", f"{name}-I1")
        channel = DRUM_CHANNEL + 1 if part.stem == "drums" else channels[i % len(channels)]
        for node_channel in declaration.iter("midi-channel"):
            node_channel.text = str(channel)


def _declare_kit(root: Element, part: Element) -> None:
    """Declare every drum of the kit as an instrument of the part, and name on each note the one that plays it."""
    declaration = next(node for node in root.findall("part-list/score-part") if node.get("id") == part.get("id"))
    for old in [*declaration.findall("score-instrument"), *declaration.findall("midi-instrument")]:
        declaration.remove(old)
    for drum in KIT:
        node = SubElement(declaration, "score-instrument", id=_drum_id(part, drum.midi))
        SubElement(node, "instrument-name").text = drum.name
    for drum in KIT:
        node = SubElement(declaration, "midi-instrument", id=_drum_id(part, drum.midi))
        SubElement(node, "midi-channel").text = str(DRUM_CHANNEL + 1)
        SubElement(node, "midi-program").text = "1"
        SubElement(node, "midi-unpitched").text = str(drum.midi + 1)  # counted from 1
    for note, place, notehead in _drum_notes(part):
        after = next(i for i, child in enumerate(note) if child.tag == "duration")
        note.insert(after + 1, Element("instrument", id=_drum_id(part, drum_at(place, notehead).midi)))


def _drum_notes(part: Element) -> Iterator[tuple[Element, Spelled, str]]:
    for note in part.iter("note"):
        unpitched = note.find("unpitched")
        if unpitched is not None:
            step, octave = unpitched.findtext("display-step", ""), int(unpitched.findtext("display-octave", "4"))
            yield note, Spelled(step, 0, octave), note.findtext("notehead", "normal")


def _drum_id(part: Element, midi: int) -> str:
    return f"{part.get('id')}-D{midi}"
