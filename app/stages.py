"""The steps of the pipeline: which artifacts each needs, which task it runs, which artifacts it makes.

A stage reads files and writes files; `running.py` does the rest. Artifacts are named by their role in the track:
`original`, `stems/drums.flac`, `notes/bass.json`. The order of `STAGES` is the order in which people are shown them.
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath
from typing import Any

from app import audio, captions, documents
from app.engines import drums, lyrics, notes, rhythm, separation
from app.music import Analysis, Hit, Lyrics, Note, Stems, Transcription, WrittenScore

ORIGINAL = "original"

Files = Mapping[str, Path]
"""Role to a file that may be read."""


@dataclass(frozen=True)
class Labels:
    """What the track is called. Only stages that write it down are given it, so that renaming costs only those."""

    title: str = ""
    artist: str = ""


@dataclass(frozen=True)
class Stage:
    """One step. `needs` and `makes` are patterns of roles."""

    name: str
    summary: str
    task: str
    needs: tuple[str, ...]
    makes: tuple[str, ...]
    load: Callable[[Files, Labels], list[Any]]
    save: Callable[[Files, Sequence[Any], Path], None]
    """Takes the files that were loaded, what the engine made of them, and a folder to write in."""
    weight: float
    """Share of a job's progress: about its seconds for 30 s of music on two cores with the built-in engines."""
    remark: Callable[[Sequence[Any]], str] = lambda _: ""
    """What a person should know of what the engine made, in a sentence; empty if nothing."""
    version: int = 1
    """Counted up when `load` or `save` changes what is written."""
    writes_labels: bool = False
    may_be_skipped: bool = False
    """A job goes on without it where no engine can run."""

    def inputs(self, roles: Mapping[str, str]) -> dict[str, str]:
        """Those of `roles` (role to digest) that this stage takes, in order."""
        return {role: roles[role] for role in sorted(roles) if any(fnmatchcase(role, need) for need in self.needs)}


def _if_empty(sentence: str) -> Callable[[Sequence[Any]], str]:
    """A remark where nothing was found in any of the inputs."""
    return lambda outputs: "" if any(outputs) else sentence


def _stem_of(role: str) -> str:
    return PurePosixPath(role).stem


def _load_mixture(files: Files, _: Labels) -> list[Any]:
    return [audio.open_recording(files[ORIGINAL], separation.RATE_HZ, separation.CHANNELS)]


def _save_stems(_: Files, outputs: Sequence[Stems], folder: Path) -> None:
    [stems] = outputs
    (folder / "stems").mkdir()
    with ExitStack() as stack:
        writers = {
            name: stack.enter_context(
                audio.FlacWriter(folder / "stems" / f"{name}.flac", stems.rate_hz, separation.CHANNELS)
            )
            for name in stems.names
        }
        for block in stems.blocks:
            for name, samples in block.items():
                writers[name].write(samples)


def _load_mono_mixture(files: Files, _: Labels) -> list[Any]:
    return [audio.load(files[ORIGINAL], rhythm.RATE_HZ)]


def _save_analysis(_: Files, outputs: Sequence[Analysis], folder: Path) -> None:
    documents.write(folder / "analysis.json", Analysis, outputs[0])


def _load_pitched_stems(files: Files, _: Labels) -> list[Any]:
    return [audio.load(path, notes.RATE_HZ) for path in files.values()]


def _save_notes(files: Files, outputs: Sequence[tuple[Note, ...]], folder: Path) -> None:
    for role, found in zip(files, outputs, strict=True):
        documents.write(folder / "notes" / f"{_stem_of(role)}.json", tuple[Note, ...], found)


def _load_drum_stem(files: Files, _: Labels) -> list[Any]:
    return [audio.load(files["stems/drums.flac"], drums.RATE_HZ)]


def _save_hits(_: Files, outputs: Sequence[tuple[Hit, ...]], folder: Path) -> None:
    documents.write(folder / "drums.json", tuple[Hit, ...], outputs[0])


def _load_vocal_stem(files: Files, _: Labels) -> list[Any]:
    return [audio.load(files["stems/vocals.flac"], lyrics.RATE_HZ)]


def _save_lyrics(_: Files, outputs: Sequence[Lyrics], folder: Path) -> None:
    [found] = outputs
    documents.write(folder / "lyrics.json", Lyrics, found)
    if found.words:
        (folder / "lyrics.lrc").write_text(captions.to_lrc(found), encoding="utf-8")
        (folder / "lyrics.srt").write_text(captions.to_srt(found), encoding="utf-8")
        (folder / "lyrics.txt").write_text(captions.to_text(found), encoding="utf-8")


def _load_transcription(files: Files, labels: Labels) -> list[Any]:
    parts = {_stem_of(role): role for role in files if role.startswith("notes/")}
    return [
        Transcription(
            title=labels.title,
            artist=labels.artist,
            analysis=documents.read(files["analysis.json"], Analysis, "analysis.json"),
            parts={name: documents.read(files[role], tuple[Note, ...], role) for name, role in parts.items()},
            hits=documents.read(files["drums.json"], tuple[Hit, ...], "drums.json"),
        )
    ]


def _save_score(_: Files, outputs: Sequence[WrittenScore], folder: Path) -> None:
    [score] = outputs
    (folder / "score.musicxml").write_bytes(score.musicxml)
    (folder / "score.pdf").write_bytes(score.pdf)
    _save_midi({name: content for name, content in score.midi.items() if name != "drums"}, folder)


def _save_drum_score(_: Files, outputs: Sequence[WrittenScore], folder: Path) -> None:
    [score] = outputs
    (folder / "drums.musicxml").write_bytes(score.musicxml)
    (folder / "drums.pdf").write_bytes(score.pdf)
    _save_midi({"drums": score.midi.get("drums", score.midi["all"])}, folder)  # without a stroke: the tempo map alone


def _save_midi(files: Mapping[str, bytes], folder: Path) -> None:
    (folder / "midi").mkdir()
    for name, content in files.items():
        (folder / "midi" / f"{name}.mid").write_bytes(content)


STAGES: Mapping[str, Stage] = {
    stage.name: stage
    for stage in (
        Stage(
            name="separation",
            summary="Takes the recording apart into stems",
            task="separation",
            needs=(ORIGINAL,),
            makes=("stems/*.flac",),
            load=_load_mixture,
            save=_save_stems,
            weight=4,
        ),
        Stage(
            name="rhythm",
            summary="Finds tempo, beats, key and chords",
            task="rhythm",
            needs=(ORIGINAL,),
            makes=("analysis.json",),
            load=_load_mono_mixture,
            save=_save_analysis,
            remark=lambda outputs: "" if outputs[0].beats else "No beat found.",
            weight=3,
        ),
        Stage(
            name="notes",
            summary="Writes down the notes of every pitched stem",
            task="notes",
            needs=("stems/[!d]*.flac",),  # every stem but drums
            makes=("notes/*.json",),
            load=_load_pitched_stems,
            save=_save_notes,
            remark=_if_empty("No notes found."),
            weight=4,
        ),
        Stage(
            name="drums",
            summary="Writes down the strokes of the drums",
            task="drums",
            needs=("stems/drums.flac",),
            makes=("drums.json",),
            load=_load_drum_stem,
            save=_save_hits,
            remark=_if_empty("No drums found."),
            weight=1,
        ),
        Stage(
            name="lyrics",
            summary="Writes down the sung words and their times",
            task="lyrics",
            needs=("stems/vocals.flac",),
            makes=("lyrics.json", "lyrics.lrc", "lyrics.srt", "lyrics.txt"),
            load=_load_vocal_stem,
            save=_save_lyrics,
            remark=lambda outputs: "" if outputs[0].words else "No lyrics found.",
            weight=4,
            may_be_skipped=True,
        ),
        Stage(
            name="drum_score",
            summary="Engraves the drum sheet",
            task="score",
            needs=("analysis.json", "drums.json"),
            makes=("drums.musicxml", "drums.pdf", "midi/drums.mid"),
            load=_load_transcription,
            save=_save_drum_score,
            weight=2,
            writes_labels=True,
        ),
        Stage(
            name="score",
            summary="Engraves the full score and writes MIDI",
            task="score",
            needs=("analysis.json", "drums.json", "notes/*.json"),
            makes=("score.musicxml", "score.pdf", "midi/all.mid", "midi/[!d]*.mid"),
            load=_load_transcription,
            save=_save_score,
            weight=3,
            writes_labels=True,
        ),
    )
}
