"""The composition root: the only module that names concrete classes.

Rule: everything is built here, once, from the settings; what is built is closed by the
app's lifespan.
"""

import ipaddress
import os
import re
import socket
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from impasto.adapters.gemini import GeminiAdapter
from impasto.api.access import Access as AccessLog
from impasto.api.admission import Admission
from impasto.api.routes import Gateway, asgi_app
from impasto.catalogue.catalogue import Catalogue
from impasto.catalogue.load import load_catalogue
from impasto.catalogue.schema import CatalogueError
from impasto.completions.answerers import AnswererTable
from impasto.completions.create import Completions
from impasto.config import ConfigError, Settings
from impasto.domain.model import Provider
from impasto.engines import painter
from impasto.net.addresses import Addresses
from impasto.net.image_fetcher import ImageFetcher
from impasto.net.provider_client import Access, ProviderClient
from impasto.net.strangers import StrangersImages
from impasto.storage.keys import EVERY_RIGHT, FixedKeys, KeyFileError, read_first_key
from impasto.storage.spool import FileSpools

ADMISSION_SECONDS = 30.0
"""How long a request may wait in line before it is told to come back."""

ADAPTERS = {"gemini": GeminiAdapter()}
_DEFAULT_PORTS = {"http": 80, "https": 443}
_VERSION = re.compile(r"/v\d+((alpha|beta)\d*)?$")


@dataclass(slots=True)
class Readiness:
    """Whether new work is taken."""

    draining: bool = False

    def is_ready(self) -> bool:
        return not self.draining


def build(settings: Settings, readiness: Readiness | None = None) -> AccessLog:
    """The gateway as an ASGI app. Raises `ConfigError` for settings that do not fit together."""
    catalogue = load_operators_catalogue(settings)
    access = access_of(settings, catalogue)
    remote = ProviderClient(ADAPTERS, access)
    engine = painter.PainterEngine()
    fetcher = ImageFetcher(addresses=_addresses(settings))

    @asynccontextmanager
    async def lifespan(_: object) -> AsyncIterator[None]:
        try:
            yield
        finally:
            engine.close()
            await remote.close()
            await fetcher.close()

    gateway = Gateway(
        completions=Completions(
            catalogue=catalogue,
            answerers=AnswererTable({"painter": engine}, remote),
            images=StrangersImages(fetcher),
            spools=FileSpools(),
            now=time.time,
            deadline_seconds=settings.deadline_seconds,
        ),
        catalogue=catalogue,
        available=available_of(catalogue, access),
        keys=FixedKeys(dict.fromkeys(secrets_of(settings), EVERY_RIGHT)),
        admission=Admission(settings.max_in_flight_mb << 20, ADMISSION_SECONDS),
        max_body_bytes=settings.max_body_mb << 20,
        cors_origins=settings.cors_origins,
        new_id=lambda: os.urandom(16).hex(),
        is_ready=(readiness or Readiness()).is_ready,
    )
    return asgi_app(gateway, lifespan)


def load_operators_catalogue(settings: Settings) -> Catalogue:
    """The packaged catalogue under the operator's tables. Raises `ConfigError`."""
    try:
        return load_catalogue(settings.catalogue_tables, origin=settings.catalogue_origin)
    except CatalogueError as error:
        raise ConfigError(str(error)) from error


def access_of(settings: Settings, catalogue: Catalogue) -> dict[str, Access]:
    """How each remote provider is reached. Raises `ConfigError` for an address that cannot be right."""
    return {
        provider.id: Access(_base_url(settings, provider), _key_of(settings, provider))
        for provider in catalogue.providers.values()
        if not provider.is_local
    }


def available_of(catalogue: Catalogue, access: dict[str, Access]) -> dict[str, bool]:
    """Which providers could be called now."""
    return {
        provider.id: painter.is_installed() if provider.is_local else access[provider.id].key is not None
        for provider in catalogue.providers.values()
    }


def secrets_of(settings: Settings) -> list[str]:
    """The keys that this gateway accepts."""
    return [secret for secret in (settings.api_key, first_key_of(settings)) if secret]


def first_key_of(settings: Settings) -> str | None:
    """The first key of this gateway, or `None` where none was made. Raises `ConfigError` where it cannot be read."""
    try:
        return read_first_key(Path(settings.data))
    except KeyFileError as error:
        raise ConfigError(str(error)) from error


def _key_of(settings: Settings, provider: Provider) -> str | None:
    found = settings.secret_of(provider.key_env)
    return found[1] if found else None


def _base_url(settings: Settings, provider: Provider) -> str:
    """The address without a trailing slash. Raises `ConfigError` for one that cannot be right."""
    written = settings.environment.get(provider.base_url_env) or provider.base_url
    base_url = written.strip().rstrip("/")
    name = provider.base_url_env or f"providers.{provider.id}.base_url"
    said = f'{name}: "{written}"'
    try:
        parts = urlsplit(base_url)
        port = parts.port or _DEFAULT_PORTS[parts.scheme]
    except (ValueError, KeyError):
        raise ConfigError(f"{said} is no address. It takes http(s)://host[:port][/path].") from None
    if parts.username is not None:
        raise ConfigError(f"{name}: a name or a password in an address is not taken. Leave them out.")
    if not parts.hostname or parts.query or parts.fragment:
        raise ConfigError(f"{said} is no address. It takes http(s)://host[:port][/path].")
    if _VERSION.search(parts.path):
        raise ConfigError(f"{said} ends in a version. Leave it out: the gateway adds its own.")
    if port == settings.port and _is_here(parts.hostname, settings.host):
        raise ConfigError(f"{said} is this very server, and every call would come back to it. Give the provider's.")
    return base_url


def _is_here(host: str, listening: str) -> bool:
    """Whether a call to `host` comes to the server that listens on `listening`. Asks no name server."""
    names = {listening.lower(), socket.gethostname().lower(), "localhost", "localhost.localdomain", "ip6-localhost"}
    if host in names or host.endswith(".localhost"):
        return True
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        try:
            address = ipaddress.ip_address(socket.inet_aton(host))  # 127.1 and 2130706433 are 127.0.0.1
        except OSError:
            return False
    address = getattr(address, "ipv4_mapped", None) or address
    return address.is_loopback or address.is_unspecified


def _addresses(settings: Settings) -> Addresses:
    try:
        return Addresses.parse(settings.fetch_allow)
    except ValueError as error:
        raise ConfigError(f"IMPASTO_FETCH_ALLOW: {error}") from error
