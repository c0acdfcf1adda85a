"""The real program on loopback, for tests that stand where a caller stands."""

import asyncio
import os
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import uvicorn

from impasto.app import build
from impasto.config import load_settings

KEY = "impasto_test_key_of_forty_characters_000"


@dataclass(frozen=True, slots=True)
class Running:
    """A gateway that serves on `url`."""

    url: str

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {KEY}"}


@dataclass(frozen=True, slots=True)
class Program(Running):
    """One in a process of its own."""

    process: asyncio.subprocess.Process

    async def is_ready(self) -> bool:
        async with aiohttp.ClientSession() as caller, caller.get(f"{self.url}/health/ready") as response:
            return response.status == 200

    @property
    def open_files(self) -> int:
        """How many files the process has open."""
        opened = 0
        for path in Path(f"/proc/{self.process.pid}/fd").iterdir():
            with suppress(FileNotFoundError):  # closed meanwhile
                opened += not str(path.readlink()).startswith("socket:")
        return opened

    @property
    def lines(self) -> int:
        """How many connections of callers it holds."""
        table = Path(f"/proc/{self.process.pid}/net/tcp").read_text().splitlines()[1:]
        own, held = f":{int(self.url.rpartition(':')[2]):04X}", ("01", "08")  # established, and hung up on
        return sum(row.split()[1].endswith(own) and row.split()[3] in held for row in table)


@asynccontextmanager
async def gateway(data: Path, environment: Mapping[str, str] | None = None) -> AsyncIterator[Running]:
    """Serve with `environment` in place of this process's own."""
    settings = load_settings(
        environment={"IMPASTO_DATA": str(data), "IMPASTO_API_KEY": KEY, "IMPASTO_PORT": "1"} | dict(environment or {})
    )
    app = build(settings)
    server = uvicorn.Server(uvicorn.Config(app, log_config=None, access_log=False, timeout_graceful_shutdown=1))
    listening = socket.socket()
    listening.bind(("127.0.0.1", 0))
    task = asyncio.create_task(server._serve(sockets=[listening]))
    try:
        while not server.started:  # noqa: ASYNC110 - uvicorn has no event for it
            await asyncio.sleep(0.01)
        yield Running(f"http://127.0.0.1:{listening.getsockname()[1]}")
    finally:
        server.should_exit = True
        await task
        listening.close()


@asynccontextmanager
async def serving(
    folder: Path, environment: Mapping[str, str] | None = None, *, workers: int = 1
) -> AsyncIterator[Program]:
    """`impasto serve` in processes of its own, its data in `folder`, ready; it must end well with the block."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "impasto", "serve", "--port", "0", "--workers", str(workers),
        cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, start_new_session=True,
        env={"PATH": os.environ["PATH"], "HOME": str(folder), "IMPASTO_API_KEY": KEY} | dict(environment or {}),
    )  # fmt: skip
    try:
        assert process.stdout
        said = (await process.stdout.readline()).decode()
        assert "listens on" in said, said
        running = Program(said.split()[-1], process)
        while not await running.is_ready():
            assert process.returncode is None
            await asyncio.sleep(0.02)
        yield running
        if process.returncode is None:
            process.terminate()
            assert await process.wait() == 0
    finally:
        if process.returncode is None:
            os.killpg(process.pid, signal.SIGKILL)
            await process.wait()
        process._transport.close()  # type: ignore[attr-defined]
