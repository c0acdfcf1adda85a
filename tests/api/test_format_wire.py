import json
from typing import Any

import pytest
from msgspec import Raw

from impasto.api.format_wire import parse_response_format
from impasto.api.tool_wire import MAX_JSON_BYTES
from impasto.domain.errors import Code, Failure
from impasto.domain.tools import ResponseFormat


def parse(value: object) -> ResponseFormat | None:
    return parse_response_format(Raw(json.dumps(value).encode()))


def by_schema(**fields: Any) -> dict[str, Any]:
    return {"type": "json_schema", "json_schema": {"name": "reply"} | fields}


@pytest.mark.parametrize("value", [None, {"type": "text"}])
def test_words(value: object) -> None:
    assert parse(value) is None


def test_any_json() -> None:
    assert parse({"type": "json_object"}) == ResponseFormat()


def test_a_schema_as_it_was_written() -> None:
    text = b'{"type":"json_schema","json_schema":{"name":"x","strict":true,"schema":{"b":{"maximum":1.50},"a":{}}}}'
    assert parse_response_format(Raw(text)) == ResponseFormat(b'{"b":{"maximum":1.50},"a":{}}')


def test_a_description_stands_in_the_schema_unless_that_has_its_own() -> None:
    assert parse(by_schema(description="A reply.", schema={"type": "object"})) == ResponseFormat(
        b'{"description":"A reply.","type":"object"}'
    )
    assert parse(by_schema(description="A reply.", schema={"description": "Mine."})) == ResponseFormat(
        b'{"description":"Mine."}'
    )


@pytest.mark.parametrize(
    ("value", "code", "param"),
    [
        ("json", Code.INVALID_BODY, "response_format"),
        ({}, Code.INVALID_BODY, "response_format.type"),
        ({"type": "grammar"}, Code.INVALID_VALUE, "response_format.type"),
        ({"type": "json_schema"}, Code.INVALID_BODY, "response_format.json_schema"),
        (by_schema(), Code.INVALID_BODY, "response_format.json_schema.schema"),
        (by_schema(schema=[]), Code.INVALID_BODY, "response_format.json_schema.schema"),
        (by_schema(schema={}, grammar="x"), Code.INVALID_BODY, "response_format.json_schema"),
        (by_schema(schema={"x": "y" * MAX_JSON_BYTES}), Code.BODY_TOO_LARGE, "response_format"),
    ],
)
def test_a_refusal_names_the_field(value: object, code: Code, param: str) -> None:
    with pytest.raises(Failure) as refused:
        parse(value)
    assert (refused.value.code, refused.value.param) == (code, param)
    assert len(refused.value.message) < 300
