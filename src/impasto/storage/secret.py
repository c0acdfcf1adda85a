"""The one secret of a gateway: it hashes keys and signs links.

Rule: every purpose has a secret of its own, derived from the one. A database remembers a fingerprint
of it: under another secret no key would be found, so a server with another one does not start.
"""

import hmac
import secrets
from pathlib import Path

from sqlalchemy import Connection, bindparam, select
from sqlalchemy.dialects import postgresql, sqlite

from impasto.storage.database import Database
from impasto.storage.private_file import keep_private, read_private
from impasto.storage.tables import facts

SECRET_FILE = "secret"  # noqa: S105 - the name of the file
MIN_CHARACTERS = 32

_FINGERPRINT = "secret"
_REMEMBER = {
    "sqlite": sqlite.insert(facts).on_conflict_do_nothing(),
    "postgresql": postgresql.insert(facts).on_conflict_do_nothing(),
}
_REMEMBERED = select(facts.c.value).where(facts.c.name == bindparam("name"))


class SecretError(Exception):
    """The secret cannot be used. The message says what to do."""


def load_secret(data: Path, configured: str | None) -> bytes:
    """`configured` (IMPASTO_SECRET) where it is set, else what lies in `data`, made at the first start.

    Raises `SecretError`.
    """
    found = find_secret(data, configured)
    if found is not None:
        return found
    path = data / SECRET_FILE
    try:
        return _checked(path, keep_private(path, secrets.token_urlsafe(32)))
    except OSError as error:
        raise _unusable(path, error) from error


def find_secret(data: Path, configured: str | None) -> bytes | None:
    """As `load_secret`, but `None` where none was made yet."""
    if configured:
        return configured.encode()
    path = data / SECRET_FILE
    try:
        kept = read_private(path)
    except OSError as error:
        raise _unusable(path, error) from error
    except UnicodeDecodeError:
        kept = "no secret"
    return None if kept is None else _checked(path, kept)


def _checked(path: Path, kept: str) -> bytes:
    if len(kept) < MIN_CHARACTERS:
        raise SecretError(
            f"{path} holds no secret of {MIN_CHARACTERS} characters or more. Put back the one that was there; if no "
            "virtual keys were made yet, remove the file, and the next start makes a new one."
        )
    return kept.encode()


def _unusable(path: Path, error: OSError) -> SecretError:
    return SecretError(
        f"{path} is where this gateway's secret is kept, and it cannot be read or written: {error.strerror}. Let "
        "this user do so, set IMPASTO_DATA to another folder, or set IMPASTO_SECRET."
    )


def subkey(secret: bytes, purpose: str) -> bytes:
    """The secret for one `purpose`: who learns it knows no other one."""
    return hmac.digest(secret, f"impasto {purpose}".encode(), "sha256")


async def check_same_secret(database: Database, secret: bytes) -> None:
    """Raises `SecretError` where `database` was used with another secret; the first one is remembered."""
    mine = subkey(secret, "fingerprint").hex()
    remembered = await database.write(lambda connection: _remembered(connection, mine))
    if not hmac.compare_digest(remembered, mine):
        raise SecretError(
            "This database was used with another secret, and none of its virtual keys would be found with this one. "
            "All servers that share a database need the same IMPASTO_SECRET: set it to that of the first one, which "
            f"is in the file {SECRET_FILE} of its data folder unless it was set there too."
        )


def is_same_secret(connection: Connection, secret: bytes) -> bool:
    """Whether the database was used with this secret, or with none yet; nothing is remembered."""
    remembered = connection.scalar(_REMEMBERED, {"name": _FINGERPRINT})
    return remembered is None or hmac.compare_digest(str(remembered), subkey(secret, "fingerprint").hex())


def _remembered(connection: Connection, mine: str) -> str:
    connection.execute(_REMEMBER[connection.dialect.name], {"name": _FINGERPRINT, "value": mine})
    return str(connection.scalar(_REMEMBERED, {"name": _FINGERPRINT}))
