"""The score's engine: a transcription goes in, MusicXML, PDF and MIDI come out. No weights."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import isfinite
from typing import ClassVar

from app.engines.contract import Engine, Options, Progress, unheard
from app.errors import BadAudio
from app.music import Transcription, WrittenScore
from app.score.engraving import Paper, Printer, engrave
from app.score.midi import to_midi
from app.score.notation import to_musicxml
from app.score.writing import write
from app.weights import Models


@dataclass(frozen=True)
class EngraverOptions(Options):
    paper: Paper = "a4"
    """Format of the PDF's pages: `a4` or `letter`."""


class Engraver(Engine[Transcription, WrittenScore, EngraverOptions]):
    """Quantises, writes with music21, engraves with Verovio and prints with typst."""

    task: ClassVar[str] = "score"
    name: ClassVar[str] = "verovio"
    version: ClassVar[str] = "1"
    options_type: ClassVar[type[Options]] = EngraverOptions

    def __init__(self, options: EngraverOptions, models: Models, device: str = "cpu") -> None:
        super().__init__(options, models, device)
        self._printer = Printer()

    def run(
        self, inputs: Sequence[Transcription], options: EngraverOptions, progress: Progress = unheard
    ) -> list[WrittenScore]:
        def part_of(i: int) -> Progress:
            return lambda fraction: progress((i + fraction) / len(inputs))

        return [self._write(transcription, options, part_of(i)) for i, transcription in enumerate(inputs)]

    def _write(self, transcription: Transcription, options: EngraverOptions, progress: Progress) -> WrittenScore:
        _check(transcription)
        progress(0.0)
        midi = to_midi(transcription)
        score = write(transcription)
        progress(0.2)
        musicxml = to_musicxml(score)
        progress(0.6)
        systems = engrave(musicxml, sum(len(part.staves) for part in score.parts), options.paper)
        progress(0.9)
        pdf = self._printer.print(score.title, score.artist, systems, options.paper)
        progress(1.0)
        return WrittenScore(musicxml=musicxml, pdf=pdf, midi=midi)


def _check(transcription: Transcription) -> None:
    """Raise `errors.BadAudio` where a time is not a number, or a pitch none that MIDI knows."""
    analysis = transcription.analysis
    notes = [note for part in transcription.parts.values() for note in part]
    times = [analysis.duration_s, analysis.tempo_bpm or 0.0, *(beat.time_s for beat in analysis.beats)]
    times += [time for chord in analysis.chords for time in (chord.onset_s, chord.offset_s)]
    times += [time for note in notes for time in (note.onset_s, note.offset_s)]
    times += [hit.onset_s for hit in transcription.hits]
    if not all(map(isfinite, times)):
        raise BadAudio(reason="its transcription holds a time that is not a number")
    pitches = [note.pitch_midi for note in notes] + [hit.drum_midi for hit in transcription.hits]
    if not all(0 <= pitch <= 127 for pitch in pitches):
        raise BadAudio(reason="its transcription holds a pitch outside 0 to 127")
