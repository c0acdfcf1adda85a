"""Calls providers over HTTP: sends what an adapter rendered, feeds what comes back to its parser.

Rule: a call goes to the operator's address and nowhere else, is signed here and only
here, is made once, and its answer is passed on as it arrives. A failure says whether
anything can have been spent.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Iterable, Iterator, Mapping
from contextlib import AbstractAsyncContextManager, suppress
from dataclasses import dataclass
from typing import Self

import aiohttp

from impasto.adapters.base import Adapter, WireRequest
from impasto.domain.chat import Buffer, Characters, ModelCall, Stored
from impasto.domain.errors import Code, Failure
from impasto.domain.events import Event
from impasto.domain.model import Provider

READ_BUFFER_BYTES = 64 << 10
MAX_ERROR_BYTES = 64 << 10
JOINED_BYTES = 64 << 10
CONNECT_SECONDS = 10.0
SILENCE_SECONDS = 300.0
"""Longest wait for the next bytes once the request is sent: a slow model takes up to half a minute.
A whole request has its own deadline, also over the sending."""

_BROKEN_CONNECTION = (aiohttp.ClientError, TimeoutError, OSError)


@dataclass(frozen=True, slots=True)
class Access:
    """How a provider is reached: `base_url` without a trailing slash, and the key if one is set."""

    base_url: str
    key: str | None


class ProviderClient:
    """Answers calls to remote providers. One connection pool for all; `close` it at the end.

    `connect_seconds` bounds the way to an open connection, `silence_seconds` the wait for the next bytes.
    """

    def __init__(
        self,
        adapters: Mapping[str, Adapter],
        access: Mapping[str, Access],
        *,
        connect_seconds: float = CONNECT_SECONDS,
        silence_seconds: float = SILENCE_SECONDS,
    ) -> None:
        self._adapters = adapters
        self._access = access
        self._timeout = aiohttp.ClientTimeout(total=None, sock_connect=connect_seconds, sock_read=silence_seconds)
        self._session: aiohttp.ClientSession | None = None

    def check_ready(self, call: ModelCall) -> None:
        """Refuse with `provider_not_configured` where the provider's key is missing."""
        self._signed_access(call.model.provider)

    async def answer(self, call: ModelCall) -> AsyncGenerator[Event, None]:
        """The events of the provider's answer, as they arrive. Raises `Failure`."""
        provider = call.model.provider
        access, headers = self._signed_access(provider)
        adapter = self._adapters[provider.adapter]
        request = adapter.render(call)
        _check_weight(provider, request)
        try:
            async with self._post(access, headers, request) as response:
                if response.status != 200:
                    raise await self._failure(adapter, call, response)
                parser = adapter.parser(call)
                with self._listen(response) as arriving:
                    while data := await arriving.next_bytes():
                        for event in parser.feed(data):
                            yield event
                for event in parser.finish():
                    yield event
        except _BROKEN_CONNECTION as error:
            if isinstance(error.__cause__, Failure):  # the store, while the request was read from it
                raise error.__cause__ from None
            raise self._broken(provider, error) from error
        except Failure as failure:
            raise _without_key(failure, access.key) from failure.__cause__

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()

    def _signed_access(self, provider: Provider) -> tuple[Access, dict[str, str]]:
        access = self._access[provider.id]
        if access.key is None:
            advice = f"sets {provider.key_env[0]}" if provider.key_env else "names its key_env in the catalogue"
            raise Failure(
                Code.PROVIDER_NOT_CONFIGURED,
                f"No key for {provider.name} is set on this gateway. Its operator {advice}.",
            )
        return access, {provider.key_header: provider.key_prefix + access.key}

    def _post(
        self, access: Access, headers: dict[str, str], request: WireRequest
    ) -> AbstractAsyncContextManager[aiohttp.ClientResponse]:
        if self._session is None:
            self._session = _session(self._timeout)
        headers["Content-Type"] = request.content_type
        headers["Content-Length"] = str(request.content_length)
        pieces = list(_joined(request))
        alone = pieces[0] if len(pieces) == 1 else None
        body = _sent(pieces) if alone is None or isinstance(alone, Stored) else alone
        return self._session.post(access.base_url + request.path, data=body, headers=headers, allow_redirects=False)

    def _listen(self, response: aiohttp.ClientResponse) -> "_Arriving":
        return _Arriving(response.content, self._timeout.sock_read or SILENCE_SECONDS)

    async def _failure(self, adapter: Adapter, call: ModelCall, response: aiohttp.ClientResponse) -> Failure:
        body = bytearray()
        # The status was said, whatever becomes of the rest.
        with suppress(*_BROKEN_CONNECTION), self._listen(response) as arriving:
            while len(body) <= MAX_ERROR_BYTES and (data := await arriving.next_bytes()):
                body += data
        headers = {name.lower(): value for name, value in response.headers.items()}
        return adapter.failure_of(call, response.status, headers, bytes(body[:MAX_ERROR_BYTES]))

    def _broken(self, provider: Provider, error: Exception) -> Failure:
        code, message = _meaning_of(error)
        return Failure(
            code,
            message.format(provider=provider.name, seconds=self._timeout.sock_read),
            logged=f"{provider.id}: {type(error).__name__}: {error}",
            retry_helps=code is Code.PROVIDER_UNREACHABLE,
        )


def _check_weight(provider: Provider, request: WireRequest) -> None:
    if provider.max_request_mb is None or request.content_length <= provider.max_request_mb << 20:
        return
    raise Failure(
        Code.BODY_TOO_LARGE,
        f"With all its pictures and signatures this conversation weighs {request.content_length / (1 << 20):.0f} MiB; "
        f"{provider.name} takes {provider.max_request_mb} MiB. Nothing was sent. Leave out earlier turns: the last "
        "picture is enough to go on from, and impasto:image/previous cites it.",
        param="messages",
    )


def _session(timeout: aiohttp.ClientTimeout) -> aiohttp.ClientSession:
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=0),
        timeout=timeout,
        read_bufsize=READ_BUFFER_BYTES,
        auto_decompress=False,
        trust_env=False,
        cookie_jar=aiohttp.DummyCookieJar(),
        # A compressed picture would cost five times the whole transfer to unpack.
        headers={"Accept-Encoding": "identity", "User-Agent": "impasto"},
    )


async def _sent(pieces: Iterable[Characters]) -> AsyncIterator[Buffer]:
    for piece in pieces:
        if isinstance(piece, Stored):
            for data in piece:
                yield data
        else:
            yield piece


def _joined(request: WireRequest) -> Iterator[Characters]:
    """The body in as few writes as may be: pictures as they lie, and what stands between them joined."""
    small: list[Buffer] = []
    for piece in request.body:
        if len(piece) < JOINED_BYTES:
            small.append(bytes(piece) if isinstance(piece, Stored) else piece)
            continue
        if small:
            yield b"".join(small)
            small.clear()
        yield piece
    if small:
        yield b"".join(small)


class _Arriving:
    """The body of an answer as it arrives. A provider that stays silent for `seconds` is given up.

    aiohttp forgets its own limit when a chunk is malformed, and nothing ever comes after that. One timer
    serves the whole answer: a limit of its own for each read would cost more than reading.
    """

    def __init__(self, content: aiohttp.StreamReader, seconds: float) -> None:
        self._content = content
        self._seconds = seconds
        self._loop = asyncio.get_running_loop()
        self._waiting_since: float | None = None
        self._timer = self._loop.call_later(seconds, self._look)

    async def next_bytes(self) -> bytes:
        """What arrived since; nothing at the end."""
        self._waiting_since = self._loop.time()
        data = await self._content.readany()
        self._waiting_since = None
        return data

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._timer.cancel()

    def _look(self) -> None:
        now = self._loop.time()
        silent = now - self._waiting_since if self._waiting_since is not None else 0.0
        if silent >= self._seconds:
            self._content.set_exception(TimeoutError())
        else:
            self._timer = self._loop.call_later(self._seconds - silent, self._look)


def _meaning_of(error: Exception) -> tuple[Code, str]:
    """What a broken connection means. Only where there was none can nothing have been spent."""
    match error:
        case aiohttp.ClientConnectorError() | aiohttp.ConnectionTimeoutError():
            return (
                Code.PROVIDER_UNREACHABLE,
                "{provider} could not be reached. Nothing was sent, and nothing was spent.",
            )
        case TimeoutError():
            return (
                Code.PROVIDER_TIMEOUT,
                "{provider} sent nothing for {seconds:g} seconds. It may bill for the call all the same.",
            )
        case aiohttp.ClientResponseError():
            return Code.PROVIDER_WRONG, "{provider} sent an answer that is not HTTP. It may bill for the call."
        case _:
            return Code.PROVIDER_BROKE_OFF, "{provider} broke off its answer. It may bill for the call all the same."


def _without_key(failure: Failure, key: str | None) -> Failure:
    """The same failure, should a provider repeat our key in its message."""
    if not key:
        return failure
    return Failure(
        failure.code,
        failure.message.replace(key, "[key]"),
        param=failure.param,
        logged=failure.logged.replace(key, "[key]"),
        retry_helps=failure.retry_helps,
        retry_after_seconds=failure.retry_after_seconds,
    )
