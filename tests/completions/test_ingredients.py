"""What pictures are made of, as it is kept beside them."""

import pytest

from impasto.completions.ingredients import MOST_CHARACTERS, Ingredients, prompt_of
from impasto.completions.inline import Inlined
from impasto.domain.chat import ImageLink, Message, TextPart
from impasto.domain.ledger import Making, Parent
from impasto.domain.retention import Keeps
from tests.completions.past import FOREIGN_URL, assistant, user
from tests.fakes.models import a_request
from tests.fakes.pictures import picture_part

CITED = Parent("image", "img_1", "1" * 64)
FETCHED = Parent("photo", "", "2" * 64)


def made_of(
    *messages: Message, parents: tuple[Parent | ImageLink, ...] = (), keeps: Keeps = Keeps.ALL
) -> Ingredients | None:
    return Ingredients.of(a_request("google/painting-model", *messages), parents, keeps)


@pytest.mark.parametrize(
    ("messages", "prompt"),
    [
        ((user("a boat"),), "a boat"),
        ((user("a boat"), assistant("here"), user("at night")), "at night"),
        ((user("a boat"), assistant("here")), "a boat"),
        ((Message("system", (TextPart("be brief"),)), user(" two ", picture_part(), "", "words\n")), "two \nwords"),
        ((user("a boat"), user(picture_part())), ""),
        ((assistant("here"),), ""),
    ],
)
def test_the_prompt_is_what_the_user_said_last(messages: tuple[Message, ...], prompt: str) -> None:
    assert prompt_of(a_request("google/painting-model", *messages)) == prompt


def test_a_long_prompt_is_cut_and_its_length_told() -> None:
    found = made_of(user("ü" * (MOST_CHARACTERS + 1)))
    assert found is not None
    assert (found.prompt, found.characters) == ("ü" * MOST_CHARACTERS, MOST_CHARACTERS + 1)


def test_no_prompt_holds_a_nul() -> None:
    found = made_of(user("\0a\0" + "b" * MOST_CHARACTERS))
    assert found is not None
    assert found.prompt == "a" + "b" * (MOST_CHARACTERS - 1)
    assert found.characters == MOST_CHARACTERS + 1


def test_where_words_are_not_kept_pictures_are_told() -> None:
    found = made_of(user("a boat"), parents=(CITED,), keeps=Keeps.PICTURES)
    assert found == Ingredients("", 0, (CITED,))


def test_where_nothing_is_kept_nothing_is_told() -> None:
    assert made_of(user("a boat"), parents=(CITED,), keeps=Keeps.NONE) is None


def test_what_links_led_to_stands_in_their_place_and_once() -> None:
    links = ImageLink(FOREIGN_URL, "a"), ImageLink(FOREIGN_URL, "b")
    found = made_of(user("a boat"), parents=(links[0], CITED, links[1], FETCHED))
    assert found is not None
    assert found.making(Inlined((), {FOREIGN_URL: FETCHED})) == Making("a boat", 6, (FETCHED, CITED))
