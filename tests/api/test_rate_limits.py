"""Requests per minute: who is let in, what the headers say, and what happens without Redis."""

import asyncio
import logging
import os
import shutil
import socket
import subprocess
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from urllib.parse import urlsplit
from uuid import uuid4

import pytest
from limits.aio.storage import RedisStorage
from starlette.types import Message, Receive, Scope, Send

from impasto.api.access import Access
from impasto.api.failures import FailuresAnswered
from impasto.api.rate_limits import Limited, RateLimits, RedisNotInstalledError, Standing, redis_at
from impasto.domain.errors import Code, Failure
from impasto.domain.keys import VirtualKey

REDIS_URL = os.environ.get("TEST_REDIS_URL", "redis://127.0.0.1:6379/0")
NOBODY_URL = "redis://127.0.0.1:1/0"


def key(requests_per_minute: int | None, id: str = "key-1") -> VirtualKey:  # noqa: A002
    return VirtualKey("Team A", frozenset({"generate"}), id=id, requests_per_minute=requests_per_minute)


@pytest.fixture(params=["memory", "redis"])
async def limits(request: pytest.FixtureRequest) -> AsyncIterator[RateLimits]:
    if request.param == "redis" and not _has_redis():
        pytest.skip(f"no Redis answers at {REDIS_URL}, and none is installed that could be started")
    opened = RateLimits(time.time, _patient_redis(REDIS_URL, _prefix()) if request.param == "redis" else None)
    yield opened
    await opened.close()


@asynccontextmanager
async def over(url: str, now: Callable[[], float] = time.time, prefix: str = "") -> AsyncIterator[RateLimits]:
    opened = RateLimits(now, _patient_redis(url, prefix) if prefix else redis_at(url, prefix=_prefix()))
    try:
        yield opened
    finally:
        await opened.close()


async def test_a_key_sends_as_many_requests_as_it_may(limits: RateLimits) -> None:
    standings = [await limits.take(key(3)) for _ in range(5)]
    assert [standing and (standing.is_let_in, standing.remaining) for standing in standings] == [
        (True, 2), (True, 1), (True, 0), (False, 0), (False, 0),
    ]  # fmt: skip
    assert all(standing and 1 <= standing.reset_seconds <= 60 for standing in standings)


async def test_keys_do_not_take_from_each_other(limits: RateLimits) -> None:
    first, second = await limits.take(key(1)), await limits.take(key(1, "key-2"))
    assert first is not None
    assert first.is_let_in
    assert second is not None
    assert second.is_let_in


async def test_a_key_without_a_limit_has_no_standing(limits: RateLimits) -> None:
    assert await limits.take(key(None)) is None


async def test_requests_that_come_at_once_are_counted_one_by_one(limits: RateLimits) -> None:
    standings = await asyncio.gather(*(limits.take(key(10)) for _ in range(40)))
    assert sum(standing is not None and standing.is_let_in for standing in standings) == 10


async def test_two_processes_count_together_in_redis() -> None:
    if not _has_redis():
        pytest.skip(f"no Redis answers at {REDIS_URL}, and none is installed that could be started")
    prefix = _prefix()
    async with over(REDIS_URL, prefix=prefix) as one, over(REDIS_URL, prefix=prefix) as other:
        standings = [await limits.take(key(3)) for limits in (one, other, one, other)]
    assert [standing and standing.is_let_in for standing in standings] == [True, True, True, False]


async def test_without_redis_this_process_counts_and_says_so_once_a_minute(caplog: pytest.LogCaptureFixture) -> None:
    clock = Clock(time.time())
    async with over(NOBODY_URL, clock) as limits:
        standings = []
        for _ in range(3):
            standings.append(await limits.take(key(2)))
            clock.seconds += 2
        assert [standing and standing.is_let_in for standing in standings] == [True, True, False]
        assert _warnings(caplog) == ["redis cannot be asked"]
        clock.seconds += 60
        await limits.take(key(2))
    assert _warnings(caplog) == ["redis cannot be asked"] * 2
    [*_, record] = caplog.records
    assert record.__dict__["facts"]["error"] == "ConnectionError"


async def test_redis_that_says_nothing_is_waited_for_once_a_second() -> None:
    asked = 0

    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal asked
        asked += 1
        with suppress(ConnectionError):
            await reader.read()
        writer.close()

    clock = Clock(time.time())
    server = await asyncio.start_server(silent, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with server, over(f"redis://127.0.0.1:{port}", clock) as limits:
        assert await _let_in(limits, 9)
        after_one = asked
        await asyncio.gather(*(limits.take(key(9)) for _ in range(5)))
        assert asked == after_one > 0
        clock.seconds += 1.5
        await limits.take(key(9))
        assert asked > after_one


async def test_redis_counts_again_when_it_is_back(tmp_path: Path) -> None:
    if not shutil.which("redis-server"):
        pytest.skip("no Redis is installed that could be started")
    clock = Clock(time.time())
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    url, prefix = f"redis://127.0.0.1:{port}", _prefix()
    async with over(url, clock, prefix) as one, over(url, clock, prefix) as other:
        assert [await _let_in(limits, 1) for limits in (one, other)] == [True, True]
        server = subprocess.Popen([*_server_command(port), "--dir", str(tmp_path)], stdout=subprocess.DEVNULL)  # noqa: ASYNC220
        try:
            await asyncio.to_thread(_wait_for, port)
            clock.seconds += 2
            assert [await _let_in(limits, 1) for limits in (one, other)] == [True, False]
        finally:
            server.terminate()
            server.wait()


def test_redis_without_its_library_says_what_to_install() -> None:
    with pytest.raises(RedisNotInstalledError, match=r"pip install 'impasto\[redis\]'"):
        redis_at(REDIS_URL, is_installed=lambda _: None)


@pytest.mark.parametrize(("seconds", "said"), [(1, "1s"), (59, "59s"), (60, "1m0s")])
def test_headers_say_it_in_the_words_of_openai_and_of_the_ietf(seconds: int, said: str) -> None:
    assert Standing(True, 100, 7, seconds).headers == {
        "x-ratelimit-limit-requests": "100",
        "x-ratelimit-remaining-requests": "7",
        "x-ratelimit-reset-requests": said,
        "RateLimit-Policy": '"requests";q=100;w=60',
        "RateLimit": f'"requests";r=7;t={seconds}',
    }


def test_who_is_not_let_in_hears_when_to_come_back() -> None:
    with pytest.raises(Failure) as refused:
        Standing(False, 1, 0, 12).check(key(1))
    assert refused.value.code is Code.RATE_LIMITED
    assert refused.value.message == (
        'The key "Team A" may send 1 request per minute, and has. Nothing was sent and nothing was spent; '
        "come back in 12 seconds."
    )
    assert refused.value.retry_helps
    assert refused.value.retry_after_seconds == 12


async def test_every_answer_carries_the_headers_and_the_refusal_too() -> None:
    ask = _surface(key(1))
    status, headers = await ask()
    assert (status, headers["x-ratelimit-remaining-requests"]) == (200, "0")
    assert headers["ratelimit-policy"] == '"requests";q=1;w=60'
    status, headers = await ask()
    assert (status, headers["x-ratelimit-limit-requests"]) == (429, "1")
    assert 1 <= int(headers["retry-after"]) <= 60
    assert headers["ratelimit"] == f'"requests";r=0;t={headers["retry-after"]}'
    assert "x-should-retry" not in headers


async def test_an_answer_to_a_key_without_a_limit_says_nothing_of_limits() -> None:
    status, headers = await _surface(key(None))()
    assert status == 200
    assert not [name for name in headers if "ratelimit" in name]


@dataclass
class Clock:
    """The time, as it is moved by hand."""

    seconds: float

    def __call__(self) -> float:
        return self.seconds


@dataclass
class Caller:
    """Who asks once, and keeps what came."""

    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            self.headers = {name.decode().lower(): value.decode() for name, value in message["headers"]}


def _surface(caller: VirtualKey) -> Callable[[], Awaitable[tuple[int, dict[str, str]]]]:
    """An endpoint behind the limits, inside of what answers failures and adds headers."""

    async def endpoint(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body"})

    app = Access(FailuresAnswered(Limited(endpoint, RateLimits(time.time))), lambda: "id")

    async def receive() -> Message:
        return {"type": "http.disconnect"}

    async def ask() -> tuple[int, dict[str, str]]:
        answer = Caller()
        scope = {"type": "http", "method": "POST", "path": "/", "headers": [], "impasto.key": caller}
        await app(scope, receive, answer.send)
        return answer.status, answer.headers

    return ask


async def _let_in(limits: RateLimits, requests_per_minute: int) -> bool:
    standing = await limits.take(key(requests_per_minute))
    return standing is not None and standing.is_let_in


def _warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]


def _patient_redis(url: str, prefix: str) -> RedisStorage:
    """Redis that a busy machine does not cut off."""
    return redis_at(url, prefix=prefix, timeout_seconds=30)


def _prefix() -> str:
    """Keys of this test alone; they vanish by themselves after a minute."""
    return f"impasto-test-{uuid4().hex}"


@cache
def _has_redis() -> bool:
    address = urlsplit(REDIS_URL)
    host, port = address.hostname or "127.0.0.1", address.port or 6379
    if not _answers(host, port) and "TEST_REDIS_URL" not in os.environ and shutil.which("redis-server"):
        subprocess.run([*_server_command(port), "--daemonize", "yes"], capture_output=True, check=False)
        _wait_for(port)
    return _answers(host, port)


def _server_command(port: int) -> list[str]:
    return ["redis-server", "--bind", "127.0.0.1", "--port", str(port), "--save", "", "--appendonly", "no"]


def _wait_for(port: int) -> None:
    deadline = time.monotonic() + 10
    while not _answers("127.0.0.1", port) and time.monotonic() < deadline:
        time.sleep(0.02)


def _answers(host: str, port: int) -> bool:
    try:
        socket.create_connection((host, port), timeout=2).close()
    except OSError:
        return False
    return True
