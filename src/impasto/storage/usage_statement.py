"""The statement behind what was spent: generations are chosen and named, and summed by name.

Rule: every condition and every group is about the generation, so that requests, pictures and calls
are counted of the same ones.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from sqlalchemy import (
    CTE,
    JSON,
    BigInteger,
    ColumnElement,
    CompoundSelect,
    FromClause,
    Select,
    Text,
    bindparam,
    case,
    cast,
    func,
    literal,
    or_,
    select,
    type_coerce,
    union_all,
)
from sqlalchemy.dialects import postgresql

from impasto.domain.ledger import Outcome
from impasto.domain.spending import SUMS, TAG_GROUP, TOKEN_KINDS, Question
from impasto.storage.tables import accounts, entries, generations, images, keys, tags

_DAY_MS = 86_400_000

_PLACES: Mapping[str, tuple[ColumnElement[Any], ...]] = {
    "day": (generations.c.created_ms // _DAY_MS,),
    "key": (generations.c.key_id, keys.c.name),
    "model": (generations.c.model,),
    "account": (generations.c.account_id, accounts.c.name),
    "generation": (generations.c.id,),
}
"""What stands in the columns of each group: a day as its number since the epoch, all else as text or nothing."""


def statement_of(question: Question, most: int) -> CompoundSelect[Any]:
    """The sums that `question` asks for, `place_0`, `place_1` … naming their group, of what began from `since_ms` on
    and before `until_ms`: requests, pictures and calls one under the other, at most `most` rows of each."""
    chosen = _chosen(question).cte("chosen")
    return union_all(
        _summed(chosen, chosen, {"requests": func.count()}, most),
        _summed(chosen, chosen.join(images, images.c.generation_id == chosen.c.id), {"pictures": func.count()}, most),
        _summed(chosen, chosen.join(entries, entries.c.generation_id == chosen.c.id), _ENTRY_SUMS, most),
    )


def _chosen(question: Question) -> Select[Any]:
    columns = [column for name in question.by for column in (_PLACES.get(name) or (_tag(name),))]
    places = [column.label(f"place_{index}") for index, column in enumerate(columns)]
    joined = generations.join(keys, keys.c.id == generations.c.key_id)
    joined = joined.join(accounts, accounts.c.id == generations.c.account_id)
    return select(generations.c.id, *places).select_from(joined).where(*_conditions(question))


def _conditions(question: Question) -> Iterator[ColumnElement[bool]]:
    yield generations.c.created_ms >= bindparam("since_ms", type_=BigInteger)
    yield generations.c.created_ms < bindparam("until_ms", type_=BigInteger)
    if question.account_id is not None:
        yield generations.c.account_id == question.account_id
    if question.key is not None:
        yield or_(generations.c.key_id == question.key, keys.c.name == question.key)
    if question.model is not None:
        yield generations.c.model == question.model
    if question.tag is not None:
        name, value = question.tag
        yield generations.c.id.in_(select(tags.c.generation_id).where(tags.c.name == name, tags.c.value == value))
    if question.only_unknown:
        yield generations.c.id.in_(_WITH_UNKNOWN)


def _summed(chosen: CTE, counted: FromClause, sums: Mapping[str, ColumnElement[Any]], most: int) -> Select[Any]:
    places = [column for column in chosen.c if column.name.startswith("place_")]
    numbers = [cast(sums.get(name, literal(0)), BigInteger).label(name) for name in (*SUMS, *TOKEN_KINDS)]
    # A compound of SELECTs takes no LIMIT inside of it on SQLite, but their subqueries do.
    return select(select(*places, *numbers).select_from(counted).group_by(*places).limit(most).subquery())


def _tag(group: str) -> ColumnElement[Any]:
    of_generation = (tags.c.generation_id == generations.c.id) & (tags.c.name == group.removeprefix(TAG_GROUP))
    return select(tags.c.value).where(of_generation).scalar_subquery()


def _count_if(condition: ColumnElement[bool]) -> ColumnElement[Any]:
    return func.sum(case((condition, 1), else_=0))


def _tokens(kind: str) -> ColumnElement[Any]:
    """The tokens of one kind, from the facts of what was settled."""
    facts = type_coerce(cast(entries.c.facts, Text().with_variant(postgresql.JSON(), "postgresql")), JSON)
    tokens = cast(facts["usage", kind].as_string(), BigInteger)
    return func.sum(case((_IS_SETTLED, func.coalesce(tokens, 0)), else_=0))


_IS_SETTLED = entries.c.kind == Outcome.SETTLED
_WITH_UNKNOWN = (
    select(entries.c.generation_id)
    .group_by(entries.c.generation_id, entries.c.call)
    .having(func.max(entries.c.step) == 1, func.max(case((entries.c.kind == Outcome.UNKNOWN, 1), else_=0)) == 1)
)
_ENTRY_SUMS: Mapping[str, ColumnElement[Any]] = {
    "calls": _count_if(entries.c.step == 0),
    "spent_nano": func.sum(entries.c.spent),
    "held_nano": func.sum(entries.c.held),
    "unknown_nano": func.sum(entries.c.unknown),
    "unknown_calls": _count_if(entries.c.kind == Outcome.UNKNOWN) - _count_if(entries.c.step == 2),
    "overruns": _count_if(entries.c.overrun),
    "unpriced": _count_if(_IS_SETTLED & entries.c.cost_nano.is_(None)),
    **{kind: _tokens(kind) for kind in TOKEN_KINDS},
}
