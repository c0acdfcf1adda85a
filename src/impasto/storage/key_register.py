"""The register of virtual keys: they are made, changed, rotated and revoked here.

Rule: a change is one transaction, and counts up the key's version, by which the ledger tells in
every process that it is another. Accounts are locked before keys, as the ledger does it.
"""

import json
import re
from collections.abc import Callable, Iterable
from typing import TypeVar

from sqlalchemy import Connection, RowMapping, bindparam, func, insert, select, update

from impasto.domain.budget import PERIODS, Balance, Budget, Period, period_at, period_end
from impasto.domain.errors import Code, Failure
from impasto.domain.key_records import (
    AccountRecord,
    CurrentPeriod,
    KeyRecord,
    KeyTerms,
    NewKey,
    check_is_not_the_operators,
)
from impasto.domain.retention import Keeps
from impasto.storage.database import Database
from impasto.storage.keys import key_hash, virtual_key_of
from impasto.storage.tables import accounts, balances, keys

HINT_CHARACTERS = 4

Result = TypeVar("Result")

_RECORDS = select(keys, accounts.c.budget_nano, accounts.c.budget_period).join(
    accounts, accounts.c.id == keys.c.account_id
)
_ONE = _RECORDS.where(keys.c.id == bindparam("id"))
_PAGE = _RECORDS.order_by(keys.c.created_ms, keys.c.id).limit(bindparam("limit")).offset(bindparam("offset"))
_COUNT = select(func.count()).select_from(keys)
_ACCOUNT = select(accounts).where(accounts.c.id == bindparam("id"))
_ACCOUNTS = (
    select(accounts)
    .order_by(accounts.c.created_ms, accounts.c.id)
    .limit(bindparam("limit"))
    .offset(bindparam("offset"))
)
_COUNT_ACCOUNTS = select(func.count()).select_from(accounts)
_LIVING_KEYS = (
    select(keys.c.account_id, keys.c.id)
    .where(keys.c.account_id.in_(bindparam("ids", expanding=True)), keys.c.revoked_ms.is_(None))
    .order_by(keys.c.created_ms, keys.c.id)
)
_BALANCES = select(balances).where(
    balances.c.account_id.in_(bindparam("ids", expanding=True)),
    balances.c.period.in_(bindparam("periods", expanding=True)),
)
_LOCK = (
    select(accounts.c.id)
    .join(keys, keys.c.account_id == accounts.c.id)
    .where(keys.c.id == bindparam("id"))
    .with_for_update(of=accounts)
)
_INSERT_ACCOUNT = insert(accounts)
_INSERT_KEY = insert(keys)
_CHANGE_ACCOUNT = (
    update(accounts)
    .where(accounts.c.id == bindparam("b_id"))
    .values(budget_nano=bindparam("b_budget_nano"), budget_period=bindparam("b_budget_period"))
)
_CHANGE = update(keys).where(keys.c.id == bindparam("b_id")).values(version=keys.c.version + 1)
_CHANGE_TERMS = _CHANGE.values(
    {name: bindparam(f"b_{name}") for name in (
        "name", "scopes", "models", "image_output", "image_delivery", "retention", "requests_per_minute",
        "concurrent_requests", "default_tags", "expires_ms",
    )}
)  # fmt: skip
_ROTATE = _CHANGE.values(hash=bindparam("b_hash"), hint=bindparam("b_hint"))
_REVOKE = _CHANGE.where(keys.c.revoked_ms.is_(None)).values(revoked_ms=bindparam("b_now_ms"))

# What comes in an address may hold anything; what cannot be an id is not looked up.
_ID = re.compile(r"[A-Za-z0-9_-]{1,40}", re.ASCII)


class SqlKeyRegister:
    """The register in `database`.

    `hashing_key` is the one that keys are found with. `now` gives seconds since the epoch, `new_secret` a
    well-formed secret, `new_id` the random part of an id, up to 32 letters and digits. `changed` hears the id of each
    key that is not what it was.
    """

    def __init__(
        self,
        database: Database,
        hashing_key: bytes,
        now: Callable[[], float],
        new_secret: Callable[[], str],
        new_id: Callable[[], str],
        changed: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._database = database
        self._hashing_key = hashing_key
        self._now = now
        self._new_secret = new_secret
        self._new_id = new_id
        self._changed = changed

    async def record(self, key_id: str) -> KeyRecord:
        _check_id(key_id)
        return await self._database.read(lambda connection: self._record(connection, key_id))

    async def records(self, *, limit: int, offset: int) -> tuple[int, list[KeyRecord]]:
        def read(connection: Connection) -> tuple[int, list[KeyRecord]]:
            rows = connection.execute(_PAGE, {"limit": limit, "offset": offset}).mappings().all()
            periods = self._periods(connection, rows, "account_id")
            return connection.scalar(_COUNT) or 0, [_record_of(row, periods[row["account_id"]]) for row in rows]

        return await self._database.read(read)

    async def accounts(self, *, limit: int, offset: int) -> tuple[int, list[AccountRecord]]:
        def read(connection: Connection) -> tuple[int, list[AccountRecord]]:
            rows = connection.execute(_ACCOUNTS, {"limit": limit, "offset": offset}).mappings().all()
            periods = self._periods(connection, rows, "id")
            living: dict[str, list[str]] = {}
            for account_id, key_id in connection.execute(_LIVING_KEYS, {"ids": [row["id"] for row in rows]}):
                living.setdefault(account_id, []).append(key_id)
            return connection.scalar(_COUNT_ACCOUNTS) or 0, [
                AccountRecord(
                    id=row["id"],
                    name=row["name"],
                    budget=_budget_of(row),
                    period=periods[row["id"]],
                    key_ids=tuple(living.get(row["id"], ())),
                    created_ms=row["created_ms"],
                )
                for row in rows
            ]

        return await self._database.read(read)

    async def create(self, terms: KeyTerms, account_id: str | None = None) -> NewKey:
        if account_id is not None:
            _check_id(account_id, "account")
        secret, key_id, own_account = self._new_secret(), f"key_{self._new_id()}", f"acct_{self._new_id()}"
        created_ms = self._now_ms()
        row = _columns_of(terms) | self._secret_columns(secret)
        row |= {"id": key_id, "sandbox": terms.sandbox, "created_ms": created_ms}

        def add(connection: Connection) -> KeyRecord:
            if account_id is None:
                account = {"id": own_account, "name": terms.name, "created_ms": created_ms}
                connection.execute(_INSERT_ACCOUNT, account | _budget_columns(terms.budget))
            elif connection.execute(_ACCOUNT, {"id": account_id}).first() is None:
                raise _unknown(account_id, "account")
            connection.execute(_INSERT_KEY, row | {"account_id": account_id or own_account})
            return self._record(connection, key_id)

        return NewKey(await self._database.write(add), secret)

    async def change(self, key_id: str, change: Callable[[KeyTerms], KeyTerms]) -> KeyRecord:
        def write(connection: Connection) -> KeyRecord:
            before = self._living(connection, key_id)
            terms = change(before.terms)
            if terms.budget != before.terms.budget:
                columns = {f"b_{name}": value for name, value in _budget_columns(terms.budget).items()}
                connection.execute(_CHANGE_ACCOUNT, columns | {"b_id": before.account_id})
            columns = {f"b_{name}": value for name, value in _columns_of(terms).items()}
            connection.execute(_CHANGE_TERMS, columns | {"b_id": key_id})
            return self._record(connection, key_id)

        return await self._written(key_id, write)

    async def rotate(self, key_id: str, check: Callable[[KeyTerms], None]) -> NewKey:
        secret = self._new_secret()
        columns = {f"b_{name}": value for name, value in self._secret_columns(secret).items()}

        def write(connection: Connection) -> KeyRecord:
            check(self._living(connection, key_id).terms)
            connection.execute(_ROTATE, columns | {"b_id": key_id})
            return self._record(connection, key_id)

        return NewKey(await self._written(key_id, write), secret)

    async def revoke(self, key_id: str) -> KeyRecord:
        now_ms = self._now_ms()

        def write(connection: Connection) -> KeyRecord:
            connection.execute(_LOCK, {"id": key_id}).first()
            connection.execute(_REVOKE, {"b_id": key_id, "b_now_ms": now_ms})
            return self._record(connection, key_id)

        return await self._written(key_id, write)

    async def _written(self, key_id: str, write: Callable[[Connection], Result]) -> Result:
        _check_id(key_id)
        check_is_not_the_operators(key_id)
        try:
            return await self._database.write(write)
        finally:
            self._changed(key_id)  # also after a failure: what it did nobody knows

    def _living(self, connection: Connection, key_id: str) -> KeyRecord:
        """The key, with its account locked: read after the lock, so that no change in between is lost."""
        connection.execute(_LOCK, {"id": key_id}).first()
        record = self._record(connection, key_id)
        if record.revoked_ms is not None:
            raise Failure(Code.INVALID_VALUE, f"The key {key_id} was revoked and stays so. Make another one.")
        return record

    def _record(self, connection: Connection, key_id: str) -> KeyRecord:
        row = connection.execute(_ONE, {"id": key_id}).mappings().first()
        if row is None:
            raise _unknown(key_id)
        return _record_of(row, self._periods(connection, [row], "account_id")[row["account_id"]])

    def _periods(self, connection: Connection, rows: Iterable[RowMapping], id_column: str) -> dict[str, CurrentPeriod]:
        """The running period of each account in `rows`."""
        now = self._now()
        kinds: dict[str, Period] = {row[id_column]: row["budget_period"] for row in rows}
        asked = {"ids": list(kinds), "periods": [period_at(kind, now) for kind in PERIODS]}
        found = {
            (row.account_id, row.period): Balance(row.held, row.unknown, row.spent)
            for row in connection.execute(_BALANCES, asked)
        }
        periods = {}
        for account_id, kind in kinds.items():
            name = period_at(kind, now)
            balance = found.get((account_id, name), Balance())
            periods[account_id] = CurrentPeriod(name, period_end(kind, now), balance)
        return periods

    def _secret_columns(self, secret: str) -> dict[str, object]:
        return {"hash": key_hash(self._hashing_key, secret), "hint": secret[-HINT_CHARACTERS:]}

    def _now_ms(self) -> int:
        return int(self._now() * 1000)


def _columns_of(terms: KeyTerms) -> dict[str, object]:
    return {
        "name": terms.name,
        "scopes": json.dumps(sorted(terms.scopes)),
        "models": None if terms.models is None else json.dumps(sorted(terms.models)),
        "image_output": terms.image_output,
        "image_delivery": terms.image_delivery,
        "retention": None if terms.retention is Keeps.ALL else terms.retention,
        "requests_per_minute": terms.requests_per_minute,
        "concurrent_requests": terms.concurrent_requests,
        "default_tags": json.dumps(dict(terms.default_tags)),
        "expires_ms": terms.expires_ms,
    }


def _budget_columns(budget: Budget) -> dict[str, object]:
    return {"budget_nano": budget.limit_nano, "budget_period": budget.period}


def _budget_of(row: RowMapping) -> Budget:
    return Budget(row["budget_nano"], row["budget_period"])


def _record_of(row: RowMapping, period: CurrentPeriod) -> KeyRecord:
    key = virtual_key_of(row)
    terms = KeyTerms(
        name=key.name,
        scopes=key.scopes,
        budget=_budget_of(row),
        models=key.models,
        image_output=key.image_output,
        image_delivery=key.image_delivery,
        retention=key.retention,
        requests_per_minute=key.requests_per_minute,
        concurrent_requests=key.concurrent_requests,
        expires_ms=key.expires_ms,
        default_tags=key.default_tags,
        sandbox=key.sandbox,
    )
    return KeyRecord(
        id=key.id,
        account_id=key.account_id,
        hint=row["hint"],
        terms=terms,
        period=period,
        created_ms=row["created_ms"],
        revoked_ms=row["revoked_ms"],
        version=key.version,
    )


def _check_id(asked: str, what: str = "key") -> None:
    if not _ID.fullmatch(asked):
        raise Failure(Code.NOT_FOUND, f"There is no {what} of this id: it holds what no id does.")


def _unknown(asked: str, what: str = "key") -> Failure:
    return Failure(Code.NOT_FOUND, f'There is no {what} "{asked}".')
