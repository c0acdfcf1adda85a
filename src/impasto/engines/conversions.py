"""Smaller and other forms of pictures: who waits, who works, and for how long.

Rule: a few at a time, in threads of their own, each with a deadline. Nobody's blobs are in use any more when he
hears how it ended.
"""

import asyncio
import os
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, suppress

from impasto.completions.ports import Blob
from impasto.domain.errors import Code, Failure
from impasto.domain.picture_form import PictureForm, check_convertible
from impasto.engines.vips import Conversion

MAX_WAITING = 16
WAIT_SECONDS = 10.0
DEADLINE_SECONDS = 20.0
RETRY_AFTER_SECONDS = 5


class Conversions:
    """Converts `at_once` pictures at a time while up to `max_waiting` others wait."""

    def __init__(
        self,
        at_once: int | None = None,
        max_waiting: int = MAX_WAITING,
        wait_seconds: float = WAIT_SECONDS,
        deadline_seconds: float = DEADLINE_SECONDS,
    ) -> None:
        # One core is left to the gateway itself.
        at_once = at_once or max(1, min(2, (os.cpu_count() or 1) - 1))
        self._turns = asyncio.Semaphore(at_once)
        self._threads = ThreadPoolExecutor(at_once, "impasto-convert")
        self._waiting = 0
        self._max_waiting = max_waiting
        self._wait_seconds = wait_seconds
        self._deadline_seconds = deadline_seconds

    async def convert(self, source: Blob, target: Blob, form: PictureForm) -> None:
        """Write `form` of `source` into `target`. It ends when both are no longer in use, also when cancelled.

        Raises `unsupported`, `invalid_value`, `invalid_image`, `overloaded`, `deadline_exceeded`, and what reading
        and writing raise.
        """
        check_convertible(source.read, form)  # what can never be made does not wait
        async with self._turn():
            await self._run(Conversion(source, target, form))

    @asynccontextmanager
    async def _turn(self) -> AsyncIterator[None]:
        if self._turns.locked() and self._waiting >= self._max_waiting:
            raise _overloaded()
        self._waiting += 1
        try:
            async with asyncio.timeout(self._wait_seconds):
                await self._turns.acquire()
        except TimeoutError:
            raise _overloaded() from None
        finally:
            self._waiting -= 1
        try:
            yield
        finally:
            self._turns.release()

    async def _run(self, conversion: Conversion) -> None:
        running = asyncio.get_running_loop().run_in_executor(self._threads, conversion.run)
        try:
            async with asyncio.timeout(self._deadline_seconds):
                await asyncio.shield(running)
        except TimeoutError:
            raise Failure(
                Code.DEADLINE_EXCEEDED,
                f"This picture took longer to convert than the {self._deadline_seconds:g} seconds that it may. Ask for "
                "a smaller w, or for jpeg or webp; without w and format its bytes come as they are.",
            ) from None
        finally:
            conversion.stop()
            await _end_of(running)


async def _end_of(running: "asyncio.Future[None]") -> None:
    while not running.done():
        with suppress(asyncio.CancelledError):  # whoever calls this off a second time waits for the blobs as well
            await asyncio.wait([running])
    running.exception()  # heard of by now, or by nobody


def _overloaded() -> Failure:
    return Failure(
        Code.OVERLOADED,
        "Too many pictures wait to be converted. Try again, or ask without w and format: the bytes come as they are.",
        retry_helps=True,
        retry_after_seconds=RETRY_AFTER_SECONDS,
    )
