"""The settings: where each comes from, what it means, what is wrong with it.

Rule: flags win over the environment, the environment over `.env`, `.env` over the TOML
file. An unknown name is an error, and a secret is never shown.
"""

import difflib
import ipaddress
import os
import re
import tomllib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from dotenv import dotenv_values

from impasto.catalogue.schema import OPERATOR_TABLES

PREFIX = "IMPASTO_"
_LOG_LEVELS = ("debug", "info", "warning", "error")

NOT_YET = {
    "IMPASTO_DATABASE_URL": "no database is kept yet",
    "IMPASTO_STORE_URL": "pictures are not kept yet",
    "IMPASTO_REDIS_URL": "rate limits are not kept yet",
    "IMPASTO_SECRET": "keys are not hashed with a secret yet",
    "IMPASTO_SECRET_FILE": "keys are not hashed with a secret yet",
    "IMPASTO_PUBLIC_URL": "links are not made yet",
    "IMPASTO_RETENTION": "pictures are not kept yet",
}
"""Names that are fixed but have no effect in this version: a start says so instead of being silent."""

_REFUSED = {"IMPASTO_EGRESS_PROXY": "an egress proxy is not supported yet, and fetching around it would be worse"}
_ELSEWHERE = frozenset({"IMPASTO_CONFIG", "IMPASTO_URL"})

# In a cluster every service of this name leaves such variables in every pod.
# https://kubernetes.io/docs/tutorials/services/connect-applications-service/#environment-variables
_SERVICE_LINK = re.compile(r"IMPASTO_(\w+_)?(SERVICE_HOST|SERVICE_PORT(_\w+)?|PORT_\d+_(TCP|UDP|SCTP)(_\w+)?)")
_SERVICE_ADDRESS = re.compile(r"(tcp|udp|sctp)://")


class ConfigError(Exception):
    """A setting that cannot be used. The message names it, its source and what it takes."""


def _folder(value: str) -> str:
    if not value:
        raise ValueError
    return str(Path(value).expanduser()) if value.startswith("~/") else value


def _host(value: str) -> str:
    host = value.removeprefix("[").removesuffix("]")
    if ":" in host:
        ipaddress.IPv6Address(host)
    elif not re.fullmatch(r"[\w.-]+", host):
        raise ValueError
    return host


def _text(value: str) -> str:
    return value


def _count(value: str) -> int:
    number = int(value)
    if number < 1:
        raise ValueError
    return number


def _port(value: str) -> int:
    number = int(value)
    if not 0 <= number <= 65535:
        raise ValueError
    return number


def _seconds(value: str) -> float:
    number = float(value)
    if not 0 < number < 1e6:
        raise ValueError
    return number


def _origins(value: str) -> tuple[str, ...]:
    origins = tuple(item.strip() for item in value.split(",") if item.strip())
    for origin in origins:
        parts = urlsplit(origin)
        if origin != "*" and (not parts.netloc or origin != f"{parts.scheme}://{parts.netloc}"):
            raise ValueError  # a browser sends an origin without a path, so this one would never match
    return origins


def _key(value: str) -> str:
    key = _provider_key(value)
    if {*" \"'"} & {*key}:
        raise ValueError
    return key


def _provider_key(value: str) -> str:
    """What a header can carry. Quotes around it were meant as quotes: no key of a provider has any there."""
    key = value.strip()
    if not re.fullmatch(r"[ -~]+", key) or key[0] in "\"'" or key[-1] in "\"'":
        raise ValueError
    return key


def _level(value: str) -> str:
    if value.lower() not in _LOG_LEVELS:
        raise ValueError
    return value.lower()


@dataclass(frozen=True, slots=True)
class Setting:
    """One setting: its name in TOML, how its text is read, what it takes, and what it means."""

    name: str
    read: Callable[[str], object]
    default: object
    takes: str
    meaning: str
    secret: bool = False

    @property
    def variable(self) -> str:
        return PREFIX + self.name.upper()

    @property
    def flag(self) -> str:
        return "--" + self.name.replace("_", "-")


KEY_TAKES = "printable ASCII characters, without spaces and quotes"
PROVIDER_KEY_TAKES = "printable ASCII characters, without quotes around them"

SETTINGS = (
    Setting("host", _host, "127.0.0.1", "an address or a name, without a port", "address to listen on"),
    Setting("port", _port, 8080, "a number from 0 to 65535", "port to listen on"),
    Setting("workers", _count, 1, "a number from 1 up", "server processes"),
    Setting("data", _folder, "./impasto-data", "a folder", "folder of everything that is kept"),
    Setting("api_key", _key, None, KEY_TAKES, "a key with every right, for callers and the command line", secret=True),
    Setting("fetch_allow", _text, "", "host:port, addresses or networks, with commas between",
            "addresses that the image fetcher may reach although they are not public"),
    Setting("cors_origins", _origins, (), "* or origins like https://example.com, with commas between",
            "pages of other origins that may call"),
    Setting("max_body_mb", _count, 100, "a number from 1 up", "largest request body, in megabytes"),
    Setting("max_in_flight_mb", _count, 512, "a number from 1 up", "what all requests may hold at once; others wait"),
    Setting("deadline_seconds", _seconds, 600.0, "seconds above 0", "longest time for one request, all in all"),
    Setting("log_level", _level, "info", ", ".join(_LOG_LEVELS), "least important line that is logged"),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Settings:
    """The settings in force. `sources` says where each is from; `environment` holds what providers are set up with."""

    host: str
    port: int
    workers: int
    data: str
    api_key: str | None = field(repr=False)
    fetch_allow: str
    cors_origins: tuple[str, ...]
    max_body_mb: int
    max_in_flight_mb: int
    deadline_seconds: float
    log_level: str
    environment: Mapping[str, str] = field(repr=False)
    dotenv_names: frozenset[str]
    catalogue_tables: Mapping[str, object]
    catalogue_origin: str
    sources: Mapping[str, str]
    warnings: tuple[str, ...]

    def secret_of(self, variables: Iterable[str]) -> tuple[str, str] | None:
        """(variable, secret) of the first of `variables` that is set, or set as a file by `NAME_FILE`.

        Raises `ConfigError` for a file that cannot be read and for what no header can carry.
        """
        for variable in variables:
            found = _with_file_variant(self.environment, variable)
            if found:
                return found[0], _read_provider_key(*found)
        return None

    def origin_of(self, variable: str) -> str:
        """Where a variable that is set was set: in the environment or in `.env`."""
        return ".env" if variable in self.dotenv_names else "environment"


def load_settings(
    flags: Mapping[str, object] | None = None,
    *,
    config: str | None = None,
    environment: Mapping[str, str] | None = None,
) -> Settings:
    """Read every source. Raises `ConfigError`.

    `flags` are settings by name, `None` where a flag was not given. `environment` stands in for
    the process's own and `.env`. An empty variable is one that is not set.
    """
    environment, dotenv_names = _environment() if environment is None else (environment, frozenset())
    environment = {name: value for name, value in environment.items() if not _is_service_link(name, value)}
    path = config or environment.get("IMPASTO_CONFIG")
    table = _read_toml(path) if path else {}
    tables = {name: table.pop(name) for name in OPERATOR_TABLES if name in table}
    _check_names(environment, table, path)
    values: dict[str, object] = {}
    sources: dict[str, str] = {}
    for setting in SETTINGS:
        values[setting.name], source = _value_of(setting, flags or {}, environment, table, path)
        is_plain = source == setting.variable
        sources[setting.name] = ".env" if source in dotenv_names else "environment" if is_plain else source
    return Settings(
        **values,  # type: ignore[arg-type]
        environment=environment,
        dotenv_names=dotenv_names,
        catalogue_tables=tables,
        catalogue_origin=path or "",
        sources=sources,
        warnings=tuple(f"{name} has no effect: {why}." for name, why in NOT_YET.items() if environment.get(name)),
    )


def shown(setting: Setting, settings: Settings) -> str:
    """The value as a person may see it: secrets masked but for their last four characters."""
    value = getattr(settings, setting.name)
    if value is None or value in ("", ()):
        return "(not set)"
    if setting.secret:
        return masked(str(value))
    if isinstance(value, float):
        return f"{value:g}"
    return ", ".join(value) if isinstance(value, tuple) else str(value)


def masked(secret: str) -> str:
    """`…` and the last four characters, of a secret long enough to keep the rest."""
    return f"…{secret[-4:]}" if len(secret) >= 16 else "…"


def _environment() -> tuple[dict[str, str], frozenset[str]]:
    """The process's environment over `.env`, and which names are from there.

    A variable and its `_FILE` are one setting: where the environment says one, `.env` has no say in the other.
    """
    try:
        written = dotenv_values(".env", encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f".env cannot be read: {_reason(error)}.") from None
    beneath = {
        name: value for name, value in written.items()
        if value is not None and not {name, f"{name}_FILE", name.removesuffix("_FILE")} & os.environ.keys()
    }  # fmt: skip
    return {**beneath, **os.environ}, frozenset(beneath)


def _is_service_link(name: str, value: str) -> bool:
    is_address = name.startswith(PREFIX) and name.endswith("_PORT") and _SERVICE_ADDRESS.match(value)
    return bool(is_address or _SERVICE_LINK.fullmatch(name))


def _read_toml(path: str) -> dict[str, object]:
    try:
        return tomllib.loads(Path(path).read_text(encoding="utf-8-sig"))
    except FileNotFoundError:
        raise ConfigError(f"{path}: there is no such file (--config or IMPASTO_CONFIG).") from None
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigError(f"{path} cannot be read: {_reason(error)}.") from None


def _reason(error: Exception) -> str:
    match error:
        case OSError():
            return error.strerror or str(error)
        case UnicodeDecodeError():
            return "it is not UTF-8"
    return str(error)


def _check_names(environment: Mapping[str, str], table: Mapping[str, object], path: str | None) -> None:
    for variable, why in _REFUSED.items():
        if environment.get(variable):
            raise ConfigError(f"{variable}: {why}. Unset it.")
    variables = {setting.variable for setting in SETTINGS} | {f"{s.variable}_FILE" for s in SETTINGS if s.secret}
    known = variables | NOT_YET.keys() | _ELSEWHERE
    for variable in environment:
        if variable.startswith(PREFIX) and variable not in known | _REFUSED.keys():
            raise ConfigError(f"{variable}: there is no such setting. {_advice(variable, known)}")
    names = {setting.name for setting in SETTINGS}
    for name in table:
        if name not in names:
            raise ConfigError(
                f"{path}: there is no setting {name}. {_advice(name.lower(), names | set(OPERATOR_TABLES))}"
            )


def _advice(name: str, known: Iterable[str]) -> str:
    close = difflib.get_close_matches(name, list(known), n=1)
    return f"Did you mean {close[0]}?" if close else "See: impasto config show."


def _value_of(
    setting: Setting, flags: Mapping[str, object], environment: Mapping[str, str], table: Mapping[str, object],
    path: str | None,
) -> tuple[object, str]:  # fmt: skip
    """The value, and the flag, the variable or the file that it is from."""
    if flags.get(setting.name) is not None:
        return _read(setting, str(flags[setting.name]), setting.flag), setting.flag
    found = _with_file_variant(environment, setting.variable) if setting.secret else None
    if found is None and environment.get(setting.variable):
        found = (setting.variable, environment[setting.variable])
    if found:
        return _read(setting, found[1], found[0]), found[0]
    if setting.name in table:
        value = table[setting.name]
        text = ",".join(map(str, value)) if isinstance(value, list) else str(value)
        return _read(setting, text, f"{path}: {setting.name}"), str(path)
    return setting.default, "default"


def _read(setting: Setting, text: str, source: str) -> object:
    try:
        return setting.read(text)
    except ValueError:
        said = "this value" if setting.secret else f'"{text}"'
        raise ConfigError(f"{source}: {said} is not possible. It takes {setting.takes}.") from None


def _read_provider_key(variable: str, text: str) -> str:
    try:
        return _provider_key(text)
    except ValueError:
        raise ConfigError(f"{variable}: this value is no key. It takes {PROVIDER_KEY_TAKES}.") from None


def _with_file_variant(environment: Mapping[str, str], variable: str) -> tuple[str, str] | None:
    if environment.get(variable):
        return variable, environment[variable]
    path = environment.get(f"{variable}_FILE")
    if not path:
        return None
    try:
        secret = Path(path).read_text(encoding="utf-8-sig").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{variable}_FILE: {path} cannot be read: {_reason(error)}. Correct or unset it.") from None
    if not secret:
        raise ConfigError(f"{variable}_FILE: {path} is empty. Write the secret into it, or unset it.")
    return f"{variable}_FILE", secret
