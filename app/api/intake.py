"""What users send, on its way to the disk: never whole in memory, refused while it is still coming in when too large.

multipart request → `receive_upload` → Upload. `fetch.py` does the same for a link.
"""

import asyncio
import unicodedata
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from tempfile import NamedTemporaryFile
from typing import IO, TYPE_CHECKING

from python_multipart import MultipartParser
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import parse_options_header
from starlette.requests import Request

from app.errors import BadRequest, MissingField, TooLarge

if TYPE_CHECKING:
    from python_multipart.multipart import MultipartCallbacks

MAX_TEXT_BYTES = 16_384
"""Longest text field. A title of 300 emoji takes 1200 bytes; options as JSON fit several times."""
MAX_PARTS = 32
MAX_OVERHEAD_BYTES = MAX_PARTS * (MAX_TEXT_BYTES + 8_192)
"""What a form may be longer than the file in it: texts, and their headers and boundaries."""
MAX_NAME_BYTES = 255
"""Longest file name that the usual file systems take."""
DEFAULT_NAME = "audio"
# They turn text around, so that `gpj.exe` reads as `exe.jpg`: no part of a name.
DIRECTION_MARKS = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


@dataclass(frozen=True)
class Upload:
    """A file that somebody sent, in a temporary file that whoever takes it deletes."""

    path: Path
    filename: str
    """What the sender calls it; safe as a file name."""
    size_bytes: int
    fields: Mapping[str, str]
    """The other, short, fields of the form."""


class Spool:
    """A temporary file that grows up to a limit."""

    def __init__(self, file: IO[bytes], max_bytes: int) -> None:
        self.path = Path(file.name)
        self.size_bytes = 0
        self._file = file
        self._max_bytes = max_bytes

    async def write(self, data: bytes) -> None:
        """Raises `TooLarge` instead of growing beyond the limit."""
        if self.size_bytes + len(data) > self._max_bytes:
            raise TooLarge(limit_bytes=self._max_bytes)
        self.size_bytes += len(data)
        await asyncio.to_thread(self._file.write, data)


@asynccontextmanager
async def spooled(folder: Path, max_bytes: int) -> AsyncIterator[Spool]:
    """A file in `folder`, which stays if all goes well and is gone if anything goes wrong, a cancelled request too."""
    with NamedTemporaryFile(dir=folder, prefix="upload-", delete=False) as file:
        try:
            yield Spool(file, max_bytes)
        except BaseException:
            Path(file.name).unlink()  # noqa: ASYNC240 - it takes no time, and awaiting could be cancelled
            raise


async def receive_upload(request: Request, field: str, max_bytes: int, folder: Path) -> Upload:
    """Write the file in the multipart field `field` into `folder` as it arrives.

    Raises `MissingField`, `TooLarge` (as soon as it is known) or `BadRequest` where the form cannot be read.
    """
    if declared_bytes(request.headers) > max_bytes + MAX_OVERHEAD_BYTES:
        raise TooLarge(limit_bytes=max_bytes)
    kind, options = parse_options_header(request.headers.get("content-type"))
    if kind != b"multipart/form-data" or not options.get(b"boundary"):
        raise MissingField(field=field)
    async with spooled(folder, max_bytes) as spool:
        form = _Form(field)
        try:
            parser = MultipartParser(options[b"boundary"], form.callbacks)
            async for chunk in _limited(request.stream(), max_bytes):
                parser.write(chunk)
                await spool.write(form.take_content())
            if not form.ended:
                raise BadRequest(reason="the form in it breaks off")
        except FormParserError as error:
            raise BadRequest(reason="the form in it is broken") from error
        if form.filename is None:
            raise MissingField(field=field)
        return Upload(spool.path, safe_filename(form.filename), spool.size_bytes, form.texts())


def declared_bytes(headers: Mapping[str, str]) -> int:
    """What the other side says that it will send; 0 where it does not say."""
    declared = headers.get("content-length", "")
    return int(declared) if declared.isascii() and declared.isdigit() else 0


async def _limited(chunks: AsyncIterator[bytes], max_bytes: int) -> AsyncIterator[bytes]:
    """The chunks, as long as there is no more than a form around `max_bytes` can have."""
    total = 0
    async for chunk in chunks:
        total += len(chunk)
        if total > max_bytes + MAX_OVERHEAD_BYTES:
            raise TooLarge(limit_bytes=max_bytes)
        yield chunk


class _Form:
    """Sorts the parts of a form: one file's content, to be taken as it comes, and short texts."""

    def __init__(self, field: str) -> None:
        self.filename: str | None = None
        self.ended = False
        self._field = field
        self._texts: dict[str, bytearray] = {}
        self._content = bytearray()
        self._parts = 0
        self._header = (bytearray(), bytearray())
        self._disposition = b""
        self._target: bytearray | None = None  # where the present part's data go; None: nowhere

    @property
    def callbacks(self) -> "MultipartCallbacks":
        return {
            "on_part_begin": self._on_part_begin,
            "on_header_field": self._on_header_field,
            "on_header_value": self._on_header_value,
            "on_header_end": self._on_header_end,
            "on_headers_finished": self._on_headers_finished,
            "on_part_data": self._on_part_data,
            "on_end": self._on_end,
        }

    def take_content(self) -> bytes:
        """The file's bytes since the last time."""
        content = bytes(self._content)
        self._content.clear()
        return content

    def texts(self) -> dict[str, str]:
        return {name: _decoded(bytes(text)) for name, text in self._texts.items()}

    def _on_part_begin(self) -> None:
        self._parts += 1
        if self._parts > MAX_PARTS:
            raise BadRequest(reason=f"the form has more than {MAX_PARTS} fields")
        self._disposition = b""

    def _on_header_field(self, data: bytes, start: int, end: int) -> None:
        self._header[0].extend(data[start:end])

    def _on_header_value(self, data: bytes, start: int, end: int) -> None:
        self._header[1].extend(data[start:end])

    def _on_header_end(self) -> None:
        name, value = self._header
        if name.lower() == b"content-disposition":
            self._disposition = bytes(value)
        self._header = (bytearray(), bytearray())

    def _on_headers_finished(self) -> None:
        _, options = parse_options_header(self._disposition)
        name = _decoded(options.get(b"name", b""))
        if b"filename" not in options:
            self._target = self._texts.setdefault(name, bytearray())
        elif name != self._field:
            self._target = None
        elif self.filename is not None:
            raise BadRequest(reason=f"the form has more than one file in {self._field}; send them one by one")
        else:
            # Browsers write quotation marks so (https://html.spec.whatwg.org/#multipart-form-data).
            self.filename = _decoded(options[b"filename"]).replace("%22", '"')
            self._target = self._content

    def _on_part_data(self, data: bytes, start: int, end: int) -> None:
        if self._target is None:
            return
        self._target.extend(data[start:end])
        if self._target is not self._content and len(self._target) > MAX_TEXT_BYTES:
            raise BadRequest(reason=f"a text field in the form is longer than {MAX_TEXT_BYTES} bytes")

    def _on_end(self) -> None:
        self.ended = True


def _decoded(text: bytes) -> str:
    try:
        return text.decode()
    except UnicodeDecodeError:
        return text.decode("latin-1")


def safe_filename(name: str) -> str:
    """The last part of a path, without what has no place in a file name, in at most 255 bytes of UTF-8."""
    base = PurePosixPath(name.replace("\\", "/")).name
    kept = "".join(c for c in base if unicodedata.category(c) not in ("Cc", "Cs") and c not in DIRECTION_MARKS).strip()
    if not kept.strip("."):
        return DEFAULT_NAME
    suffix = PurePosixPath(kept).suffix
    if len(suffix.encode()) > 16:  # not one of a file type
        suffix = ""
    stem = kept.removesuffix(suffix).encode()[: MAX_NAME_BYTES - len(suffix.encode())]
    return stem.decode(errors="ignore") + suffix
