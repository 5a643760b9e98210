"""What a link leads to, on its way to the disk.

A link is a way to make this machine ask others for things: its own services, the neighbours in its network, the cloud
provider's metadata. So only public addresses are asked (unless the setting `allow_private_urls` says otherwise). A
name is resolved once, every address that it has is checked, and the connection goes to the very address that was
checked: a name server that answers differently the next time is not asked again. Every redirect is checked the same.
Proxies from the environment are not used, because behind one nobody could tell which address is asked.
"""

import asyncio
import ipaddress
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from email.message import Message
from pathlib import Path
from urllib.parse import unquote

import httpx

from app.api.intake import Upload, declared_bytes, safe_filename, spooled
from app.errors import ForbiddenUrl, TooLarge, UrlFailed

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

MAX_REDIRECTS = 5  # a link shortener, http to https, a download page's counter, a mirror: 4 are met in practice
TIMEOUT = httpx.Timeout(30.0, connect=10.0)
TOTAL_S = 1_800
"""Longest fetch: 1 GiB, the default limit, at 5 Mbit/s takes 29 minutes."""
CHUNK_BYTES = 1 << 16

TRANSLATED = ipaddress.IPv6Network("64:ff9b::/96")  # NAT64 (RFC 6052): an IPv4 address in its last 32 bits
UNICAST = ipaddress.IPv6Network("2000::/3")  # all that is given out of IPv6 so far
ASSIGNMENTS = ipaddress.IPv4Network("192.0.0.0/24")  # RFC 6890, not public; a cloud provider's metadata among it


async def fetch_url(url: str, max_bytes: int, folder: Path, allow_private: bool) -> Upload:
    """Write what `url` leads to into `folder` as it arrives.

    Raises `ForbiddenUrl`, `UrlFailed` or `TooLarge` (as soon as it is known).
    """
    try:
        async with (
            asyncio.timeout(TOTAL_S),
            httpx.AsyncClient(trust_env=False, timeout=TIMEOUT) as client,
            _answered(client, url, allow_private) as response,
            spooled(folder, max_bytes) as spool,
        ):
            _check(response, url, max_bytes)
            async for chunk in response.aiter_raw(CHUNK_BYTES):
                await spool.write(chunk)
            return Upload(spool.path, _filename(response), spool.size_bytes, {})
    except TimeoutError as error:
        raise UrlFailed(url=_shown(url), reason=f"it took longer than {TOTAL_S // 60} minutes") from error
    except httpx.TimeoutException as error:
        raise UrlFailed(url=_shown(url), reason="the server there does not answer in time") from error
    except httpx.HTTPError as error:
        raise UrlFailed(url=_shown(url), reason="the connection could not be made or broke off") from error


@asynccontextmanager
async def _answered(client: httpx.AsyncClient, url: str, allow_private: bool) -> AsyncIterator[httpx.Response]:
    """The answer at the end of the redirects, its body still to be read."""
    target = _parsed(url, url)
    for _ in range(MAX_REDIRECTS + 1):
        addresses = await _resolved(target, url)
        if not allow_private and not all(is_public(address) for address in addresses):
            raise ForbiddenUrl(url=_shown(url), reason="it leads to a private network address")
        response = await _ask(client, target, addresses)
        try:
            if not response.has_redirect_location:
                yield response
                return
            target = _parsed(str(target.join(response.headers["location"])), url)
        finally:
            await response.aclose()
    raise UrlFailed(url=_shown(url), reason=f"it redirects more than {MAX_REDIRECTS} times")


async def _ask(client: httpx.AsyncClient, target: httpx.URL, addresses: list[Address]) -> httpx.Response:
    """GET `target` from the first of its addresses that can be reached. TLS still proves the host's name."""
    failure: httpx.HTTPError = httpx.ConnectError("no address")
    for address in addresses:
        request = client.build_request(
            "GET",
            target.copy_with(host=str(address)),
            headers={"Host": target.netloc.decode(), "Accept-Encoding": "identity", "User-Agent": "Tutti"},
            extensions={"sni_hostname": target.host},
        )
        try:
            return await client.send(request, stream=True, follow_redirects=False)
        except (httpx.ConnectError, httpx.ConnectTimeout) as error:
            failure = error
    raise failure


def _parsed(text: str, url: str) -> httpx.URL:
    try:
        parsed = httpx.URL(text)
    except httpx.InvalidURL as error:
        raise ForbiddenUrl(url=_shown(url), reason="it is not a link that can be read") from error
    if parsed.scheme not in ("http", "https") or not parsed.host:
        raise ForbiddenUrl(url=_shown(url), reason="only http and https links are followed")
    if parsed.userinfo:
        raise ForbiddenUrl(url=_shown(url), reason="links with a user name or password are not taken")
    return parsed


async def _resolved(target: httpx.URL, url: str) -> list[Address]:
    """Every address of the host, as the system's resolver sees it: `127.1`, `0x7f000001` and `localhost` too."""
    port = target.port or (443 if target.scheme == "https" else 80)
    try:
        found = await asyncio.get_running_loop().getaddrinfo(target.host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError, OverflowError) as error:
        raise UrlFailed(url=_shown(url), reason=f"there is no host called {target.host[:100]}") from error
    return [ipaddress.ip_address(address[0]) for *_, address in found]


def is_public(address: Address) -> bool:
    """Whether an address belongs to the internet, not to this machine or to a network of somebody's own."""
    if isinstance(address, ipaddress.IPv6Address):
        inner = address.ipv4_mapped
        if address in TRANSLATED:
            inner = ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
        if inner is None:
            # 6to4 and Teredo carry an IPv4 address that nobody here would check.
            tunnelled = address.sixtofour is not None or address.teredo is not None
            return address in UNICAST and address.is_global and not tunnelled
        address = inner
    return address.is_global and not address.is_multicast and address not in ASSIGNMENTS


def _check(response: httpx.Response, url: str, max_bytes: int) -> None:
    if response.status_code != 200:
        raise UrlFailed(url=_shown(url), reason=f"the server there answers {response.status_code}")
    kind = response.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind in ("text/html", "application/xhtml+xml"):
        raise UrlFailed(url=_shown(url), reason="it leads to a web page, not to an audio file")
    if response.headers.get("content-encoding", "identity") != "identity":
        raise UrlFailed(url=_shown(url), reason="the server there sends it compressed")
    if declared_bytes(response.headers) > max_bytes:
        raise TooLarge(limit_bytes=max_bytes)


def _filename(response: httpx.Response) -> str:
    """What the server calls the file, or else the last part of the link."""
    message = Message()
    message["content-disposition"] = response.headers.get("content-disposition", "")
    return safe_filename(message.get_filename() or unquote(response.request.url.path))


def _shown(url: str) -> str:
    """The link as it is repeated in messages: no password, no endless query."""
    scheme, mark, rest = url.partition("://")
    host, slash, path = rest.partition("/")
    return f"{scheme}{mark}{host.rpartition('@')[2]}{slash}{path}"[:200]
