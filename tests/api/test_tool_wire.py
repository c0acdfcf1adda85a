import json
from typing import Any

import msgspec
import pytest
from msgspec import Raw

from impasto.api.tool_wire import MAX_JSON_BYTES, MAX_TOOLS, parse_tool_choice, parse_tools, tool_call_body
from impasto.domain.errors import Code, Failure
from impasto.domain.tools import Tool, ToolCall, ToolChoice

WEATHER = Tool("weather")


def function(name: str = "weather", **fields: object) -> dict[str, Any]:
    return {"type": "function", "function": {"name": name} | fields}


def raw(value: object) -> Raw:
    return Raw(json.dumps(value).encode())


def choice(value: object, *tools: Tool, parallel: bool | None = None) -> ToolChoice:
    return parse_tool_choice(raw(value), tools, parallel)


def test_functions_with_their_schemas_as_they_were_written() -> None:
    text = b'[{"type":"function","function":{"name":"a.b-c","parameters":{"type": "object",  "x":1.50}}}]'
    assert parse_tools(Raw(text)) == (Tool("a.b-c", "", b'{"type": "object",  "x":1.50}'),)
    assert parse_tools(raw([function(description="Says it.", strict=True)])) == (Tool("weather", "Says it."),)


@pytest.mark.parametrize("value", [None, []])
def test_no_functions(value: object) -> None:
    assert parse_tools(raw(value)) == ()


@pytest.mark.parametrize("parameters", [None, {}])
def test_a_schema_that_says_nothing_is_none(parameters: object) -> None:
    assert parse_tools(raw([function(parameters=parameters)])) == (WEATHER,)


@pytest.mark.parametrize(
    ("tools", "code", "param"),
    [
        ("weather", Code.INVALID_BODY, "tools"),
        (["weather"], Code.INVALID_BODY, "tools[0]"),
        ([{"function": {"name": "x"}}], Code.INVALID_BODY, "tools[0].type"),
        ([{"type": "function"}], Code.INVALID_BODY, "tools[0].function"),
        ([{"type": "web_search"}], Code.UNSUPPORTED, "tools[0].type"),
        ([{"type": "function", "function": {}}], Code.INVALID_BODY, "tools[0].function.name"),
        ([function(), function("9 lives")], Code.INVALID_VALUE, "tools[1].function.name"),
        ([function("x" * 129)], Code.INVALID_VALUE, "tools[0].function.name"),
        ([function(), function("x"), function()], Code.INVALID_VALUE, "tools[2].function.name"),
        ([function(parameters=[])], Code.INVALID_BODY, "tools[0].function.parameters"),
        ([function(parameters="object")], Code.INVALID_BODY, "tools[0].function.parameters"),
        ([function(f"f{number}") for number in range(MAX_TOOLS + 1)], Code.INVALID_VALUE, "tools"),
        ([function(description="x" * MAX_JSON_BYTES)], Code.BODY_TOO_LARGE, "tools"),
    ],
)
def test_a_refusal_names_the_function(tools: object, code: Code, param: str) -> None:
    with pytest.raises(Failure) as refused:
        parse_tools(raw(tools))
    assert (refused.value.code, refused.value.param) == (code, param)
    assert param in refused.value.message
    assert len(refused.value.message) < 300


def test_a_number_that_is_none_is_refused_before_anything_is_sent() -> None:
    with pytest.raises(Failure) as refused:
        parse_tools(Raw(b'[{"type":"function","function":{"name":"x","parameters":{"maximum":1e999}}}]'))
    assert (refused.value.code, (refused.value.param or "")[:5]) == (Code.INVALID_BODY, "tools")


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, ToolChoice()),
        ("auto", ToolChoice()),
        ("none", ToolChoice("none")),
        ("required", ToolChoice("required")),
        (function(), ToolChoice("required", "weather")),
    ],
)
def test_choices(value: object, expected: ToolChoice) -> None:
    assert choice(value, WEATHER, parallel=True) == expected


def test_a_choice_of_nothing_needs_no_functions() -> None:
    assert choice("auto", parallel=False) == choice(None) == ToolChoice()
    assert choice("none") == ToolChoice("none")


@pytest.mark.parametrize(
    ("value", "code", "param"),
    [
        ("any", Code.INVALID_VALUE, "tool_choice"),
        (7, Code.INVALID_BODY, "tool_choice"),
        ({"type": "function"}, Code.INVALID_VALUE, "tool_choice"),
        ({"type": "allowed_tools", "allowed_tools": {}}, Code.INVALID_VALUE, "tool_choice"),
        (function("clock"), Code.INVALID_VALUE, "tool_choice.function.name"),
    ],
)
def test_a_refused_choice(value: object, code: Code, param: str) -> None:
    with pytest.raises(Failure) as refused:
        choice(value, WEATHER)
    assert (refused.value.code, refused.value.param) == (code, param)


@pytest.mark.parametrize("value", ["required", function()])
def test_no_call_can_be_asked_for_without_functions(value: object) -> None:
    with pytest.raises(Failure, match="no function") as refused:
        choice(value)
    assert refused.value.param == "tool_choice"


def test_calls_one_at_a_time_cannot_be_asked_for() -> None:
    with pytest.raises(Failure) as refused:
        choice("auto", WEATHER, parallel=False)
    assert (refused.value.code, refused.value.param) == (Code.UNSUPPORTED, "parallel_tool_calls")


def test_a_call_in_openais_words() -> None:
    body: dict[str, Any] = {"id": "1", "type": "function", "function": {"name": "weather", "arguments": '{"a":1}'}}
    assert tool_call_body(ToolCall("1", "weather", '{"a":1}')) == body
    signed = msgspec.to_builtins(tool_call_body(ToolCall("1", "weather", '{"a":1}', "c2ln")))
    assert signed == body | {"extra_content": {"google": {"thought_signature": "c2ln"}}}
