"""Where the command line has keys made and changed: a running gateway, or the database itself.

Rule: both take the same fields, check them alike, and answer with the same JSON.
"""

import asyncio
import os
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import click
import msgspec

from impasto.api.key_wire import key_body, parse_new_key
from impasto.api.manage import MAX_LIMIT, secret_body
from impasto.app import load_operators_catalogue
from impasto.cli.gateway import RemoteGateway, gateway_for
from impasto.config import Settings
from impasto.domain.errors import Code, Failure
from impasto.domain.keys import secret_from
from impasto.storage.database import DatabaseUrlError, database_at
from impasto.storage.key_register import SqlKeyRegister
from impasto.storage.keys import ensure_operator, hashing_key_of
from impasto.storage.schema import prepare
from impasto.storage.secret import SecretError, check_same_secret, load_secret

KEYS = "/v3/manage/keys"

Facts = dict[str, Any]


class KeyDesk(Protocol):
    """Makes and changes keys. Raises `click.ClickException` with a sentence."""

    def create(self, fields: Mapping[str, object]) -> Facts: ...

    def page(self, limit: int, offset: int) -> Facts: ...

    def rotate(self, key_id: str) -> Facts: ...

    def revoke(self, key_id: str) -> Facts: ...


@contextmanager
def desk_for(url: str | None, settings: Settings) -> Iterator[KeyDesk]:
    """The gateway at `url` or `IMPASTO_URL`, else the database of the settings."""
    if url or settings.environment.get("IMPASTO_URL"):
        with gateway_for(url, settings) as gateway:
            yield GatewayDesk(gateway)
        return
    yield DatabaseDesk(settings)


def every_key(desk: KeyDesk) -> list[Facts]:
    """All keys, the oldest first."""
    found: list[Facts] = []
    while True:
        page = desk.page(MAX_LIMIT, len(found))
        found += page["results"]
        if not page["results"] or len(found) >= page["count"]:
            return found


@dataclass(frozen=True, slots=True)
class GatewayDesk:
    """Asks a running gateway."""

    gateway: RemoteGateway

    def create(self, fields: Mapping[str, object]) -> Facts:
        return self.gateway.call("POST", KEYS, fields)

    def page(self, limit: int, offset: int) -> Facts:
        return self.gateway.call("GET", f"{KEYS}?limit={limit}&offset={offset}")

    def rotate(self, key_id: str) -> Facts:
        return self.gateway.call("POST", f"{KEYS}/{key_id}/rotate", {})

    def revoke(self, key_id: str) -> Facts:
        return self.gateway.call("POST", f"{KEYS}/{key_id}/revoke", {})


@dataclass(frozen=True, slots=True)
class DatabaseDesk:
    """Writes to the database, as whoever may read and write its files; a server may be running on it."""

    settings: Settings

    def create(self, fields: Mapping[str, object]) -> Facts:
        async def create(register: SqlKeyRegister) -> object:
            catalogue = load_operators_catalogue(self.settings)
            terms, account_id = parse_new_key(msgspec.json.encode(fields), catalogue, time.time())
            return secret_body(await register.create(terms, account_id))

        return self._run(create)

    def page(self, limit: int, offset: int) -> Facts:
        async def read(register: SqlKeyRegister) -> object:
            count, records = await register.records(limit=limit, offset=offset)
            return {"count": count, "results": [key_body(record) for record in records]}

        return self._run(read)

    def rotate(self, key_id: str) -> Facts:
        async def rotate(register: SqlKeyRegister) -> object:
            return secret_body(await register.rotate(key_id, lambda _: None))

        return self._run(rotate)

    def revoke(self, key_id: str) -> Facts:
        async def revoke(register: SqlKeyRegister) -> object:
            return key_body(await register.revoke(key_id))

        return self._run(revoke)

    def _run(self, work: Callable[[SqlKeyRegister], Awaitable[object]]) -> Facts:
        try:
            facts: Facts = msgspec.json.decode(asyncio.run(_with_register(self.settings, work)))
        except Failure as failure:
            raise click.ClickException(sentence_of(failure)) from failure
        except SecretError as error:
            raise click.ClickException(str(error)) from error
        except DatabaseUrlError as error:
            raise click.ClickException(f"IMPASTO_DATABASE_URL: {error}.") from error
        return facts


async def _with_register(settings: Settings, work: Callable[[SqlKeyRegister], Awaitable[object]]) -> bytes:
    """The JSON of what `work` gives, in a database that is made where there is none."""
    secret = load_secret(Path(settings.data), settings.secret)
    database = database_at(settings.database_url)
    try:
        await prepare(database)
        await check_same_secret(database, secret)
        await ensure_operator(database, time.time())
        register = SqlKeyRegister(
            database,
            hashing_key_of(secret),
            now=time.time,
            new_secret=lambda: secret_from(os.urandom(32)),
            new_id=lambda: os.urandom(16).hex(),
        )
        return msgspec.json.encode(await work(register))
    finally:
        await database.close()


def sentence_of(failure: Failure) -> str:
    """What a person is told of it."""
    if failure.code is not Code.LEDGER_UNAVAILABLE:
        return failure.message
    return f"The database cannot be used ({failure.logged.removeprefix('database: ')}). See IMPASTO_DATABASE_URL."
