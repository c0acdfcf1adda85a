"""The composition root: the only module that names concrete classes.

Rule: everything is built here, once, from the settings; what is built is closed by the
app's lifespan.
"""

import time
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from impasto.adapters.gemini import GeminiAdapter
from impasto.api.access import Access as AccessLog
from impasto.api.routes import Gateway, asgi_app
from impasto.catalogue.catalogue import Catalogue
from impasto.catalogue.load import load_catalogue
from impasto.catalogue.schema import CatalogueError
from impasto.completions.answerers import AnswererTable
from impasto.completions.create import Completions
from impasto.config import ConfigError, Settings, load_settings
from impasto.domain.model import Provider
from impasto.engines import painter
from impasto.logs import configure_logs
from impasto.net.addresses import Addresses
from impasto.net.image_fetcher import ImageFetcher
from impasto.net.provider_client import Access, ProviderClient
from impasto.net.strangers import StrangersImages
from impasto.storage.keys import EVERY_RIGHT, FixedKeys, read_first_key
from impasto.storage.spool import FileSpools

ADAPTERS = {"gemini": GeminiAdapter()}
_LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1", "[::1]", "0.0.0.0", "::"})  # noqa: S104 - compared, not bound


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
        yield
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
        max_body_bytes=settings.max_body_mb << 20,
        cors_origins=settings.cors_origins,
        new_id=lambda: uuid.uuid4().hex,
        is_ready=(readiness or Readiness()).is_ready,
    )
    return asgi_app(gateway, lifespan)


def build_from_environment() -> AccessLog:
    """The gateway for a server that starts its own processes; flags reach them through the environment."""
    settings = load_settings()
    configure_logs(settings.log_level)
    return build(settings)


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
    return [secret for secret in (settings.api_key, read_first_key(Path(settings.data))) if secret]


def _key_of(settings: Settings, provider: Provider) -> str | None:
    found = settings.secret_of(provider.key_env)
    return found[1] if found else None


def _base_url(settings: Settings, provider: Provider) -> str:
    variable = provider.base_url_env
    base_url = (settings.environment.get(variable) or provider.base_url).rstrip("/")
    parts = urlsplit(base_url)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
        raise ConfigError(f'{variable}: "{base_url}" is no address. It takes http(s)://host[:port][/path].')
    if parts.path.rstrip("/").endswith(("/v1", "/v1beta")):
        raise ConfigError(f'{variable}: "{base_url}" ends in a version. Leave it out: the gateway adds its own.')
    port = parts.port or (443 if parts.scheme == "https" else 80)
    if port == settings.port and parts.hostname in _LOOPBACK | {settings.host}:
        raise ConfigError(f'{variable}: "{base_url}" is this very server; every call would come back to it.')
    return base_url


def _addresses(settings: Settings) -> Addresses:
    try:
        return Addresses.parse(settings.fetch_allow)
    except ValueError as error:
        raise ConfigError(f"IMPASTO_FETCH_ALLOW: {error}") from error
