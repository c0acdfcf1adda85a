"""The settings: where each comes from, what it means, what is wrong with it.

Rule: flags win over the environment, the environment over `.env`, `.env` over the TOML
file. An unknown name is an error, and a secret is never shown.
"""

import difflib
import os
import re
import tomllib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from dotenv import dotenv_values

from impasto import setting_values as read
from impasto.catalogue.schema import OPERATOR_TABLES

PREFIX = "IMPASTO_"
_REFUSED = {"IMPASTO_EGRESS_PROXY": "an egress proxy is not supported yet, and fetching around it would be worse"}
_ELSEWHERE = frozenset({"IMPASTO_CONFIG", "IMPASTO_URL"})

# In a cluster every service of this name leaves such variables in every pod.
# https://kubernetes.io/docs/tutorials/services/connect-applications-service/#environment-variables
_SERVICE_LINK = re.compile(r"IMPASTO_(\w+_)?(SERVICE_HOST|SERVICE_PORT(_\w+)?|PORT_\d+_(TCP|UDP|SCTP)(_\w+)?)")
_SERVICE_ADDRESS = re.compile(r"(tcp|udp|sctp)://")


class ConfigError(Exception):
    """A setting that cannot be used. The message names it, its source and what it takes."""


@dataclass(frozen=True, slots=True)
class Setting:
    """One setting: its name in TOML, how its text is read, what it takes, and what it means."""

    name: str
    read: Callable[[str], object]
    default: object
    takes: str
    meaning: str
    secret: bool = False
    holds_password: bool = False

    @property
    def variable(self) -> str:
        return PREFIX + self.name.upper()

    @property
    def flag(self) -> str:
        return "--" + self.name.replace("_", "-")

    @property
    def is_private(self) -> bool:
        """Whether the value is never quoted, and may lie in a file that `NAME_FILE` names."""
        return self.secret or self.holds_password


KEY_TAKES = "printable ASCII characters, without spaces and quotes"
PROVIDER_KEY_TAKES = "printable ASCII characters, without quotes around them"

DATABASE_TAKES = "sqlite:///path or postgresql://user:password@host/name, signs such as @ and / written as %40 and %2F"
STORE_TAKES = "file:///folder or s3://bucket/prefix"

SETTINGS = (
    Setting("host", read.read_host, "127.0.0.1", "an address or a name, without a port", "address to listen on"),
    Setting("port", read.read_port, 8080, "a number from 0 to 65535", "port to listen on"),
    Setting("workers", read.read_count, 1, "a number from 1 up", "server processes"),
    Setting("public_url", read.read_public_url, None, "http(s)://host[:port][/path]",
            "address that links to pictures begin with"),
    Setting("data", read.read_folder, "./impasto-data", "a folder, without ? and % in its name",
            "folder of everything that is kept"),
    Setting("database_url", read.read_database_url, None, DATABASE_TAKES,
            "database of keys, money and answers; without it SQLite in the data folder", holds_password=True),
    Setting("store_url", read.read_store_url, None, STORE_TAKES,
            "where pictures and answers are kept; without it in the data folder"),
    Setting("retention", read.read_retention, "7d,10GB",
            "an age of 1h or more, a size from 1MB, or both, such as 7d,10GB",
            "how long, and how much, pictures and answers are kept"),
    Setting("redis_url", read.read_redis_url, None, "redis://[user:password@]host[:port][/number] or rediss://…",
            "Redis for exact rate limits across servers; never needed for money", holds_password=True),
    Setting("api_key", read.read_key, None, KEY_TAKES, "a key with every right, for callers and the command line",
            secret=True),
    Setting("secret", read.read_secret, None, f"{read.SECRET_LENGTH} characters or more",
            "hashes keys and signs links; the same on all servers that share a database", secret=True),
    Setting("link_seconds", read.read_whole_seconds, 3600, "whole seconds from 1 up",
            "how long a link to a picture works"),
    Setting("c2pa_certificate", read.read_file, None, "a file of certificates in PEM, the signer's first",
            "signs the pictures of this gateway's own engines; needs the extra provenance"),
    Setting("c2pa_key", read.read_file, None, "a file with a private key in PEM, without a password",
            "the key that belongs to the certificate"),
    Setting("fetch_allow", read.read_text, "", "host:port, addresses or networks, with commas between",
            "addresses that the image fetcher may reach although they are not public"),
    Setting("cors_origins", read.read_origins, (), "* or origins like https://example.com, with commas between",
            "pages of other origins that may call"),
    Setting("max_body_mb", read.read_count, 100, "a number from 1 up", "largest request body, in megabytes"),
    Setting("max_in_flight_mb", read.read_count, 512, "a number from 1 up",
            "what all requests may hold at once; others wait"),
    Setting("deadline_seconds", read.read_seconds, 600.0, "seconds above 0",
            "longest time for one request, all in all"),
    Setting("when_caller_leaves", partial(read.read_choice, choices=read.WHEN_CALLER_LEAVES), "finish",
            " or ".join(read.WHEN_CALLER_LEAVES), "what becomes of a call whose caller hung up"),
    Setting("input_gps", partial(read.read_choice, choices=read.INPUT_GPS), "remove", " or ".join(read.INPUT_GPS),
            "whether photos are sent without the position that they were taken at"),
    Setting("silence_spaces_seconds", read.read_seconds_or_0, 0.0, "seconds, 0 for never",
            "silence after which a whole answer sends white space, for impatient proxies"),
    Setting("log_level", partial(read.read_choice, choices=read.LOG_LEVELS), "info", ", ".join(read.LOG_LEVELS),
            "least important line that is logged"),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Settings:
    """The settings in force. `sources` says where each is from; `environment` holds what providers are set up with."""

    host: str
    port: int
    workers: int
    public_url: str | None
    data: str
    database_url: str = field(repr=False)
    store_url: str
    retention: str
    redis_url: str | None = field(repr=False)
    api_key: str | None = field(repr=False)
    secret: str | None = field(repr=False)
    link_seconds: int
    c2pa_certificate: str | None
    c2pa_key: str | None
    fetch_allow: str
    cors_origins: tuple[str, ...]
    max_body_mb: int
    max_in_flight_mb: int
    deadline_seconds: float
    when_caller_leaves: str
    input_gps: str
    silence_spaces_seconds: float
    log_level: str
    environment: Mapping[str, str] = field(repr=False)
    dotenv_names: frozenset[str]
    catalogue_tables: Mapping[str, object]
    catalogue_origin: str
    sources: Mapping[str, str]

    @property
    def store_folder(self) -> Path:
        """The folder that `store_url` names, where it names one."""
        return read.folder_of(self.store_url)

    @property
    def store_bucket(self) -> tuple[str, str] | None:
        """The bucket that `store_url` names, and the prefix in it; `None` where it names a folder."""
        return read.bucket_of(self.store_url)

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
    folder = Path(str(values["data"]))
    values["database_url"] = values["database_url"] or f"sqlite:///{folder / 'impasto.db'}"
    values["store_url"] = values["store_url"] or (folder.absolute() / "store").as_uri()
    return Settings(
        **values,  # type: ignore[arg-type]
        environment=environment,
        dotenv_names=dotenv_names,
        catalogue_tables=tables,
        catalogue_origin=path or "",
        sources=sources,
    )


def shown(setting: Setting, settings: Settings) -> str:
    """The value as a person may see it: secrets masked but for their last four characters."""
    value = getattr(settings, setting.name)
    if value is None or value in ("", ()):
        return "(not set)"
    if setting.secret:
        return masked(str(value))
    if setting.holds_password:
        return read.without_password(str(value))
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
    variables = {setting.variable for setting in SETTINGS} | {f"{s.variable}_FILE" for s in SETTINGS if s.is_private}
    known = variables | _ELSEWHERE
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
    found = _with_file_variant(environment, setting.variable) if setting.is_private else None
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
        said = "this value" if setting.is_private else f'"{text}"'
        raise ConfigError(f"{source}: {said} is not possible. It takes {setting.takes}.") from None


def _read_provider_key(variable: str, text: str) -> str:
    try:
        return read.read_provider_key(text)
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
