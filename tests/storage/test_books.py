"""Books that balance, and one of every way in which they may not."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, delete, insert, select, update

from impasto.domain.ledger import Outcome, State
from impasto.storage.blobs import FileStore
from impasto.storage.books import check_books, check_store, count_entries
from impasto.storage.database import Database
from impasto.storage.tables import balances, blob_owners, blobs, entries, generations, images
from tests.fakes.books import PERIOD, RESERVED_NANO, SHA256, Made, keep, open_books
from tests.storage.contents import Contents, sha256_of

ACCOUNTS = {"key-1": "acc-1"}
CALLS = (
    Outcome.SETTLED, Outcome.VOID, Outcome.UNKNOWN, (Outcome.UNKNOWN, Outcome.SETTLED), (Outcome.UNKNOWN, Outcome.VOID),
)  # fmt: skip
FIXED = {"account_id": "acc-1", "period": PERIOD, "model": "", "facts": "{}", "at_ms": 0, "held": 0, "unknown": 0,
         "spent": 0, "cost_nano": None, "overrun": False}  # fmt: skip


def open_and_keep(connection: Connection) -> None:
    open_books(connection, ACCOUNTS)
    keep(connection, ACCOUNTS, Made("g1", calls=CALLS), Made("g2", calls=(None,)), Made("g3", cost_nano=None))


def add(connection: Connection, generation_id: str, call: int, step: int, kind: str, **changes: int) -> None:
    """An entry, with its change of the balances."""
    place = {"generation_id": generation_id, "call": call, "step": step, "kind": kind}
    connection.execute(insert(entries).values(FIXED | place | changes))
    changed = {balances.c[name]: balances.c[name] + changes.get(name, 0) for name in ("held", "unknown", "spent")}
    connection.execute(update(balances).values(changed))


def copy_without_entries(connection: Connection) -> None:
    row = connection.execute(select(generations).where(generations.c.id == "g3")).mappings().one()
    connection.execute(insert(generations).values(dict(row) | {"id": "g4"}))


async def test_books_that_balance_have_nothing_to_say(database: Database) -> None:
    assert await database.read(check_books) == []
    await database.write(open_and_keep)
    assert await database.read(check_books) == []
    assert await database.read(count_entries) == 2 * 3 + 3 * 2 + 1 + 2


BROKEN: Mapping[str, tuple[Any, str]] = {
    "a balance": (
        lambda c: c.execute(update(balances).values(spent=1)),
        "Balances differ from what their entries add up to: 1, the first of them acc-1 in 2026-11.",
    ),
    "a balance of nothing": (
        lambda c: c.execute(insert(balances).values(account_id="acc-1", period="all", held=1, unknown=0, spent=0)),
        "Balances differ from what their entries add up to: 1, the first of them acc-1 in all.",
    ),
    "a negative balance": (
        lambda c: c.execute(update(balances).values(held=-1)),
        "Balances are negative: 1, the first of them acc-1 in 2026-11.",
    ),
    "no reservation": (
        lambda c: add(c, "g3", 7, 1, "void"),
        "Calls are resolved that were not reserved for: 1, the first of them g3.",
    ),
    "no entry at all": (
        copy_without_entries,
        "Generations have no reservation: 1, the first of them g4.",
    ),
    "an open call": (
        lambda c: c.execute(update(generations).where(generations.c.id == "g2").values(state=State.DONE)),
        "Calls are open although their generation has ended: 1, the first of them g2.",
    ),
    "a second resolution": (
        lambda c: add(c, "g3", 0, 2, "void"),
        "Calls are resolved twice although their outcome was known: 1, the first of them g3.",
    ),
    "money held still": (
        lambda c: add(c, "g2", 0, 1, "settled", held=-1, spent=5, cost_nano=5),
        "Calls are resolved and their money is held still: 1, the first of them g2.",
    ),
    "less than nothing": (
        lambda c: add(c, "g2", 0, 1, "void", held=-RESERVED_NANO - 1),
        "Calls hold or cost less than nothing: 1, the first of them g2.",
    ),
    "an unknown that holds too little": (
        lambda c: add(c, "g2", 0, 1, "unknown", held=-RESERVED_NANO, unknown=1),
        "Calls of unknown outcome do not hold what was reserved for them: 1, the first of them g2.",
    ),
    "a cost that is not its own": (
        lambda c: add(c, "g2", 0, 1, "settled", held=-RESERVED_NANO, spent=5, cost_nano=6),
        "Entries post something else than their cost: 1, the first of them g2.",
    ),
    "a void that costs": (
        lambda c: add(c, "g2", 0, 1, "void", held=-RESERVED_NANO, spent=5),
        "Entries post something else than their cost: 1, the first of them g2.",
    ),
    "a kind out of place": (
        lambda c: add(c, "g2", 0, 1, "reserved", held=-RESERVED_NANO),
        "Entries are of a kind that their step cannot have: 1, the first of them g2.",
    ),
    "a step too many": (
        lambda c: add(c, "g2", 0, 3, "void", held=-RESERVED_NANO),
        "Entries are of a kind that their step cannot have: 1, the first of them g2.",
    ),
    "pictures without bytes": (
        lambda c: c.execute(delete(blobs)),
        "Pictures are said to be kept and have no blob: 3, the first of them img-g1-0.",
    ),
    "owners of nothing": (
        lambda c: c.execute(delete(blobs)),
        "Generations and uploads need blobs that are not kept: 3, the first of them g1.",
    ),
    "a blob for nobody": (
        lambda c: c.execute(delete(blob_owners)),
        f"Blobs are kept for nothing: 1, the first of them {SHA256}.",
    ),
}


@pytest.mark.parametrize("name", BROKEN)
async def test_what_does_not_add_up_is_said(database: Database, name: str) -> None:
    broken, sentence = BROKEN[name]

    def write(connection: Connection) -> None:
        open_and_keep(connection)
        broken(connection)

    await database.write(write)
    assert sentence in await database.read(check_books)


async def test_pictures_that_were_let_go_of_need_no_bytes(database: Database) -> None:
    def write(connection: Connection) -> None:
        open_and_keep(connection)
        connection.execute(delete(blobs))
        connection.execute(delete(blob_owners))
        connection.execute(update(images).values(gone_ms=1))

    await database.write(write)
    assert await database.read(check_books) == []


async def test_what_the_store_lacks_is_said(database: Database, tmp_path: Path) -> None:
    store = FileStore(tmp_path / "store", "p1")
    contents = Contents(database, store, 1)
    await contents.add_key("ann")
    await contents.upload("up1")
    await contents.keep(b"without a row")
    assert await check_store(database, store) == []
    store.delete(sha256_of(b"upload"))
    assert await check_store(database, store) == [
        f"Blobs are not in the store: 1, the first of them {sha256_of(b'upload')}."
    ]
    store.close()
