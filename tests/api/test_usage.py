"""What was spent, over HTTP: strict about what is asked, careful about what is shown."""

import csv
import io
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from starlette.requests import Request
from starlette.responses import Response

from impasto.api.usage import PARAMETERS, Usages
from impasto.domain.errors import Code, Failure
from impasto.domain.keys import Scope, VirtualKey
from impasto.domain.spending import Group, Question, Spending

SPENDING = Spending(2, 3, 4, 68_561_500, 100_000_000, 1, 1, 0, 1, {"input_text_tokens": 5, "output_image_tokens": 1120})


@dataclass(slots=True)
class Books:
    """Answers every question with `groups`, and keeps the last one."""

    groups: Sequence[Group] = (Group({"day": "2026-11-22"}, SPENDING), Group({"day": "2026-11-23"}, SPENDING))
    question: Question = field(default_factory=Question)

    async def __call__(self, question: Question) -> Sequence[Group]:
        self.question = question
        return self.groups


async def ask(query: str = "", books: Books | None = None, *scopes: Scope) -> Response:
    key = VirtualKey("a caller", frozenset(scopes or ("read", "manage")), account_id="acc-1")
    scope = {"type": "http", "method": "GET", "path": "/v3/usage", "headers": [], "query_string": query.encode()}
    return await Usages(books or Books()).read(Request(scope | {"impasto.key": key}))


async def asked(query: str, *scopes: Scope) -> Question:
    books = Books()
    await ask(query, books, *scopes)
    return books.question


async def shown(query: str = "", books: Books | None = None) -> Any:
    return json.loads(bytes((await ask(query, books)).body), parse_float=Decimal)


async def test_what_is_asked_for_is_understood() -> None:
    assert await asked("") == Question(("day",))
    assert await asked("group_by=day,%20tag:env&from=2026-11-01&to=2026-11-30&key=k&model=m&tag=env:prod") == Question(
        ("day", "tag:env"), date(2026, 11, 1), date(2026, 11, 30), None, "k", "m", ("env", "prod")
    )
    assert await asked("group_by=&outcome=unknown") == Question((), only_unknown=True)
    assert (await asked("tag=a:b=c:d")).tag == ("a:b", "c:d")


async def test_who_may_only_read_sees_its_own_account() -> None:
    assert (await asked("", "read")).account_id == "acc-1"
    assert (await asked("", "read", "manage")).account_id is None


@pytest.mark.parametrize(
    ("query", "param", "message"),
    [
        ("form=csv", "form", f'There is no parameter "form" here. It takes {", ".join(PARAMETERS[:-1])} and format.'),
        ("from=2026-11-01&from=2026-11-02", "from", "from is given twice. Give it once."),
        (
            "group_by=week",
            "group_by",
            '"week" is not possible. It takes day, key, model, account, generation and tag:NA',
        ),
        ("group_by=tag:", "group_by", 'group_by "tag:" is not possible.'),
        ("group_by=day,day", "group_by", "names something twice"),
        ("from=yesterday", "from", 'from "yesterday" is no day. It takes a day in UTC such as 2026-11-01.'),
        ("to=2026-02-30", "to", "is no day"),
        ("to=20261101", "to", "is no day"),
        ("key=%00", "key", "key holds a character that is no text. Leave it out."),
        ("tag=env", "tag", 'tag "env" is no tag. It takes name:value, such as env:prod.'),
        ("tag=env:", "tag", "is no tag"),
        ("format=xml", "format", 'format "xml" is not possible. It takes json and csv.'),
        ("outcome=settled", "outcome", 'outcome "settled" is not possible. It takes any and unknown.'),
    ],
)
async def test_what_cannot_be_asked_for_is_refused(query: str, param: str, message: str) -> None:
    with pytest.raises(Failure) as caught:
        await ask(query)
    assert (caught.value.code, caught.value.param) == (Code.INVALID_VALUE, param)
    assert message in caught.value.message


async def test_json_has_a_row_for_each_group_and_the_total() -> None:
    answer = await shown("from=2026-11-22")
    numbers = {
        "requests": 2, "pictures": 3, "calls": 4, "unknown_calls": 1, "overruns": 0, "unpriced": 1,
        "cost": Decimal("0.0685615"), "unknown": Decimal("0.000000001"), "held": Decimal("0.1"),
        "tokens": {
            "input_text": 5, "input_image": 0, "output_text": 0, "output_image": 1120, "thought": 0, "cached": 0,
        },
    }  # fmt: skip
    assert answer["data"] == [{"day": day} | numbers for day in ("2026-11-22", "2026-11-23")]
    assert answer["total"]["cost"] == Decimal("0.137123")
    assert answer["total"]["tokens"]["output_image"] == 2240
    assert (answer["currency"], answer["from"], answer["to"]) == ("USD", "2026-11-22", None)


async def test_a_tag_that_a_request_does_not_have_is_null() -> None:
    answer = await shown("", Books([Group({"tag:env": ""}, SPENDING)]))
    assert answer["data"][0]["tag:env"] is None


async def test_money_has_no_exponent() -> None:
    assert b'"unknown":0.000000001' in bytes((await ask()).body)


async def test_csv_is_a_table_without_formulas() -> None:
    names = ["=1+1", "+1", "-1", "@SUM(A1)", "\ttab", 'a "quoted", one', "plain"]
    books = Books([Group({"key": f"k{index}", "key_name": name}, SPENDING) for index, name in enumerate(names)])
    response = await ask("format=csv&group_by=key", books)
    assert response.headers["content-type"] == "text/csv; charset=utf-8"
    assert "usage.csv" in response.headers["content-disposition"]
    rows = list(csv.DictReader(io.StringIO(bytes(response.body).decode(), newline="")))
    assert [row["key_name"] for row in rows] == [
        "'=1+1",
        "'+1",
        "'-1",
        "'@SUM(A1)",
        "'\ttab",
        'a "quoted", one',
        "plain",
    ]
    assert (rows[0]["cost"], rows[0]["unknown"], rows[0]["requests"]) == ("0.0685615", "0.000000001", "2")
    assert rows[0]["output_image_tokens"] == "1120"


async def test_nothing_spent_is_an_empty_list() -> None:
    answer = await shown("", Books([]))
    assert (answer["data"], answer["total"]["cost"], answer["total"]["requests"]) == ([], 0, 0)
    table = bytes((await ask("format=csv&group_by=key,tag:env", Books([]))).body).decode()
    assert table.startswith("key,key_name,tag:env,requests,")
    assert table.count("\n") == 1
