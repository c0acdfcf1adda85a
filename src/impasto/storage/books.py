"""Do the books balance, and is what they name there?

Rule: everything is computed anew from the entries; what does not add up is said in a sentence, with
how often and one place to look at.
"""

import asyncio
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, and_, case, func, literal, not_, or_, select, union_all

from impasto.domain.ledger import Outcome, State
from impasto.storage.database import Database
from impasto.storage.store import Store
from impasto.storage.tables import balances, blob_owners, blobs, entries, generations, images

_COUNT = select(func.count()).select_from(entries)
_HASHES = select(blobs.c.sha256)


def check_books(connection: Connection) -> list[str]:
    """What does not add up, in sentences; none where the books are balanced."""
    sentences = []
    for broken, sentence in _RULES:
        names = broken.subquery()
        count, first = connection.execute(select(func.count(), func.min(names.c.name)).select_from(names)).one()
        if count:
            sentences.append(f"{sentence}: {count}, the first of them {first}.")
    return sentences


def count_entries(connection: Connection) -> int:
    """How many entries the ledger has."""
    return connection.scalar(_COUNT) or 0


async def check_store(database: Database, store: Store) -> list[str]:
    """Whether the store has every blob that the books name, in a sentence where it has not. Lists all of the store."""
    named = await database.read(lambda connection: set(connection.scalars(_HASHES)))
    if not named:
        return []
    there = await asyncio.to_thread(lambda: {blob.sha256 for blob in store.list_blobs()})
    # What was let go of meanwhile is not missed.
    missing = (await database.read(lambda connection: set(connection.scalars(_HASHES)))) & named - there
    return [f"Blobs are not in the store: {len(missing)}, the first of them {min(missing)}."] if missing else []


Names = Select[Any]
"""Names of what is broken, in a column `name`."""

_HELD, _UNKNOWN, _SPENT = (func.sum(entries.c[name]) for name in ("held", "unknown", "spent"))


def _has(condition: ColumnElement[bool]) -> ColumnElement[bool]:
    return func.max(case((condition, 1), else_=0)) == 1


_IS_RESERVED = _has(entries.c.step == 0)
_IS_RESOLVED = _has(entries.c.step > 0)
_IS_RESOLVED_LATE = _has(entries.c.step == 2)
_WAS_UNKNOWN = _has(and_(entries.c.step == 1, entries.c.kind == Outcome.UNKNOWN))
_RESERVED_AMOUNT = func.sum(case((entries.c.step == 0, entries.c.held), else_=0))
_IS_SETTLED = entries.c.kind == Outcome.SETTLED
_SPENT_SAYS = case((_IS_SETTLED, func.coalesce(entries.c.cost_nano, 0)), else_=0)
_KINDS = ((0, ("reserved",)), (1, tuple(Outcome)), (2, (Outcome.SETTLED, Outcome.VOID)))


def _calls(*broken: ColumnElement[bool]) -> Names:
    """Generations with a call whose entries, taken together, are `broken`."""
    named = select(entries.c.generation_id.label("name")).select_from(entries.join(generations))
    return named.group_by(entries.c.generation_id, entries.c.call).having(*broken)


def _lines(*broken: ColumnElement[bool]) -> Names:
    """Generations with an entry that is `broken` by itself."""
    return select(entries.c.generation_id.label("name")).where(*broken)


def _different_balances() -> Names:
    """Balances on one side, on the other what their entries add up to: where they differ, a rest is left."""
    names = ("held", "unknown", "spent")
    both = union_all(
        select(balances.c.account_id, balances.c.period, *(balances.c[name] for name in names)),
        select(entries.c.account_id, entries.c.period, *((-entries.c[name]).label(name) for name in names)),
    ).subquery()
    rests = [func.sum(both.c[name]) != 0 for name in names]
    name = (both.c.account_id + literal(" in ") + both.c.period).label("name")
    return select(name).group_by(both.c.account_id, both.c.period).having(or_(*rests))


def _negative_balances() -> Names:
    name = (balances.c.account_id + literal(" in ") + balances.c.period).label("name")
    return select(name).where(or_(balances.c.held < 0, balances.c.unknown < 0, balances.c.spent < 0))


def _without_reservation() -> Names:
    joined = generations.outerjoin(entries)
    return select(generations.c.id.label("name")).select_from(joined).where(entries.c.generation_id.is_(None))


def _without_bytes() -> Names:
    joined = images.outerjoin(blobs, blobs.c.sha256 == images.c.sha256)
    named = select(images.c.id.label("name")).select_from(joined)
    return named.where(images.c.gone_ms.is_(None), blobs.c.sha256.is_(None))


def _without_owner() -> Names:
    joined = blobs.outerjoin(blob_owners, blob_owners.c.sha256 == blobs.c.sha256)
    return select(blobs.c.sha256.label("name")).select_from(joined).where(blob_owners.c.owner.is_(None))


def _owned_and_gone() -> Names:
    joined = blob_owners.outerjoin(blobs, blobs.c.sha256 == blob_owners.c.sha256)
    return select(blob_owners.c.owner.label("name")).select_from(joined).where(blobs.c.sha256.is_(None))


_RULES: tuple[tuple[Names, str], ...] = (
    (_different_balances(), "Balances differ from what their entries add up to"),
    (_negative_balances(), "Balances are negative"),
    (_without_reservation(), "Generations have no reservation"),
    (_calls(not_(_IS_RESERVED)), "Calls are resolved that were not reserved for"),
    (
        _calls(not_(_IS_RESOLVED)).where(generations.c.state != State.RUNNING),
        "Calls are open although their generation has ended",
    ),
    (_calls(_IS_RESOLVED_LATE, not_(_WAS_UNKNOWN)), "Calls are resolved twice although their outcome was known"),
    (_calls(_IS_RESOLVED, _HELD != 0), "Calls are resolved and their money is held still"),
    (_calls(or_(_HELD < 0, _UNKNOWN < 0, _SPENT < 0)), "Calls hold or cost less than nothing"),
    (
        _calls(case((and_(_WAS_UNKNOWN, not_(_IS_RESOLVED_LATE)), _RESERVED_AMOUNT), else_=0) != _UNKNOWN),
        "Calls of unknown outcome do not hold what was reserved for them",
    ),
    (_lines(entries.c.spent != _SPENT_SAYS), "Entries post something else than their cost"),
    (
        _lines(not_(or_(*(and_(entries.c.step == step, entries.c.kind.in_(kinds)) for step, kinds in _KINDS)))),
        "Entries are of a kind that their step cannot have",
    ),
    (_without_bytes(), "Pictures are said to be kept and have no blob"),
    (_without_owner(), "Blobs are kept for nothing"),
    (_owned_and_gone(), "Generations and uploads need blobs that are not kept"),
)
"""What may not be, and how it is called."""
