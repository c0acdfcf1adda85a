"""Servers that end well: running requests may finish, and a second signal ends them at once.

Rule: a process of ours never outlives the one that started it.
"""

import asyncio
import gc
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable
from functools import partial
from multiprocessing import parent_process
from types import FrameType
from typing import Any

import click
import uvicorn
from uvicorn.supervisors import Multiprocess

from impasto.api.access import Access
from impasto.app import Readiness, build
from impasto.cli.watched_protocol import WatchedProtocol
from impasto.config import Settings
from impasto.logs import configure_logs

GRACE_SECONDS = 30


def config_of(app: Callable[..., Any], **more: Any) -> uvicorn.Config:
    """How a server of ours is set up: it logs nothing by itself and says nothing of itself."""
    return uvicorn.Config(
        app, log_config=None, access_log=False, server_header=False, proxy_headers=False,
        timeout_graceful_shutdown=GRACE_SECONDS, http=WatchedProtocol, **more,
    )  # fmt: skip


class DrainingServer(uvicorn.Server):
    """One server. From the first signal on it reports itself as not ready; the second gives up what still runs.

    `passing` hears the name of each step of each request.
    """

    def __init__(self, settings: Settings, passing: Callable[[str], None] = lambda _: None) -> None:
        self.readiness = Readiness()
        self._loop: asyncio.AbstractEventLoop | None = None
        super().__init__(config_of(build(settings, self.readiness, passing)))
        leave_what_stays()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        self._loop = asyncio.get_running_loop()
        await super().startup(sockets)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        # Unlike uvicorn, which raises the signal again at the end: a server that has drained was not killed by it.
        if self.should_exit:
            self.give_up()
        self.drain()

    def drain(self) -> None:
        """Take nothing new and end when all is answered."""
        self.readiness.draining = True
        self.should_exit = True

    def give_up(self) -> None:
        """End at once. May be called from any thread and from a signal's handler."""
        self.force_exit = True
        self.drain()
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._cut)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        running = len(self.server_state.tasks)
        if self.force_exit:
            self._cut()
        elif running:
            count = "1 request is" if running == 1 else f"{running} requests are"
            click.echo(
                f"{count} still running and may take {GRACE_SECONDS} seconds more. A second signal ends at once."
            )
        await super().shutdown(sockets)
        if self.force_exit:  # uvicorn leaves this out then, and the painter would go on painting
            await self.lifespan.shutdown()

    def _cut(self) -> None:
        self.readiness.cut()
        for task in self.server_state.tasks:
            task.cancel()
        for connection in list(self.server_state.connections):
            if connection.transport is not None:
                connection.transport.abort()


class Workers(Multiprocess):
    """Several server processes on the same sockets. A second signal kills those that still drain."""

    def __init__(self, settings: Settings, sockets: list[socket.socket]) -> None:
        app = partial(_build_in_worker, settings)
        super().__init__(config_of(app, factory=True, workers=settings.workers), sockets=sockets)

    def init_processes(self) -> None:
        # Ctrl-C reaches the whole group; a process that is just starting would answer it with a traceback.
        hears = signal.signal(signal.SIGINT, signal.SIG_IGN)
        super().init_processes()
        signal.signal(signal.SIGINT, hears)

    def join_all(self) -> None:
        self.signal_queue.clear()
        while any(process.exitcode is None for process in self.processes):
            if self.signal_queue:
                for process in self.processes:
                    process.kill()
            time.sleep(0.05)
        super().join_all()


def _build_in_worker(settings: Settings) -> Access:
    configure_logs(settings.log_level)
    threading.Thread(target=_leave_with_parent, daemon=True).start()
    app = build(settings)
    leave_what_stays()
    return app


def leave_what_stays() -> None:
    """Take what was built out of the collector's rounds, and make the rounds rare: requests leave no circles behind."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 50)


def _leave_with_parent() -> None:
    parent = parent_process()
    if parent is not None:
        parent.join()
        os.kill(os.getpid(), signal.SIGTERM if sys.platform != "win32" else signal.SIGINT)
