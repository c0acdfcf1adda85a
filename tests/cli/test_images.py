"""`impasto images`: from the database or a server, as a table, lines or JSON."""

import asyncio
import json

import pytest

from impasto.domain.ledger import Parent
from impasto.storage.database import database_at
from tests.cli.conftest import Impasto
from tests.cli.test_gateway import server_that_says
from tests.fakes.album import Drawing, Drawn, draw
from tests.fakes.lineage import REQUEST
from tests.storage.till import add_key

DRAWINGS = (
    Drawing("old", [Drawn(id="img_old")], "operator", begun=1, request=REQUEST,
            prompt="a red\n  house \x1b[31m " + "x" * 90),
    Drawing(
        "new", [Drawn(id="img_new")], "operator", begun=2, prompt="at night", request=REQUEST, session_id="talk",
        parents=[Parent("image", "img_old", "1" * 64), Parent("photo", "", "2" * 64)], tags={"env": "prod"},
    ),
    Drawing("gone", [Drawn(id="img_gone", gone_ms=5)], "operator", request=REQUEST),
    Drawing("hers", [Drawn(id="img_hers")], "bob", request=REQUEST),
)  # fmt: skip


@pytest.fixture
def url(database_url: str) -> str:
    """A database with pictures in it."""

    async def write() -> None:
        database = database_at(database_url)
        for key in ("operator", "bob"):
            await add_key(database, key)
        await draw(database, *DRAWINGS)
        await database.close()

    asyncio.run(write())
    return database_url


def test_the_list_is_of_the_operators_key_and_the_newest_come_first(impasto: Impasto, url: str) -> None:
    result = impasto("images", IMPASTO_DATABASE_URL=url)
    lines = result.stdout.splitlines()
    assert lines[0].split() == ["id", "made", "model", "prompt"]
    assert lines[1].split() == ["img_new", "2026-11-18", "11:06", "google/painting-model", "at", "night"]
    assert lines[2].split()[:7] == ["img_old", "2026-11-18", "11:06", "google/painting-model", "a", "red", "house"]
    assert lines[2].endswith("x…")
    assert "\x1b" not in result.stdout
    assert len(lines) == 3


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (["--query", "red hou"], ["img_old"]),
        (["--parent", "img_old"], ["img_new"]),
        (["--include-gone"], ["img_new", "img_old", "img_gone"]),
        (["--key", "bob"], ["img_hers"]),
        (["--since", "1795000002"], ["img_new"]),
        (["--until", "2026-11-17"], []),
        (["--limit", "1"], ["img_new"]),
        (["--model", "nobody/none"], []),
    ],
)
def test_options_choose(options: list[str], expected: list[str], impasto: Impasto, url: str) -> None:
    body = json.loads(impasto("images", *options, "--json", IMPASTO_DATABASE_URL=url).stdout)
    assert [item["id"] for item in body["items"]] == expected
    assert body["object"] == "list"


def test_what_is_left_out_is_said(impasto: Impasto, url: str) -> None:
    assert "1 of 2. More:" in impasto("images", "--limit", "1", IMPASTO_DATABASE_URL=url).stdout
    assert impasto("images", "--query", "nothing", IMPASTO_DATABASE_URL=url).stdout == "No picture is like that.\n"
    assert impasto("images").stdout == "No picture was made yet.\n"


def test_one_is_shown_with_what_it_was_made_from(impasto: Impasto, url: str) -> None:
    shown = impasto("images", "show", "img_new", IMPASTO_DATABASE_URL=url).stdout
    facts = dict(line.split("  ", 1) for line in shown.splitlines())
    facts = {name: value.strip() for name, value in facts.items()}
    assert facts["made from"] == f"image img_old, photo {'2' * 64}"
    assert (facts["prompt"], facts["session"], facts["tags"]) == ("at night", "talk", "env=prod")
    assert (facts["image config"], facts["cost"]) == ("aspect_ratio 16:9, image_size 2K", "cost unknown")
    body = json.loads(impasto("images", "show", "img_old", "--json", IMPASTO_DATABASE_URL=url).stdout)
    assert body["child_ids"] == ["img_new"]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["show", "img_none"], "There is no picture img_none. List them: impasto images"),
        (["--query", "!"], "holds no word"),
        (["--since", "soon"], 'since "soon" is no moment'),
    ],
)
def test_what_cannot_be_shown_is_one_sentence(arguments: list[str], says: str, impasto: Impasto, url: str) -> None:
    result = impasto("images", *arguments, IMPASTO_DATABASE_URL=url)
    assert result.exit_code == 1
    assert says in result.stderr
    assert len(result.stderr.splitlines()) == 1


def test_a_server_is_asked_for_the_same(impasto: Impasto, url: str) -> None:
    listed = impasto("images", "--json", IMPASTO_DATABASE_URL=url).stdout
    with server_that_says(200, listed) as (address, asked):
        table = impasto("images", "--query", "a b", "--url", address, IMPASTO_API_KEY="key")
    assert table.stdout == impasto("images", IMPASTO_DATABASE_URL=url).stdout
    assert asked[-1]["path"] == "/v3/images?query=a+b&limit=20"
    one = impasto("images", "show", "img_new", "--json", IMPASTO_DATABASE_URL=url).stdout
    with server_that_says(200, one) as (address, asked):
        shown = impasto("images", "show", "img_new", "--url", address, IMPASTO_API_KEY="key")
    assert shown.stdout == impasto("images", "show", "img_new", IMPASTO_DATABASE_URL=url).stdout
    assert asked[-1]["path"] == "/v3/images/img_new"
