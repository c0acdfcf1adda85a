"""A generation as it is kept, with what its calls came to."""

import json
from collections.abc import Collection

from sqlalchemy import BindParameter, Connection, RowMapping, bindparam, select

from impasto.domain.ledger import Delivery, Generation, Outcome, Posted, State
from impasto.domain.retention import Keeps
from impasto.storage.tables import entries, generations

_IDS: BindParameter[str] = bindparam("ids", expanding=True)
_GENERATIONS = select(generations).where(generations.c.id.in_(_IDS))
_ENTRIES_OF = select(entries).where(entries.c.generation_id.in_(_IDS))
_ENTRIES = _ENTRIES_OF.order_by(entries.c.generation_id, entries.c.call, entries.c.step)


def find(connection: Connection, generation_id: str) -> Generation | None:
    """The generation with this id, if there is one."""
    return find_all(connection, [generation_id]).get(generation_id)


def find_all(connection: Connection, ids: Collection[str]) -> dict[str, Generation]:
    """The generations with these ids, by id."""
    rows = connection.execute(_GENERATIONS, {"ids": list(ids)}).mappings().all()
    calls = _posted(connection, ids) if rows else {}
    return {row["id"]: _generation(row, tuple(calls.get(row["id"], {}).values())) for row in rows}


def _generation(row: RowMapping, calls: tuple[Posted, ...]) -> Generation:
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
        calls=calls,
        sent=row["sent"],
        session_id=row["session_id"],
        end_user=row["end_user"],
        keeps=Keeps(row["retention"]),
    )


def _posted(connection: Connection, ids: Collection[str]) -> dict[str, dict[int, Posted]]:
    found: dict[str, dict[int, Posted]] = {}
    for row in connection.execute(_ENTRIES, {"ids": list(ids)}).mappings():
        calls = found.setdefault(row["generation_id"], {})
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
    return found
