"""A gateway to ask: one that runs somewhere, or one of our own for as long as a command takes.

Rule: the command line speaks to both over HTTP, so that there is one path.
"""

import http.client
import json
import signal
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import click

from impasto.app import first_key_of, prepare_database
from impasto.cli.listening import listen_nearby
from impasto.config import Settings
from impasto.storage.keys import make_first_key

if TYPE_CHECKING:
    from impasto.cli.draining import DrainingServer

START_SECONDS = 15.0
STOP_SECONDS = 5.0


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """A redirect could carry the key to another host."""

    def redirect_request(self, *_: object) -> None:
        return None


# A proxy of the environment is for the way out; a gateway is called directly.
_opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), _NoRedirects)


@dataclass(frozen=True, slots=True)
class RemoteGateway:
    """A gateway at `url`, called with `key`."""

    url: str
    key: str

    def ask(self, path: str, body: Mapping[str, object], *, timeout_seconds: float) -> dict[str, Any]:
        """POST `body` and return the answer. Raises `click.ClickException` with the gateway's own sentence."""
        return self.call("POST", path, body, timeout_seconds=timeout_seconds)

    def call(
        self, method: str, path: str, body: Mapping[str, object] | None = None, *, timeout_seconds: float = 30
    ) -> dict[str, Any]:
        """What `method` at `path` answers. Raises `click.ClickException` with the gateway's own sentence."""
        request = urllib.request.Request(  # noqa: S310 - the operator's own address
            self.url + path,
            data=None if body is None else json.dumps(body).encode(),
            headers={"Content-Type": "application/json", "Authorization": f"Bearer {self.key}"},
            method=method,
        )
        return self._open(request, timeout_seconds)

    def get(self, path: str, *, timeout_seconds: float = 30) -> dict[str, Any]:
        """GET what is open to everybody. Raises `click.ClickException`."""
        request = urllib.request.Request(self.url + path)  # noqa: S310 - the operator's own address
        return self._open(request, timeout_seconds)

    def _open(self, request: urllib.request.Request, timeout_seconds: float) -> dict[str, Any]:
        try:
            with _opener.open(request, timeout=timeout_seconds) as response:
                answer = json.load(response)
        except urllib.error.HTTPError as error:
            with error:
                raise click.ClickException(self._refusal(error)) from error
        except ValueError as error:
            raise click.ClickException(self._stranger("something else than JSON")) from error
        except (OSError, http.client.HTTPException) as error:
            raise click.ClickException(self._silence(error, timeout_seconds)) from error
        if not isinstance(answer, dict):
            raise click.ClickException(self._stranger("something else than an object"))
        return answer

    def _refusal(self, error: urllib.error.HTTPError) -> str:
        if error.headers.get("Location"):
            return f"{self.url} sends its callers on to {error.headers['Location']}. Set that address instead."
        try:
            message = json.load(error)["error"]["message"]
        except (ValueError, LookupError, TypeError, OSError, http.client.HTTPException):
            return self._stranger(f"{error.code} without a reason")
        if error.code == 401:
            message += " The command line sends IMPASTO_API_KEY, or first-key of the data folder."
        request_id = error.headers.get("x-request-id")
        is_known = error.code < 500 or not request_id or request_id in message
        return str(message) if is_known else f"{message} (request {request_id})"

    def _stranger(self, answer: str) -> str:
        return f"{self.url} answers with {answer}. Is an impasto there? Its address has no path behind the port."

    def _silence(self, error: Exception, timeout_seconds: float) -> str:
        reason = getattr(error, "reason", error)
        if isinstance(reason, TimeoutError):
            return f"{self.url} sent nothing for {timeout_seconds:g} seconds."
        words = getattr(reason, "strerror", None) or str(reason) or type(reason).__name__
        return f"{self.url} does not answer ({words}). Start it with impasto serve, or leave out --url and IMPASTO_URL."


@contextmanager
def gateway_for(url: str | None, settings: Settings) -> Iterator[RemoteGateway]:
    """The gateway at `url` or `IMPASTO_URL`, else one in this process on a free port of loopback."""
    url = url or settings.environment.get("IMPASTO_URL")
    if not url:
        with own_gateway(settings, port=0) as gateway:
            yield gateway
        return
    key = settings.api_key or first_key_of(settings)
    if key is None:
        raise click.ClickException(
            f"No key for {url} is known. Set IMPASTO_API_KEY, or IMPASTO_DATA to the folder that holds its first-key."
        )
    yield RemoteGateway(_checked(url), key)


@contextmanager
def own_gateway(settings: Settings, *, port: int) -> Iterator[RemoteGateway]:
    """A gateway in a thread of this process, on `port` of loopback or the next free one (0: any).

    It ends with the block: after the answers that are under way, or at once where the block was broken off.
    SIGTERM does what Ctrl-C does.
    """
    from impasto.cli.draining import DrainingServer

    key = settings.api_key or first_key_of(settings) or make_first_key(Path(settings.data))
    prepare_database(settings)
    listening = listen_nearby(port)
    taken = listening.getsockname()[1]
    server = DrainingServer(replace(settings, host="127.0.0.1", port=taken))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
    earlier = signal.signal(signal.SIGTERM, _interrupt)
    thread.start()
    try:
        _wait_until_started(server, thread)
        yield RemoteGateway(f"http://127.0.0.1:{taken}", key)
    except BaseException:
        server.give_up()
        raise
    finally:
        _stop(server, thread)
        listening.close()
        signal.signal(signal.SIGTERM, earlier)


def _stop(server: "DrainingServer", thread: threading.Thread) -> None:
    server.drain()
    try:
        thread.join()
    except KeyboardInterrupt:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # a third one would only stop the clearing up
        server.give_up()
        thread.join(STOP_SECONDS)


def _interrupt(signum: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _wait_until_started(server: "DrainingServer", thread: threading.Thread) -> None:
    deadline = time.monotonic() + START_SECONDS
    while not server.started:
        if not thread.is_alive() or time.monotonic() > deadline:
            raise click.ClickException("The gateway did not start; its log lines above say why.")
        time.sleep(0.01)


def _checked(url: str) -> str:
    """The address without a trailing slash. Raises `click.ClickException` for what is none."""
    address = url.strip().rstrip("/")
    try:
        parts = urlsplit(address)
        good = parts.scheme in ("http", "https") and parts.hostname and (parts.port or True)
    except ValueError:
        good = False
    if not good:
        raise click.ClickException(f'--url or IMPASTO_URL: "{url}" is no address. It takes http(s)://host[:port].')
    return address
