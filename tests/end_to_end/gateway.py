"""The real program on loopback, for tests that stand where a caller stands."""

import asyncio
import socket
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

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


@asynccontextmanager
async def gateway(data: Path, environment: Mapping[str, str] | None = None) -> AsyncIterator[Running]:
    """Serve with `environment` in place of this process's own."""
    settings = load_settings(
        environment={"IMPASTO_DATA": str(data), "IMPASTO_API_KEY": KEY, "IMPASTO_PORT": "1"} | dict(environment or {})
    )
    listening = socket.socket()
    listening.bind(("127.0.0.1", 0))
    server = uvicorn.Server(
        uvicorn.Config(build(settings), log_config=None, access_log=False, timeout_graceful_shutdown=1)
    )
    task = asyncio.create_task(server._serve(sockets=[listening]))
    try:
        while not server.started:  # noqa: ASYNC110 - uvicorn has no event for it
            await asyncio.sleep(0.01)
        yield Running(f"http://127.0.0.1:{listening.getsockname()[1]}")
    finally:
        server.should_exit = True
        await task
        listening.close()
