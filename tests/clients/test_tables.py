"""What a table says of a reading, and which readings break a promise."""

from typing import Any

import pytest

from tests.clients.tables import broken_promises, markdown_of, tables_in, tables_of

FIRST, LAST = "f" * 64, "1" * 64
WORDS = "Here is your picture: "


def line(*choices: dict[str, Any], task: str = "one", **fields: Any) -> dict[str, Any]:
    said = {"client": "a client", "version": "1", "task": task, "way": "images", "mode": "whole", "cost": 0.04}
    return said | {"choices": choices} | fields


def choice(*pictures: str, words: str = WORDS) -> dict[str, Any]:
    return {"place": "images" if pictures else None, "pictures": pictures, "words": words}


def cell(expected: list[str], said: dict[str, Any]) -> str:
    tables, _ = tables_of([said], {said["task"]: expected}, {said["task"]: "A title"})
    return tables["A title, whole"]["a client"]["images"]


@pytest.mark.parametrize(
    ("expected", "said", "shown"),
    [
        ([FIRST], line(choice(FIRST)), "picture: images"),
        ([FIRST], line(choice(LAST)), "some: images"),
        ([FIRST], line(choice(FIRST, FIRST)), "some: images"),
        ([FIRST, LAST], line(choice(FIRST, LAST)), "picture: images"),
        ([FIRST, LAST], line(choice(LAST, FIRST)), "some: images"),
        ([FIRST, LAST], line(choice(LAST)), "last: images"),
        ([FIRST, LAST], line(choice(FIRST)), "first: images"),
        ([FIRST], line(choice()), "words"),
        ([FIRST], line(choice(words='""')), "no"),
        ([FIRST], line(choices=[], error="ValueError"), "no"),
        ([FIRST], line(choice(FIRST), choice(FIRST), task="n"), "picture: images"),
        ([FIRST], line(choice(FIRST), task="n"), "some"),
        ([FIRST], line(choice(FIRST, FIRST), choice(), task="n"), "some"),
    ],
)
def test_a_cell_says_how_much_was_read(expected: list[str], said: dict[str, Any], shown: str) -> None:
    assert cell(expected, said) == shown


def test_tables_survive_the_page() -> None:
    tables, _ = tables_of([line(choice(FIRST))], {"one": [FIRST]}, {"one": "One"})
    read = tables_in("# A page\n\nWords.\n" + markdown_of(tables))
    assert read == {title: table for title, table in tables.items() if table}


@pytest.mark.parametrize(
    ("promise", "found", "is_broken"),
    [
        ("picture: images", "picture: content", False),
        ("picture: images", "last: images", True),
        ("words", "picture: images", False),
        ("words", "no", True),
        ("no", "no", False),
        ("yes", "no", True),
    ],
)
def test_a_promise_is_broken_by_less(promise: str, found: str, is_broken: bool) -> None:
    told = list(broken_promises({"A": {"client": {"x": promise}}}, {"A": {"client": {"x": found}}}))
    assert bool(told) is is_broken


def test_a_recorded_answer_must_be_read_as_well_as_a_simulated_one() -> None:
    said = [line(choice(FIRST)), line(choice(), task="recorded")]
    expected = {"one": [FIRST], "recorded": [FIRST]}
    _, worse = tables_of(said, expected, {"one": "One", "recorded": "One"})
    assert worse == ["a client, recorded, images: words, not picture: images"]
