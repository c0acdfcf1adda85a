"""Earlier answers in markdown: pictures between words are pictures again."""

import json
from base64 import b64encode

import pytest
from msgspec import Raw

from impasto.api.markdown_wire import has_markdown_pictures, parse_markdown
from impasto.domain.chat import ImagePart, TextPart
from tests.fakes.pictures import png

URL = f"data:image/png;base64,{b64encode(png()).decode()}"


def parts_of(text: str, *, slashes: bool = False) -> list[str]:
    raw = json.dumps(text)
    parts = parse_markdown(Raw((raw.replace("/", "\\/") if slashes else raw).encode()), "messages[1].content")
    return [part.text if isinstance(part, TextPart) else type(part).__name__ for part in parts]


@pytest.mark.parametrize("slashes", [False, True])
def test_words_and_pictures_come_in_order(slashes: bool) -> None:
    text = f'A "quoted"\\ one:\n\n![image]({URL})\n\nTwo: ü\n\n![]({URL})'
    assert parts_of(text, slashes=slashes) == ['A "quoted"\\ one:', "ImagePart", "Two: ü", "ImagePart"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            f"\nA \n\n\n![image]({URL})\n\n \nB\n\n![]({URL})\n\n\n\nC\n\n",
            ["\nA \n", "ImagePart", " \nB", "ImagePart", "\n\nC\n\n"],
        ),
        (f"![image]({URL})\n\n![]({URL})", ["ImagePart", "ImagePart"]),
        (f"A\n![image]({URL})\n![]({URL}) B", ["A\n", "ImagePart", "ImagePart", " B"]),
    ],
)
def test_words_come_back_to_the_letter(text: str, expected: list[str]) -> None:
    assert parts_of(text) == expected


def test_the_pictures_bytes_are_the_ones_that_were_sent() -> None:
    (part,) = parse_markdown(Raw(json.dumps(f"![image]({URL})").encode()), "messages[1].content")
    assert isinstance(part, ImagePart)
    assert bytes(part.base64) == b64encode(png())


@pytest.mark.parametrize(
    "text",
    ["words", "![image](https://example.com/a.png)", "data:image/png;base64,AAAA", "![a](x)", f"![a![b]({URL[:-1]}]"],
)
def test_other_words_are_words(text: str) -> None:
    assert not has_markdown_pictures(Raw(json.dumps(text).encode()))


def test_what_begins_a_picture_again_is_no_part_of_its_name() -> None:
    # Else each `![` of a text that is nothing but these would be read on from, two hundred characters far.
    assert parts_of(f"![![a]({URL})") == ["![", "ImagePart"]


def test_each_picture_has_a_place_of_its_own() -> None:
    parts = parse_markdown(Raw(json.dumps(f"![]({URL}) and ![]({URL})").encode()), "messages[1].content")
    places = [part.where for part in parts if isinstance(part, ImagePart)]
    assert places == ["messages[1].content", "messages[1].content#2"]


HANDLE = f"impasto:image/img_{'a' * 32}"
OWN_LINK = f"https://gateway.test/v3/images/img_{'a' * 32}/content?expires=1795000000&signature=abc-_"


@pytest.mark.parametrize("slashes", [False, True])
@pytest.mark.parametrize(
    ("url", "kind"), [(HANDLE, "Handle"), ("impasto:image/previous", "Handle"), (OWN_LINK, "ImageLink")]
)
def test_a_handle_and_an_own_link_are_pictures(url: str, kind: str, slashes: bool) -> None:
    assert parts_of(f"Here:\n\n![image]({url})\n\nGood?", slashes=slashes) == ["Here:", kind, "Good?"]


def test_other_links_stay_words_beside_a_picture() -> None:
    text = "![a](https://example.com/a.png) and ![b](impasto:file/x)"
    assert parts_of(f"{text}\n\n![image]({HANDLE})") == [text, "Handle"]


def test_looking_for_pictures_takes_no_longer_than_the_text_is() -> None:
    """A minute and more, where each beginning were followed to the end of the text; the time limit would tell."""
    for beginning in ("![](data:image/a;base64,", "![", "![](https://a/v3/images/", "![](impasto:image/"):
        text = beginning * (1_000_000 // len(beginning))
        assert not has_markdown_pictures(Raw(json.dumps(text).encode()))
