"""Files on their way in: over multipart and by link, whole, too large, broken off, and with ill intent."""

import asyncio
import socket
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from app.api import fetch
from app.api.fetch import fetch_url, is_public
from app.api.intake import MAX_OVERHEAD_BYTES, MAX_PARTS, MAX_TEXT_BYTES, receive_upload, safe_filename
from app.errors import BadRequest, ForbiddenUrl, MissingField, TooLarge, TuttiError, UrlFailed

LIMIT = 100_000


def files_in(folder: Path) -> list[Path]:
    return list(folder.rglob("*"))


# By multipart


async def post(folder: Path, limit: int = LIMIT, **sent: Any) -> httpx.Response:
    """Send a request through a real Starlette application to `receive_upload`."""

    async def endpoint(request: Request) -> JSONResponse:
        try:
            upload = await receive_upload(request, "file", limit, folder)
        except TuttiError as error:
            return JSONResponse({"error": type(error).__name__, "detail": str(error)}, error.status)
        return JSONResponse(
            {"filename": upload.filename, "name": upload.path.name, "size": upload.size_bytes, **upload.fields}
        )

    transport = httpx.ASGITransport(Starlette(routes=[Route("/", endpoint, methods=["POST"])]))
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        return await client.post("/", **sent)


def multipart(content: bytes, name: bytes = b"song.mp3", boundary: bytes = b"xyz") -> bytes:
    head = b'--%s\r\nContent-Disposition: form-data; name="file"; filename="%s"\r\n\r\n' % (boundary, name)
    return head + content + b"\r\n--%s--\r\n" % boundary


FORM = {"content-type": "multipart/form-data; boundary=xyz"}


async def test_a_request_without_the_file_names_the_missing_field(tmp_path: Path) -> None:
    for sent in (
        {"files": {"other": ("a.mp3", b"x")}},
        {"data": {"file": "only text"}, "files": {"other": ("a.mp3", b"x")}},
        {"json": {"file": "a.mp3"}},
        {"content": b""},
        {"content": b"x", "headers": {"content-type": "multipart/form-data"}},
        {"content": multipart(b"x"), "headers": {"content-type": "text/plain"}},
    ):
        response = await post(tmp_path, **sent)
        assert response.status_code == 422
        assert response.json()["error"] == MissingField.__name__
        assert "file" in response.json()["detail"]
    assert files_in(tmp_path) == []


@pytest.mark.parametrize(
    "body",
    [
        multipart(b"x" * 500)[:-20],  # breaks off
        b"--xyz\r\nno colon here\r\n\r\nx\r\n--xyz--",
        b"not a form at all",
        b'--xyz\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\nx\r\n' * 2 + b"--xyz--\r\n",
        b"".join(b'--xyz\r\nContent-Disposition: form-data; name="%d"\r\n\r\nx\r\n' % i for i in range(MAX_PARTS + 1)),
        b'--xyz\r\nContent-Disposition: form-data; name="title"\r\n\r\n' + b"x" * (MAX_TEXT_BYTES + 1) + b"\r\n--xyz--",
    ],
    ids=["breaks off", "bad header", "no form", "two files", "too many parts", "long text"],
)
async def test_a_broken_form_is_refused_and_leaves_nothing(body: bytes, tmp_path: Path) -> None:
    response = await post(tmp_path, content=body, headers=FORM)
    assert response.status_code == 400
    assert response.json()["error"] == BadRequest.__name__
    assert files_in(tmp_path) == []


async def test_a_declared_length_over_the_limit_is_refused_before_anything_is_read(tmp_path: Path) -> None:
    async def body() -> AsyncIterator[bytes]:
        pytest.fail("the body was read")
        yield b""

    length = {"content-length": str(LIMIT + MAX_OVERHEAD_BYTES + 1)}
    response = await post(tmp_path, content=body(), headers={**FORM, **length})
    assert (response.status_code, response.json()["error"]) == (413, TooLarge.__name__)


@pytest.mark.parametrize("name", [b"file", b"junk"])
async def test_an_endless_upload_is_refused_while_it_comes_in(name: bytes, tmp_path: Path) -> None:
    sent = 0

    async def body() -> AsyncIterator[bytes]:
        nonlocal sent
        yield multipart(b"").replace(b'name="file"', b'name="%s"' % name).partition(b"\r\n\r\n")[0] + b"\r\n\r\n"
        while True:
            sent += 10_000
            yield b"x" * 10_000

    response = await post(tmp_path, content=body(), headers=FORM)
    assert (response.status_code, response.json()["error"]) == (413, TooLarge.__name__)
    assert str(LIMIT) in response.json()["detail"]
    assert sent <= LIMIT + MAX_OVERHEAD_BYTES + 10_000
    assert files_in(tmp_path) == []


async def test_a_file_of_just_the_limit_is_taken_and_one_byte_more_is_not(tmp_path: Path) -> None:
    assert (await post(tmp_path, files={"file": ("a.mp3", b"x" * LIMIT)})).json()["size"] == LIMIT
    assert (await post(tmp_path, files={"file": ("a.mp3", b"x" * (LIMIT + 1))})).status_code == 413
    assert len(files_in(tmp_path)) == 1


async def test_the_file_arrives_byte_for_byte_whatever_the_pieces(tmp_path: Path) -> None:
    content = bytes(range(256)) * 200 + b"\r\n--xy\r\n--"  # with the beginnings of a boundary in it
    body = multipart(content)

    async def pieces(size: int) -> AsyncIterator[bytes]:
        for start in range(0, len(body), size):
            yield body[start : start + size]

    for size in (7, 64, 1_000, len(body)):
        response = await post(tmp_path, content=pieces(size), headers=FORM)
        assert (tmp_path / response.json()["name"]).read_bytes() == content


async def test_text_fields_come_along(tmp_path: Path) -> None:
    response = await post(tmp_path, data={"title": "Ça ira 🥁", "artist": ""}, files={"file": ("a.mp3", b"x")})
    assert (response.json()["title"], response.json()["artist"]) == ("Ça ira 🥁", "")


async def test_a_sender_who_hangs_up_leaves_nothing(tmp_path: Path) -> None:
    async def receive() -> dict[str, Any]:
        messages.append(1)
        if len(messages) == 1:
            return {"type": "http.request", "body": multipart(b"x" * 1_000)[:500], "more_body": True}
        return {"type": "http.disconnect"}

    messages: list[int] = []
    headers = [(b"content-type", b"multipart/form-data; boundary=xyz")]
    request = Request({"type": "http", "method": "POST", "path": "/", "headers": headers}, receive)
    with pytest.raises(ClientDisconnect):
        await receive_upload(request, "file", LIMIT, tmp_path)
    assert files_in(tmp_path) == []


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        ("song.mp3", "song.mp3"),
        ("../../etc/passwd", "passwd"),
        ("C:\\music\\song.mp3", "song.mp3"),
        ("..\\..\\song.mp3", "song.mp3"),
        ("a/b\\c/song.mp3", "song.mp3"),
        ("/", "audio"),
        ("..", "audio"),
        ("", "audio"),
        ("...", "audio"),
        ("so\0ng\n\x1b[31m.mp3", "song[31m.mp3"),
        ("gnos\u202e3pm.exe", "gnos3pm.exe"),
        ('"quoted" 🥁\u200d.flac', '"quoted" 🥁\u200d.flac'),
        (" song.mp3 ", "song.mp3"),
        ("x" * 300 + ".mp3", "x" * 251 + ".mp3"),
        ("é" * 300 + ".mp3", "é" * 125 + ".mp3"),
        ("x." + "y" * 300, "x." + "y" * 253),
        (".hidden", ".hidden"),
    ],
)
def test_a_file_name_is_made_safe(sent: str, kept: str) -> None:
    assert safe_filename(sent) == kept
    assert len(safe_filename(sent).encode()) <= 255


@pytest.mark.parametrize("name", ['a "b".mp3', "ä/ö🥁.mp3", "..\\..\\x.mp3"])
async def test_file_names_as_browsers_send_them(name: str, tmp_path: Path) -> None:
    response = await post(tmp_path, files={"file": (name, b"x")})
    assert response.json()["filename"] == safe_filename(name)
    assert {path.parent for path in files_in(tmp_path)} == {tmp_path}


async def test_a_file_name_in_an_old_encoding_is_read(tmp_path: Path) -> None:
    response = await post(tmp_path, content=multipart(b"x", "Größe.mp3".encode("latin-1")), headers=FORM)
    assert response.json()["filename"] == "Größe.mp3"


# By link


@dataclass
class Web:
    """A real server on loopback: what it answers, and what it was asked."""

    port: int
    answers: dict[str, Callable[[BaseHTTPRequestHandler], None]] = field(default_factory=dict)
    asked: list[tuple[str, str]] = field(default_factory=list)
    """Host header and path of each request."""

    def url(self, path: str, host: str = "127.0.0.1") -> str:
        return f"http://{host}:{self.port}{path}"

    def answer(self, path: str, content: bytes = b"", status: int = 200, **headers: str) -> str:
        def send(handler: BaseHTTPRequestHandler) -> None:
            handler.send_response(status)
            for name, value in ({"content_length": str(len(content))} | headers).items():
                handler.send_header(name.replace("_", "-"), value)
            handler.end_headers()
            handler.wfile.write(content)

        self.answers[path] = send
        return self.url(path)


@pytest.fixture
def web() -> Iterator[Web]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            site.asked.append((self.headers["host"], self.path))
            with suppress(BrokenPipeError, ConnectionResetError):  # the client may have had enough
                site.answers[self.path.partition("?")[0]](self)

        def log_message(self, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("0.0.0.0", 0), Handler)  # so that every 127.x.x.x reaches it
    site = Web(server.server_port)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield site
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def get(tmp_path: Path) -> partial[Any]:
    return partial(fetch_url, max_bytes=LIMIT, folder=tmp_path, allow_private=True)


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "localhost",
        "localhost.",
        "[::1]",
        "2130706433",
        "0x7f000001",
        "0177.0.0.1",
        "017700000001",
        "127.1",
        "0",
        "[::ffff:127.0.0.1]",
        "[::ffff:7f00:1]",
        "[64:ff9b::7f00:1]",
        "[2002:7f00:1::]",
        "10.0.0.1",
        "172.16.0.1",
        "192.168.1.1",
        "169.254.169.254",
        "100.64.0.1",
        "192.0.0.192",
        "224.0.0.1",
        "255.255.255.255",
        "[fd00::1]",
        "[fe80::1]",
        "[::]",
    ],
)
async def test_private_addresses_are_not_asked(host: str, web: Web, tmp_path: Path) -> None:
    web.answer("/song.mp3", b"secret")
    with pytest.raises((ForbiddenUrl, UrlFailed)) as refused:
        await fetch_url(web.url("/song.mp3", host), LIMIT, tmp_path, allow_private=False)
    assert isinstance(refused.value, ForbiddenUrl) or "no host" in str(refused.value)
    assert web.asked == []
    assert files_in(tmp_path) == []


@pytest.mark.parametrize("address", ["8.8.8.8", "1.1.1.1", "2606:4700::1111", "::ffff:8.8.8.8", "64:ff9b::808:808"])
def test_public_addresses_may_be_asked(address: str) -> None:
    assert is_public(ip_address(address))


@pytest.mark.parametrize(
    "url",
    [
        "file:///etc/passwd",
        "ftp://example.com/song.mp3",
        "gopher://127.0.0.1/",
        "data:audio/mp3;base64,AAAA",
        "song.mp3",
        "//example.com/song.mp3",
        "http://",
        "http:///song.mp3",
        "http://user:secret@example.com/song.mp3",
        "http://[::1/song.mp3",
        "",
    ],
)
async def test_other_links_are_not_followed(url: str, get: partial[Any]) -> None:
    with pytest.raises(ForbiddenUrl) as refused:
        await get(url)
    assert "secret" not in str(refused.value)


async def test_a_file_is_fetched_byte_for_byte_with_its_name(web: Web, get: partial[Any]) -> None:
    content = bytes(range(256)) * 300
    upload = await get(web.answer("/music/My%20Song.mp3", content, content_type="audio/mpeg") + "?token=1")
    assert (upload.path.read_bytes(), upload.size_bytes, upload.filename) == (content, len(content), "My Song.mp3")
    assert web.asked == [(f"127.0.0.1:{web.port}", "/music/My%20Song.mp3?token=1")]


@pytest.mark.parametrize(
    ("disposition", "filename"),
    [
        ('attachment; filename="../../song.mp3"', "song.mp3"),
        ("attachment; filename*=UTF-8''%C3%84%2Fx.mp3", "x.mp3"),
        ("attachment", "download"),
        ("", "download"),
    ],
)
async def test_the_server_may_name_the_file(disposition: str, filename: str, web: Web, get: partial[Any]) -> None:
    assert (await get(web.answer("/download", b"x", content_disposition=disposition))).filename == filename


async def test_a_link_without_a_path_gives_a_file_with_a_name(web: Web, get: partial[Any]) -> None:
    web.answer("/", b"x")
    assert (await get(f"http://127.0.0.1:{web.port}")).filename == "audio"


@pytest.mark.parametrize("status", [401, 404, 500, 204, 304])
async def test_an_answer_that_is_no_file_is_reported(status: int, web: Web, get: partial[Any], tmp_path: Path) -> None:
    with pytest.raises(UrlFailed, match=f"answers {status}"):
        await get(web.answer("/song.mp3", status=status))
    assert files_in(tmp_path) == []


@pytest.mark.parametrize("kind", ["text/html", "text/html; charset=utf-8", "Application/XHTML+xml"])
async def test_a_web_page_is_refused_with_a_hint(kind: str, web: Web, get: partial[Any]) -> None:
    with pytest.raises(UrlFailed, match="web page"):
        await get(web.answer("/watch", b"<html>", content_type=kind))


async def test_a_declared_length_over_the_limit_is_not_read(web: Web, get: partial[Any], tmp_path: Path) -> None:
    with pytest.raises(TooLarge):
        await get(web.answer("/song.mp3", b"x", content_length=str(LIMIT + 1)))
    assert files_in(tmp_path) == []


async def test_an_endless_answer_is_cut_off(web: Web, get: partial[Any], tmp_path: Path) -> None:
    def endless(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.end_headers()
        while True:
            handler.wfile.write(b"x" * 10_000)

    web.answers["/song.mp3"] = endless
    with pytest.raises(TooLarge):
        await get(web.url("/song.mp3"))
    assert files_in(tmp_path) == []


async def test_a_connection_that_breaks_off_leaves_nothing(web: Web, get: partial[Any], tmp_path: Path) -> None:
    with pytest.raises(UrlFailed, match="broke off"):
        await get(web.answer("/song.mp3", b"x" * 10, content_length="100"))
    assert files_in(tmp_path) == []


async def test_a_server_that_is_not_there_or_does_not_speak_http(get: partial[Any]) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with pytest.raises(UrlFailed):
        await get(f"http://127.0.0.1:{port}/song.mp3")
    with pytest.raises(UrlFailed, match="no host"):
        await get("http://does-not-exist.invalid/song.mp3")


async def test_a_server_that_says_nothing_is_given_up(get: partial[Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetch, "TIMEOUT", httpx.Timeout(0.1))
    with socket.create_server(("127.0.0.1", 0)) as silent, pytest.raises(UrlFailed, match="in time"):
        await get(f"http://127.0.0.1:{silent.getsockname()[1]}/song.mp3")


async def test_redirects_are_followed_up_to_five_times(web: Web, get: partial[Any]) -> None:
    web.answer("/5", b"song", content_type="audio/mpeg")
    for step in range(5):
        web.answer(f"/{step}", status=302, location=f"{step + 1}")
    assert (await get(web.url("/0"))).size_bytes == 4
    web.answer("/-1", status=301, location="/0")
    with pytest.raises(UrlFailed, match="more than 5"):
        await get(web.url("/-1"))


@pytest.mark.parametrize("location", ["file:///etc/passwd", "http://user:secret@127.0.0.1/", "ftp://127.0.0.1/"])
async def test_redirects_to_other_than_the_web_are_not_followed(location: str, web: Web, get: partial[Any]) -> None:
    with pytest.raises(ForbiddenUrl):
        await get(web.answer("/song.mp3", status=302, location=location))


async def test_a_redirect_from_a_public_to_a_private_address_is_not_followed(
    web: Web, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # On one machine, 127.0.0.1 stands for the internet and the rest of 127.x.x.x for what is private.
    monkeypatch.setattr(fetch, "is_public", lambda address: str(address) == "127.0.0.1")
    web.answer("/secret", b"secret")
    start = web.answer("/song.mp3", status=302, location=web.url("/secret", "127.0.0.2"))
    with pytest.raises(ForbiddenUrl, match="private"):
        await fetch_url(start, LIMIT, tmp_path, allow_private=False)
    assert [path for _, path in web.asked] == ["/song.mp3"]
    assert files_in(tmp_path) == []


class ChangingNames:
    """A name server that answers one address the first time and another ever after (DNS rebinding)."""

    def __init__(self, *addresses: str) -> None:
        self.addresses = list(addresses)
        self.asked: list[str] = []

    async def getaddrinfo(self, host: str, port: int, **_: Any) -> list[tuple[Any, ...]]:
        self.asked.append(host)
        address = self.addresses.pop(0) if len(self.addresses) > 1 else self.addresses[0]
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port))]


async def test_the_connection_goes_to_the_address_that_was_checked(
    web: Web, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = ChangingNames("127.0.0.1", "127.0.0.2")
    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", names.getaddrinfo)
    monkeypatch.setattr(fetch, "is_public", lambda address: str(address) == "127.0.0.1")
    web.answer("/song.mp3", b"song")
    upload = await fetch_url(web.url("/song.mp3", "song.example"), LIMIT, tmp_path, allow_private=False)
    assert upload.path.read_bytes() == b"song"
    assert names.asked == ["song.example"]  # once, not again when connecting
    assert web.asked == [(f"song.example:{web.port}", "/song.mp3")]
    with pytest.raises(ForbiddenUrl):
        await fetch_url(web.url("/song.mp3", "song.example"), LIMIT, tmp_path, allow_private=False)


async def test_tls_asks_for_the_name_not_the_address(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    names = ChangingNames("127.0.0.1")
    hello = b""

    async def listen(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal hello
        hello = await reader.read(4_096)
        writer.close()

    server = await asyncio.start_server(listen, "127.0.0.1", 0)
    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", names.getaddrinfo)
    port = server.sockets[0].getsockname()[1]
    with pytest.raises(UrlFailed):
        await fetch_url(f"https://song.example:{port}/song.mp3", LIMIT, tmp_path, allow_private=True)
    server.close()
    await server.wait_closed()
    assert b"song.example" in hello
