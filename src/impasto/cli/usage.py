"""`impasto usage`: what was spent.

Rule: a running server and the database itself are shown alike; what is held and what nobody knows
the outcome of stands beside what was spent, never in it.
"""

from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from functools import partial
from typing import Any
from urllib.parse import urlencode

import click
import msgspec
from starlette.datastructures import QueryParams

from impasto.api.money import decimal_text
from impasto.api.usage import AMOUNTS, COUNTS, csv_text, parse_question, usage_body
from impasto.cli.books import read_books
from impasto.cli.options import config_option, json_option
from impasto.cli.table import print_table
from impasto.config import Settings, load_settings
from impasto.domain.errors import Failure
from impasto.domain.money import dollars_of, nano_of
from impasto.domain.spending import TOKEN_KINDS, Group, Question, Spending, check_groups, columns_of
from impasto.storage.usage import spending_of

UNKNOWN_BY = "day,generation,key,model"


@click.command()
@click.option("--by", metavar="LIST", help="day, key, model, account, generation, tag:NAME, with commas between. [day]")
@click.option("--from", "since", metavar="DAY", help="First day, in UTC: 2026-11-01.")
@click.option("--to", "until", metavar="DAY", help="Last day.")
@click.option("--unknown", "only_unknown", is_flag=True, help="Only requests that nobody knows the outcome of.")
@click.option("--csv", "as_csv", is_flag=True, help="Print a table with commas.")
@json_option
@click.option("--url", metavar="URL", help="A running gateway to ask (IMPASTO_URL); else the database is read.")
@config_option
def command(
    by: str | None, since: str | None, until: str | None, only_unknown: bool, as_csv: bool, as_json: bool,
    url: str | None, config: str | None,
) -> None:  # fmt: skip
    """Show what was spent, by day, key, model or tag. In US dollars.

    A request counts on the day that it began. What runs has money held for it; so has what broke off without a word
    from its provider, up to the most it can have cost.
    """
    said = {"group_by": by or (UNKNOWN_BY if only_unknown else "day"), "from": since, "to": until,
            "outcome": "unknown" if only_unknown else None}  # fmt: skip
    query = {name: value for name, value in said.items() if value is not None}
    try:
        check_groups(tuple(name.strip() for name in query["group_by"].split(",")), "--by")
        question, _ = parse_question(QueryParams(query))
        groups = _groups(load_settings(config=config), url, query, question)
    except Failure as failure:
        raise click.ClickException(failure.message) from failure
    if as_json:
        click.echo(msgspec.json.format(msgspec.json.encode(usage_body(question, groups)), indent=2).decode())
    elif as_csv:
        click.echo(csv_text(question, groups), nl=False)
    else:
        _print(question, groups)


def _groups(settings: Settings, url: str | None, query: Mapping[str, str], question: Question) -> Sequence[Group]:
    if url or settings.environment.get("IMPASTO_URL"):
        from impasto.cli.gateway import gateway_for

        with gateway_for(url, settings) as gateway:
            return _told(gateway.call("GET", f"/v3/usage?{urlencode(query)}"), question)
    return read_books(settings.database_url, partial(spending_of, question=question)) or []


def _told(answer: Mapping[str, Any], question: Question) -> list[Group]:
    """The groups in a gateway's answer. Raises `click.ClickException` for what is none."""
    columns = columns_of(question.by)
    try:
        return [Group({name: row[name] or "" for name in columns}, _spending(row)) for row in answer["data"]]
    except (LookupError, TypeError, ValueError, ArithmeticError) as error:
        raise click.ClickException("The gateway answers with something else than usage. Is it an older one?") from error


def _spending(row: Mapping[str, Any]) -> Spending:
    return Spending(
        **{name: int(row[name]) for name in COUNTS},
        # JSON's numbers came as floats; the shortest text of one is the number that was sent, up to 15 digits.
        **{of: nano_of(Decimal(str(row[name]))) for name, of in AMOUNTS.items()},
        tokens={kind: int(row["tokens"][kind.removesuffix("_tokens")]) for kind in TOKEN_KINDS},
    )


def _print(question: Question, groups: Sequence[Group]) -> None:
    total = sum((group.spending for group in groups), Spending())
    if not total.requests:
        click.echo(_nothing(question))
        return
    names = [name for name in columns_of(question.by) if f"{name}_name" not in columns_of(question.by)]
    extra = [name for name in ("held", "unknown") if getattr(total, AMOUNTS[name])]
    headings = [*(name.removesuffix("_name") for name in names), "requests", "pictures", "spent", *extra]
    print_table(headings, [_row(group, names, extra) for group in groups])
    for sentence in _sentences(total):
        click.echo(sentence)


def _nothing(question: Question) -> str:
    if question.only_unknown:
        return "No request has an unknown outcome."
    return "No request was made yet." if question == Question(question.by) else "No request was made in these days."


def _row(group: Group, names: Sequence[str], extra: Sequence[str]) -> list[str]:
    spending = group.spending
    amounts = [f"{dollars_of(getattr(spending, AMOUNTS[name])):.6f}" for name in ("cost", *extra)]
    return [*(group.place[name] or "-" for name in names), str(spending.requests), str(spending.pictures), *amounts]


def _sentences(total: Spending) -> Iterator[str]:
    spent = decimal_text(dollars_of(total.spent_nano))
    yield f"Total: ${spent} for {_counted(total.requests, 'request')} and {_counted(total.pictures, 'picture')}."
    if total.held_nano:
        yield f"Held by requests that run: ${decimal_text(dollars_of(total.held_nano))}."
    if total.unknown_calls:
        most = decimal_text(dollars_of(total.unknown_nano))
        yield f"Unknown outcome: {_counted(total.unknown_calls, 'call')}, which may have cost up to ${most}."
        yield "See which: impasto usage --unknown"
    if total.unpriced:
        yield f"Without a known price: {_counted(total.unpriced, 'call')}; what they cost is not in the total."
    if total.overruns:
        yield f"More than was reserved: {_counted(total.overruns, 'call')}."


def _counted(count: int, what: str) -> str:
    return f"{count} {what}" if count == 1 else f"{count} {what}s"
