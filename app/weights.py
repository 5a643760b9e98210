"""Every model: where its weights come from, how they are checked, their licence and size; find, fetch, verify.

Weights lie in one folder: in `demucs/` a repository as demucs knows it (lists `htdemucs.yaml` and models
`955717e8-8726e21a.th`), in `whisper/` `base.pt` and its like. Whatever lies there under the right name is used, be it
from here, put there by hand, or somebody's own training; `verify` tells. Loading runs pickled code: trust the source.

    python -m app.weights list | fetch htdemucs whisper-base | verify
"""

import argparse
import logging
import os
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from hashlib import file_digest, sha256
from importlib.resources import files as package_files
from pathlib import Path
from threading import Lock

from app.errors import WeightsBroken, WeightsMissing, WeightsUnreachable

log = logging.getLogger(__name__)

# After a failed download the next ones fail at once for this long, so that not every job of a library waits for a
# connection that cannot be had; long enough for that, short enough to notice that the network is back.
FAILURE_KEPT_S = 600.0
# To connect, and between two pieces of the answer. requests' own default waits for ever.
TIMEOUTS_S = (10.0, 60.0)


@dataclass(frozen=True)
class File:
    """One file to download."""

    name: str
    url: str
    sha256: str


@dataclass(frozen=True)
class Weights:
    """The weights of one model."""

    name: str
    engine: str
    """Who loads them, and the folder they lie in."""
    files: tuple[File, ...]
    licence: str
    megabytes: int
    """Size of the download, in 10^6 bytes."""
    bag: str = ""
    """The list of a demucs "bag of models", which the demucs package holds; empty elsewhere."""


# The code is MIT; of the weights the author says "not covered by the MIT license, and are provided only for scientific
# purposes" (facebookresearch/demucs#327, again in #508).
_DEMUCS_LICENCE = "research use only (code: MIT)"
_DEMUCS_URL = "https://dl.fbaipublicfiles.com/demucs"  # demucs.pretrained.ROOT_URL
_WHISPER_URL = "https://openaipublic.azureedge.net/main/whisper/models"


def _demucs(name: str, root: str, megabytes: int, *models: str) -> Weights:
    """`models`: signature, hyphen, SHA-256; demucs names a file by the signature and the first 8 digits of that."""
    files = tuple(File(f"{m[:17]}.th", f"{_DEMUCS_URL}/{root}/{m[:17]}.th", m[9:]) for m in models)
    return Weights(name, "demucs", files, _DEMUCS_LICENCE, megabytes, bag=f"{name}.yaml")


def _whisper(name: str, file: str, megabytes: int, digest: str) -> Weights:
    url = f"{_WHISPER_URL}/{digest}/{file}"
    return Weights(f"whisper-{name}", "whisper", (File(file, url, digest),), "MIT", megabytes)


_HYBRID = "hybrid_transformer"
_ROWS = (
    _demucs("htdemucs", _HYBRID, 84, "955717e8-8726e21a993978c7ba086d3872e7608d7d5bfca646ca4aca459ffda844faa8b4"),
    _demucs(
        "htdemucs_ft",
        _HYBRID,
        337,
        "f7e0c4bc-ba3fe64ae8ef66ac9a4857222ce48efbdc5eb3ad375cb79dd13debee5aaa4066",
        "d12395a8-e57c48e6b0e38af4f7118d7bd08c49f0a0c0edf7d09143bdd902ea0d237303e6",
        "92cfc3b6-ef3bcb9c8b40d14ae5d51b6db2587339cc12c6b77c0be151ce6d69002e087bf2",
        "04573f0d-f3cf25b222c4eed7cd49dd8b2c9597d50c18bd154090f7b919cfa5f93cf22c49",
    ),
    _demucs("htdemucs_6s", _HYBRID, 55, "5c90dfd2-34c22ccb381c6f9fdbf324f04e1e2fe21aaaf293f5ded163a162697ff9a02ddd"),
    _demucs(
        "mdx_extra",
        "mdx_final",
        670,
        "e51eebcc-c1b80bdd6de58274abf359e66822a76f49ce2b9f086fc5dc917ac14598e6bebf",
        "a1d90b5c-ae9d245283bf24b552913ee233a1101dcd0aeaed59b1c0a2da0e1f6eda15101b",
        "5d2d6c55-db83574e05b2308f76e2764819da673f2d16d437b9e619f5fcb72f275fc0e24f",
        "cfa93e08-61801ae1567d606c97a9c3469e943ae306d0a873eeb60d623ae7cfc7042b3f68",
    ),
    _whisper("tiny", "tiny.pt", 76, "65147644a518d12f04e32d6f3b26facc3f8dd46e5390956a9424a650c0ce22b9"),
    _whisper("base", "base.pt", 145, "ed3a0b6b1c0edf879ad9b11b1af5a0e6ab5db9205f891f668f8b0e6c6326e34e"),
    _whisper("small", "small.pt", 484, "9ecf779972d90ba49c06d968637d720dd632c55bbf19d441fb42bf17a411e794"),
    _whisper("medium", "medium.pt", 1528, "345ae4da62f9b3d59415adc60127b97c714f32e89e936602e85993674d08dcb1"),
    _whisper("large-v3", "large-v3.pt", 3087, "e5b1a55b89c1367dacf97e3e19bfd829a01529dbfdeefa8caeb59b3f1b81dadb"),
    _whisper("turbo", "large-v3-turbo.pt", 1618, "aff26ae408abcba5fbf8813c21e62b0941638c5f6eebfb145be0c9839262a19a"),
)
TABLE: Mapping[str, Weights] = {row.name: row for row in _ROWS}


_fetching = Lock()  # One download at a time in a process: two jobs that want the same weights fetch them once.
_failures: dict[tuple[Path, str], tuple[float, WeightsUnreachable]] = {}
"""(folder, name) to (when, why) of failed downloads. Of the process, as each job may have a `Models` of its own."""


class Models:
    """The weights on this machine, in one folder.

    With `may_fetch`, the first question about weights that are not there downloads them, which takes minutes.
    """

    def __init__(self, folder: Path, may_fetch: bool = False, table: Mapping[str, Weights] = TABLE) -> None:
        self.folder = folder
        self.may_fetch = may_fetch
        self.table = table

    def missing(self, name: str) -> str | None:
        """Why the weights `name` cannot be had, in a sentence that says how to get them; None if they are there."""
        try:
            self.path(name)
        except (WeightsMissing, WeightsUnreachable, WeightsBroken) as error:
            return str(error)
        return None

    def path(self, name: str) -> Path:
        """Where the weights `name` lie, fetched first if need be: whisper's file, or demucs's repository folder.

        Raises `WeightsMissing` or, where they may be fetched, `WeightsUnreachable`; `WeightsBroken` where a bag cannot
        be read or lists a model that is neither there nor known.
        """
        row = self.table[name]
        if self._absent(row):
            self._fetch_if_allowed(row)
        folder = self.folder / row.engine
        if not row.bag:
            return folder / row.files[0].name
        _write_bag(folder / row.bag)
        return folder

    def fingerprint(self, name: str) -> str:
        """The first 12 hexadecimal digits of the SHA-256 of the weights `name`: names their content.

        Several files count as the list of their digests. Raises as `path` does.
        """
        self.path(name)
        row = self.table[name]
        bag = [self.folder / row.engine / row.bag] if row.bag else []
        digests = [_digest(path) for path in bag + self._models(row)]
        whole = digests[0] if len(digests) == 1 else sha256("\n".join(digests).encode()).hexdigest()
        return whole[:12]

    def fetch(self, name: str, progressbar: bool = False) -> None:
        """Download what is not there yet. Raises `WeightsUnreachable`; a file is there complete and checked, or not."""
        row = self.table[name]
        known = {file.name: file for file in row.files}
        for path in self._absent(row):
            if path.name not in known:
                raise WeightsBroken(
                    weights=name, models_dir=path.parent, reason=f"{row.bag} lists {path.stem}, which is not there"
                )
            try:
                _download(known[path.name], path.parent, progressbar)
            except (OSError, ValueError) as error:  # network and disk; another checksum
                raise WeightsUnreachable(
                    weights=name,
                    reason=str(error).rstrip("."),
                    folder=path.parent,
                    files=", ".join(file.url for file in row.files),
                ) from error

    def problems(self, name: str) -> list[str]:
        """What is not as published in the weights `name`, a phrase each; empty if all is well."""
        row = self.table[name]
        published = {file.name: file.sha256 for file in row.files}
        found = []
        for path in self._models(row):
            # demucs writes the beginning of the checksum into the name, also of models trained by others.
            expected = published.get(path.name) or (path.stem.partition("-")[2] if row.bag else "")
            if not path.is_file():
                found.append(f"{path.name} is not there")
            elif not (digest := _digest(path)).startswith(expected):
                found.append(f"{path.name} has the SHA-256 {digest}, not {expected}")
        return found

    def _fetch_if_allowed(self, row: Weights) -> None:
        if not self.may_fetch:
            raise WeightsMissing(weights=row.name, models_dir=self.folder)
        key = (self.folder, row.name)
        with _fetching:
            if key in _failures and time.monotonic() - _failures[key][0] < FAILURE_KEPT_S:
                raise WeightsUnreachable(**_failures[key][1].facts)
            try:
                self.fetch(row.name)
            except WeightsUnreachable as error:
                log.warning("%s", error)
                _failures[key] = (time.monotonic(), error)
                raise

    def _absent(self, row: Weights) -> list[Path]:
        return [path for path in self._models(row) if not path.is_file()]

    def _models(self, row: Weights) -> list[Path]:
        """The files with the numbers, there or not."""
        folder = self.folder / row.engine
        names = [file.name for file in row.files]
        bag = folder / row.bag
        if not row.bag or not bag.is_file():
            return [folder / name for name in names]
        return [_find_model(folder, signature, names) for signature in _read_bag(bag)]


def _read_bag(bag: Path) -> list[str]:
    """The signatures of a demucs bag's models. Raises `WeightsBroken`."""
    import yaml

    try:
        return [str(signature) for signature in yaml.safe_load(bag.read_text())["models"]]
    except (yaml.YAMLError, KeyError, TypeError, UnicodeDecodeError) as error:
        reason = f"{bag.name} is no list of models ({type(error).__name__})"
        raise WeightsBroken(weights=bag.stem, models_dir=bag.parent, reason=reason) from error


def _write_bag(bag: Path) -> None:
    """Put the list that comes with demucs beside the models, where there is none yet."""
    if not bag.is_file():
        part = bag.with_name(f"{bag.name}.{os.getpid()}.part")
        part.write_bytes((package_files("demucs") / "remote" / bag.name).read_bytes())
        part.replace(bag)


def _find_model(folder: Path, signature: str, known: Sequence[str]) -> Path:
    """As demucs.repo.LocalRepo finds it: the name is the signature, and the checksum if any after a hyphen."""
    there = [path for path in sorted(folder.glob(f"{signature}*.th")) if path.stem.rsplit("-", 1)[0] == signature]
    published = [name for name in known if name.startswith(f"{signature}-")]
    return there[0] if there else folder / (published or [f"{signature}.th"])[0]


def _download(file: File, folder: Path, progressbar: bool) -> None:
    """Fetch one file; it gets its name once it is complete and its checksum right. Raises OSError or ValueError."""
    import pooch

    downloader = pooch.HTTPDownloader(progressbar=progressbar, chunk_size=2**20, timeout=TIMEOUTS_S)
    pooch.retrieve(file.url, f"sha256:{file.sha256}", fname=file.name, path=folder, downloader=downloader)
    (folder / file.name).chmod(0o644)  # pooch leaves them to their owner alone; a service may run as somebody else


def _digest(path: Path) -> str:
    """SHA-256 of a file, computed once in a process for as long as the file stays the same."""
    status = path.stat()
    return _digest_once(path, status.st_mtime_ns, status.st_size)


@cache
def _digest_once(path: Path, _mtime_ns: int, _size: int) -> str:
    with path.open("rb") as file:
        return file_digest(file, "sha256").hexdigest()


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line. Returns the exit code: 0 if all that was asked for is there and right, 1 if not."""
    from app.settings import Settings

    parser = argparse.ArgumentParser(prog="python -m app.weights", description="Find, fetch and verify weights.")
    parser.add_argument("command", choices=("list", "fetch", "verify"))
    parser.add_argument("names", nargs="*", metavar="NAME", help="verify: those that are there, where none is named")
    asked = parser.parse_args(arguments)
    if unknown := [name for name in asked.names if name not in TABLE]:
        parser.error(f"unknown: {', '.join(unknown)}; choose from {', '.join(TABLE)}")
    if asked.command == "fetch" and not asked.names:
        parser.error(f"name what to fetch: {', '.join(TABLE)}")
    folder = Settings().resolved().models_dir
    assert folder is not None  # resolved() fills it in
    command = {"list": _list, "fetch": _fetch, "verify": _verify}[asked.command]
    models = Models(folder)
    everything = [name for name in TABLE if asked.command == "list" or not models.missing(name)]
    return command(models, asked.names or everything)


def _list(models: Models, names: Sequence[str]) -> int:
    print(f"in {models.folder}")
    for row in (models.table[name] for name in names):
        print(f"{row.name:<18}{row.megabytes:>6} MB  {'' if models.missing(row.name) else 'here':<6}{row.licence}")
    return 0


def _fetch(models: Models, names: Sequence[str]) -> int:
    try:
        for name in names:
            models.fetch(name, progressbar=True)
            print(f"{name} is in {models.path(name)}")
    except (WeightsUnreachable, WeightsBroken) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def _verify(models: Models, names: Sequence[str]) -> int:
    found = {name: models.problems(name) for name in names}
    for name, problems in found.items():
        print(f"{name}: {'; '.join(problems) or 'ok'}")
    return int(any(found.values()))


if __name__ == "__main__":
    sys.exit(main())
