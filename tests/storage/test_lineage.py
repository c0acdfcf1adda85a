"""What pictures were made from, and what was made from them, on both databases."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any, TypeVar

import pytest
from sqlalchemy import Connection, event, text

from impasto.domain.ledger import Ending, ImageRow, Making, Outcome, Parent, State
from impasto.domain.lineage import PictureQuestion
from impasto.domain.retention import Keeps
from impasto.storage.database import Database
from impasto.storage.ledger import SqlLedger
from impasto.storage.lineage import MOST_CHILDREN, MOST_SIGHTINGS, SqlLineage
from tests.fakes.album import START_MS, Drawing, Drawn, draw
from tests.storage.till import Clock, add_key, opening, settled

Result = TypeVar("Result")
MODEL = "google/painting-model"
ONE, TWO = "1" * 64, "2" * 64
ALL = PictureQuestion("ann", include_gone=True)


async def keys(database: Database) -> SqlLineage:
    await add_key(database, "ann")
    await add_key(database, "bob")
    return SqlLineage(database)


async def ids(lineage: SqlLineage, question: PictureQuestion) -> list[str]:
    total, found = await lineage.page(question)
    assert total == len(found)
    return [facts.image.id for facts in found]


async def test_a_page_is_of_one_key_and_the_newest_come_first(database: Database) -> None:
    lineage = await keys(database)
    several = [Drawn(id="img_b"), Drawn(id="img_a"), Drawn(id="img_c", choice=1)]
    await draw(
        database,
        Drawing("late", begun=5, ended=9),
        Drawing("early", several, begun=1, ended=2),
        Drawing("hers", key="bob", begun=3),
        Drawing("words", [], begun=4),
    )
    expected = ["img_late_0", "img_c", "img_a", "img_b"]
    assert await ids(lineage, ALL) == expected
    for offset in range(5):
        total, found = await lineage.page(replace(ALL, limit=1, offset=offset))
        assert (total, [facts.image.id for facts in found]) == (4, expected[offset : offset + 1])


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"words": ("red", "ho")}, ["img_2_0"]),
        ({"words": ("red",)}, ["img_2_0", "img_1_0"]),
        ({"words": ("nothing",)}, []),
        ({"model": "google/quick"}, ["img_3_0"]),
        ({"model": "google"}, []),
        ({"session_id": "talk"}, ["img_3_0", "img_1_0"]),
        ({"end_user": "eve"}, ["img_2_0", "img_1_0"]),
        ({"parent": "img_1_0"}, ["img_2_0"]),
        ({"parent": "file-1"}, ["img_3_0"]),
        ({"since_ms": START_MS + 2000}, ["img_3_0", "img_2_0"]),
        ({"until_ms": START_MS + 2000}, ["img_1_0"]),
        ({"since_ms": START_MS + 2000, "until_ms": START_MS + 2001}, ["img_2_0"]),
        ({"include_gone": True}, ["img_4_0", "img_3_0", "img_2_0", "img_1_0"]),
        ({"words": ("red",), "end_user": "eve", "session_id": "talk"}, ["img_1_0"]),
        ({"words": ("red",), "parent": "img_1_0", "model": "google/quick"}, []),
    ],
)
async def test_a_page_holds_what_is_asked_for(changes: dict[str, Any], expected: list[str], database: Database) -> None:
    lineage = await keys(database)
    await draw(
        database,
        Drawing("1", begun=1, prompt="a red barn", session_id="talk", end_user="eve"),
        Drawing("2", begun=2, prompt="a red house", end_user="eve", parents=[Parent("image", "img_1_0", ONE)]),
        Drawing("3", [Drawn(model="google/quick")], begun=3, session_id="talk",
                parents=[Parent("file", "file-1", TWO)]),
        Drawing("4", [Drawn(gone_ms=5)], begun=4),
        Drawing("5", key="bob", prompt="a red house", session_id="talk", end_user="eve",
                parents=[Parent("image", "img_1_0", ONE)]),
    )  # fmt: skip
    assert await ids(lineage, replace(PictureQuestion("ann"), **changes)) == expected


async def test_a_picture_knows_its_generation_its_words_and_what_it_was_made_from(database: Database) -> None:
    lineage = await keys(database)
    made_from = [Parent("image", "img_root_0", ONE), Parent("image", "img_hers_0", TWO), Parent("photo", "", TWO)]
    await draw(
        database,
        Drawing("root", [Drawn(ONE)], begun=1),
        Drawing("hers", key="bob"),
        Drawing(
            "leaf", [Drawn(choice=1), Drawn(choice=0), Drawn(choice=1)], begun=2, prompt="at night", characters=9000,
            parents=made_from, session_id="talk", end_user="eve", tags={"a": "b"}, retention="pictures",
        ),
    )  # fmt: skip
    found = await lineage.picture("img_leaf_2")
    assert found is not None
    origin, generation = found.origin, found.origin.generation
    assert (origin.key_name, origin.prompt, origin.characters) == ("ann", "at night", 9000)
    assert [ancestor.parent for ancestor in origin.parents] == made_from
    # Nobody cites what is another key's; if the books said so, nothing of it would be told.
    assert [ancestor.image and ancestor.image.id for ancestor in origin.parents] == ["img_root_0", None, None]
    assert origin.images == (("img_leaf_1", 0), ("img_leaf_0", 1), ("img_leaf_2", 1))
    assert (found.pictures_in_call, found.call) == (2, None)
    assert (generation.session_id, generation.end_user, generation.keeps) == ("talk", "eve", Keeps.PICTURES)
    assert generation.tags == {"a": "b"}
    assert await lineage.origin("leaf") == origin
    assert (await lineage.page(replace(ALL, limit=1)))[1][0].origin == origin


async def test_a_picture_knows_what_was_made_from_it(database: Database) -> None:
    lineage = await keys(database)
    root = Parent("image", "img_root_0", ONE)
    children = [Drawing(f"{n:03}", begun=n, parents=[root, root]) for n in range(1, MOST_CHILDREN + 3)]
    await draw(database, Drawing("root", [Drawn(ONE)]), *children)
    found = await lineage.picture("img_root_0")
    assert found is not None
    assert found.child_count == MOST_CHILDREN + 2
    assert len(found.child_ids) == MOST_CHILDREN
    assert found.child_ids[0] == f"img_{children[-1].id}_0"
    leaf = await lineage.picture("img_001_0")
    assert leaf is not None
    assert (leaf.child_count, leaf.child_ids) == (0, ())


@pytest.mark.parametrize("name", ["img_none", "", "' OR 1=1"])
async def test_what_nobody_made_is_not_there(name: str, database: Database) -> None:
    lineage = await keys(database)
    await draw(database, Drawing("one"))
    assert await lineage.picture(name) is None
    assert await lineage.origin(name) is None
    assert await lineage.sighting(name, None) is None
    assert await lineage.page(PictureQuestion("nobody")) == (0, [])


async def test_bytes_are_known_by_their_hash_even_when_they_were_let_go(database: Database) -> None:
    lineage = await keys(database)
    many = [Drawing(f"more-{n}", [Drawn(ONE)], begun=n) for n in range(10, MOST_SIGHTINGS + 10)]
    await draw(
        database,
        Drawing("second", [Drawn(ONE, model="google/late")], begun=2),
        Drawing("first", [Drawn(ONE, model="google/early", gone_ms=4)], "bob", begun=1),
        *many,
    )
    of_ann, of_bob, of_all = [await lineage.sighting(ONE, key) for key in ("ann", "bob", None)]
    assert of_ann is not None
    assert of_bob is not None
    assert of_all is not None
    assert {(seen.created_ms, seen.model) for seen in (of_ann, of_bob, of_all)} == {(START_MS + 1000, "google/early")}
    assert (of_ann.count, of_bob.count, of_all.count) == (MOST_SIGHTINGS + 1, 1, MOST_SIGHTINGS + 2)
    assert (len(of_ann.newest), len(of_all.newest)) == (MOST_SIGHTINGS, MOST_SIGHTINGS)
    assert of_ann.newest[0].image.generation_id == many[-1].id
    assert [facts.image.generation_id for facts in of_bob.newest] == ["first"]
    of_stranger = await lineage.sighting(ONE, "key-3")
    assert of_stranger is not None
    assert (of_stranger.count, of_stranger.newest) == (0, ())


@pytest.mark.parametrize("model", ["local/painter", "google/painting-model"])
async def test_what_words_alone_make_again_is_not_told_of_to_others(model: str, database: Database) -> None:
    lineage = await keys(database)
    await draw(database, Drawing("first", [Drawn(ONE, model=model)], "bob"))
    of_others = await lineage.sighting(ONE, "ann")
    assert (of_others is None) == model.startswith("local/")
    for key in ("bob", None):
        assert (await lineage.sighting(ONE, key)) is not None


async def test_what_the_ledger_writes_at_the_end_of_a_generation_is_what_is_read(database: Database) -> None:
    lineage, ledger = await keys(database), SqlLedger(database, "process", Clock())
    key = await add_key(database, "cat")
    await ledger.begin(opening("one", key))
    row = ImageRow("img_1", 0, ONE, "image/png", 10, 4, 3, "google/painter", '{"sent": {}}')
    making = Making("a lighthouse", 12, (Parent("photo", "", TWO),))
    await ledger.close(replace(settled("one"), ending=Ending(State.DONE, "{}", images=(row,), making=making)))
    total, found = await lineage.page(PictureQuestion("cat", words=("light",)))
    assert total == 1
    [facts] = found
    assert (facts.image.model, facts.origin.prompt) == ("google/painter", "a lighthouse")
    assert [ancestor.parent for ancestor in facts.origin.parents] == list(making.parents)
    assert facts.call is not None
    assert (facts.call.outcome, facts.call.cost_nano) == (Outcome.SETTLED, 70)


class Explained:
    """A database that writes down how it does what it is asked. `plans` is one step a line."""

    def __init__(self, database: Database) -> None:
        self.dialect = database.dialect
        self.plans: list[str] = []
        self._database = database

    async def read(self, query: Callable[[Connection], Result]) -> Result:
        asked: list[tuple[str, Any]] = []

        def note(_: object, __: object, statement: str, parameters: Any, *___: object) -> None:
            asked.append((statement, parameters))

        def look(connection: Connection) -> Result:
            event.listen(connection, "before_cursor_execute", note)
            result = query(connection)
            event.remove(connection, "before_cursor_execute", note)
            if self.dialect == "postgresql":
                # It reads small tables whole; now it does so only where there is no other way.
                connection.exec_driver_sql("SET LOCAL enable_seqscan = off")
            for statement, parameters in asked:
                self._explain(connection, statement, parameters)
            return result

        return await self._database.read(look)

    async def write(self, change: Callable[[Connection], Result]) -> Result:
        return await self._database.write(change)

    async def close(self) -> None:
        await self._database.close()

    def _explain(self, connection: Connection, statement: str, parameters: Any) -> None:
        how = {"sqlite": "EXPLAIN QUERY PLAN", "postgresql": "EXPLAIN"}[self.dialect]
        for row in connection.exec_driver_sql(f"{how} {statement}", parameters):
            self.plans.append(str(row[-1]))

    @property
    def whole_tables(self) -> list[str]:
        """The steps that read a table from end to end."""
        return [
            step for step in self.plans if "Seq Scan" in step or (step.startswith("SCAN ") and "VIRTUAL" not in step)
        ]


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"words": ("red",)},
        {"model": MODEL},
        {"session_id": "s"},
        {"end_user": "u"},
        {"parent": "p"},
        {"since_ms": 1},
    ],
)
async def test_no_page_takes_reading_a_whole_table(changes: dict[str, Any], database: Database) -> None:
    await keys(database)
    await draw(database, Drawing("one", prompt="red", session_id="s", end_user="u", parents=[Parent("file", "p", ONE)]))
    explained = Explained(database)
    await SqlLineage(explained).page(replace(PictureQuestion("ann"), **changes))
    assert len(explained.plans) > 5
    assert explained.whole_tables == []


async def test_neither_a_picture_nor_a_hash_takes_reading_a_whole_table(database: Database) -> None:
    await keys(database)
    await draw(database, Drawing("one", [Drawn(ONE)], parents=[Parent("image", "img_one_0", ONE)]))
    explained = Explained(database)
    lineage = SqlLineage(explained)
    assert await lineage.picture("img_one_0")
    assert await lineage.sighting(ONE, "ann")
    assert await lineage.sighting(ONE, None)
    assert explained.whole_tables == []
    await explained.read(lambda connection: connection.scalar(text("SELECT count(*) FROM images WHERE width = 1")))
    assert explained.whole_tables != []
