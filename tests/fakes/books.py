"""Books to read: rows as the ledger writes them, made by hand."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, insert, select

from impasto.domain.ledger import Outcome, State
from impasto.domain.receipt import facts_of
from impasto.domain.usage import Usage
from impasto.storage.tables import accounts, balances, blob_owners, blobs, entries, generations, images, keys, tags
from tests.fakes.models import a_price

USAGE = Usage(input_text_tokens=5, output_text_tokens=453, output_image_tokens=1120)
COST_NANO = 68_561_500
FACTS = facts_of(USAGE, a_price(), "exact")
RESERVED_NANO = 100_000_000
PERIOD = "2026-11"
SHA256 = "0" * 64


def at(day: str) -> int:
    """Noon of `day` in milliseconds since the epoch."""
    return int(datetime.fromisoformat(f"{day}T12:00:00").replace(tzinfo=UTC).timestamp()) * 1000


@dataclass(frozen=True, slots=True)
class Made:
    """A generation to put into the books. `calls` are outcomes: `None` runs, a pair was unknown first."""

    id: str
    key: str = "key-1"
    model: str = "google/painting-model"
    day: str = "2026-11-22"
    calls: tuple[Outcome | tuple[Outcome, Outcome] | None, ...] = (Outcome.SETTLED,)
    cost_nano: int | None = COST_NANO
    facts: str = FACTS
    pictures: int = 1
    overrun: bool = False
    tags: Mapping[str, str] = field(default_factory=dict)


def open_books(connection: Connection, account_of: Mapping[str, str]) -> None:
    """Accounts and keys: `account_of[key]`; the name of `key-1` is `name of key-1`."""
    for account in sorted(set(account_of.values())):
        row = {"id": account, "name": f"name of {account}", "budget_nano": None, "created_ms": 0}
        connection.execute(insert(accounts).values(row))
    for key, account in account_of.items():
        row = {"id": key, "account_id": account, "name": f"name of {key}", "scopes": "[]", "created_ms": 0}
        connection.execute(insert(keys).values(row))


def keep(connection: Connection, account_of: Mapping[str, str], *made: Made) -> None:
    """Put `made` into the books, and their sums into the balances."""
    sums: dict[str, dict[str, int]] = {}
    for generation in made:
        account, now_ms = account_of[generation.key], at(generation.day)
        connection.execute(insert(generations).values(_row(generation, account, now_ms)))
        for entry in _entries(generation, account, now_ms):
            connection.execute(insert(entries).values(entry))
            balance = sums.setdefault(account, {"held": 0, "unknown": 0, "spent": 0})
            for name in balance:
                balance[name] += entry[name]
        for name, value in generation.tags.items():
            connection.execute(insert(tags).values(generation_id=generation.id, name=name, value=value))
        for choice in range(generation.pictures):
            row = {"id": f"img-{generation.id}-{choice}", "generation_id": generation.id, "key_id": generation.key,
                   "choice": choice, "sha256": SHA256, "media_type": "image/png", "byte_count": 1,
                   "created_ms": now_ms}  # fmt: skip
            connection.execute(insert(images).values(row))
        if generation.pictures:
            _keep_blob(connection, generation.id, now_ms)
    for account, balance in sums.items():
        connection.execute(insert(balances).values(account_id=account, period=PERIOD, **balance))


def _keep_blob(connection: Connection, owner: str, now_ms: int) -> None:
    """The one that all pictures are."""
    if connection.execute(select(blobs)).first() is None:
        connection.execute(insert(blobs).values(sha256=SHA256, byte_count=1, kept_ms=now_ms))
    connection.execute(insert(blob_owners).values(sha256=SHA256, owner=owner))


def _row(made: Made, account: str, now_ms: int) -> dict[str, Any]:
    runs = None in made.calls
    return {
        "id": made.id, "key_id": made.key, "account_id": account, "model": made.model,
        "state": State.RUNNING if runs else State.DONE, "sent": True, "owner": "p", "delivery": "open",
        "deliverer": "p", "request": "{}", "created_ms": now_ms, "ended_ms": None if runs else now_ms,
    }  # fmt: skip


def _entries(made: Made, account: str, now_ms: int) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    for call, outcome in enumerate(made.calls):
        fixed = {"generation_id": made.id, "call": call, "account_id": account, "period": PERIOD, "at_ms": now_ms,
                 "model": made.model, "facts": "{}", "overrun": False}  # fmt: skip
        rows.append(fixed | _step(0, "reserved", held=RESERVED_NANO, cost_nano=RESERVED_NANO))
        outcomes = outcome if isinstance(outcome, tuple) else () if outcome is None else (outcome,)
        for step, each in enumerate(outcomes, 1):
            changes = {"held": -RESERVED_NANO} if step == 1 else {"unknown": -RESERVED_NANO}
            if each is Outcome.UNKNOWN:
                changes["unknown"] = RESERVED_NANO
            row = fixed | _step(step, each, **changes)
            if each is Outcome.SETTLED:
                row |= {"spent": made.cost_nano or 0, "cost_nano": made.cost_nano, "facts": made.facts,
                        "overrun": made.overrun}  # fmt: skip
            rows.append(row)
    return rows


def _step(step: int, kind: str, **changes: int) -> dict[str, Any]:
    return {"step": step, "kind": kind, "held": 0, "unknown": 0, "spent": 0, "cost_nano": None} | changes
