"""The composition root: the only module that names concrete classes.

Rule: everything is built here, once, from the settings; what is built is closed by the
app's lifespan.
"""

import asyncio
import ipaddress
import os
import re
import socket
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import urlsplit

from limits.errors import ConfigurationError

from impasto.adapters.gemini import GeminiAdapter
from impasto.api.access import Access as AccessLog
from impasto.api.admission import Admission
from impasto.api.links import Links
from impasto.api.rate_limits import RateLimits, RedisNotInstalledError, redis_at
from impasto.api.routes import Gateway, asgi_app
from impasto.catalogue.catalogue import Catalogue
from impasto.catalogue.load import load_catalogue
from impasto.catalogue.schema import CatalogueError
from impasto.completions.answerers import AnswererTable
from impasto.completions.create import Completions
from impasto.completions.recall import Recall
from impasto.config import ConfigError, Settings
from impasto.domain.errors import Failure
from impasto.domain.model import Provider
from impasto.domain.retention import Retention
from impasto.engines import painter, vips
from impasto.engines.conversions import Conversions
from impasto.engines.credentials import Credentials, CredentialsError, load_credentials
from impasto.engines.sandbox import Sandbox
from impasto.net.addresses import Addresses
from impasto.net.image_fetcher import ImageFetcher
from impasto.net.provider_client import Access, ProviderClient
from impasto.net.strangers import StrangersImages
from impasto.storage.blobs import FileStore
from impasto.storage.database import DatabaseUrlError
from impasto.storage.images import find_image
from impasto.storage.keeping import Keeping
from impasto.storage.keys import EVERY_RIGHT, KeyFileError, read_first_key
from impasto.storage.object_store import OPTIONS, Bucket, ObjectStore
from impasto.storage.secret import SecretError, load_secret, subkey
from impasto.storage.store import Store

ADMISSION_SECONDS = 30.0
"""How long a request may wait in line before it is told to come back."""

DRAIN_SECONDS = 30.0
"""How long work whose callers have gone may go on once the last request is answered."""

SPOOL_FOLDER = "spool"
_NO_SECRET = "stands for one that the first start makes"  # noqa: S105 - it hashes nothing
ADAPTERS = {"gemini": GeminiAdapter()}
_DEFAULT_PORTS = {"http": 80, "https": 443}
_VERSION = re.compile(r"/v\d+((alpha|beta)\d*)?$")


@dataclass(slots=True)
class Readiness:
    """Whether new work is taken."""

    draining: bool = False
    is_well: Callable[[], bool] = lambda: True
    cut: Callable[[], None] = lambda: None
    """Ends all work at once."""

    def is_ready(self) -> bool:
        return not self.draining and self.is_well()


def build(
    settings: Settings,
    readiness: Readiness | None = None,
    passing: Callable[[str], None] = lambda _: None,
    keeping: Keeping | None = None,
) -> AccessLog:
    """The gateway as an ASGI app. Raises `ConfigError` for settings that do not fit together.

    `passing` hears the name of each step of each request. `keeping` stands in for what the settings name.
    """
    catalogue = load_operators_catalogue(settings)
    access = access_of(settings, catalogue)
    remote = ProviderClient(ADAPTERS, access)
    credentials = _credentials(settings)
    engine = painter.PainterEngine(credentials)
    fetcher = ImageFetcher(addresses=_addresses(settings))
    readiness = readiness or Readiness()
    keeping = keeping or keeping_of(settings)
    readiness.is_well = lambda: keeping.caretaker.is_well
    limits = _rate_limits(settings)
    links = Links(link_base(settings) or "", subkey(keeping.secret, "links"), settings.link_seconds, time.time)
    completions = Completions(
        catalogue=catalogue,
        answerers=AnswererTable({"painter": engine}, remote),
        sandbox=Sandbox(credentials),
        images=StrangersImages(fetcher),
        store=keeping.store,
        ledger=keeping.ledger,
        recall=Recall(keeping.gallery, keeping.ledger, keeping.store, links.read),
        now=time.time,
        new_id=_new_id,
        deadline_seconds=settings.deadline_seconds,
        passing=passing,
        strips_gps=settings.input_gps == "remove",
    )
    readiness.cut = completions.cut

    @asynccontextmanager
    async def lifespan(_: object) -> AsyncIterator[None]:
        caring = await keeping.open()
        try:
            yield
        finally:
            await completions.drain(DRAIN_SECONDS)
            caring.cancel()
            engine.close()
            await remote.close()
            await fetcher.close()
            await limits.close()
            await keeping.close()

    available = available_of(catalogue, access)
    gateway = _gateway_of(settings, completions, keeping, limits, links, available, readiness.is_ready)
    return asgi_app(gateway, lifespan)


def _gateway_of(
    settings: Settings,
    completions: Completions,
    keeping: Keeping,
    limits: RateLimits,
    links: Links,
    available: dict[str, bool],
    is_ready: Callable[[], bool],
) -> Gateway:
    return Gateway(
        completions=completions,
        catalogue=completions.catalogue,
        available=available,
        keys=keeping.keys,
        limits=limits,
        admission=Admission(settings.max_in_flight_mb << 20, ADMISSION_SECONDS),
        max_body_bytes=settings.max_body_mb << 20,
        cors_origins=settings.cors_origins,
        new_id=_new_id,
        is_ready=is_ready,
        find_image=partial(find_image, keeping.database),
        budget_of=keeping.budget_of,
        spending_of=keeping.spending_of,
        totals_of=keeping.totals_of,
        register=keeping.register,
        uploads=keeping.uploads,
        lineage=keeping.lineage,
        deletion=keeping.deletion,
        links=links,
        makes_links=link_base(settings) is not None,
        converter=Conversions() if vips.is_installed() else None,
        finishes=settings.when_caller_leaves == "finish",
        spaces_seconds=settings.silence_spaces_seconds,
    )


def check_settings(settings: Settings) -> None:
    """Find what is wrong with the settings, and touch nothing. Raises `ConfigError`."""
    build(settings if settings.secret else replace(settings, secret=_NO_SECRET))


def keeping_of(settings: Settings) -> Keeping:
    """What this gateway keeps. Raises `ConfigError`."""
    data = Path(settings.data)
    try:
        secret = load_secret(data, settings.secret)
        return Keeping.at(
            settings.database_url,
            store_of(settings),
            data,
            secret,
            dict.fromkeys(secrets_of(settings), EVERY_RIGHT),
            Retention.parse(settings.retention),
        )
    except SecretError as error:
        raise ConfigError(str(error)) from error
    except DatabaseUrlError as error:
        raise ConfigError(f"IMPASTO_DATABASE_URL: {error}.") from error


def store_of(settings: Settings, find_library: Callable[[str], object] = find_spec) -> Callable[[str], Store]:
    """What opens the store for the process of a name. Raises `ConfigError`."""
    bucket = settings.store_bucket
    if bucket is None:
        return partial(FileStore, settings.store_folder)
    if find_library("obstore") is None:
        raise ConfigError("IMPASTO_STORE_URL names a bucket, which needs: pip install 'impasto[s3]'.")
    spool = Path(settings.data) / SPOOL_FOLDER
    return partial(ObjectStore, Bucket(*bucket, _bucket_options(settings)), spool, time.time)


def prepare_database(settings: Settings) -> None:
    """Make sure that the database can be used, before anything is started. Raises `ConfigError`."""

    async def prepare() -> None:
        keeping = keeping_of(settings)
        try:
            await keeping.caretaker.prepare_database()
        finally:
            await keeping.database.close()

    try:
        asyncio.run(prepare())
    except Failure as failure:
        raise ConfigError(
            f"The database cannot be used ({failure.logged.removeprefix('database: ')}). IMPASTO_DATABASE_URL and "
            "IMPASTO_DATA say where it is."
        ) from failure
    except SecretError as error:
        raise ConfigError(str(error)) from error


def link_base(settings: Settings) -> str | None:
    """What links begin with: the public address; without one this machine's, where only this machine is served."""
    if settings.public_url:
        return settings.public_url
    if not _is_here(settings.host, settings.host) or settings.host in ("0.0.0.0", "::"):  # noqa: S104
        return None
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    return f"http://{host}:{settings.port}"


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


def _rate_limits(settings: Settings) -> RateLimits:
    try:
        return RateLimits(time.time, redis_at(settings.redis_url) if settings.redis_url else None)
    except RedisNotInstalledError as error:
        raise ConfigError(str(error)) from error
    except ConfigurationError as error:
        raise ConfigError("IMPASTO_REDIS_URL is no address of Redis. It takes redis://host:port[/number].") from error


def _credentials(settings: Settings) -> Credentials | None:
    certificate, key = settings.c2pa_certificate, settings.c2pa_key
    if certificate is None and key is None:
        return None
    if certificate is None or key is None:
        there, missing = ("KEY", "CERTIFICATE") if certificate is None else ("CERTIFICATE", "KEY")
        raise ConfigError(
            f"IMPASTO_C2PA_{there} is set, and IMPASTO_C2PA_{missing} is not. Set both, to sign this gateway's own "
            "pictures, or neither."
        )
    try:
        return load_credentials(certificate, key)
    except CredentialsError as error:
        raise ConfigError(str(error)) from error


def _new_id() -> str:
    return os.urandom(16).hex()


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


def _bucket_options(settings: Settings) -> dict[str, str]:
    found = {option: settings.secret_of(variables) for option, variables in OPTIONS.items()}
    set_ones = {option: each for option, each in found.items() if each is not None}
    if "endpoint" in set_ones:
        variable, url = set_ones["endpoint"]
        try:
            is_address = urlsplit(url).port != 0 and urlsplit(url).scheme in _DEFAULT_PORTS and urlsplit(url).hostname
        except ValueError:
            is_address = False
        if not is_address:
            raise ConfigError(f'{variable}: "{url}" is no address. It takes http(s)://host[:port].')
    return {option: value for option, (_, value) in set_ones.items()}


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
