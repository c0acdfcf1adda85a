"""Closing: calls are resolved, and their generation ends.

Rule: a call is resolved once. What is known later of an unknown outcome is posted once more, and
what comes after that changes nothing.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import cast

from sqlalchemy import BindParameter, Connection, bindparam, insert, or_, select, update

from impasto.domain.ledger import Closing, Ending, Making, Opening, Outcome, Parent, Resolution, State
from impasto.storage.ledger_commands import INSERT_INTO, Insert
from impasto.storage.tables import blob_owners, blobs, entries, generations, images, parents, prompts, uploads

_RESERVED, _RESOLVED, _RESOLVED_LATE = range(3)


def _kept_again(statement: Insert) -> Insert:
    return statement.on_conflict_do_update(index_elements=["sha256"], set_={"kept_ms": statement.excluded["kept_ms"]})


_ENTRIES_OF = select(entries).where(entries.c.generation_id.in_(bindparam("ids", expanding=True)))
_KEYS_OF = select(generations.c.id, generations.c.key_id).where(generations.c.id.in_(bindparam("ids", expanding=True)))
_SENT_AMONG = (
    select(generations.c.id)
    .where(generations.c.id.in_(bindparam("ids", expanding=True)), generations.c.sent)
    .order_by(generations.c.id)
    .with_for_update()
)
_INSERT_ENTRIES = insert(entries)
_END = (
    update(generations)
    .where(generations.c.id == bindparam("b_id"))
    .where(or_(generations.c.state == State.RUNNING, generations.c.state == State.UNKNOWN))
    .values(
        state=bindparam("b_state"),
        answer=bindparam("b_answer"),
        answer_sha256=bindparam("b_answer_sha256"),
        ended_ms=bindparam("b_ended_ms"),
    )
)

_KEEP_BLOBS = {dialect: _kept_again(insert_into(blobs)) for dialect, insert_into in INSERT_INTO.items()}
_KEEP_IMAGES = {
    dialect: insert_into(images).on_conflict_do_nothing(index_elements=["id"])
    for dialect, insert_into in INSERT_INTO.items()
}

_KEEP_OWNERS = {
    dialect: insert_into(blob_owners).on_conflict_do_nothing(index_elements=["sha256", "owner"])
    for dialect, insert_into in INSERT_INTO.items()
}
_KEEP_PROMPTS = {
    dialect: insert_into(prompts).on_conflict_do_nothing(index_elements=["generation_id"])
    for dialect, insert_into in INSERT_INTO.items()
}
_KEEP_PARENTS = {
    dialect: insert_into(parents).on_conflict_do_nothing(index_elements=["generation_id", "place"])
    for dialect, insert_into in INSERT_INTO.items()
}
_REFS: BindParameter[str] = bindparam("refs", expanding=True)
# Locked, so that a deletion comes before this or finds what is written here.
_STILL_THERE = {
    kind: select(table.c.id).where(table.c.id.in_(_REFS)).order_by(table.c.id).with_for_update(read=True)
    for kind, table in (("image", images), ("file", uploads))
}
REFS_AT_ONCE = 500
"""Databases bound the parameters of a statement, and callers cite without end."""

Entry = Mapping[str, object]


def voided(opening: Opening) -> Closing:
    """What closes a reservation that may or may not have been made, and of which nothing came."""
    void = tuple(Resolution(call, Outcome.VOID) for call in range(len(opening.holds)))
    return Closing(opening.generation_id, void, Ending(State.REFUSED))


def close(connection: Connection, closings: Sequence[Closing], now: float) -> list[dict[str, object]]:
    """Resolve calls and end generations, all in the transaction of `connection`.

    The entries that were added: the caller adds them to the balances.
    """
    closings = _not_sent(connection, closings)
    if not closings:
        return []
    now_ms = int(now * 1000)
    ids = [closing.generation_id for closing in closings]
    steps: dict[tuple[str, int], dict[int, Entry]] = {}
    for row in connection.execute(_ENTRIES_OF, {"ids": ids}).mappings():
        entry = cast("Entry", row)
        steps.setdefault((row["generation_id"], row["call"]), {})[row["step"]] = entry
    new = [entry for closing in closings for entry in _entries_of(closing, steps, now_ms)]
    endings = [closing for closing in closings if closing.ending and (closing.generation_id, 0) in steps]
    _end(connection, endings, now_ms)
    if new:
        connection.execute(_INSERT_ENTRIES, new)
    return new


def _not_sent(connection: Connection, closings: Sequence[Closing]) -> Sequence[Closing]:
    """`closings` without those that something was sent for although they are only for what was not."""
    asked = sorted(closing.generation_id for closing in closings if closing.unless_sent)
    if not asked:
        return closings
    sent = set(connection.scalars(_SENT_AMONG, {"ids": asked}))
    return [closing for closing in closings if not (closing.unless_sent and closing.generation_id in sent)]


def _entries_of(
    closing: Closing, steps: dict[tuple[str, int], dict[int, Entry]], now_ms: int
) -> Iterator[dict[str, object]]:
    for resolution in closing.resolutions:
        taken = steps.get((closing.generation_id, resolution.call), {})
        reserved, resolved = taken.get(_RESERVED), taken.get(_RESOLVED)
        if reserved is None:
            continue
        if resolved is None:
            entry = _entry(reserved, _RESOLVED, resolution, now_ms)
        elif (
            resolved["kind"] == Outcome.UNKNOWN
            and _RESOLVED_LATE not in taken
            and resolution.outcome is not Outcome.UNKNOWN
        ):
            entry = _entry(reserved, _RESOLVED_LATE, resolution, now_ms)
        else:
            continue
        taken[int(entry["step"])] = entry  # type: ignore[call-overload]
        steps[closing.generation_id, resolution.call] = taken
        yield entry


def _entry(reserved: Entry, step: int, resolution: Resolution, now_ms: int) -> dict[str, object]:
    amount = int(reserved["held"])  # type: ignore[call-overload]
    cost = resolution.cost_nano or 0
    is_unknown = resolution.outcome is Outcome.UNKNOWN
    is_priced = reserved["cost_nano"] is not None
    return {
        "generation_id": reserved["generation_id"],
        "call": reserved["call"],
        "step": step,
        "kind": resolution.outcome,
        "account_id": reserved["account_id"],
        "period": reserved["period"],
        "held": -amount if step == _RESOLVED else 0,
        "unknown": amount if is_unknown else -amount if step == _RESOLVED_LATE else 0,
        "spent": cost if resolution.outcome is Outcome.SETTLED else 0,
        "cost_nano": resolution.cost_nano,
        "overrun": is_priced and resolution.outcome is Outcome.SETTLED and cost > amount,
        "model": resolution.model,
        "facts": resolution.facts,
        "at_ms": now_ms,
    }


def _end(connection: Connection, closings: Sequence[Closing], now_ms: int) -> None:
    if not closings:
        return
    ended = [(closing.generation_id, closing.ending) for closing in closings if closing.ending]
    connection.execute(
        _END,
        [
            {
                "b_id": generation_id,
                "b_state": ending.state,
                "b_answer": ending.answer,
                "b_answer_sha256": ending.answer_sha256,
                "b_ended_ms": now_ms,
            }
            for generation_id, ending in sorted(ended, key=lambda pair: pair[0])
        ],
    )
    _keep_rows(connection, ended, now_ms)


def _keep_rows(connection: Connection, ended: Sequence[tuple[str, Ending]], now_ms: int) -> None:
    """Rows for what the store keeps already: its blobs, and the pictures by their short ids."""
    kept = {sha256: size for _, ending in ended for sha256, size in ending.blobs.items()}
    if kept:
        connection.execute(
            _KEEP_BLOBS[connection.dialect.name],
            [{"sha256": sha256, "byte_count": size, "kept_ms": now_ms} for sha256, size in sorted(kept.items())],
        )
        owners = sorted((sha256, generation_id) for generation_id, ending in ended for sha256 in ending.blobs)
        connection.execute(
            _KEEP_OWNERS[connection.dialect.name], [{"sha256": sha256, "owner": owner} for sha256, owner in owners]
        )
    with_images = [generation_id for generation_id, ending in ended if ending.images]
    if not with_images:
        return
    keys = dict(connection.execute(_KEYS_OF, {"ids": with_images}).all())
    connection.execute(
        _KEEP_IMAGES[connection.dialect.name],
        [
            {
                "id": image.id,
                "generation_id": generation_id,
                "key_id": keys[generation_id],
                "choice": image.choice,
                "place": place,
                "sha256": image.sha256,
                "media_type": image.media_type,
                "byte_count": image.byte_count,
                "width": image.width,
                "height": image.height,
                "model": image.model,
                "facts": image.facts,
                "created_ms": now_ms,
            }
            for generation_id, ending in ended
            for place, image in enumerate(ending.images)
        ],
    )
    _keep_making(connection, [(id_, ending.making) for id_, ending in ended if ending.making], now_ms)


def _keep_making(connection: Connection, made: Sequence[tuple[str, Making]], now_ms: int) -> None:
    """What pictures were made of."""
    told = [
        {"generation_id": id_, "text": making.prompt, "characters": making.characters, "created_ms": now_ms}
        for id_, making in made
        if making.prompt
    ]
    if told:
        connection.execute(_KEEP_PROMPTS[connection.dialect.name], told)
    there = _still_there(connection, [parent for _, making in made for parent in making.parents])
    from_pictures = [
        {
            "generation_id": id_,
            "place": place,
            "kind": parent.kind,
            "ref": parent.ref,
            # Of what was deleted meanwhile it stays that it was used, and not what it was.
            "sha256": parent.sha256 if parent.ref in there else "",
        }
        for id_, making in made
        for place, parent in enumerate(making.parents)
    ]
    if from_pictures:
        connection.execute(_KEEP_PARENTS[connection.dialect.name], from_pictures)


def _still_there(connection: Connection, made_from: Sequence[Parent]) -> set[str]:
    """Of what these refer to, what nobody has deleted. What they do not refer to is there."""
    there = {""}
    for kind, statement in _STILL_THERE.items():
        refs = sorted({parent.ref for parent in made_from if parent.kind == kind and parent.ref})
        for start in range(0, len(refs), REFS_AT_ONCE):
            there.update(connection.scalars(statement, {"refs": refs[start : start + REFS_AT_ONCE]}))
    return there
