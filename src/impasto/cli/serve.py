"""`impasto serve`: the server.

Rule: without a key it listens on loopback alone, with one that it makes, prints once
and keeps in a file.
"""

import ipaddress
from pathlib import Path

import click

from impasto.app import check_settings, first_key_of, prepare_database
from impasto.cli.listening import address_of, listen_on
from impasto.cli.options import config_option, data_option
from impasto.config import ConfigError, Settings, load_settings
from impasto.logs import configure_logs
from impasto.storage.keys import FIRST_KEY_FILE, make_first_key

SAFE_KEY_LENGTH = 20


@click.command()
@click.option("--host", metavar="H", help="Address to listen on (IMPASTO_HOST; 127.0.0.1).")
@click.option("--port", metavar="P", type=int, help="Port to listen on, 0 for a free one (IMPASTO_PORT; 8080).")
@click.option("--workers", metavar="N", type=int, help="Server processes (IMPASTO_WORKERS; 1).")
@data_option
@click.option("--log-level", metavar="L", help="debug, info, warning or error (IMPASTO_LOG_LEVEL; info).")
@config_option
def command(config: str | None, **flags: object) -> None:
    """Start the server.

    It is ready when GET /health/ready answers 200. Its first start makes a key, prints it once and keeps it in
    first-key in the data folder; to listen to other machines it wants IMPASTO_API_KEY, 20 characters or more.

    Log lines are JSON on standard error, one for each request. SIGTERM and Ctrl-C let running requests finish for up
    to 30 seconds and exit 0; a second one ends at once.

    \b
      impasto serve --port 9000
      IMPASTO_API_KEY=$(openssl rand -hex 32) impasto serve --host 0.0.0.0 --workers 4
    """
    settings = load_settings(flags, config=config)
    check_key(settings)
    check_settings(settings)  # before anything is started
    prepare_database(settings)
    sockets = listen_on(settings.host, settings.port)
    greet(settings, sockets[0].getsockname()[1], ensure_key(settings))
    configure_logs(settings.log_level)

    from impasto.cli.draining import DrainingServer, Workers

    if settings.workers > 1:
        Workers(settings, sockets).run()
    else:
        DrainingServer(settings).run(sockets)


def check_key(settings: Settings) -> None:
    """Refuse to listen to other machines without a key that cannot be guessed. Raises `ConfigError`."""
    if _is_loopback(settings.host):
        return
    if not settings.api_key and not first_key_of(settings):
        raise ConfigError(
            f"No key is set, so the server would be open to everybody who reaches {settings.host}. "
            "Set IMPASTO_API_KEY to a long random text, or listen on 127.0.0.1."
        )
    if settings.api_key and len(settings.api_key) < SAFE_KEY_LENGTH:
        raise ConfigError(
            f"IMPASTO_API_KEY: {len(settings.api_key)} characters can be guessed by whoever reaches "
            f"{settings.host}. Use {SAFE_KEY_LENGTH} random ones or more (openssl rand -hex 32), or listen on "
            "127.0.0.1."
        )


def ensure_key(settings: Settings) -> str | None:
    """Make the first key where there is none, and return it."""
    if settings.api_key or first_key_of(settings):
        return None
    return make_first_key(Path(settings.data))


def greet(settings: Settings, port: int, new_key: str | None) -> None:
    """Say where the server is and how to call it. The key is shown when it is made, and never again."""
    address = address_of(settings.host, port)
    click.echo(f"impasto listens on {address}")
    if new_key:
        click.echo(f"A key was made for this gateway and is kept in {Path(settings.data) / FIRST_KEY_FILE}.")
        click.echo(f"The page, with the key, which is shown this once: {address}/#key={new_key}")
    elif not settings.api_key:
        click.echo(f"Its key is in {Path(settings.data) / FIRST_KEY_FILE}.")


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
