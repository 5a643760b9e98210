"""Weights from a server on this machine, good and bad, and from files put there by hand."""

import hashlib
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

import app.weights
from app.errors import WeightsBroken, WeightsMissing, WeightsUnreachable
from app.weights import TABLE, File, Models, Weights, main

GOOD = b"the numbers of a model" * 1000


@dataclass
class Hub:
    """A server of weights: path to what it sends, and what it was asked for."""

    url: str
    sends: dict[str, bytes] = field(default_factory=dict)
    cuts: set[str] = field(default_factory=set)
    """Paths whose answer breaks off half way."""
    asked: list[str] = field(default_factory=list)

    def row(self, name: str = "model", content: bytes = GOOD) -> Weights:
        """A row of the table for one file on this server, which has the checksum of `content`."""
        file = File(f"{name}.pt", f"{self.url}/{name}.pt", hashlib.sha256(content).hexdigest())
        return Weights(name, "whisper", (file,), "MIT", 1)

    def bag(self, *signatures: str) -> Weights:
        """A row like htdemucs's, its models on this server."""
        digest = hashlib.sha256(GOOD).hexdigest()
        names = [f"{signature}-{digest[:8]}.th" for signature in signatures]
        self.sends.update({f"/{name}": GOOD for name in names})
        files = tuple(File(name, f"{self.url}/{name}", digest) for name in names)
        return Weights("htdemucs", "demucs", files, "MIT", 1, bag="htdemucs.yaml")


@pytest.fixture
def hub() -> Iterator[Hub]:
    hub = Hub("")

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            hub.asked.append(self.path)
            content = hub.sends.get(self.path)
            self.send_response(404 if content is None else 200)
            self.send_header("Content-Length", str(len(content or b"")))
            self.end_headers()
            self.wfile.write((content or b"")[: 100 if self.path in hub.cuts else None])

        def log_message(self, *_: object) -> None:
            """Not on stderr, which the tests read."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    hub.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield hub
    server.shutdown()
    thread.join()
    server.server_close()


def fetching(folder: Path, *rows: Weights) -> Models:
    return Models(folder, may_fetch=True, table={row.name: row for row in rows})


def files_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.rglob("*") if path.is_file())


def test_what_is_not_there_is_refused_with_the_command_that_gets_it(tmp_path: Path) -> None:
    models = Models(tmp_path)
    for name in TABLE:
        assert f"python -m app.weights fetch {name}" in (models.missing(name) or "")
        with pytest.raises(WeightsMissing):
            models.path(name)
        with pytest.raises(WeightsMissing):
            models.fingerprint(name)
    assert files_in(tmp_path) == []


def test_a_name_that_is_in_no_table_is_a_mistake_of_the_caller(tmp_path: Path) -> None:
    with pytest.raises(KeyError):
        Models(tmp_path).missing("htdemuxx")


def test_a_fetch_brings_the_file_and_a_second_one_nothing_more(hub: Hub, tmp_path: Path) -> None:
    hub.sends["/model.pt"] = GOOD
    models = fetching(tmp_path, hub.row())
    assert models.missing("model") is None
    assert models.path("model") == tmp_path / "whisper" / "model.pt"
    assert models.path("model").read_bytes() == GOOD
    assert models.path("model").stat().st_mode & 0o044, "a service that runs as somebody else reads it too"
    assert hub.asked == ["/model.pt"]


def test_nothing_is_downloaded_without_leave(hub: Hub, tmp_path: Path) -> None:
    hub.sends["/model.pt"] = GOOD
    row = hub.row()
    assert Models(tmp_path, table={row.name: row}).missing("model")
    assert hub.asked == []


@pytest.mark.parametrize(
    ("sends", "cut"),
    [(None, False), (b"an error page", False), (GOOD, True)],
    ids=["gone", "corrupt", "broken off"],
)
def test_a_bad_download_leaves_no_file_and_says_what_to_do_by_hand(
    hub: Hub, tmp_path: Path, sends: bytes | None, cut: bool
) -> None:
    if sends is not None:
        hub.sends["/model.pt"] = sends
    if cut:
        hub.cuts.add("/model.pt")
    models = fetching(tmp_path, hub.row())
    with pytest.raises(WeightsUnreachable) as caught:
        models.path("model")
    assert f"{hub.url}/model.pt" in str(caught.value)
    assert str(tmp_path / "whisper") in str(caught.value)
    assert caught.value.retry
    assert files_in(tmp_path) == []


def test_a_hub_that_cannot_be_reached_is_a_reason_and_no_failure(tmp_path: Path) -> None:
    row = Hub("http://127.0.0.1:9").row()  # the discard port, where nobody listens
    assert "by hand" in (fetching(tmp_path, row).missing("model") or "")


def test_a_failure_is_remembered_for_a_while(hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    row = hub.row()
    first = fetching(tmp_path, row).missing("model")
    hub.sends["/model.pt"] = GOOD
    assert fetching(tmp_path, row).missing("model") == first
    assert hub.asked == ["/model.pt"]
    monkeypatch.setattr(app.weights, "FAILURE_KEPT_S", 0.0)
    assert fetching(tmp_path, row).missing("model") is None


def test_a_failure_remembered_gives_way_to_a_file_put_there_by_hand(hub: Hub, tmp_path: Path) -> None:
    models = fetching(tmp_path, hub.row())
    assert models.missing("model")
    (tmp_path / "whisper" / "model.pt").write_bytes(GOOD)
    assert models.missing("model") is None


def test_two_jobs_that_want_the_same_weights_fetch_them_once(hub: Hub, tmp_path: Path) -> None:
    hub.sends["/model.pt"] = GOOD
    row = hub.row()
    jobs = [threading.Thread(target=fetching(tmp_path, row).missing, args=("model",)) for _ in range(4)]
    for job in jobs:
        job.start()
    for job in jobs:
        job.join()
    assert hub.asked == ["/model.pt"]


def test_a_bag_is_fetched_with_all_its_models_and_its_list(hub: Hub, tmp_path: Path) -> None:
    row = hub.bag("955717e8")
    models = fetching(tmp_path, row)
    assert models.path("htdemucs") == tmp_path / "demucs"
    assert files_in(tmp_path) == [row.files[0].name, "htdemucs.yaml"]


def test_only_the_models_that_are_not_there_are_fetched(hub: Hub, tmp_path: Path) -> None:
    row = hub.bag("11111111", "22222222")
    (tmp_path / "demucs").mkdir()
    (tmp_path / "demucs" / row.files[0].name).write_bytes(GOOD)
    assert fetching(tmp_path, row).missing("htdemucs") is None
    assert hub.asked == [f"/{row.files[1].name}"]


def test_a_list_of_ones_own_is_honoured(tmp_path: Path) -> None:
    folder = tmp_path / "demucs"
    folder.mkdir()
    (folder / "htdemucs.yaml").write_text("models: [mine, abcd1234]")
    (folder / "mine.th").write_bytes(GOOD)
    assert Models(tmp_path).missing("htdemucs"), "one of two is there"
    (folder / "abcd1234-00000000.th").write_bytes(GOOD)
    assert Models(tmp_path).missing("htdemucs") is None
    assert Models(tmp_path).problems("htdemucs") == [
        f"abcd1234-00000000.th has the SHA-256 {hashlib.sha256(GOOD).hexdigest()}, not 00000000"
    ]


def test_a_list_that_names_models_nobody_knows_cannot_be_fetched(hub: Hub, tmp_path: Path) -> None:
    (tmp_path / "demucs").mkdir()
    (tmp_path / "demucs" / "htdemucs.yaml").write_text("models: [mine]")
    models = fetching(tmp_path, hub.bag("955717e8"))
    with pytest.raises(WeightsBroken, match="mine"):
        models.path("htdemucs")
    assert hub.asked == []


@pytest.mark.parametrize("text", ["", "models: 3", "weights: []", "{", "- a"])
def test_a_list_that_is_none_is_named(tmp_path: Path, text: str) -> None:
    (tmp_path / "demucs").mkdir()
    (tmp_path / "demucs" / "htdemucs.yaml").write_text(text)
    assert "htdemucs.yaml is no list of models" in (Models(tmp_path).missing("htdemucs") or "")


def test_the_fingerprint_names_the_content(tmp_path: Path) -> None:
    path = tmp_path / "whisper" / "base.pt"
    path.parent.mkdir()
    path.write_bytes(GOOD)
    models = Models(tmp_path)
    assert models.fingerprint("whisper-base") == hashlib.sha256(GOOD).hexdigest()[:12]
    path.write_bytes(GOOD + b"!")
    assert models.fingerprint("whisper-base") == hashlib.sha256(GOOD + b"!").hexdigest()[:12]


def test_the_fingerprint_of_a_bag_depends_on_its_list_and_on_every_model(tmp_path: Path) -> None:
    folder = tmp_path / "demucs"
    folder.mkdir()
    for name, content in {"htdemucs.yaml": b"models: [a, b]", "a.th": b"1", "b.th": b"2"}.items():
        (folder / name).write_bytes(content)
    seen = {Models(tmp_path).fingerprint("htdemucs")}
    for name, content in {"htdemucs.yaml": b"models: [b, a]", "a.th": b"one", "b.th": b"two"}.items():
        (folder / name).write_bytes(content)
        seen.add(Models(tmp_path).fingerprint("htdemucs"))
    assert len(seen) == 4


def test_the_table_agrees_with_the_libraries() -> None:
    """URLs and checksums as demucs and whisper themselves have them."""
    import whisper
    from demucs.pretrained import REMOTE_ROOT, _parse_remote_files
    from demucs.repo import BagOnlyRepo, RemoteRepo

    urls = _parse_remote_files(REMOTE_ROOT / "files.txt")
    for row in TABLE.values():
        if row.engine == "whisper":
            assert row.files[0].url == whisper._MODELS[row.name.removeprefix("whisper-")]
            assert row.files[0].sha256 in row.files[0].url
        else:
            listed = app.weights._read_bag(BagOnlyRepo(REMOTE_ROOT, RemoteRepo(urls)).list_model()[row.name])
            assert [file.url for file in row.files] == [urls[signature] for signature in listed]
            assert all(file.sha256.startswith(file.name[9:17]) and len(file.sha256) == 64 for file in row.files)


@pytest.fixture
def models_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TUTTI_MODELS_DIR", str(tmp_path))
    return tmp_path


def test_the_command_line_lists_what_is_here(models_dir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (models_dir / "whisper").mkdir()
    (models_dir / "whisper" / "tiny.pt").write_bytes(GOOD)
    assert main(["list"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines[1:]] == list(TABLE)
    assert [line.split()[0] for line in lines if " here " in line] == ["whisper-tiny"]


def test_the_command_line_verifies(models_dir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["verify"]) == 0, "nothing is there and nothing is wrong"
    assert main(["verify", "whisper-tiny"]) == 1
    assert "tiny.pt is not there" in capsys.readouterr().out
    (models_dir / "whisper").mkdir()
    (models_dir / "whisper" / "tiny.pt").write_bytes(GOOD)
    assert main(["verify"]) == 1
    assert hashlib.sha256(GOOD).hexdigest() in capsys.readouterr().out


def test_the_command_line_fetches(
    hub: Hub, models_dir: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(TABLE, "whisper-tiny", hub.row("tiny"))
    assert main(["fetch", "whisper-tiny"]) == 1
    assert "by hand" in capsys.readouterr().err
    hub.sends["/tiny.pt"] = GOOD
    assert main(["fetch", "whisper-tiny"]) == 0, "a person who asks again is not told of the failure before"
    assert files_in(models_dir) == ["tiny.pt"]
    assert main(["verify", "whisper-tiny"]) == 0


@pytest.mark.parametrize("arguments", [[], ["fetch"], ["fetch", "htdemuxx"], ["lists"]])
def test_the_command_line_refuses_what_it_does_not_know(models_dir: Path, arguments: list[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    assert caught.value.code == 2
