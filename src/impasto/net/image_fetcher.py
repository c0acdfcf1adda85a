"""Fetches pictures that callers and providers name by URL.

Rule: nothing but this file opens an address that somebody else named. What is judged is
the address that is dialled, on every hop anew; nothing is reused from one hop to the
next, and nothing of ours is sent along: no cookies, no keys, no proxy's credentials.
"""

import asyncio
import re
import socket
from collections.abc import Awaitable, Callable, Sequence
from enum import StrEnum
from ipaddress import IPv6Address

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from yarl import URL

from impasto.domain.errors import Code, Failure
from impasto.domain.image import media_type_of
from impasto.net.addresses import Addresses, normal_name, reason_against

Lookup = Callable[[str, int], Awaitable[Sequence[str]]]
"""`lookup(host, port)` gives the addresses of `host`. Raises `OSError`."""

PORTS = (80, 443, 8080, 8443)
MAX_URL_CHARACTERS = 2048
MAX_ADDRESSES_DIALLED = 4
SNIFFED_BYTES = 4096

_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_BUSY = frozenset({408, 429, 500, 502, 503, 504})

# Parsers disagree about these, or drop them in silence.
_FORBIDDEN_CHARACTER = re.compile(r"[\x00-\x20\x7f-\xa0\\\s\ud800-\udfff]")
_NAME_OR_IPV4 = re.compile(r"[0-9a-z._-]+", re.ASCII)

# yarl raises an IndexError for "http://[]@".
_NOT_A_URL = (ValueError, IndexError)

_HEADERS = {"User-Agent": "impasto", "Accept": "image/*", "Accept-Encoding": "identity"}


class Trust(StrEnum):
    """Whose address it is."""

    STRANGER = "stranger"
    """A caller's: any public host."""

    PROVIDER = "provider"
    """In a provider's answer: only the hosts that the provider is known to use."""


class ImageFetcher:
    """Fetches pictures over http and https; `close` it at the end.

    `deadline_seconds` is for all hops together, once a fetch has its turn; `concurrency` is
    how many have it at a time. `lookup` resolves names.
    """

    def __init__(
        self,
        *,
        addresses: Addresses,
        max_bytes: int = 20 << 20,
        deadline_seconds: float = 10,
        connect_seconds: float = 3,
        max_redirects: int = 5,
        concurrency: int = 16,
        lookup: Lookup | None = None,
    ) -> None:
        self._addresses = addresses
        self._max_bytes = max_bytes
        self._deadline_seconds = deadline_seconds
        self._timeout = aiohttp.ClientTimeout(total=None, sock_connect=connect_seconds)
        self._max_redirects = max_redirects
        self._turns = asyncio.Semaphore(concurrency)
        self._lookup = lookup or _lookup

    async def fetch(self, url: str, *, where: str, trust: Trust, hosts: frozenset[str] = frozenset()) -> bytes:
        """The bytes of the picture at `url`; a picture by its first bytes, whatever the server says.

        `hosts` are the names that a provider's links may lead to. Raises `Failure`
        (`image_fetch_failed`, `image_too_large`, `unsupported_media_type`) that names
        `where` and the reason, and never an address that a name was resolved to.
        """
        only = hosts if trust is Trust.PROVIDER else None
        async with self._turns:
            try:
                async with asyncio.timeout(self._deadline_seconds):
                    picture = await self._follow(url, only)
                _check_picture(picture)
            except _Refusal as refusal:
                raise refusal.failure(where) from refusal
            except TimeoutError as error:
                late = _Refusal(f"it took longer than {self._deadline_seconds:g} s", retry_helps=True)
                raise late.failure(where) from error
        return picture

    async def close(self) -> None:
        """Nothing is held between fetches: every hop closes what it opened."""

    async def _follow(self, url: str, only: frozenset[str] | None) -> bytes:
        for _ in range(self._max_redirects + 1):
            target = _target(url, only)
            try:
                answer = await self._get(target)
            except (aiohttp.ClientError, OSError) as error:
                raise _broken(error) from error
            if isinstance(answer, bytes):
                return answer
            url = _joined(target, answer)
        raise _Refusal(f"it redirects more than {self._max_redirects} times")

    async def _get(self, target: URL) -> bytes | str:
        """The body, or where the answer leads. Every hop has a connector of its own, which judges what it dials."""
        judge = _Judge(self._addresses, target.raw_host or "", self._lookup)
        connector = aiohttp.TCPConnector(
            resolver=judge,
            socket_factory=judge.open_socket,
            happy_eyeballs_delay=None,
            use_dns_cache=False,
            force_close=True,
        )
        async with (
            aiohttp.ClientSession(
                connector=connector,
                headers=_HEADERS,
                timeout=self._timeout,
                cookie_jar=aiohttp.DummyCookieJar(),
                auto_decompress=False,
                trust_env=False,
            ) as session,
            session.get(target, allow_redirects=False) as response,
        ):
            if response.status in _REDIRECTS and "Location" in response.headers:
                return response.headers["Location"]
            _check_head(response, self._max_bytes)
            return await _body(response, self._max_bytes)


class _Refusal(Exception):
    """Why there is no picture, before anybody said where it was wanted."""

    def __init__(
        self,
        reason: str,
        *,
        code: Code = Code.IMAGE_FETCH_FAILED,
        logged: str = "",
        retry_helps: bool = False,
    ) -> None:
        super().__init__(reason)
        self._code = code
        self._reason = reason
        self._logged = logged
        self._retry_helps = retry_helps

    def failure(self, where: str) -> Failure:
        message = f"{where} could not be fetched: {self._reason}."
        return Failure(
            self._code,
            message,
            param=where,
            logged=f"{message} {self._logged}".rstrip(),
            retry_helps=self._retry_helps,
        )


# --- before: the URL ---


def _target(text: str, only: frozenset[str] | None) -> URL:
    """`text` as the object that is fetched: its host in normal form, path and query as they were written.

    Other clients rewrite escapes in the query, which breaks signed links.
    """
    _check_text(text)
    try:
        normal = URL(text)
        verbatim = URL(text, encoded=True)
    except _NOT_A_URL as error:
        raise _Refusal("it is not a valid URL") from error
    host = normal.raw_host or ""
    if normal.scheme not in ("http", "https"):
        raise _Refusal("only http and https URLs and base64 data URLs are taken")
    if "@" in verbatim.raw_authority:
        raise _Refusal("it holds a user name or a password, which are not sent")
    if not _NAME_OR_IPV4.fullmatch(host) and not _is_ipv6(host):
        raise _Refusal("its host is neither a name nor an address")
    if only is not None and normal_name(host) not in only:
        raise _Refusal("it leads to a host that its provider is not known to use", logged=host)
    if not text.isascii():
        return normal
    return URL.build(
        scheme=normal.scheme,
        authority=normal.raw_authority,
        path=verbatim.raw_path or "/",
        query_string=verbatim.raw_query_string,
        encoded=True,
    )


def _is_ipv6(host: str) -> bool:
    try:
        return not IPv6Address(host).scope_id
    except ValueError:
        return False


def _check_text(text: str) -> None:
    if len(text) > MAX_URL_CHARACTERS:
        raise _Refusal(f"its URL is longer than {MAX_URL_CHARACTERS} characters")
    if _FORBIDDEN_CHARACTER.search(text):
        raise _Refusal("its URL holds a space, a control character or a backslash")


def _joined(base: URL, location: str) -> str:
    _check_text(location)
    try:
        return str(base.join(URL(location, encoded=True)))
    except _NOT_A_URL as error:
        raise _Refusal("it redirects to what is not a valid URL") from error


# --- on the way: the address ---


class _Judge(AbstractResolver):
    """Resolves the host of one hop and opens its sockets; refuses addresses that may not be dialled.

    Both are needed: literal addresses never come to a resolver, and of a name's answers all
    are judged, not only the one that is dialled.
    """

    def __init__(self, addresses: Addresses, host: str, lookup: Lookup) -> None:
        self._addresses = addresses
        self._host = host
        self._lookup = lookup

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        found = await self._lookup(host, port)
        if not found:
            raise socket.gaierror(socket.EAI_NONAME, "no address")
        for address in found:
            self._check(address, port)
        return [
            ResolveResult(hostname=host, host=address, port=port, family=family, proto=0, flags=0)
            for address in found[:MAX_ADDRESSES_DIALLED]
        ]

    async def close(self) -> None:
        """Nothing is held."""

    def open_socket(self, info: aiohttp.AddrInfoType) -> socket.socket:
        family, kind, protocol, _, dialled = info
        self._check(str(dialled[0]), int(dialled[1]))
        return socket.socket(family, kind, protocol)

    def _check(self, address: str, port: int) -> None:
        if not self._addresses.permits(address, port, self._host):
            logged = f"{self._host} is {address}: {reason_against(address)}"
            raise _Refusal("it leads to an address that is not public", logged=logged)
        if port not in PORTS and not self._addresses.allows(address, port, self._host):
            raise _Refusal(f"it leads to port {port}; only {', '.join(map(str, PORTS))} are taken")


async def _lookup(host: str, port: int) -> Sequence[str]:
    try:
        found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except UnicodeError as error:  # no name by the rules of IDNA
        raise socket.gaierror(socket.EAI_NONAME, str(error)) from error
    return list(dict.fromkeys(str(info[4][0]) for info in found))


# --- after: the answer ---


def _check_head(response: aiohttp.ClientResponse, max_bytes: int) -> None:
    if response.status != 200:
        raise _Refusal(f"the server answered {response.status}", retry_helps=response.status in _BUSY)
    encoding = response.headers.get("Content-Encoding", "identity")
    if encoding.strip().lower() not in ("identity", ""):
        # Unpacked, a kilobyte can become a gigabyte.
        raise _Refusal("the server sent it compressed, although asked not to", logged=encoding)
    if (response.content_length or 0) > max_bytes:
        raise _too_large(max_bytes)


async def _body(response: aiohttp.ClientResponse, max_bytes: int) -> bytes:
    pieces: list[bytes] = []
    received = 0
    async for piece in response.content.iter_any():
        received += len(piece)
        if received > max_bytes:
            raise _too_large(max_bytes)
        pieces.append(piece)
    return b"".join(pieces)


def _too_large(max_bytes: int) -> _Refusal:
    return _Refusal(f"it is larger than {max_bytes / (1 << 20):g} MiB", code=Code.IMAGE_TOO_LARGE)


def _check_picture(data: bytes) -> None:
    media_type = media_type_of(data[:SNIFFED_BYTES])
    if media_type is None:
        raise _Refusal("what the server sent is no picture", code=Code.UNSUPPORTED_MEDIA_TYPE)
    if media_type == "image/svg+xml":
        raise _Refusal("it is SVG; send it as PNG or JPEG instead", code=Code.UNSUPPORTED_MEDIA_TYPE)


# The first kind that fits says what happened, and whether it may go better another time.
_WHAT_HAPPENED: tuple[tuple[type[Exception], str, bool], ...] = (
    (aiohttp.InvalidURL, "it is not a valid URL", False),
    (aiohttp.ClientConnectorDNSError, "its host was not found", False),
    (aiohttp.ClientConnectorCertificateError, "the server's certificate is not valid", False),
    (aiohttp.ClientSSLError, "the server speaks no TLS that is known here", False),
    (aiohttp.ConnectionTimeoutError, "the server does not take connections", True),
    (aiohttp.ClientConnectorError, "the server does not take connections", True),
    (aiohttp.ClientResponseError, "the server's answer is not valid HTTP", False),
)


def _broken(error: Exception) -> _Refusal:
    # The text of a response error holds the whole URL, and with it the signature of a signed link.
    detail = error.message if isinstance(error, aiohttp.ClientResponseError) else error
    logged = f"{type(error).__name__}: {detail}"
    for kind, reason, retry_helps in _WHAT_HAPPENED:
        if isinstance(error, kind):
            return _Refusal(reason, logged=logged, retry_helps=retry_helps)
    return _Refusal("the server broke off its answer", logged=logged, retry_helps=True)
