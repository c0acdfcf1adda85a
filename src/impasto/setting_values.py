"""How the text of a setting is read.

Rule: a reader returns the value or raises a plain `ValueError`; `config` says what the setting takes.
"""

import ipaddress
import math
import re
from pathlib import Path
from urllib.parse import SplitResult, unquote, urlsplit

from impasto.domain.retention import Retention

LOG_LEVELS = ("debug", "info", "warning", "error")
WHEN_CALLER_LEAVES = ("finish", "cancel")
INPUT_GPS = ("remove", "keep")
SECRET_LENGTH = 32
"""Characters that a secret has at least, so that nobody guesses it."""

_MAX_SECONDS = 1e6
_PASSWORD = re.compile(r"(?<=://)([^:@/]*):[^@/]*(?=@)|(?<=[?&])(password)=[^&]*")
_BUCKET = re.compile(r"s3://([A-Za-z0-9][A-Za-z0-9._-]{1,62})((?:/(?!\.{1,2}(?:/|\Z))[A-Za-z0-9._-]+)*)/?")
_PUBLIC_URL = re.compile(r"https?://[\w.:\[\]-]+(/[\w.~%-]+)*", re.ASCII)


def read_text(value: str) -> str:
    """Whatever was written."""
    return value


def read_choice(value: str, choices: tuple[str, ...]) -> str:
    """One of a few words, in lower case."""
    if value.lower() not in choices:
        raise ValueError
    return value.lower()


def read_folder(value: str) -> str:
    """A path; `~/` is the home folder."""
    if not value or {*"?%"} & {*value}:  # which mean something else in the URL of a database
        raise ValueError
    return str(Path(value).expanduser()) if value.startswith("~/") else value


def read_file(value: str) -> str:
    """The path of a file; `~/` is the home folder. Nothing is opened."""
    if not value or not value.isprintable():
        raise ValueError
    return str(Path(value).expanduser()) if value.startswith("~/") else value


def read_host(value: str) -> str:
    """An address or a name to listen on; IPv6 with or without brackets."""
    host = value.removeprefix("[").removesuffix("]")
    if ":" in host:
        ipaddress.IPv6Address(host)
    elif not re.fullmatch(r"[\w.-]+", host):
        raise ValueError
    return host


def read_port(value: str) -> int:
    """A port; 0 is any free one."""
    number = int(value)
    if not 0 <= number <= 65535:
        raise ValueError
    return number


def read_count(value: str) -> int:
    """A whole number from 1 up."""
    number = int(value)
    if number < 1:
        raise ValueError
    return number


def read_seconds(value: str) -> float:
    """Seconds above 0."""
    number = read_seconds_or_0(value)
    if number == 0:
        raise ValueError
    return number


def read_seconds_or_0(value: str) -> float:
    """Seconds, or 0 for never."""
    number = float(value)
    if not 0 <= number < _MAX_SECONDS:
        raise ValueError
    return math.fabs(number)  # -0 is 0


def read_whole_seconds(value: str) -> int:
    """Whole seconds from 1 up."""
    number = read_count(value)
    if number >= _MAX_SECONDS:
        raise ValueError
    return number


def read_origins(value: str) -> tuple[str, ...]:
    """Origins as browsers send them, or `*`."""
    origins = tuple(item.strip() for item in value.split(",") if item.strip())
    for origin in origins:
        parts = urlsplit(origin)
        if origin != "*" and (not parts.netloc or origin != f"{parts.scheme}://{parts.netloc}"):
            raise ValueError  # a browser sends an origin without a path, so this one would never match
    return origins


def read_key(value: str) -> str:
    """A key that callers send."""
    key = read_provider_key(value)
    if {*" \"'"} & {*key}:
        raise ValueError
    return key


def read_provider_key(value: str) -> str:
    """What a header can carry. Quotes around it were meant as quotes: no key of a provider has any there."""
    key = value.strip()
    if not re.fullmatch(r"[ -~]+", key) or key[0] in "\"'" or key[-1] in "\"'":
        raise ValueError
    return key


def read_secret(value: str) -> str:
    """What hashes keys and signs links."""
    secret = value.strip()
    if len(secret) < SECRET_LENGTH or not secret.isprintable():
        raise ValueError
    return secret


def read_database_url(value: str) -> str:
    """`sqlite:///path`, or `postgresql://…` with the name of a database; nothing is opened."""
    if value.startswith("sqlite:///"):
        path = value.removeprefix("sqlite:///")
        if not path or path == ":memory:" or "?" in path or not path.isprintable():
            raise ValueError
        return value
    parts = _address(value, ("postgresql", "postgres"))
    has_place = bool(parts.hostname) or "host=" in parts.query
    if not has_place or not parts.path.strip("/"):
        raise ValueError
    return value


def read_store_url(value: str) -> str:
    """`file:///folder` or `s3://bucket/prefix`."""
    if _BUCKET.fullmatch(value):
        return value
    parts = urlsplit(value)
    if not value.startswith("file:///") or not value.isprintable() or {*"?#"} & {*value}:
        raise ValueError
    if not parts.path.strip("/"):
        raise ValueError
    return value


def read_redis_url(value: str) -> str:
    """`redis://…`, or `rediss://…` for one behind TLS."""
    parts = _address(value, ("redis", "rediss"))
    if not parts.hostname:
        raise ValueError
    return value


def read_public_url(value: str) -> str:
    """Where callers reach this gateway; no slash at its end."""
    url = value.rstrip("/")
    if not _PUBLIC_URL.fullmatch(url) or not _address(url, ("http", "https")).hostname:
        raise ValueError
    return url


def read_retention(value: str) -> str:
    """How long and how much is kept, as `Retention.parse` reads it."""
    Retention.parse(value)
    return value


def folder_of(store_url: str) -> Path:
    """The folder that a `file:///…` URL names."""
    return Path(unquote(urlsplit(store_url).path))


def bucket_of(store_url: str) -> tuple[str, str] | None:
    """The bucket that an `s3://…` URL names, and the prefix in it, without slashes at its ends."""
    found = _BUCKET.fullmatch(store_url)
    return (found[1], found[2].removeprefix("/")) if found else None


def without_password(url: str) -> str:
    """A URL as a person may see it."""
    return _PASSWORD.sub(lambda found: f"{found[1]}:…" if found[2] is None else "password=…", url)


def _address(value: str, schemes: tuple[str, ...]) -> SplitResult:
    """The parts of a URL. Not every reader of URLs takes an `@` in a password for the same, so there is none."""
    parts = urlsplit(value)
    if not re.fullmatch(r"[!-~]+", value) or parts.scheme not in schemes or parts.netloc.count("@") > 1:
        raise ValueError
    if not value.startswith(f"{parts.scheme}://") or parts.port == 0:
        raise ValueError
    return parts
