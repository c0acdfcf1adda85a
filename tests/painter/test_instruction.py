"""Words to verbs: what is meant is found, and nothing is read into what is not."""

import contextlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from impasto.painter.instruction import MOST_CHARACTERS, parse_instruction
from impasto.painter.painting import CannotPaintError


@pytest.mark.parametrize(
    ("text", "verbs"),
    [
        ("Turn this photo into a watercolor painting, keep the composition", ["watercolor"]),
        ("aquarelle please", ["watercolor"]),
        ("make it brighter and flip it", ["brightness", "flip"]),
        ("Convert to black & white with a thin black border", ["grayscale", "border"]),
        ("oil painting instead of watercolor", ["oil"]),
        ("in the style of van Gogh", ["oil"]),
        ("pen and ink drawing", ["ink"]),
        ("8-bit pixel art", ["pixel art"]),
        ("Don't blur it, just sharpen", ["sharpen"]),
        ("make my blurry photo sharper", ["sharpen"]),
        ("Make this photo of my dog look like a pencil sketch", ["pencil"]),
        ("put these photos side by side", ["side by side"]),
        ("a watercolor painting in watercolor", ["watercolor"]),
    ],
)
def test_verbs_are_found_in_the_order_they_were_asked_for(text: str, verbs: list[str]) -> None:
    assert [step.verb.name for step in parse_instruction(text).steps] == verbs


@pytest.mark.parametrize(
    "text",
    [
        "",
        "please",
        "add a dragon",
        "knight",
        "turn the cat into a snow leopard",
        "a vintage car",
        "make the car blue",
        "make the sky brighter",
        "blur the background",
        "remove the snow",
        "replace the sky with a sunset",
        "do not blur",
        "less blurry",
        "Щ 猫 🐉",
    ],
)
def test_what_is_not_on_the_list_is_refused(text: str) -> None:
    with pytest.raises(CannotPaintError, match="watercolor, oil painting"):
        parse_instruction(text)


@pytest.mark.parametrize(
    ("text", "amount"),
    [
        ("make it brighter", 1.0),
        ("make it a bit darker", -0.5),
        ("it is too dark", 1.0),
        ("reduce the brightness", -1.0),
        ("increase brightness by 60%", 2.0),
        ("make it much brighter", 1.7),
    ],
)
def test_direction_and_amount_come_from_the_words_around(text: str, amount: float) -> None:
    assert parse_instruction(text).steps[0].amount == pytest.approx(amount)


@pytest.mark.parametrize(
    ("text", "option"),
    [
        ("rotate 90 degrees counterclockwise", "-90"),
        ("crop to 16:9", "16:9"),
        ("crop the left half", "left"),
        ("flip vertically", "vertical"),
        ("make it blue", "blue"),
        ("give it a slight purple tint", "purple"),
        ("add a black border", "black"),
    ],
)
def test_options_are_taken_from_the_same_clause(text: str, option: str) -> None:
    assert parse_instruction(text).steps[0].option == option


def test_modifiers_are_no_verbs() -> None:
    understood = parse_instruction("Make the second photo a cartoon without a border, keep the original composition")
    assert (understood.keep_composition, understood.bare, understood.photo) == (True, True, 1)
    assert [step.verb.name for step in understood.steps] == ["cartoon"]


def test_unknown_additions_are_named() -> None:
    understood = parse_instruction("watercolor and add a dragon, soft edges")
    assert [step.verb.name for step in understood.steps] == ["watercolor"]
    assert understood.ignored == ("add a dragon", "soft edges")


def test_a_refusal_quotes_a_long_wish_in_short() -> None:
    with pytest.raises(CannotPaintError) as caught:
        parse_instruction("dragons " * 400)
    assert "“dragons dragons" in str(caught.value)
    assert len(str(caught.value)) < 900


def test_only_the_beginning_of_a_long_text_is_read() -> None:
    understood = parse_instruction("sepia " + "please " * MOST_CHARACTERS + "watercolor")
    assert [step.verb.name for step in understood.steps] == ["sepia"]
    assert understood.ignored


@settings(max_examples=150, deadline=None)
@given(st.text(max_size=120))
def test_no_text_crashes_the_reader(text: str) -> None:
    with contextlib.suppress(CannotPaintError):
        assert parse_instruction(text).steps


@settings(max_examples=60, deadline=None)
@given(st.text(alphabet=st.characters(exclude_categories=["L", "N"]), max_size=20))
def test_signs_around_a_verb_do_not_hide_it(noise: str) -> None:
    assert parse_instruction(f"{noise} watercolor {noise}").steps[0].verb.name == "watercolor"
