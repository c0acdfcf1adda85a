"""Reading a prompt: whole phrases, counts, colours, and honesty about the rest."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from impasto.painter.prompt import MOST_KINDS, MOST_OF_ONE, Brief, read_prompt


def _things(brief: Brief) -> list[tuple[str, int]]:
    return [(thing.noun.name, thing.count) for thing in brief.things]


@pytest.mark.parametrize(
    ("prompt", "things"),
    [
        ("a cat", [("cat", 1)]),
        ("three cats", [("cat", 3)]),
        ("Cats!", [("cat", 3)]),
        ("12 geese", [("goose", 12)]),
        ("a wolf and two mice", [("wolf", 1), ("mouse", 2)]),
        ("a bowl", [("bowl", 1)]),
        ("an owl in a bowl", [("owl", 1), ("bowl", 1)]),
        ("a bowl of ramen", [("ramen", 1)]),
        ("a hot air balloon", [("hot air balloon", 1)]),
        ("hot-air balloons", [("hot air balloon", 3)]),
        ("a red balloon", [("balloon", 1)]),
        ("two cups of coffee", [("coffee", 2)]),
        ("a beach with palm trees", [("palm tree", 3)]),
        ("a tropical fish", [("tropical fish", 1)]),
        ("tropical fish", [("tropical fish", 3)]),
        ("a dozen eggs", [("egg", 12)]),
        ("a cat, a cat and three cats", [("cat", 3)]),
        ("carpet, catalogue, doghouse, starfish", []),
        ("the pineapple apple pie", [("pineapple", 1), ("apple", 1), ("pie", 1)]),
        ("ＣＡＴ", [("cat", 1)]),
        ("", []),
    ],
)
def test_things_are_whole_phrases(prompt: str, things: list[tuple[str, int]]) -> None:
    assert _things(read_prompt(prompt)) == things


@pytest.mark.parametrize(
    ("prompt", "scene"),
    [
        ("a dish in a fancy restaurant", "restaurant"),
        ("under the sea", "underwater"),
        ("mountains in winter", "winter"),
        ("a street in the city", "street"),
        ("a cat", None),
    ],
)
def test_scenes(prompt: str, scene: str | None) -> None:
    assert read_prompt(prompt).scene == scene


def test_the_seeds_own_request_is_understood_in_full() -> None:
    brief = read_prompt("A nano banana dish in a fancy restaurant, cinematic lighting")
    assert [(thing.noun.name, thing.scale) for thing in brief.things] == [("banana", 0.6)]
    assert (brief.scene, brief.style, brief.fare, brief.ignored, brief.people) == ("restaurant", "photo", True, (), ())


def test_a_word_that_is_fruit_and_colour_goes_by_what_follows() -> None:
    brief = read_prompt("an orange on an orange car")
    assert [(thing.noun.name, thing.colour) for thing in brief.things] == [("orange", None), ("car", "#e8741a")]


def test_manner_is_read() -> None:
    brief = read_prompt("a misty lake at dawn in autumn with a rainbow, watercolor")
    assert (brief.time, set(brief.weather), set(brief.sky), brief.season, brief.style) == (
        "dawn",
        {"fog"},
        {"rainbow"},
        "autumn",
        "watercolor",
    )


@pytest.mark.parametrize(
    ("prompt", "ignored", "people"),
    [
        ("a girl riding a horse", ("riding",), ("girl",)),
        ("a gizmo near a cat", ("gizmo",), ()),
        ("a cat, watercolor, pixel art", ("pixel art",), ()),
        ("ein Hund", ("ein", "hund"), ()),
        ("a forest in space", ("space",), ()),
        ("tiny", ("tiny",), ()),
    ],
)
def test_what_cannot_be_drawn_is_kept(prompt: str, ignored: tuple[str, ...], people: tuple[str, ...]) -> None:
    brief = read_prompt(prompt)
    assert (brief.ignored, brief.people) == (ignored, people)


def test_more_than_can_be_shown_is_remembered() -> None:
    (thing,) = read_prompt("500 balloons").things
    assert (thing.count, thing.asked) == (MOST_OF_ONE, 500)


def test_kinds_beyond_the_limit_are_ignored() -> None:
    brief = read_prompt("a cat, a dog, a horse, a cow, a pig, a goat, a fox")
    assert len(brief.things) == MOST_KINDS
    assert brief.ignored == ("fox",)


@given(st.text(max_size=80))
def test_any_text_can_be_read(prompt: str) -> None:
    brief = read_prompt(prompt)
    assert all(1 <= thing.count <= MOST_OF_ONE for thing in brief.things)
