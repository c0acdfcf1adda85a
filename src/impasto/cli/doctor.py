"""`impasto doctor`: what is wrong with this set-up, and how to mend it.

Rule: every finding is a sentence that ends in what to do; nothing is called that costs.
"""

import json
import os
import shutil
import socket
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import date
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

import click

from impasto.app import access_of, load_operators_catalogue
from impasto.cli.settings import config_option
from impasto.config import ConfigError, Settings, load_settings
from impasto.engines.painter import is_installed
from impasto.storage.keys import FIRST_KEY_FILE

NEEDED_SPACE_BYTES = 1 << 30


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at: `good`, a `note` worth knowing, or `bad`: something will not work."""

    state: Literal["good", "note", "bad"]
    text: str


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print facts as JSON.")
@config_option
def command(as_json: bool, config: str | None) -> None:
    """Look for what is wrong with this set-up and say how to mend it. Exits 1 if anything is."""
    findings = list(examine(config))
    if as_json:
        click.echo(json.dumps([asdict(finding) for finding in findings], indent=2))
    else:
        for finding in findings:
            click.echo(f"{_mark(finding)} {finding.text}")
    if any(finding.state == "bad" for finding in findings):
        raise SystemExit(1)


def examine(config: str | None = None) -> Iterator[Finding]:
    """Look at everything that can be looked at from here."""
    yield _python()
    try:
        settings = load_settings(config=config)
    except ConfigError as error:
        yield Finding("bad", str(error))
        return
    yield from (Finding("note", warning) for warning in settings.warnings)
    yield _data_folder(settings)
    yield _space()
    yield from _key(settings)
    yield _port(settings)
    yield _painter()
    yield from _providers(settings)
    if find_spec("uvloop") is None and sys.platform != "win32":
        yield Finding("note", "uvloop is missing; the server is slower without it. Install it: pip install uvloop.")


def _python() -> Finding:
    version = ".".join(map(str, sys.version_info[:3]))
    return Finding("good", f"Python {version}.")


def _data_folder(settings: Settings) -> Finding:
    data = Path(settings.data)
    existing = next(folder for folder in (data, *data.absolute().parents) if folder.exists())
    if not existing.is_dir() or not os.access(existing, os.W_OK):
        return Finding("bad", f"{data} cannot be written. Set IMPASTO_DATA to a folder that this user may write.")
    return Finding("good", f"The data folder {data} can be written.")


def _space() -> Finding:
    folder = tempfile.gettempdir()
    free = shutil.disk_usage(folder).free
    if free < NEEDED_SPACE_BYTES:
        return Finding(
            "bad",
            f"{folder} has {free >> 20} MB left; answers wait there until they are whole. Free some, or set TMPDIR.",
        )
    return Finding("good", f"{folder}, where answers wait until they are whole, has {free >> 30} GB left.")


def _key(settings: Settings) -> Iterator[Finding]:
    if settings.api_key:
        if len(settings.api_key) < 20:
            yield Finding("bad", "IMPASTO_API_KEY is short enough to be guessed. Use 32 random characters.")
        else:
            yield Finding("good", "IMPASTO_API_KEY is set.")
    path = Path(settings.data) / FIRST_KEY_FILE
    if path.exists() and os.name == "posix" and path.stat().st_mode & 0o077:
        yield Finding("bad", f"Others on this machine can read {path}. Run: chmod 600 {path}.")
    elif path.exists():
        yield Finding("good", f"The first key is in {path}, readable by you alone.")
    elif not settings.api_key:
        yield Finding("note", "No key was made yet; the first start of the server makes one.")


def _port(settings: Settings) -> Finding:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((settings.host, settings.port))
        except OSError as error:
            return Finding(
                "note",
                f"{settings.host}:{settings.port} cannot be used now ({error.strerror}): a server runs there, or the "
                "address is not this machine's. Choose another with --port.",
            )
    return Finding("good", f"{settings.host}:{settings.port} is free.")


def _painter() -> Finding:
    if is_installed():
        return Finding("good", "The built-in painter is installed.")
    return Finding("note", "The built-in painter is not installed. Install it: pip install 'impasto[painter]'.")


def _providers(settings: Settings) -> Iterator[Finding]:
    try:
        catalogue = load_operators_catalogue(settings)
        access = access_of(settings, catalogue)
    except ConfigError as error:
        yield Finding("bad", str(error))
        return
    for provider in catalogue.providers.values():
        if provider.is_local:
            continue
        if access[provider.id].key is None:
            yield Finding("note", f"No key for {provider.name}. Set {provider.key_env[0]} to use its models.")
            continue
        yield Finding("good", f"A key for {provider.name} is set; calls go to {access[provider.id].base_url}.")
        for model in catalogue.models.values():
            retired = model.lifecycle.retired
            if model.provider == provider and retired and retired <= date.today():  # noqa: DTZ011 - the operator's day
                instead = f"; ask for {model.lifecycle.replaced_by}" if model.lifecycle.replaced_by else ""
                yield Finding("note", f"{model.id} was retired by {provider.name} on {retired}{instead}.")


def _mark(finding: Finding) -> str:
    mark, colour = {"good": ("ok  ", "green"), "note": ("note", "yellow"), "bad": ("BAD ", "red")}[finding.state]
    return click.style(mark, fg=colour)
