"""Calls providers over HTTP: sends what an adapter rendered, feeds what comes back to its parser.

Rule: a call goes to the operator's address and nowhere else, is signed here and only
here, is made once, and its answer is passed on as it arrives. A failure says whether
anything can have been spent.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass

import aiohttp

from impasto.adapters.base import Adapter, WireRequest
from impasto.domain.chat import ModelCall
from impasto.domain.errors import Code, Failure
from impasto.domain.events import Event
from impasto.domain.model import Provider

READ_BUFFER_BYTES = 128 << 10
MAX_ERROR_BYTES = 64 << 10
CONNECT_SECONDS = 10.0
SILENCE_SECONDS = 300.0
"""Longest wait for the next bytes. A slow model takes up to half a minute; a whole request has its own deadline."""


@dataclass(frozen=True, slots=True)
class Access:
    """How a provider is reached: `base_url` without a trailing slash, and the key if one is set."""

    base_url: str
    key: str | None


class ProviderClient:
    """Answers calls to remote providers. One connection pool for all; `close` it at the end."""

    def __init__(self, adapters: Mapping[str, Adapter], access: Mapping[str, Access]) -> None:
        self._adapters = adapters
        self._access = access
        self._session: aiohttp.ClientSession | None = None

    def check_ready(self, call: ModelCall) -> None:
        """Refuse with `provider_not_configured` where the provider's key is missing."""
        self._signed_access(call.model.provider)

    async def answer(self, call: ModelCall) -> AsyncIterator[Event]:
        """The events of the provider's answer, as they arrive. Raises `Failure`."""
        provider = call.model.provider
        access, headers = self._signed_access(provider)
        adapter = self._adapters[provider.adapter]
        request = adapter.render(call)
        try:
            async with self._post(access, headers, request) as response:
                if response.status != 200:
                    raise await self._failure(adapter, call, access, response)
                parser = adapter.parser(call)
                async for data in response.content.iter_any():
                    for event in parser.feed(data):
                        yield event
                for event in parser.finish():
                    yield event
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise _broken(provider, error) from error

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()

    def _signed_access(self, provider: Provider) -> tuple[Access, dict[str, str]]:
        access = self._access[provider.id]
        if access.key is None:
            raise Failure(
                Code.PROVIDER_NOT_CONFIGURED,
                f"No key for {provider.name} is set on this gateway. Its operator sets {provider.key_env[0]}.",
            )
        return access, {provider.key_header: provider.key_prefix + access.key}

    def _post(
        self, access: Access, headers: dict[str, str], request: WireRequest
    ) -> "aiohttp.client._RequestContextManager":
        if self._session is None:
            self._session = _session()
        headers["Content-Type"] = request.content_type
        headers["Content-Length"] = str(request.content_length)
        return self._session.post(
            access.base_url + request.path, data=_pieces(request), headers=headers, allow_redirects=False
        )

    async def _failure(
        self, adapter: Adapter, call: ModelCall, access: Access, response: aiohttp.ClientResponse
    ) -> Failure:
        body = bytearray()
        async for data in response.content.iter_any():
            body += data
            if len(body) > MAX_ERROR_BYTES:
                break
        response_headers = {name.lower(): value for name, value in response.headers.items()}
        failure = adapter.failure_of(call, response.status, response_headers, bytes(body[:MAX_ERROR_BYTES]))
        return _without_key(failure, access.key)


def _session() -> aiohttp.ClientSession:
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=0),
        timeout=aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_SECONDS, sock_read=SILENCE_SECONDS),
        read_bufsize=READ_BUFFER_BYTES,
        auto_decompress=False,
        trust_env=False,
        cookie_jar=aiohttp.DummyCookieJar(),
        # A compressed picture would cost five times the whole transfer to unpack.
        headers={"Accept-Encoding": "identity", "User-Agent": "impasto"},
    )


async def _pieces(request: WireRequest) -> AsyncIterator[bytes | memoryview]:
    for piece in request.body:
        yield piece


def _broken(provider: Provider, error: Exception) -> Failure:
    logged = f"{provider.id}: {type(error).__name__}: {error}"
    match error:
        case aiohttp.ClientConnectorError() | aiohttp.ConnectionTimeoutError():
            return Failure(
                Code.PROVIDER_UNREACHABLE,
                f"{provider.name} could not be reached. Nothing was sent, and nothing was spent.",
                logged=logged,
                retry_helps=True,
            )
        case asyncio.TimeoutError():
            return Failure(
                Code.PROVIDER_TIMEOUT,
                f"{provider.name} sent nothing for {SILENCE_SECONDS:g} seconds. It may bill for the call all the same.",
                logged=logged,
            )
        case _:
            return Failure(
                Code.PROVIDER_BROKE_OFF,
                f"{provider.name} broke off its answer. It may bill for the call all the same.",
                logged=logged,
            )


def _without_key(failure: Failure, key: str | None) -> Failure:
    """The same failure, should a provider repeat our key in its message."""
    if key and (key in failure.message or key in failure.logged):
        return Failure(
            failure.code,
            failure.message.replace(key, "[key]"),
            param=failure.param,
            logged=failure.logged.replace(key, "[key]"),
            retry_helps=failure.retry_helps,
            retry_after_seconds=failure.retry_after_seconds,
        )
    return failure
