"""Files from the store over HTTP, whole or in part, so that a browser can seek (RFC 9110, ranges).

One range at a time is served; a request for several gets the whole file, as the RFC allows.
"""

import re
from collections.abc import Iterator
from http import HTTPStatus
from pathlib import PurePath
from typing import IO
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from app.api.problems import RangeNotSatisfiable, respond
from app.store import Store

CHUNK_BYTES = 1 << 18  # 256 kB: 6 s of MP3; larger ones make seeking wait, smaller ones cost more than they carry


def respond_with_content(
    request: Request,
    store: Store,
    digest: str,
    size_bytes: int,
    role: str,
    media_type: str,
    filename: str,
    download: bool = False,
) -> Response:
    """The file, the part of it asked for, or that it has not changed. Raises `ArtifactGone`."""
    etag = f'"{digest}"'
    headers = {
        "ETag": etag,
        "Accept-Ranges": "bytes",
        "Cache-Control": "private, no-cache",  # keep it, but ask whether it is still the same
        "Content-Disposition": disposition(filename, download or "download" in request.query_params),
        "X-Content-Type-Options": "nosniff",
    }
    if _matches(request.headers.get("if-none-match", ""), etag):
        return Response(status_code=HTTPStatus.NOT_MODIFIED, headers=headers)
    wanted = request.headers.get("range", "")
    if request.headers.get("if-range", etag) != etag:
        wanted = ""
    part = parse_range(wanted, size_bytes)
    if part is not None and part.start >= size_bytes:
        error = RangeNotSatisfiable(range=wanted[:100], size_bytes=size_bytes)
        return respond(request, error, {"Content-Range": f"bytes */{size_bytes}"})
    status = HTTPStatus.OK
    if part is None:
        part = range(size_bytes)
    else:
        status = HTTPStatus.PARTIAL_CONTENT
        headers["Content-Range"] = f"bytes {part.start}-{part.stop - 1}/{size_bytes}"
    headers["Content-Length"] = str(len(part))
    file = store.open(digest, role)
    if request.method == "HEAD":
        file.close()
        return Response(status_code=status, headers=headers, media_type=media_type)
    return StreamingResponse(_chunks(file, part), status, headers, media_type)


def parse_range(header: str, size_bytes: int) -> range | None:
    """The bytes of a `Range` header; None where there is none to be served, and so the whole file is meant.

    A range that begins behind the end comes back as it was asked for.
    """
    match = re.fullmatch(r"\s*bytes\s*=\s*(\d*)\s*-\s*(\d*)\s*", header, re.ASCII | re.IGNORECASE)
    if match is None or match.group(1) == match.group(2) == "":
        return None
    first, last = match.groups()
    if first == "":  # the last so many bytes
        length = int(last)
        return range(max(size_bytes - length, 0), size_bytes) if length else range(size_bytes, size_bytes)
    if last and int(last) < int(first):
        return None
    return range(int(first), min(int(last) + 1, size_bytes) if last else size_bytes)


def disposition(filename: str, download: bool) -> str:
    """A `Content-Disposition` header for a name in any script (RFC 6266)."""
    kind = "attachment" if download else "inline"
    plain = "".join(c if c.isascii() and c.isprintable() and c not in '"\\%' else "_" for c in filename)
    return f"{kind}; filename=\"{plain}\"; filename*=UTF-8''{quote(filename, safe='')}"


def name_for(title: str, role: str) -> str:
    """What a downloaded artifact is called: `My Song - drums.flac`."""
    return f"{title} - {PurePath(role).name}"


def _matches(header: str, etag: str) -> bool:
    """Whether an `If-None-Match` header names the tag; a weak comparison, as the RFC says."""
    return any(tag.strip().removeprefix("W/") in (etag, "*") for tag in header.split(","))


def _chunks(file: IO[bytes], part: range) -> Iterator[bytes]:
    with file:
        file.seek(part.start)
        left = len(part)
        while left:
            chunk = file.read(min(CHUNK_BYTES, left))
            if not chunk:
                return  # shorter than the catalogue says: the missing bytes end the connection
            left -= len(chunk)
            yield chunk
