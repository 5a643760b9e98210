"""The demo command: a folder of results, and never somebody else's files lost."""

import json
from pathlib import Path

import pytest

from jobs import demo
from jobs.client import Refused
from jobs.local import LocalApplication


def run(application: LocalApplication, monkeypatch: pytest.MonkeyPatch, out: Path, *arguments: str) -> int:
    monkeypatch.setattr(demo, "URL", application.url)
    monkeypatch.setattr("sys.argv", ["demo", "--out", str(out), *arguments])
    return demo.main()


def test_a_song_becomes_a_folder(
    application: LocalApplication, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, song: Path
) -> None:
    out, arguments = tmp_path / "out", (str(song), "--recipe", "drum_score", "--option", "separation.engine=spectral")
    assert run(application, monkeypatch, out, *arguments) == 0
    made = {path.relative_to(out / "Two Bars").as_posix() for path in (out / "Two Bars").rglob("*.*")}
    assert {"drums.pdf", "drums.musicxml", "midi/drums.mid", "stems/drums.flac", "report.json"} <= made
    report = json.loads((out / "Two Bars" / "report.json").read_text())
    assert {artifact["role"] for artifact in report["artifacts"]} == made - {"report.json"}
    (out / "Two Bars" / "drums.pdf").write_text("my own notes")
    assert run(application, monkeypatch, out, *arguments) == 0
    assert (out / "Two Bars" / "drums.pdf").read_text() == "my own notes"
    assert (out / "Two Bars 2" / "drums.pdf").read_bytes().startswith(b"%PDF")


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["nowhere.mp3"], "There is no file nowhere.mp3"),
        (["--option", "language=de"], "TASK.NAME=VALUE"),
        (["--recipe", "karaoke"], "Choose one of: transcribe"),
    ],
)
def test_a_refusal_is_one_sentence(
    application: LocalApplication,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    says: str,
) -> None:
    assert run(application, monkeypatch, tmp_path / "out", *arguments) == 1
    told = " ".join(capsys.readouterr().out.split())
    assert says in told
    assert "Traceback" not in told
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("title", "name"),
    [
        ("AC/DC: Live?", "AC_DC_ Live_"),
        ("..", "untitled"),
        ("", "untitled"),
        ("a" * 300, "a" * demo.FOLDER_CHARACTERS),
        ("🎸 für Elise", "🎸 für Elise"),
        ("x\n../../etc", "x_.._.._etc"),
    ],
)
def test_any_title_names_a_folder_inside(tmp_path: Path, title: str, name: str) -> None:
    assert demo.new_folder(tmp_path, title) == tmp_path / name


def test_options_are_told_apart_by_task() -> None:
    pairs = ["separation.overlap=0.5", "lyrics.language=de", "separation.model=htdemucs"]
    assert demo.options_from(pairs) == {
        "separation": {"overlap": 0.5, "model": "htdemucs"},
        "lyrics": {"language": "de"},
    }
    with pytest.raises(Refused, match=r"lyrics\.language=de"):
        demo.options_from(["language=de"])
