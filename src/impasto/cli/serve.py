"""`impasto serve`: the server.

Rule: without a key it listens on loopback alone, with one that it makes, prints once
and keeps in a file.
"""

import ipaddress
import os
import signal
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any

import click

from impasto.cli.settings import config_option, settings_for
from impasto.config import ConfigError, Settings
from impasto.storage.keys import FIRST_KEY_FILE, make_first_key, read_first_key

if TYPE_CHECKING:
    import uvicorn

    from impasto.app import Readiness

GRACE_SECONDS = 30


@click.command()
@click.option("--host", metavar="H", help="Address to listen on (IMPASTO_HOST; 127.0.0.1).")
@click.option("--port", metavar="P", type=int, help="Port to listen on (IMPASTO_PORT; 8080).")
@click.option("--workers", metavar="N", type=int, help="Server processes (IMPASTO_WORKERS; 1).")
@config_option
def command(host: str | None, port: int | None, workers: int | None, config: str | None) -> None:
    """Start the server.

    It is ready when GET /health/ready answers 200. SIGTERM lets running requests finish
    for up to 30 seconds and exits 0.
    """
    settings = settings_for({"host": host, "port": port, "workers": workers}, config=config)
    new_key = ensure_key(settings)
    greet(settings, new_key)
    serve(settings, config)


def ensure_key(settings: Settings) -> str | None:
    """Make the first key where there is none, and return it. Refuses to listen to others without a key."""
    if settings.api_key or read_first_key(Path(settings.data)):
        return None
    if not _is_loopback(settings.host):
        raise click.ClickException(
            f"No key is set, so the server would be open to everybody who reaches {settings.host}. "
            "Set IMPASTO_API_KEY to a long random text, or listen on 127.0.0.1."
        )
    return make_first_key(Path(settings.data))


def greet(settings: Settings, new_key: str | None) -> None:
    """Say where the server is and how to call it. The key is shown when it is made, and never again."""
    address = f"http://{settings.host}:{settings.port}"
    for warning in settings.warnings:
        click.echo(f"Note: {warning}", err=True)
    click.echo(f"impasto listens on {address}")
    if new_key:
        click.echo(f"A key was made for this gateway and is kept in {Path(settings.data) / FIRST_KEY_FILE}:")
        click.echo(f"  {new_key}")
        click.echo(f"The page: {address}/#key={new_key}")
    elif not settings.api_key:
        click.echo(f"Its key is in {Path(settings.data) / FIRST_KEY_FILE}.")


def serve(settings: Settings, config: str | None) -> None:
    """Serve until SIGTERM or Ctrl-C."""
    import uvicorn

    from impasto.app import Readiness, build
    from impasto.logs import configure_logs

    configure_logs(settings.log_level)
    # uvicorn raises the signal again when it has drained; by then it means what was done.
    signal.signal(signal.SIGTERM, lambda *_: None)
    options: dict[str, Any] = {
        "host": settings.host,
        "port": settings.port,
        "log_config": None,
        "access_log": False,
        "server_header": False,
        "date_header": True,
        "timeout_graceful_shutdown": GRACE_SECONDS,
    }
    try:
        if settings.workers > 1:
            _hand_down(settings, config)
            uvicorn.run("impasto.app:build_from_environment", factory=True, workers=settings.workers, **options)
            return
        readiness = Readiness()
        server = draining_server(uvicorn.Config(build(settings, readiness), **options), readiness)
    except ConfigError as error:
        raise click.ClickException(str(error)) from error
    try:
        server.run()
    except KeyboardInterrupt:
        return
    if not server.started:
        raise SystemExit(1)


def draining_server(config: "uvicorn.Config", readiness: "Readiness") -> "uvicorn.Server":
    """A server that reports itself as not ready from the moment it is told to stop."""
    import uvicorn

    class Server(uvicorn.Server):
        def handle_exit(self, sig: int, frame: FrameType | None) -> None:
            readiness.draining = True
            super().handle_exit(sig, frame)

    return Server(config)


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def _hand_down(settings: Settings, config: str | None) -> None:
    """Give the flags to server processes, which read the settings for themselves."""
    os.environ.update(IMPASTO_HOST=settings.host, IMPASTO_PORT=str(settings.port))
    if config:
        os.environ["IMPASTO_CONFIG"] = config
