"""`impasto doctor`: what is wrong with this set-up, and how to mend it.

Rule: every finding that is not good ends in what to do; nothing is called that costs.
"""

import asyncio
import json
import os
import shutil
import socket
import sys
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

import click

from impasto.app import access_of, check_settings, first_key_of, load_operators_catalogue, store_of
from impasto.catalogue.catalogue import Catalogue
from impasto.cli.books import read_books
from impasto.cli.gateway import RemoteGateway
from impasto.cli.listening import address_of, listen_on
from impasto.cli.models import is_retired
from impasto.cli.options import config_option, json_option
from impasto.cli.serve import SAFE_KEY_LENGTH, check_key
from impasto.config import ConfigError, Settings, load_settings
from impasto.domain.errors import Failure
from impasto.engines.painter import is_installed
from impasto.storage.books import check_books, check_store, count_entries
from impasto.storage.database import database_at
from impasto.storage.keys import FIRST_KEY_FILE
from impasto.storage.object_store import ObjectStore
from impasto.storage.secret import SecretError, find_secret, is_same_secret

NEEDED_SPACE_BYTES = 1 << 30
NEEDED_FILES = 1024
CONNECT_SECONDS = 3.0


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at: `good`, a `note` worth knowing, or `bad`: something will not work."""

    state: Literal["good", "note", "bad"]
    text: str


@click.command()
@json_option
@config_option
def command(as_json: bool, config: str | None) -> None:
    """Look for what is wrong with this set-up and say how to mend it.

    It opens connections to the providers that a key is set for, and asks them nothing; into a bucket it puts an object
    of a few bytes, and takes it away again. Exits 1 if anything is wrong.
    """
    findings = list(examine(config))
    if as_json:
        click.echo(json.dumps([asdict(finding) for finding in findings], indent=2))
    else:
        for finding in findings:
            click.echo(f"{_mark(finding)} {finding.text}")
    if any(finding.state == "bad" for finding in findings):
        raise SystemExit(1)


def examine(config: str | None = None, environment: Mapping[str, str] | None = None) -> Iterator[Finding]:
    """Look at everything that can be looked at from here."""
    yield Finding("good", f"Python {'.'.join(map(str, sys.version_info[:3]))}.")
    try:
        settings = load_settings(config=config, environment=environment)
    except ConfigError as error:
        yield Finding("bad", str(error))
        return
    if settings.dotenv_names:
        yield Finding("note", f".env in this folder sets {', '.join(sorted(settings.dotenv_names))}.")
    yield from _libraries(settings)
    yield _folder("data", Path(settings.data), "IMPASTO_DATA")
    if settings.store_bucket:
        yield from _bucket(settings)
    elif settings.sources["store_url"] != "default":
        yield _folder("store", settings.store_folder, "IMPASTO_STORE_URL")
    yield from _books(settings)
    yield _space(settings)
    yield from _files()
    yield from _key(settings)
    yield _port(settings)
    yield from _other_gateway(settings)
    yield _painter()
    try:
        check_settings(settings)
        catalogue = load_operators_catalogue(settings)
    except ConfigError as error:
        yield Finding("bad", str(error))
        return
    yield from _secret(settings)
    yield from _providers(settings, catalogue)
    if find_spec("uvloop") is None and sys.platform != "win32":
        yield Finding("note", "uvloop is missing; the server is slower without it. Install it: pip install uvloop.")


def _libraries(settings: Settings) -> Iterator[Finding]:
    if settings.database_url.startswith("postgres") and find_spec("asyncpg") is None:
        yield Finding("bad", "IMPASTO_DATABASE_URL names PostgreSQL, which needs: pip install 'impasto[postgres]'.")
    if settings.redis_url and find_spec("redis") is None:
        yield Finding("bad", "IMPASTO_REDIS_URL is set, which needs: pip install 'impasto[redis]'.")
    if settings.workers > 1 and not settings.redis_url:
        yield Finding(
            "note",
            f"Each of the {settings.workers} server processes counts requests per minute for itself. Set "
            "IMPASTO_REDIS_URL where keys have a limit that should hold for all of them together.",
        )


def _folder(what: str, path: Path, variable: str) -> Finding:
    existing = next(folder for folder in (path, *path.absolute().parents) if folder.exists())
    if not existing.is_dir() or not os.access(existing, os.W_OK):
        return Finding("bad", f"{path} cannot be written. Set {variable} to a folder that this user may write.")
    return Finding("good", f"The {what} folder {path} can be written.")


def _bucket(settings: Settings) -> Iterator[Finding]:
    """Puts something tiny there, and takes it away again."""
    try:
        store = store_of(settings)(f"doctor-{os.urandom(8).hex()}")
    except ConfigError:  # told with the other settings
        return
    if isinstance(store, ObjectStore):
        try:
            store.probe()
        except Failure as failure:
            yield Finding(
                "bad",
                f"{settings.store_url} cannot be used ({failure.logged.removeprefix('store: ')}). Check "
                "IMPASTO_STORE_URL, the AWS_* variables, and what they may do: docs/operating.md lists it.",
            )
        else:
            yield Finding("good", f"{settings.store_url} can be written, listed, read and deleted from.")
    store.close()


def _books(settings: Settings) -> Iterator[Finding]:
    if settings.database_url.startswith("postgres") and find_spec("asyncpg") is None:
        return
    try:
        read = read_books(
            settings.database_url, lambda connection: (check_books(connection), count_entries(connection))
        )
    except click.ClickException as error:
        yield Finding("bad", f"{error.message} Check IMPASTO_DATABASE_URL, and that the database runs.")
        return
    if read is None:
        return
    broken, count = read
    for sentence in broken:
        yield Finding("bad", f"The books do not balance. {sentence} Keep a copy of the database, and report this.")
    if not broken:
        yield Finding("good", f"The books are balanced ({count} {'entry' if count == 1 else 'entries'}).")
    yield from _kept(settings)


def _kept(settings: Settings) -> Iterator[Finding]:
    """Whether the store has what the books name."""

    async def check() -> list[str]:
        database, store = database_at(settings.database_url), store_of(settings)(f"doctor-{os.urandom(8).hex()}")
        try:
            return await check_store(database, store)
        finally:
            store.close()
            await database.close()

    with suppress(ConfigError, Failure):  # told with the settings, the folders and the books
        for sentence in asyncio.run(check()):
            yield Finding(
                "bad",
                f"{sentence} They are answered with 410. Check that IMPASTO_STORE_URL is what it was, or bring the "
                "store back from a backup: docs/operating.md says how.",
            )


def _secret(settings: Settings) -> Iterator[Finding]:
    """Whether the secret can be used, and the books know it."""
    try:
        secret = find_secret(Path(settings.data), settings.secret)
    except SecretError as error:
        yield Finding("bad", str(error))
        return
    if secret is None:
        return
    try:
        same = read_books(settings.database_url, lambda connection: is_same_secret(connection, secret))
    except click.ClickException:  # told already, with the books
        return
    if same is False:
        yield Finding(
            "bad",
            "The database was used with another secret, and the server does not start on it. Set IMPASTO_SECRET to "
            "that of the first server, which is in the file secret of its data folder unless it was set there too.",
        )


def _space(settings: Settings) -> Finding:
    place, what = settings.store_folder, "are kept"
    if settings.store_bucket:
        place, what = Path(settings.data).absolute(), "wait on their way to the bucket"
    free = shutil.disk_usage(next(path for path in (place, *place.parents) if path.is_dir())).free
    said = f"{place}, where answers {what}, has"
    if free < NEEDED_SPACE_BYTES:
        return Finding(
            "bad", f"{said} {free >> 20} MB left. Free some, lower IMPASTO_RETENTION, or set IMPASTO_STORE_URL."
        )
    return Finding("good", f"{said} {free >> 30} GB left.")


def _files() -> Iterator[Finding]:
    if sys.platform == "win32":
        return
    import resource

    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    if limit < NEEDED_FILES:
        yield Finding("note", f"A process may open {limit} files here; a busy server needs more. Run: ulimit -n 65536.")


def _key(settings: Settings) -> Iterator[Finding]:
    path = Path(settings.data) / FIRST_KEY_FILE
    try:
        check_key(settings)
        first_key = first_key_of(settings)
    except ConfigError as error:
        yield Finding("bad", str(error))
        return
    if settings.api_key and len(settings.api_key) < SAFE_KEY_LENGTH:
        yield Finding("note", f"IMPASTO_API_KEY can be guessed. Use {SAFE_KEY_LENGTH} random characters or more.")
    elif settings.api_key:
        yield Finding("good", "IMPASTO_API_KEY is set.")
    if first_key and os.name == "posix" and path.stat().st_mode & 0o077:
        yield Finding("bad", f"Others on this machine can read {path}. Run: chmod 600 {path}.")
    elif first_key:
        yield Finding("good", f"The first key is in {path}, readable by you alone.")
    elif not settings.api_key:
        yield Finding("note", "No key was made yet; the first start of the server makes one.")


def _port(settings: Settings) -> Finding:
    try:
        for opened in listen_on(settings.host, settings.port):
            opened.close()
    except click.ClickException as error:
        if _is_gateway(address_of(settings.host, settings.port)):
            return Finding("good", f"A gateway is running on {address_of(settings.host, settings.port)}.")
        return Finding("note", error.message)
    return Finding("good", f"{address_of(settings.host, settings.port)} is free.")


def _other_gateway(settings: Settings) -> Iterator[Finding]:
    url = settings.environment.get("IMPASTO_URL")
    if not url:
        return
    if _is_gateway(url.rstrip("/")):
        yield Finding("good", f"The gateway that IMPASTO_URL names, {url}, answers.")
    else:
        yield Finding("bad", f"IMPASTO_URL: no gateway answers at {url}. Start it there, or correct or unset it.")


def _is_gateway(url: str) -> bool:
    try:
        return RemoteGateway(url, "").get("/health/live", timeout_seconds=CONNECT_SECONDS) == {"status": "alive"}
    except (click.ClickException, ValueError):
        return False


def _painter() -> Finding:
    if is_installed():
        return Finding("good", "The built-in painter is installed.")
    return Finding("note", "The built-in painter is not installed. Install it: pip install 'impasto[painter]'.")


def _providers(settings: Settings, catalogue: Catalogue) -> Iterator[Finding]:
    access = access_of(settings, catalogue)
    for provider in catalogue.providers.values():
        if provider.is_local:
            continue
        if access[provider.id].key is None:
            names = " or ".join(provider.key_env)
            yield Finding("note", f"No key for {provider.name}. Set {names} to use its models.")
            continue
        yield _reached(provider.name, access[provider.id].base_url, provider.base_url_env)
        for model in catalogue.models.values():
            if model.provider == provider and is_retired(model):
                instead = f" Ask for {model.lifecycle.replaced_by}." if model.lifecycle.replaced_by else ""
                yield Finding("note", f"{model.id} was retired on {model.lifecycle.retired}.{instead}")
        if settings.environment.get("HTTPS_PROXY") or settings.environment.get("https_proxy"):
            yield Finding(
                "note",
                f"HTTPS_PROXY is set; calls to {provider.name} go out directly all the same. Where only the proxy may "
                f"go out, set {provider.base_url_env} to an address that passes them on.",
            )


def _reached(name: str, base_url: str, variable: str) -> Finding:
    parts = urlsplit(base_url)
    port = parts.port or (443 if parts.scheme == "https" else 80)
    try:
        socket.create_connection((str(parts.hostname), port), timeout=CONNECT_SECONDS).close()
    except OSError as error:
        reason = error.strerror or str(error)
        return Finding(
            "bad",
            f"A key for {name} is set, but {base_url} cannot be reached from here: {reason}. "
            f"Check the network, its firewall, and {variable}.",
        )
    return Finding("good", f"A key for {name} is set, and {base_url} can be reached.")


def _mark(finding: Finding) -> str:
    mark, colour = {"good": ("ok  ", "green"), "note": ("note", "yellow"), "bad": ("BAD ", "red")}[finding.state]
    return click.style(mark, fg=colour)
