"""`impasto usage`: from the database or a server, as a table, CSV or JSON."""

import asyncio
import csv
import io
import json
from decimal import Decimal
from pathlib import Path

import msgspec
import pytest

from impasto.api.usage import usage_body
from impasto.domain.ledger import Outcome
from impasto.domain.spending import Group, Question, Spending
from impasto.storage.database import database_at
from tests.cli.conftest import Impasto
from tests.cli.test_gateway import server_that_says
from tests.fakes.books import Made, keep, open_books

ACCOUNTS = {"key-1": "acc-1", "key-2": "acc-2"}
BOOKS = (
    Made("g1", tags={"env": "prod"}),
    Made("g2", "key-2", day="2026-11-21", calls=(Outcome.SETTLED, Outcome.UNKNOWN), pictures=2),
    Made("g3", "key-2", calls=(None,), pictures=0),
    Made("g4", cost_nano=None, facts="{}", overrun=True),
)


@pytest.fixture
def url(database_url: str) -> str:
    """A database with something in it."""

    async def write() -> None:
        database = database_at(database_url)
        await database.write(lambda connection: open_books(connection, ACCOUNTS))
        await database.write(lambda connection: keep(connection, ACCOUNTS, *BOOKS))
        await database.close()

    asyncio.run(write())
    return database_url


def test_the_table_has_a_row_for_each_day_and_says_what_is_not_spent(impasto: Impasto, url: str) -> None:
    lines = impasto("usage", IMPASTO_DATABASE_URL=url).stdout.splitlines()
    assert lines[0].split() == ["day", "requests", "pictures", "spent", "held", "unknown"]
    assert lines[1].split() == ["2026-11-21", "1", "2", "0.068562", "0.000000", "0.100000"]
    assert lines[2].split() == ["2026-11-22", "3", "2", "0.068562", "0.100000", "0.000000"]
    assert lines[3:] == [
        "Total: $0.137123 for 4 requests and 4 pictures.",
        "Held by requests that run: $0.1.",
        "Unknown outcome: 1 call, which may have cost up to $0.1.",
        "See which: impasto usage --unknown",
        "Without a known price: 1 call; what they cost is not in the total.",
        "More than was reserved: 1 call.",
    ]


def test_it_fits_a_narrow_terminal(impasto: Impasto, url: str) -> None:
    for by in ("day", "key,model", "day,key,model,tag:env", "generation"):
        result = impasto("usage", "--by", by, COLUMNS="80", IMPASTO_DATABASE_URL=url)
        assert result.exit_code == 0, result.stderr
        assert max(map(len, result.stdout.splitlines())) <= 80


def test_keys_are_shown_by_name_and_tags_by_value(impasto: Impasto, url: str) -> None:
    result = impasto("usage", "--by", "key,tag:env", "--from", "2026-11-22", IMPASTO_DATABASE_URL=url)
    rows = result.stdout.splitlines()
    assert rows[0].split()[:2] == ["key", "tag:env"]
    assert rows[1].split()[:4] == ["name", "of", "key-1", "-"]
    assert rows[2].split()[:4] == ["name", "of", "key-1", "prod"]


def test_unknown_outcomes_are_listed_one_by_one(impasto: Impasto, url: str) -> None:
    lines = impasto("usage", "--unknown", IMPASTO_DATABASE_URL=url).stdout.splitlines()
    assert lines[0].split()[:4] == ["day", "generation", "key", "model"]
    assert lines[1].split()[:2] == ["2026-11-21", "g2"]
    assert "Total: $0.0685615 for 1 request and 2 pictures." in lines


def test_json_and_csv_are_exact(impasto: Impasto, url: str) -> None:
    answer = json.loads(impasto("usage", "--json", IMPASTO_DATABASE_URL=url).stdout, parse_float=Decimal)
    assert answer["total"]["cost"] == Decimal("0.137123")
    assert [row["day"] for row in answer["data"]] == ["2026-11-21", "2026-11-22"]
    text = impasto("usage", "--csv", "--by", "model", IMPASTO_DATABASE_URL=url).stdout
    [row] = csv.DictReader(io.StringIO(text))
    assert (row["model"], row["cost"], row["output_image_tokens"]) == ("google/painting-model", "0.137123", "2240")


def test_a_gateway_that_runs_is_asked_with_the_key_and_shown_alike(impasto: Impasto) -> None:
    question = Question(("day", "tag:env"))
    spending = Spending(1, 2, 3, 123_456_789_123_456, 5, 6, 1, 0, 0, {"input_text_tokens": 7})
    told = usage_body(question, [Group({"day": "2026-11-22", "tag:env": ""}, spending)])
    with server_that_says(200, msgspec.json.encode(told).decode()) as (url, requests):
        arguments = ("usage", "--by", "day,tag:env", "--to", "2026-11-30", "--url", url)
        result = impasto(*arguments, "--json", IMPASTO_API_KEY="a-key")
        assert json.loads(result.stdout, parse_float=Decimal)["data"][0]["cost"] == Decimal("123456.789123456")
        assert "123456.789123" in impasto(*arguments, IMPASTO_API_KEY="a-key").stdout
    assert requests[0]["path"] == "/v3/usage?group_by=day%2Ctag%3Aenv&to=2026-11-30"
    assert requests[0]["authorization"] == "Bearer a-key"


def test_a_stranger_is_told_from_a_gateway(impasto: Impasto) -> None:
    with server_that_says(200, '{"status": "alive"}') as (url, _):
        result = impasto("usage", IMPASTO_URL=url, IMPASTO_API_KEY="a-key")
    assert result.exit_code == 1
    assert "answers with something else than usage" in result.stderr


def test_without_a_database_nothing_is_made(impasto: Impasto, folder: Path) -> None:
    assert impasto("usage").stdout == "No request was made yet.\n"
    assert impasto("usage", "--unknown").stdout == "No request has an unknown outcome.\n"
    assert impasto("usage", "--from", "2026-11-01").stdout == "No request was made in these days.\n"
    assert json.loads(impasto("usage", "--json").stdout)["data"] == []
    assert not list(folder.iterdir())


def test_a_database_without_tables_has_nothing(impasto: Impasto, empty_database_url: str) -> None:
    assert impasto("usage", IMPASTO_DATABASE_URL=empty_database_url).stdout == "No request was made yet.\n"


def test_a_file_that_is_no_database_is_an_error(impasto: Impasto, folder: Path) -> None:
    (folder / "books").write_text("no database, but long enough to be looked at as one" * 40)
    result = impasto("usage", IMPASTO_DATABASE_URL=f"sqlite:///{folder}/books")
    assert result.exit_code == 1
    assert "The database cannot be read (DatabaseError: file is not a database)." in result.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--by", "week"), '--by "week" is not possible. It takes day, key,'),
        (("--from", "yesterday"), 'from "yesterday" is no day.'),
        (("--from", "2026-12-01", "--to", "2026-11-01"), "to 2026-11-01 is before from 2026-12-01."),
    ],
)
def test_what_cannot_be_asked_for_is_refused(impasto: Impasto, arguments: tuple[str, ...], message: str) -> None:
    result = impasto("usage", *arguments)
    assert result.exit_code == 1
    assert message in result.stderr
