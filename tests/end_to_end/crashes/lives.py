"""One life of the gateway after the other, on the same data, each with its death.

Rule: who is killed gets no warning (`kill -9`), and the next one is given nothing but the data.
"""

import asyncio
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from random import Random
from types import TracebackType
from typing import Self

import aiohttp

STEPS = ("begun", "inlined", "marked", "answered", "kept", "noted", "settled", "responding", "responded")
"""All steps of a request, in their order."""

LAUNCHER = Path(__file__).with_name("crashing_server.py")
READY_SECONDS = 30.0
END_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class AtStep:
    """Death when a step is passed for the time that `count` says."""

    step: str
    count: int


@dataclass(frozen=True, slots=True)
class AtTime:
    """Death from outside, so long after the start began; it may not be over then."""

    seconds: float


Death = AtStep | AtTime


def deaths(count: int, chance: Random) -> Iterator[Death]:
    """So many deaths in any order: two of three at a step, each step as often as the others, and the rest at random."""
    at_steps = count * 2 // 3 // len(STEPS) * len(STEPS) or min(count, len(STEPS))
    planned: list[Death] = [AtStep(STEPS[number % len(STEPS)], chance.randint(1, 16)) for number in range(at_steps)]
    planned += [AtTime(chance.uniform(0.0, 1.0)) for _ in range(count - at_steps)]
    chance.shuffle(planned)
    yield from planned


class Lives:
    """The lives of a gateway at `url` with `environment`, which logs to `log`, until the `async with` ends."""

    def __init__(self, environment: Mapping[str, str], log: Path, url: str) -> None:
        self.url = url
        self._environment = environment
        self._log = log
        self._launcher: asyncio.subprocess.Process

    async def __aenter__(self) -> Self:
        with self._log.open("ab") as log:
            self._launcher = await asyncio.create_subprocess_exec(
                sys.executable, LAUNCHER, env=self._environment, cwd=self._log.parent,
                stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=log,
            )  # fmt: skip
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._launcher_input.close()
        await self._launcher.wait()

    async def die(self, death: Death) -> None:
        """One life, to its death."""
        if isinstance(death, AtStep):
            await self._begin(f"{death.step} {death.count}")
        else:
            process = await self._begin("")
            await asyncio.sleep(death.seconds)
            os.kill(process, signal.SIGKILL)
        code = await self._end()
        assert code == -signal.SIGKILL, f"it ended by itself, with {code}, before {death}\n{self._logged()}"

    @asynccontextmanager
    async def dying(self, death: AtStep | None = None) -> AsyncIterator[int]:
        """A life that is ready when the block begins, and dies before the block is over, by itself or killed by the
        process id that this gives."""
        process = await self._begin(f"{death.step} {death.count}" if death else "")
        await self._until_ready()
        yield process
        code = await self._end()
        assert code == -signal.SIGKILL, f"it ended by itself, with {code}, before {death}\n{self._logged()}"

    @asynccontextmanager
    async def live(self) -> AsyncIterator[None]:
        """A life that is not cut short: ready when the block begins, ended in peace after it."""
        process = await self._begin("")
        await self._until_ready()
        yield
        os.kill(process, signal.SIGTERM)
        code = await self._end()
        assert code == 0, f"it did not end in peace, but with {code}\n{self._logged()}"

    async def _until_ready(self) -> None:
        async with aiohttp.ClientSession() as session, asyncio.timeout(READY_SECONDS):
            while not await is_ready(session, self.url):  # noqa: ASYNC110 - another process gets ready
                await asyncio.sleep(0.02)

    @property
    def _launcher_input(self) -> asyncio.StreamWriter:
        assert self._launcher.stdin is not None
        return self._launcher.stdin

    async def _begin(self, words: str) -> int:
        """The id of the process."""
        self._launcher_input.write(f"{words}\n".encode())
        return await self._number()

    async def _end(self) -> int:
        """The exit code of the process."""
        try:
            async with asyncio.timeout(END_SECONDS):
                return await self._number()
        except TimeoutError:
            raise AssertionError(f"it did not end within {END_SECONDS:g} seconds\n{self._logged()}") from None

    async def _number(self) -> int:
        assert self._launcher.stdout is not None
        return int(await self._launcher.stdout.readline())

    def _logged(self) -> str:
        """The end of the log."""
        return self._log.read_text(errors="replace")[-4000:]


@asynccontextmanager
async def workers(environment: Mapping[str, str], log: Path, url: str) -> AsyncIterator[asyncio.subprocess.Process]:
    """`impasto serve` with two workers: ready when the block begins, ended in peace after it."""
    command = (sys.executable, "-m", "impasto", "serve", "--workers", "2")
    with log.open("ab") as written:
        process = await asyncio.create_subprocess_exec(
            *command, env=environment, cwd=log.parent, stdout=written, stderr=written
        )
    try:
        async with aiohttp.ClientSession() as session, asyncio.timeout(READY_SECONDS):
            while not await is_ready(session, url):  # noqa: ASYNC110 - another process gets ready
                await asyncio.sleep(0.02)
        yield process
        process.terminate()
        assert await asyncio.wait_for(process.wait(), END_SECONDS) == 0
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def workers_of(process: asyncio.subprocess.Process) -> list[int]:
    """The ids of its workers; what Python starts beside them is none."""
    listing = await asyncio.create_subprocess_exec(
        "pgrep", "-P", str(process.pid), "-f", "spawn_main", stdout=asyncio.subprocess.PIPE
    )
    listed, _ = await listing.communicate()
    return [int(line) for line in listed.split()]


async def is_ready(session: aiohttp.ClientSession, url: str) -> bool:
    try:
        async with session.get(f"{url}/health/ready") as response:
            return response.status == 200
    except aiohttp.ClientError:
        return False


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def environment_of(**more: str) -> dict[str, str]:
    """Only what is said, and where programs are, and Python's own modules."""
    passed = {name: os.environ[name] for name in ("PYTHONPATH",) if name in os.environ}
    return {"PATH": os.environ.get("PATH", os.defpath), **passed, **more}
