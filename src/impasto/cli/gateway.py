"""A gateway to ask: one that runs somewhere, or one of our own for as long as a command takes.

Rule: the command line speaks to both over HTTP, so that there is one path.
"""

import json
import os
import socket
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from impasto.config import ConfigError, Settings
from impasto.storage.keys import make_first_key, read_first_key

START_SECONDS = 15.0


@dataclass(frozen=True, slots=True)
class RemoteGateway:
    """A gateway at `url`, called with `key`."""

    url: str
    key: str

    def ask(self, path: str, body: Mapping[str, object], *, timeout_seconds: float) -> dict[str, Any]:
        """POST `body` and return the answer. Raises `click.ClickException` with the gateway's own sentence."""
        request = urllib.request.Request(  # noqa: S310 - the operator's own address
            self.url + path,
            data=json.dumps(body).encode(),
            headers={"Content-Type": "application/json", "Authorization": f"Bearer {self.key}"},
        )
        return self._open(request, timeout_seconds)

    def get(self, path: str) -> dict[str, Any]:
        return self._open(urllib.request.Request(self.url + path), 30)  # noqa: S310 - the operator's own address

    def _open(self, request: urllib.request.Request, timeout_seconds: float) -> dict[str, Any]:
        # A proxy of the environment is for the way out; a gateway is called directly.
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            with opener.open(request, timeout=timeout_seconds) as response:
                answer: dict[str, Any] = json.load(response)
                return answer
        except urllib.error.HTTPError as error:
            raise click.ClickException(_sentence(error)) from error
        except (OSError, ValueError) as error:
            raise click.ClickException(f"{self.url} does not answer: {error}.") from error


@contextmanager
def gateway_for(url: str | None, settings: Settings) -> Iterator[RemoteGateway]:
    """The gateway at `url` or `IMPASTO_URL`, else one in this process on a free port of loopback."""
    url = url or settings.environment.get("IMPASTO_URL")
    key = settings.api_key or read_first_key(Path(settings.data))
    if url:
        if key is None:
            raise click.ClickException(f"No key for {url} is known. Set IMPASTO_API_KEY.")
        yield RemoteGateway(url.rstrip("/"), key)
        return
    with own_gateway(settings, port=0) as gateway:
        yield gateway


@contextmanager
def own_gateway(settings: Settings, *, port: int) -> Iterator[RemoteGateway]:
    """A gateway in a thread of this process, on `port` of loopback or the next free one (0: any)."""
    import uvicorn

    from impasto.app import build

    key = settings.api_key or read_first_key(Path(settings.data)) or make_first_key(Path(settings.data))
    try:
        app = build(settings)
    except ConfigError as error:
        raise click.ClickException(str(error)) from error
    listening = free_socket(port)
    server = uvicorn.Server(
        uvicorn.Config(app, log_config=None, access_log=False, server_header=False, timeout_graceful_shutdown=1)
    )
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
    thread.start()
    try:
        _wait_until_started(server, thread)
        yield RemoteGateway(f"http://127.0.0.1:{listening.getsockname()[1]}", key)
    finally:
        server.should_exit = True
        thread.join(timeout=START_SECONDS)
        listening.close()


def free_socket(port: int) -> socket.socket:
    """A socket bound to `port` of loopback, or to the next free port above it."""
    for candidate in range(port, port + 100) if port else (0,):
        listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        if os.name == "posix":
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listening.bind(("127.0.0.1", candidate))
        except OSError:
            listening.close()
            continue
        return listening
    raise click.ClickException(f"None of the ports from {port} to {port + 99} is free.")


def _wait_until_started(server: Any, thread: threading.Thread) -> None:
    deadline = time.monotonic() + START_SECONDS
    while not server.started:
        if not thread.is_alive() or time.monotonic() > deadline:
            raise click.ClickException("The gateway did not start.")
        time.sleep(0.01)


def _sentence(error: urllib.error.HTTPError) -> str:
    try:
        message = json.load(error)["error"]["message"]
    except (ValueError, LookupError, TypeError):
        return f"The gateway answered {error.code}."
    return f"{message} (request {error.headers.get('x-request-id', 'unknown')})"
