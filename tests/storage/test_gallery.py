"""The pictures that requests cite, or bring back, on both databases."""

from impasto.domain.image import Dimensions
from impasto.domain.stored_image import StoredImage, Upload
from impasto.storage.database import Database
from impasto.storage.gallery import BATCH, RECENT, SqlGallery
from tests.fakes.album import START_MS, Drawing, Drawn, draw, upload
from tests.storage.till import Clock, add_key

ONE, TWO, THREE = "1" * 64, "2" * 64, "3" * 64


async def keys(database: Database) -> SqlGallery:
    await add_key(database, "ann")
    await add_key(database, "bob")
    return SqlGallery(database, Clock(START_MS / 1000))


async def test_pictures_are_found_by_their_ids_whoever_made_them_and_gone_or_not(database: Database) -> None:
    gallery = await keys(database)
    facts = {"provenance": {"c2pa": True}}
    await draw(
        database,
        Drawing("one", [Drawn(ONE, "img_1", choice=2, facts=facts, width=None)], begun=3),
        Drawing("two", [Drawn(TWO, "img_2", gone_ms=7)], "bob"),
    )
    found = await gallery.images(["img_2", "img_1", "img_1", "img_3", "", "img_\x00", "img_ü", "img_\ud800"])
    assert found == {
        "img_1": StoredImage(
            "img_1", "one", "ann", ONE, "image/png", 1000, None, START_MS + 3000, 2, "google/painting-model", facts
        ),
        "img_2": StoredImage(
            "img_2", "two", "bob", TWO, "image/png", 1000, Dimensions(1024, 576), START_MS, 0, "google/painting-model",
            {}, 7,
        ),
    }  # fmt: skip
    assert await gallery.images([]) == {}


async def test_more_are_found_at_once_than_one_statement_takes(database: Database) -> None:
    gallery = await keys(database)
    many = [Drawn(f"{number:064x}", f"img_{number}") for number in range(2 * BATCH + 3)]
    await draw(database, Drawing("one", many))
    assert set(await gallery.images([drawn.id for drawn in many])) == {drawn.id for drawn in many}
    found = await gallery.recognised("ann", [drawn.sha256 for drawn in many])
    assert {sha256: image.id for sha256, image in found.items()} == {drawn.sha256: drawn.id for drawn in many}


async def test_a_picture_is_recognised_as_the_newest_of_its_key_that_is_kept(database: Database) -> None:
    gallery = await keys(database)
    await draw(
        database,
        Drawing("old", [Drawn(ONE), Drawn(TWO)], begun=1),
        Drawing("new", [Drawn(ONE), Drawn(TWO, gone_ms=9)], begun=2),
        Drawing("hers", [Drawn(ONE), Drawn(THREE)], "bob", begun=3),
    )
    found = await gallery.recognised("ann", {ONE, TWO, THREE})
    assert {sha256: image.generation_id for sha256, image in found.items()} == {ONE: "new", TWO: "old"}
    assert (await gallery.recognised("bob", [ONE]))[ONE].generation_id == "hers"
    assert await gallery.recognised("ann", []) == {}
    assert await gallery.recognised("ann", [THREE, "no hash"]) == {}


async def test_the_same_picture_twice_in_one_answer_is_recognised_as_the_last(database: Database) -> None:
    gallery = await keys(database)
    await draw(database, Drawing("one", [Drawn(ONE, "img_b"), Drawn(ONE, "img_c"), Drawn(ONE, "img_a")]))
    assert (await gallery.recognised("ann", [ONE]))[ONE].id == "img_a"


async def test_the_latest_is_the_last_picture_of_the_last_choice_that_ended_last(database: Database) -> None:
    gallery = await keys(database)
    last = [Drawn(ONE, "img_9"), Drawn(TWO, "img_8", choice=1), Drawn(THREE, "img_7", choice=1)]
    await draw(
        database,
        Drawing("slow", last, begun=1, ended=9, session_id="talk"),
        Drawing("quick", begun=2, ended=3, session_id="talk"),
        Drawing("other", begun=10, session_id="another talk"),
        Drawing("alone", begun=11),
        Drawing("hers", key="bob", begun=12, session_id="talk"),
        Drawing("gone", [Drawn(gone_ms=1)], begun=13, session_id="talk"),
        Drawing("words", [], begun=14, session_id="talk"),
    )
    latest = await gallery.latest("ann", "talk")
    assert latest is not None
    assert latest.id == "img_7"
    assert await gallery.latest("ann", "no talk") is None
    assert await gallery.latest("bob", "another talk") is None


async def test_a_long_conversation_has_a_latest_picture(database: Database) -> None:
    gallery = await keys(database)
    turns = [Drawing(f"turn-{number}", begun=number, session_id="talk") for number in range(RECENT + 5)]
    await draw(database, *turns)
    latest = await gallery.latest("ann", "talk")
    assert latest is not None
    assert latest.generation_id == turns[-1].id


async def test_uploads_are_found_for_their_key_until_they_expire(database: Database) -> None:
    gallery = await keys(database)
    await upload(database, "u-1", end_user="eve")
    await upload(database, "u-2", expires_ms=START_MS)
    await upload(database, "u-3", "bob")
    assert await gallery.uploads("ann", ["u-1", "u-2", "u-3", "u-4", "\x00"]) == {
        "u-1": Upload(
            "u-1",
            "ann",
            "cd" * 32,
            "cat.png",
            "image/png",
            2000,
            Dimensions(64, 48),
            "vision",
            START_MS,
            1 << 52,
            "eve",
        )
    }
    assert await gallery.uploads("ann", []) == {}
