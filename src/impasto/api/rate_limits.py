"""How many requests a key may send in a minute.

Rule: a window moves with the clock, so no minute of any 60 seconds holds more than the limit. Counts
are a courtesy between callers and never guard money: where Redis cannot be asked, this process
counts for itself.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from math import floor
from typing import Any

from limits import RateLimitItem, RateLimitItemPerMinute
from limits.aio.storage import MemoryStorage, RedisStorage
from limits.aio.strategies import MovingWindowRateLimiter
from limits.errors import StorageError
from starlette.types import ASGIApp, Receive, Scope, Send

from impasto.api.access import send_along
from impasto.api.auth import caller_of
from impasto.domain.errors import Code, Failure
from impasto.domain.keys import VirtualKey

_log = logging.getLogger("impasto.rate_limits")

WINDOW_SECONDS = 60
REDIS_SECONDS = 0.25
"""How long a request waits for Redis, at each of two attempts."""
PAUSE_SECONDS = 1.0
"""How long Redis is left alone after it did not answer, so that not every request waits for it."""
WARNING_SECONDS = 60.0


class RedisNotInstalledError(Exception):
    """Redis is to count, and the library that speaks to it is missing. The message says what to install."""


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a key stands after a request: whether that one was let in, how many more would be, and when the oldest
    one that counts is forgotten."""

    is_let_in: bool
    limit: int
    remaining: int
    reset_seconds: int

    @property
    def headers(self) -> dict[str, str]:
        """The same in the words of OpenAI and of draft-ietf-httpapi-ratelimit-headers-11."""
        return {
            "x-ratelimit-limit-requests": str(self.limit),
            "x-ratelimit-remaining-requests": str(self.remaining),
            "x-ratelimit-reset-requests": _as_duration(self.reset_seconds),
            "RateLimit-Policy": f'"requests";q={self.limit};w={WINDOW_SECONDS}',
            "RateLimit": f'"requests";r={self.remaining};t={self.reset_seconds}',
        }

    def check(self, key: VirtualKey) -> None:
        """Raises `rate_limit_exceeded` for a request that was not let in."""
        if self.is_let_in:
            return
        raise Failure(
            Code.RATE_LIMITED,
            f'The key "{key.name}" may send {_counted(self.limit, "request")} per minute, and has. Nothing was sent '
            f"and nothing was spent; come back in {_counted(self.reset_seconds, 'second')}.",
            retry_helps=True,
            retry_after_seconds=self.reset_seconds,
        )


class RateLimits:
    """Counts requests by key, in this process or in Redis for all processes and servers. `now` is the time in seconds
    since the epoch, as the machine's own clock tells it."""

    def __init__(self, now: Callable[[], float], redis: RedisStorage | None = None) -> None:
        self._now = now
        self._redis = redis
        self._here = MovingWindowRateLimiter(MemoryStorage())
        self._there = MovingWindowRateLimiter(redis) if redis else None
        self._paused_until = 0.0
        self._next_warning = 0.0

    async def take(self, key: VirtualKey) -> Standing | None:
        """Count one request of `key`, if it may be sent; `None` where no limit is set."""
        if key.requests_per_minute is None:
            return None
        item = RateLimitItemPerMinute(key.requests_per_minute)
        if self._there is not None and self._now() >= self._paused_until:
            try:
                return await self._counted_by(self._there, item, key.id)
            except (StorageError, OSError) as error:
                self._leave_alone(error)
        return await self._counted_by(self._here, item, key.id)

    async def close(self) -> None:
        """Let go of the connections to Redis."""
        if self._redis is not None:
            bridge: Any = self._redis.bridge
            await bridge.get_connection().aclose()

    async def _counted_by(self, counter: MovingWindowRateLimiter, item: RateLimitItem, key_id: str) -> Standing:
        is_let_in = await counter.hit(item, key_id)
        window = await counter.get_window_stats(item, key_id)
        # One more than the whole seconds: at the very moment of its end a window still counts.
        seconds = floor(window.reset_time - self._now()) + 1
        remaining = window.remaining if is_let_in else 0
        return Standing(is_let_in, item.amount, max(0, remaining), min(max(1, seconds), WINDOW_SECONDS))

    def _leave_alone(self, error: Exception) -> None:
        now = self._now()
        self._paused_until = now + PAUSE_SECONDS
        if now < self._next_warning:
            return
        self._next_warning = now + WARNING_SECONDS
        cause = getattr(error, "storage_error", error)
        facts = {"error": type(cause).__name__, "advice": "Requests per minute are counted by each process until it "
                 "answers; see IMPASTO_REDIS_URL."}  # fmt: skip
        _log.warning("redis cannot be asked", extra={"facts": facts})


@dataclass(frozen=True, slots=True)
class Limited:
    """ASGI middleware around one endpoint, behind its guard: a key sends as many requests per minute as it may."""

    endpoint: ASGIApp
    limits: RateLimits

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        key = caller_of(scope)
        standing = await self.limits.take(key)
        if standing is not None:
            send_along(scope, standing.headers)
            standing.check(key)
        await self.endpoint(scope, receive, send)


def redis_at(
    url: str,
    *,
    prefix: str = "impasto",
    timeout_seconds: float = REDIS_SECONDS,
    is_installed: Callable[[str], object] = find_spec,
) -> RedisStorage:
    """Redis at `redis://…` or `rediss://…`; nothing is opened yet. Raises `RedisNotInstalledError`."""
    if not is_installed("redis"):
        raise RedisNotInstalledError("IMPASTO_REDIS_URL is set, which needs: pip install 'impasto[redis]'.")
    return RedisStorage(
        f"async+{url}",
        wrap_exceptions=True,
        implementation="redispy",
        key_prefix=prefix,
        socket_timeout=timeout_seconds,
        socket_connect_timeout=timeout_seconds,
        retry=_one_more_attempt(),
    )


def _one_more_attempt() -> Any:
    """A connection that Redis closed while it was idle is no reason to count without it."""
    from redis.asyncio.retry import Retry
    from redis.backoff import NoBackoff

    return Retry(NoBackoff(), 1)


def _as_duration(seconds: int) -> str:
    minutes, rest = divmod(seconds, 60)
    return f"{minutes}m{rest}s" if minutes else f"{rest}s"


def _counted(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"
