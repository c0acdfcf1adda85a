"""A generation as it is kept, with what its calls came to."""

import json

from sqlalchemy import Connection, bindparam, select

from impasto.domain.ledger import Delivery, Generation, Outcome, Posted, State
from impasto.storage.tables import entries, generations

_GENERATION = select(generations).where(generations.c.id == bindparam("id"))
_ENTRIES = select(entries).where(entries.c.generation_id == bindparam("id")).order_by(entries.c.call, entries.c.step)


def find(connection: Connection, generation_id: str) -> Generation | None:
    """The generation with this id, if there is one."""
    row = connection.execute(_GENERATION, {"id": generation_id}).mappings().first()
    if row is None:
        return None
    return Generation(
        id=row["id"],
        key_id=row["key_id"],
        account_id=row["account_id"],
        model=row["model"],
        state=State(row["state"]),
        delivery=Delivery(row["delivery"]),
        created_ms=row["created_ms"],
        ended_ms=row["ended_ms"],
        request=row["request"],
        answer=row["answer"],
        answer_sha256=row["answer_sha256"],
        tags=json.loads(row["tags"]),
        calls=_posted(connection, generation_id),
        sent=row["sent"],
    )


def _posted(connection: Connection, generation_id: str) -> tuple[Posted, ...]:
    calls: dict[int, Posted] = {}
    for row in connection.execute(_ENTRIES, {"id": generation_id}).mappings():
        if row["step"] == 0:
            calls[row["call"]] = Posted(row["call"], row["cost_nano"], row["at_ms"])
            continue
        reserved = calls[row["call"]]
        calls[row["call"]] = Posted(
            call=row["call"],
            reserved_nano=reserved.reserved_nano,
            reserved_ms=reserved.reserved_ms,
            outcome=Outcome(row["kind"]),
            cost_nano=row["cost_nano"],
            model=row["model"],
            facts=row["facts"],
            overrun=row["overrun"],
        )
    return tuple(calls.values())
