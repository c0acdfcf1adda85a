"""Functions that a model may call, and its calls, as chat callers write them.

Rule: a schema and a call's arguments are checked to be JSON objects and pass as they are. The signature
of a call travels in `extra_content`, as it does at Google's own endpoint for OpenAI's clients.
https://ai.google.dev/gemini-api/docs/thought-signatures
"""

import re

import msgspec
from msgspec import Raw, Struct

from impasto.api.json_errors import wrong_shape
from impasto.domain.errors import Code, Failure
from impasto.domain.tools import AUTO, MAX_SIGNATURE_CHARACTERS, Tool, ToolCall, ToolChoice

MAX_TOOLS = 128
MAX_JSON_BYTES = 1 << 20
"""As much as all words of a request may take."""

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.:-]{0,127}")
_NAMES = "It takes a letter or _ and then letters, digits and _ . : -, at most 128 characters in all"
_SIGNATURE = re.compile(rf"[A-Za-z0-9+/_-]{{0,{MAX_SIGNATURE_CHARACTERS}}}={{0,2}}")
_NULL = Raw(b"null")


class _FunctionBody(Struct):
    name: str
    description: str | None = None
    parameters: Raw = _NULL


class _ToolBody(Struct):
    type: str
    function: _FunctionBody | None = None


class _NameBody(Struct):
    name: str


class _ChoiceBody(Struct):
    type: str
    function: _NameBody | None = None


class _CallBody(Struct):
    name: str
    arguments: str | None = None


class _GoogleBody(Struct):
    thought_signature: str | None = None


class _ExtraContentBody(Struct):
    google: _GoogleBody | None = None


class ToolCallBody(Struct):
    """A call in an earlier answer."""

    id: str
    function: _CallBody
    extra_content: _ExtraContentBody | None = None


_tools = msgspec.json.Decoder(list[_ToolBody] | None)
_choice = msgspec.json.Decoder(str | _ChoiceBody | None)
_object = msgspec.json.Decoder(dict[str, object])


def parse_tools(raw: Raw) -> tuple[Tool, ...]:
    """Raises 400, 413 or 422, naming the function's place."""
    check_json(raw, "tools")
    try:
        bodies = _tools.decode(raw) or []
    except msgspec.ValidationError as error:
        raise wrong_shape(error, "tools") from None
    if len(bodies) > MAX_TOOLS:
        raise _impossible("tools", f"holds {len(bodies)} functions. It takes at most {MAX_TOOLS}")
    tools = [_parse_tool(body, f"tools[{index}]") for index, body in enumerate(bodies)]
    names: set[str] = set()
    for index, tool in enumerate(tools):
        if tool.name in names:
            raise _impossible(f"tools[{index}].function.name", f'"{tool.name}" stands there twice')
        names.add(tool.name)
    return tuple(tools)


def parse_tool_choice(raw: Raw, tools: tuple[Tool, ...], parallel: bool | None) -> ToolChoice:
    """Raises 400, 413 or 422, naming the field, for what cannot be asked of a model with these functions."""
    if tools and parallel is False:
        raise Failure(
            Code.UNSUPPORTED,
            "parallel_tool_calls false is not possible: no provider here can be told so. Leave it out, and answer "
            "every call that comes.",
            param="parallel_tool_calls",
        )
    choice = _parse_choice(raw)
    if not tools and (choice.mode == "required" or choice.name):
        raise _impossible("tool_choice", "asks for a call, but tools holds no function")
    if choice.name and choice.name not in {tool.name for tool in tools}:
        raise _impossible("tool_choice.function.name", f'"{choice.name[:40]}" is not among tools')
    return choice


def parse_tool_calls(bodies: list[ToolCallBody], where: str) -> list[ToolCall]:
    """The calls of an earlier answer. Raises 400 naming the place."""
    calls = [_parse_call(body, f"{where}[{index}]") for index, body in enumerate(bodies)]
    if len({call.id for call in calls}) < len(calls):
        raise _impossible(where, "has the same id twice")
    return calls


def tool_call_body(call: ToolCall) -> dict[str, object]:
    """A call in OpenAI's words."""
    body: dict[str, object] = {
        "id": call.id,
        "type": "function",
        "function": {"name": call.name, "arguments": call.arguments},
    }
    return body | ({"extra_content": {"google": {"thought_signature": call.signature}}} if call.signature else {})


def check_json(raw: Raw, where: str) -> None:
    """Refuse JSON that is too much, or whose strings and numbers are none: a `Raw` was only skimmed so far."""
    if len(memoryview(raw)) > MAX_JSON_BYTES:
        raise _too_large(where)
    try:
        msgspec.json.decode(raw)
    except msgspec.ValidationError as error:
        raise wrong_shape(error, where) from None


def _parse_tool(body: _ToolBody, where: str) -> Tool:
    if body.type != "function":
        raise Failure(
            Code.UNSUPPORTED,
            f'{where}.type "{body.type[:40]}" is not supported. It takes function.',
            param=f"{where}.type",
        )
    function = body.function
    if function is None:
        raise Failure(Code.INVALID_BODY, f"{where}.function is missing.", param=f"{where}.function")
    where += ".function"
    _check_name(function.name, f"{where}.name")
    return Tool(function.name, function.description or "", _schema(function.parameters, f"{where}.parameters"))


def _schema(raw: Raw, where: str) -> bytes:
    """The schema as it was written; empty where it is null or says nothing."""
    if raw == _NULL:
        return b""
    schema = bytes(raw)
    if not schema.startswith(b"{"):
        raise Failure(Code.INVALID_BODY, f"{where} is no JSON Schema: expected an object.", param=where)
    return schema if _object.decode(schema) else b""


def _parse_choice(raw: Raw) -> ToolChoice:
    check_json(raw, "tool_choice")
    try:
        body = _choice.decode(raw)
    except msgspec.ValidationError as error:
        raise wrong_shape(error, "tool_choice") from None
    match body:
        case None | "auto":
            return AUTO
        case "none":
            return ToolChoice("none")
        case "required":
            return ToolChoice("required")
        case _ChoiceBody("function", _NameBody(name)):
            return ToolChoice("required", name)
    said = body if isinstance(body, str) else body.type
    raise _impossible(
        "tool_choice",
        f'"{said[:40]}" is not possible. It takes auto, none, required and {{"type": "function", "function": '
        '{"name": "…"}}',
    )


def _parse_call(body: ToolCallBody, where: str) -> ToolCall:
    _check_name(body.function.name, f"{where}.function.name")
    arguments = body.function.arguments or "{}"
    if len(arguments) > MAX_JSON_BYTES:
        raise _too_large(f"{where}.function.arguments")
    try:
        _object.decode(arguments)
    except msgspec.DecodeError:
        raise _impossible(f"{where}.function.arguments", "is not the text of a JSON object") from None
    google = body.extra_content.google if body.extra_content else None
    signature = google.thought_signature if google else None
    if signature and not _SIGNATURE.fullmatch(signature):
        place = f"{where}.extra_content.google.thought_signature"
        raise _impossible(place, f"is no base64 of at most {MAX_SIGNATURE_CHARACTERS} characters")
    return ToolCall(body.id, body.function.name, arguments, signature or "")


def _check_name(name: str, where: str) -> None:
    if not _NAME.fullmatch(name):
        raise _impossible(where, f'"{name[:40]}" is not possible. {_NAMES}')


def _too_large(where: str) -> Failure:
    return Failure(Code.BODY_TOO_LARGE, f"{where} is larger than {MAX_JSON_BYTES} bytes.", param=where)


def _impossible(where: str, why: str) -> Failure:
    return Failure(Code.INVALID_VALUE, f"{where} {why}.", param=where)
