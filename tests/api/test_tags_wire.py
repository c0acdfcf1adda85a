"""Tags: where they are from, and what cannot be one."""

import json

import pytest
from msgspec import Raw
from starlette.datastructures import Headers

from impasto.api.tags_wire import parse_tags
from impasto.domain.errors import Code, Failure

DEFAULT = {"team": "a"}


def parsed(body: object = None, *headers: tuple[str, str]) -> dict[str, str]:
    raw = [(name.lower().encode(), value.encode("latin-1")) for name, value in headers]
    return parse_tags(Raw(json.dumps(body).encode()), Headers(raw=raw), DEFAULT)


def refused(body: object = None, *headers: tuple[str, str]) -> str:
    with pytest.raises(Failure) as caught:
        parsed(body, *headers)
    assert (caught.value.code, (caught.value.param or "").partition(".")[0]) == (Code.INVALID_VALUE, "tags")
    return caught.value.message


def test_the_body_stands_before_the_header_and_the_header_before_the_key() -> None:
    header = ("X-Impasto-Tags", "env=prod")
    assert parsed({"env": "test"}, header) == {"env": "test"}
    assert parsed(None, header) == {"env": "prod"}
    assert parsed() == DEFAULT
    assert parsed({}, header) == {}


def test_a_header_holds_several_and_edens_is_known_too() -> None:
    assert parsed(None, ("X-EdenAI-Tags", "client=acme, env=prod,")) == {"client": "acme", "env": "prod"}
    assert parsed(None, ("X-Impasto-Tags", "a=1"), ("X-Impasto-Tags", "b=2")) == {"a": "1", "b": "2"}
    assert parsed(None, ("X-EdenAI-Tags", "a=1"), ("X-Impasto-Tags", "b=2")) == {"b": "2"}
    assert parsed(None, ("X-Impasto-Tags", " ")) == DEFAULT


def test_the_longest_and_the_oddest_that_are_possible() -> None:
    tags = {"a" * 64: "B" * 128, "-_.:/09": "-_.:/Az09"} | {f"tag-{number}": "x" for number in range(8)}
    assert parsed(tags) == tags


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({"Env": "prod"}, '"Env" is no name of a tag'),
        ({"": "prod"}, '"" is no name'),
        ({"a" * 65: "x"}, "is no name of a tag. It takes 1 to 64"),
        ({"env\n": "x"}, "is no name"),
        ({"é": "x"}, "is no name"),
        ({"env": ""}, 'tags.env: "" is no value of a tag. It takes 1 to 128'),
        ({"env": "a b"}, 'tags.env: "a b" is no value of a tag'),
        ({"env": "x" * 129}, "is no value"),
        ({"env": "prod\n"}, "is no value"),
        ({"env": "２"}, "is no value"),
        ({"env": 1}, 'The value of the tag "env" is no text'),
        ({"env": None}, 'The value of the tag "env" is no text'),
        ({"eden:source": "x"}, "begins with eden:, which is reserved"),
        ({"impasto:x": "x"}, "begins with impasto:, which is reserved"),
        ({str(number): "x" for number in range(11)}, "tags holds 11 tags"),
        (["env"], "tags is no object"),
        ("env=prod", "tags is no object"),
    ],
)
def test_a_bad_tag_is_refused_by_name(body: object, message: str) -> None:
    assert message in refused(body)


@pytest.mark.parametrize(
    ("header", "message"),
    [
        ("env", 'The tag "env" has no value'),
        ("env=a=b", '"a=b" is no value'),
        ("env=1,env=2", 'tags: "env" is given twice'),
        ("=1", '"" is no name'),
    ],
)
def test_a_bad_header_is_refused_by_name(header: str, message: str) -> None:
    assert message in refused(None, ("X-Impasto-Tags", header))


def test_bytes_that_are_no_utf_8_are_no_json() -> None:
    with pytest.raises(Failure) as caught:
        parse_tags(Raw(b'{"env":"\xff"}'), Headers(), {})
    assert caught.value.code is Code.INVALID_JSON
