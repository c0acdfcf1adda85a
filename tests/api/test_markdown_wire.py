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


def test_the_pictures_bytes_are_the_ones_that_were_sent() -> None:
    (part,) = parse_markdown(Raw(json.dumps(f"![image]({URL})").encode()), "messages[1].content")
    assert isinstance(part, ImagePart)
    assert bytes(part.base64) == b64encode(png())


@pytest.mark.parametrize(
    "text", ["words", "![image](https://example.com/a.png)", "data:image/png;base64,AAAA", "![a](x)"]
)
def test_other_words_are_words(text: str) -> None:
    assert not has_markdown_pictures(Raw(json.dumps(text).encode()))
