"""What the end of a generation leaves in the books beside money, on both databases."""

from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import Table, insert, select

from impasto.completions.ingredients import Ingredients
from impasto.completions.inline import Inlined
from impasto.domain.chat import Message, TextPart
from impasto.domain.keys import VirtualKey
from impasto.domain.ledger import Closing, Ending, ImageRow, Making, Outcome, Parent, Resolution, State
from impasto.domain.retention import Keeps
from impasto.storage.database import Database
from impasto.storage.gallery import SqlGallery
from impasto.storage.ledger import SqlLedger
from impasto.storage.tables import blob_owners, generations, images, parents, prompts, uploads
from tests.fakes.models import a_request
from tests.storage.till import Clock, Till, add_key, opening

ONE, TWO, THREE = "1" * 64, "2" * 64, "3" * 64
PARENTS = (Parent("image", "img_before", ONE), Parent("file", "up-1", TWO), Parent("photo", "", THREE))


@pytest.fixture
def till(database: Database) -> Till:
    clock = Clock()
    return Till(SqlLedger(database, "process", clock), database, clock)


def drawn(name: str, sha256: str = ONE, choice: int = 0, **more: Any) -> ImageRow:
    return ImageRow(f"img_{name}", choice, sha256, "image/png", 9, 3, 2, **more)


def ending(*rows: ImageRow, making: Making | None = None, signature: str | None = None) -> Ending:
    kept = {row.sha256: row.byte_count for row in rows} | ({signature: 5} if signature else {})
    return Ending(State.DONE, '{"completions": []}', None, rows, kept, making)


def end(generation_id: str, its: Ending) -> Closing:
    return Closing(generation_id, (Resolution(0, Outcome.SETTLED, 70),), its)


async def rows_of(till: Till, table: Table) -> list[dict[str, Any]]:
    ordered = select(table).order_by(*table.primary_key.columns)
    found = await till.database.read(lambda connection: connection.execute(ordered).mappings().all())
    return [dict(row) for row in found]


async def test_a_generation_knows_its_conversation_its_person_and_how_much_is_kept(till: Till) -> None:
    key = await add_key(till.database)
    await till.begin(replace(opening("one", key), session_id="s ü", end_user="u", keeps=Keeps.PICTURES))
    await till.begin(opening("two", key))
    one, two = await till.ledger.find("one"), await till.ledger.find("two")
    assert one is not None
    assert two is not None
    assert (one.session_id, one.end_user, one.keeps) == ("s ü", "u", Keeps.PICTURES)
    assert (two.session_id, two.end_user, two.keeps) == (None, None, Keeps.ALL)
    assert [row["retention"] for row in await rows_of(till, generations)] == ["pictures", "all"]


async def test_pictures_say_what_made_them_and_in_which_order(till: Till) -> None:
    await till.begin(opening("one", await add_key(till.database)))
    facts = '{"sent":{"aspect_ratio":"1:1"}}'
    first, second = drawn("z", model="google/painter", facts=facts), drawn("a", TWO)
    await till.ledger.close(end("one", ending(first, second)))
    rows = {row["id"]: row for row in await rows_of(till, images)}
    assert [(rows[name]["place"], rows[name]["model"], rows[name]["facts"]) for name in ("img_z", "img_a")] == [
        (0, "google/painter", facts),
        (1, "", "{}"),
    ]
    assert {row["gone_ms"] for row in rows.values()} == {None}


async def test_the_last_picture_of_a_conversation_is_the_last_that_its_answer_shows(till: Till) -> None:
    await till.begin(replace(opening("one", await add_key(till.database)), session_id="s"))
    await till.ledger.close(end("one", ending(drawn("c"), drawn("a", TWO), drawn("b", THREE))))
    latest = await SqlGallery(till.database, till.clock).latest("ann", "s")
    assert latest is not None
    assert latest.id == "img_b"


async def make_parents(till: Till, key: VirtualKey, *kinds: str) -> None:
    """That there is what `PARENTS` are, of these kinds."""
    if "image" in kinds:
        await till.begin(opening("before", key))
        await till.ledger.close(end("before", ending(drawn("before"))))
    if "file" in kinds:
        upload = {
            "id": "up-1", "key_id": "ann", "sha256": TWO, "file_name": "a.png", "media_type": "image/png",
            "byte_count": 9, "purpose": "general", "created_ms": 0, "expires_ms": 1,
        }  # fmt: skip
        await till.database.write(lambda connection: connection.execute(insert(uploads), upload))


async def test_what_pictures_were_made_of_is_told_in_order_and_once(till: Till) -> None:
    key = await add_key(till.database)
    await till.begin(opening("one", key))
    await make_parents(till, key, "image", "file")
    closing = end("one", ending(drawn("a"), making=Making("a boat 🚣", 9000, PARENTS)))
    for _ in range(2):
        await till.ledger.close(closing)
    (prompt,) = await rows_of(till, prompts)
    assert (prompt["generation_id"], prompt["text"], prompt["characters"]) == ("one", "a boat 🚣", 9000)
    assert [
        (row["generation_id"], row["place"], row["kind"], row["ref"], row["sha256"])
        for row in await rows_of(till, parents)
    ] == [("one", place, parent.kind, parent.ref, parent.sha256) for place, parent in enumerate(PARENTS)]


@pytest.mark.parametrize(("there", "hashes"), [("image", [ONE, "", THREE]), ("file", ["", TWO, THREE])])
async def test_of_what_was_deleted_while_it_was_used_no_hash_is_kept(till: Till, there: str, hashes: list[str]) -> None:
    key = await add_key(till.database)
    await make_parents(till, key, there)
    await till.begin(opening("one", key))
    await till.ledger.close(end("one", ending(drawn("a"), making=Making("", 0, PARENTS))))
    assert [(row["ref"], row["sha256"]) for row in await rows_of(till, parents)] == [
        (parent.ref, sha256) for parent, sha256 in zip(PARENTS, hashes, strict=True)
    ]


async def test_without_words_no_prompt_is_kept_and_parents_are(till: Till) -> None:
    await till.begin(opening("one", await add_key(till.database)))
    await till.ledger.close(end("one", ending(drawn("a"), making=Making("", 0, PARENTS))))
    assert await rows_of(till, prompts) == []
    assert len(await rows_of(till, parents)) == len(PARENTS)


async def test_each_generation_owns_the_blobs_that_it_needs(till: Till) -> None:
    key = await add_key(till.database)
    for name in ("one", "two"):
        await till.begin(opening(name, key))
    for _ in range(2):
        await till.ledger.close(end("one", ending(drawn("a"), signature=TWO)))
        await till.ledger.close(end("two", ending(drawn("b"))))
    owned = [(row["sha256"], row["owner"]) for row in await rows_of(till, blob_owners)]
    assert owned == [(ONE, "one"), (ONE, "two"), (TWO, "one")]


async def test_words_with_a_nul_are_kept_without_it(till: Till) -> None:
    await till.begin(opening("one", await add_key(till.database)))
    request = a_request("google/painting-model", Message("user", (TextPart("a\0boat\0"),)))
    ingredients = Ingredients.of(request, (), Keeps.ALL)
    assert ingredients is not None
    await till.ledger.close(end("one", ending(drawn("a"), making=ingredients.making(Inlined(())))))
    (prompt,) = await rows_of(till, prompts)
    assert (prompt["text"], prompt["characters"]) == ("aboat", 5)
