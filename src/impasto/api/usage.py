"""GET /v3/usage: what was spent, by day, key, model, account or tag, as JSON or CSV.

Rule: who may only read sees its own account, who manages sees all; a parameter that is not known is
refused, because a filter that does nothing would show more than was asked for.
"""

import csv
import io
import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal
from typing import Literal

import msgspec
from starlette.datastructures import QueryParams
from starlette.requests import Request
from starlette.responses import Response

from impasto.api.auth import caller_of
from impasto.api.money import decimal_text, json_number
from impasto.domain.errors import Code, Failure, listed
from impasto.domain.money import dollars_of
from impasto.domain.spending import TOKEN_KINDS, Group, Question, Spending, check_groups, columns_of

ReadSpending = Callable[[Question], Awaitable[Sequence[Group]]]
"""The groups that a question asks for."""

PARAMETERS = ("group_by", "from", "to", "key", "model", "tag", "outcome", "format")
FORMATS = ("json", "csv")
DEFAULT_GROUP = "day"
Form = Literal["json", "csv"]

AMOUNTS = {"cost": "spent_nano", "unknown": "unknown_nano", "held": "held_nano"}
"""The sums of money of an answer, and which of a `Spending` each is."""
COUNTS = ("requests", "pictures", "calls", "unknown_calls", "overruns", "unpriced")

_DAY = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")


@dataclass(frozen=True, slots=True)
class Usages:
    """The resource."""

    spending_of: ReadSpending

    async def read(self, request: Request) -> Response:
        question, form = parse_question(request.query_params)
        key = caller_of(request.scope)
        if not key.may("manage"):
            question = replace(question, account_id=key.account_id)
        groups = await self.spending_of(question)
        if form == "csv":
            headers = {"content-disposition": 'attachment; filename="usage.csv"'}
            return Response(csv_text(question, groups), media_type="text/csv; charset=utf-8", headers=headers)
        return Response(msgspec.json.encode(usage_body(question, groups)), media_type="application/json")


def parse_question(said: QueryParams) -> tuple[Question, Form]:
    """What is asked for, and the form of the answer. Raises 400 naming the parameter and what it takes."""
    for name in said:
        if name not in PARAMETERS:
            raise _refused(name, f'There is no parameter "{name[:80]}" here. It takes {listed(PARAMETERS)}.')
        if len(said.getlist(name)) > 1:
            raise _refused(name, f"{name} is given twice. Give it once.")
        if "\x00" in said[name]:  # PostgreSQL has no place for it in a text
            raise _refused(name, f"{name} holds a character that is no text. Leave it out.")
    by = tuple(name.strip() for name in said.get("group_by", DEFAULT_GROUP).split(",") if name.strip())
    check_groups(by, "group_by")
    since, until = _day(said, "from"), _day(said, "to")
    if since and until and since > until:
        raise _refused("to", f"to {until} is before from {since}. Give the earlier day as from.")
    question = Question(
        by=by,
        since=since,
        until=until,
        key=said.get("key"),
        model=said.get("model"),
        tag=_tag(said.get("tag")),
        only_unknown=_choice(said, "outcome", ("any", "unknown")) == "unknown",
    )
    return question, "csv" if _choice(said, "format", FORMATS) == "csv" else "json"


def usage_body(question: Question, groups: Sequence[Group]) -> dict[str, object]:
    """The answer as JSON: a row for each group, and the total over all of them."""
    total = sum((group.spending for group in groups), Spending())
    return {
        "object": "usage",
        "currency": "USD",
        "group_by": question.by,
        "from": question.since,
        "to": question.until,
        "data": [_place(group.place) | _numbers(group.spending) for group in groups],
        "total": _numbers(total),
    }


def csv_text(question: Question, groups: Sequence[Group]) -> str:
    """The answer as a table, without a total, so that a sum over its rows is right."""
    text = io.StringIO()
    writer = csv.DictWriter(text, [*columns_of(question.by), *COUNTS, *AMOUNTS, *TOKEN_KINDS])
    writer.writeheader()
    writer.writerows(map(_flat, groups))
    return text.getvalue()


def _place(place: Mapping[str, str]) -> dict[str, object]:
    return {name: value or None for name, value in place.items()}


def _numbers(spending: Spending) -> dict[str, object]:
    return {
        **{name: getattr(spending, name) for name in COUNTS},
        **{name: json_number(amount) for name, amount in _amounts(spending)},
        "tokens": {kind.removesuffix("_tokens"): spending.tokens.get(kind, 0) for kind in TOKEN_KINDS},
    }


def _flat(group: Group) -> dict[str, object]:
    spending = group.spending
    return {
        **{name: _cell(value) for name, value in group.place.items()},
        **{name: getattr(spending, name) for name in COUNTS},
        **{name: decimal_text(amount) for name, amount in _amounts(spending)},
        **{kind: spending.tokens.get(kind, 0) for kind in TOKEN_KINDS},
    }


def _amounts(spending: Spending) -> list[tuple[str, Decimal]]:
    return [(name, dollars_of(getattr(spending, of))) for name, of in AMOUNTS.items()]


def _cell(text: str) -> str:
    """`text` so that no spreadsheet takes it for a formula.

    https://owasp.org/www-community/attacks/CSV_Injection
    """
    return f"'{text}" if text.startswith(_FORMULA_STARTS) else text


def _day(said: QueryParams, name: str) -> date | None:
    if name not in said:
        return None
    text = said[name]
    if _DAY.fullmatch(text):
        with suppress(ValueError):
            return date.fromisoformat(text)
    raise _refused(name, f'{name} "{text[:40]}" is no day. It takes a day in UTC such as 2026-11-01.')


def _tag(text: str | None) -> tuple[str, str] | None:
    """`name:value`, or `name=value` where a name holds a colon."""
    if text is None:
        return None
    name, separator, value = text.partition("=" if "=" in text else ":")
    if not (name and separator and value):
        raise _refused("tag", f'tag "{text[:80]}" is no tag. It takes name:value, such as env:prod.')
    return name, value


def _choice(said: QueryParams, name: str, choices: Sequence[str]) -> str:
    value = said.get(name, choices[0])
    if value not in choices:
        raise _refused(name, f'{name} "{value[:40]}" is not possible. It takes {listed(choices)}.')
    return value


def _refused(param: str, message: str) -> Failure:
    return Failure(Code.INVALID_VALUE, message, param=param[:80])
