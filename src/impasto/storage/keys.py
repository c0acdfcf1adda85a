"""The keys that callers hold: the operator's, which are settings, and those in the database.

Rule: a secret is looked up by its keyed hash and never compared as a string; what cannot be a key
is not looked up at all. A key that was found is remembered for a minute, one that was not never is.
"""

import hashlib
import hmac
import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path

from sqlalchemy import Connection, Executable, RowMapping, bindparam, select
from sqlalchemy.dialects import postgresql, sqlite

from impasto.domain.keys import (
    OPERATOR_ID,
    SCOPES,
    VirtualKey,
    check_not_expired,
    is_well_formed,
    secret_from,
)
from impasto.domain.retention import Keeps
from impasto.storage.database import Database
from impasto.storage.private_file import keep_private, read_private
from impasto.storage.secret import subkey
from impasto.storage.tables import accounts, keys

FIRST_KEY_FILE = "first-key"
EVERY_RIGHT = VirtualKey(OPERATOR_ID, frozenset(SCOPES))

REMEMBERED_SECONDS = 60.0
REMEMBERED_KEYS = 10_000

_BY_HASH = select(keys).where(keys.c.hash == bindparam("hash"))
_ADD_OPERATOR: dict[str, list[Executable]] = {
    "sqlite": [sqlite.insert(table).on_conflict_do_nothing() for table in (accounts, keys)],
    "postgresql": [postgresql.insert(table).on_conflict_do_nothing() for table in (accounts, keys)],
}


class KeyFileError(Exception):
    """The file of the first key cannot be read or written. The message names it and says what to do."""


class FixedKeys:
    """Keys that are known at start."""

    def __init__(self, keys: Mapping[str, VirtualKey]) -> None:
        self._by_hash = {_hash_of(secret): key for secret, key in keys.items()}

    async def find(self, secret: str, *, now: bool) -> VirtualKey | None:
        return self._by_hash.get(_hash_of(secret))


class SqlKeys:
    """The keys in `database`, and the `fixed` ones by their secrets.

    `hashing_key` hashes what is looked up. `now` gives seconds since the epoch. At most `remembered_keys` are
    remembered.
    """

    def __init__(
        self,
        database: Database,
        hashing_key: bytes,
        fixed: Mapping[str, VirtualKey],
        now: Callable[[], float],
        remembered_keys: int = REMEMBERED_KEYS,
    ) -> None:
        self._database = database
        self._hashing_key = hashing_key
        self._fixed = FixedKeys(fixed)
        self._now = now
        self._remembered_keys = remembered_keys
        self._remembered: dict[bytes, tuple[float, VirtualKey]] = {}

    async def find(self, secret: str, *, now: bool) -> VirtualKey | None:
        fixed = await self._fixed.find(secret, now=now)
        if fixed is not None or not is_well_formed(secret):
            return fixed
        hashed = key_hash(self._hashing_key, secret)
        key = None if now else self._from_memory(hashed)
        key = key or await self._read(hashed)
        if key is not None:
            check_not_expired(key.expires_ms, self._now())
        return key

    def forget(self, key_id: str) -> None:
        """What is remembered of this key is not true any more."""
        self._remembered = {hashed: found for hashed, found in self._remembered.items() if found[1].id != key_id}

    def _from_memory(self, hashed: bytes) -> VirtualKey | None:
        at, key = self._remembered.get(hashed, (0.0, None))
        # A clock that was set back must not make a memory last.
        return key if 0 <= self._now() - at < REMEMBERED_SECONDS else None

    async def _read(self, hashed: bytes) -> VirtualKey | None:
        at = self._now()
        key = await self._database.read(lambda connection: _living(connection, hashed))
        self._remembered.pop(hashed, None)
        if key is not None:
            if len(self._remembered) >= self._remembered_keys:
                del self._remembered[next(iter(self._remembered))]
            self._remembered[hashed] = (at, key)
        return key


def hashing_key_of(secret: bytes) -> bytes:
    """What a gateway with this secret hashes keys with."""
    return subkey(secret, "keys")


def key_hash(hashing_key: bytes, secret: str) -> bytes:
    """What is kept of a secret."""
    return hmac.digest(hashing_key, secret.encode(), "sha256")


def virtual_key_of(row: RowMapping) -> VirtualKey:
    """The key in a row of `keys`."""
    return VirtualKey(
        name=row["name"],
        scopes=frozenset(json.loads(row["scopes"])),
        image_output=row["image_output"],
        id=row["id"],
        account_id=row["account_id"],
        models=None if row["models"] is None else frozenset(json.loads(row["models"])),
        image_delivery=row["image_delivery"],
        requests_per_minute=row["requests_per_minute"],
        concurrent_requests=row["concurrent_requests"],
        expires_ms=row["expires_ms"],
        sandbox=bool(row["sandbox"]),
        default_tags=json.loads(row["default_tags"]),
        version=row["version"],
        retention=Keeps(row["retention"] or Keeps.ALL),
    )


async def ensure_operator(database: Database, now: float) -> None:
    """The rows of the operator's account and key, which entries of the ledger refer to."""
    created_ms = int(now * 1000)
    account = {"id": OPERATOR_ID, "name": OPERATOR_ID, "created_ms": created_ms}
    key = account | {"account_id": OPERATOR_ID, "scopes": json.dumps(SCOPES)}

    def add(connection: Connection) -> None:
        for statement, row in zip(_ADD_OPERATOR[connection.dialect.name], (account, key), strict=True):
            connection.execute(statement, row)

    await database.write(add)


def read_first_key(data: Path) -> str | None:
    """The first key of the gateway whose data lie in `data`, or `None` where none was made.

    Raises `KeyFileError`.
    """
    path = data / FIRST_KEY_FILE
    try:
        return read_private(path)
    except OSError as error:
        raise KeyFileError(
            f"{path} holds this gateway's key and cannot be read: {error.strerror}. Let this user read it, or set "
            "IMPASTO_DATA to another folder."
        ) from error
    except UnicodeDecodeError as error:
        raise KeyFileError(f"{path} holds no key. Remove it, and the next start makes a new one.") from error


def make_first_key(data: Path) -> str:
    """Make a key with every right, keep it in `data`, readable by its owner alone, and return it.

    Where another process was quicker, its key is the first. Raises `KeyFileError`.
    """
    try:
        return keep_private(data / FIRST_KEY_FILE, secret_from(os.urandom(32)))
    except OSError as error:
        raise KeyFileError(
            f"{data} cannot hold this gateway's key: {error.strerror}. Set IMPASTO_DATA to a folder that this user may "
            "write, or IMPASTO_API_KEY to a key."
        ) from error


def _living(connection: Connection, hashed: bytes) -> VirtualKey | None:
    row = connection.execute(_BY_HASH, {"hash": hashed}).mappings().first()
    return None if row is None or row["revoked_ms"] is not None else virtual_key_of(row)


def _hash_of(secret: str) -> bytes:
    return hashlib.sha256(secret.encode("utf-8", "surrogateescape")).digest()
