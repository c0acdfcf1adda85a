"""The words of prompts: found the same way on both databases, and gone when their prompt is."""

import pytest
from sqlalchemy import delete, text, update

from impasto.domain.lineage import words_of
from impasto.storage.database import Database
from impasto.storage.search import forget_deleted_words, generations_with
from impasto.storage.tables import prompts
from tests.fakes.album import Drawing, draw
from tests.storage.till import add_key

BRIDGE = "A stone bridge at night, snow-covered; and/or an <old> café (Żółw), 16:9"


async def found(database: Database, query: str) -> list[str]:
    statement = generations_with(database.dialect, words_of(query))
    return await database.read(lambda connection: sorted(connection.scalars(statement)))


@pytest.mark.parametrize(
    "query",
    [
        "bridge", "BRIDGE", "bri", "night bridge", "snow", "covered", "snow-covered", "or", "and or", "old", "cafe",
        "café", "CAFE\u0301", "caf", "16", "9", "żółw", "ZOŁW", '"stone"', "stone*", "AND bridge",
        "a stone bridge at night",
    ],
)  # fmt: skip
async def test_a_prompt_is_found_by_its_words_and_their_beginnings(query: str, database: Database) -> None:
    await add_key(database)
    await draw(database, Drawing("bridge", prompt=BRIDGE), Drawing("dog", prompt="A dog in the grass"))
    assert "bridge" in await found(database, query)


@pytest.mark.parametrize(
    "query",
    ["ridge", "bridge dog", "nights", "bridge NOT snow", "bridge OR dog", "stonebridge", "text:bridge",
     "NEAR(stone bridge)", "x'y", "7:*", "dragon|bridge", "!dog", "bridge & xyz", "{text}", "^b d", "-- x", "dragon%",
     "\\ab", "bridge\x00dog"],
)  # fmt: skip
async def test_nothing_in_a_query_is_an_operator(query: str, database: Database) -> None:
    await add_key(database)
    await draw(database, Drawing("bridge", prompt=BRIDGE))
    assert await found(database, query) == []


@pytest.mark.parametrize(
    "prompt", ["", "    ", "🎨🖌", "x" * 8000, "ﷺ ２つ", "猫が橋の上に、夜", "हिन्दी पुल", "мост НОЧЬЮ"]
)
async def test_any_prompt_can_be_kept_and_any_word_of_it_looked_for(prompt: str, database: Database) -> None:
    await add_key(database)
    await draw(database, Drawing("one", prompt=prompt), Drawing("two", prompt="a dog"))
    for word in prompt.split():
        if any(character.isalnum() for character in word) and len(word) <= 200:
            assert await found(database, word) == ["one"]
    assert await found(database, "dog") == ["two"]


async def test_the_longest_query_of_the_longest_letters_can_be_looked_for(database: Database) -> None:
    assert await found(database, "각" * 200) == []
    assert await found(database, "a " * 100) == []


async def test_changed_words_are_found_and_deleted_ones_are_not(database: Database) -> None:
    await add_key(database)
    await draw(database, Drawing("one", prompt="a red house"), Drawing("two", prompt="a red barn"))
    of_one = prompts.c.generation_id == "one"
    await database.write(
        lambda connection: connection.execute(update(prompts).where(of_one).values(text="a blue house"))
    )
    assert await found(database, "red") == ["two"]
    assert await found(database, "blue") == ["one"]
    await database.write(lambda connection: connection.execute(delete(prompts).where(of_one)))
    assert await found(database, "house") == []
    await forget_deleted_words(database)
    assert await found(database, "red") == ["two"]


async def test_deleted_words_are_in_no_page_of_the_index(database: Database) -> None:
    if database.dialect != "sqlite":
        pytest.skip("PostgreSQL's vacuum takes them out")
    await add_key(database)
    for number in range(40):  # each in a transaction of its own, and so in a piece of the index of its own
        await draw(database, Drawing(f"other-{number}", prompt="a dog"))
        if number == 20:
            await draw(database, Drawing("secret", prompt="zyxwvut"))
    assert await pages_with(database, b"zyxwvut")
    await database.write(
        lambda connection: connection.execute(delete(prompts).where(prompts.c.generation_id == "secret"))
    )
    assert await pages_with(database, b"zyxwvut")
    await forget_deleted_words(database)
    assert not await pages_with(database, b"zyxwvut")
    assert len(await found(database, "dog")) == 40
    await forget_deleted_words(database)


async def pages_with(database: Database, word: bytes) -> int:
    blocks = text("SELECT block FROM prompts_search_data")
    return await database.read(lambda connection: sum(word in block for block in connection.scalars(blocks)))
