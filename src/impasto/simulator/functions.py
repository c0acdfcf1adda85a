"""Functions that a request declares: would Google take them, and what does a model say with them?

Rule: what is called, and an answer in JSON, follow the schema that was given, so that a reader can rely on it.
https://ai.google.dev/gemini-api/docs/function-calling https://ai.google.dev/gemini-api/docs/structured-output
"""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from impasto.simulator.errors import Rejected

Function = Mapping[str, Any]

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.:-]{0,127}")
_NAMES = (
    "Invalid function name. Must start with a letter or an underscore. Must be alphanumeric (a-z, A-Z, 0-9), "
    "underscores (_), dots (.), colons (:), or dashes (-), with a maximum length of 128."
)


def functions_of(request: Mapping[str, Any]) -> list[Function]:
    return [function for tool in request.get("tools", ()) for function in tool.get("functionDeclarations", ())]


def calling_of(request: Mapping[str, Any]) -> Mapping[str, Any]:
    """How functions are to be called: `mode` and `allowedFunctionNames`."""
    calling: Mapping[str, Any] = request.get("toolConfig", {}).get("functionCallingConfig", {})
    return calling


def callable_functions(request: Mapping[str, Any]) -> list[Function]:
    """Those that the model may call."""
    allowed = calling_of(request).get("allowedFunctionNames")
    functions = [] if calling_of(request).get("mode") == "NONE" else functions_of(request)
    return [function for function in functions if not allowed or function["name"] in allowed]


def signed_call(call: Mapping[str, Any]) -> str:
    """What the signature of a call is good for."""
    return json.dumps([call.get("name"), call.get("args") or {}], sort_keys=True)


def example_of(schema: Any, words: str) -> Any:
    """A value that the JSON Schema allows; its texts are `words`. References and combinations are not followed."""
    if not isinstance(schema, dict):
        return words
    if "const" in schema or schema.get("enum"):
        return schema["const"] if "const" in schema else schema["enum"][0]
    kind = schema.get("type", "object" if "properties" in schema else "string")
    match kind[0] if isinstance(kind, list) and kind else kind:
        case "object":
            return {name: example_of(each, words) for name, each in schema.get("properties", {}).items()}
        case "array":
            return [example_of(schema.get("items"), words)]
        case "integer":
            return int(schema.get("minimum", 7))
        case "number":
            return schema.get("minimum", 0.5)
        case "boolean":
            return True
        case "null":
            return None
        case _:
            return words


def check_functions(request: Mapping[str, Any]) -> None:
    """Raises `Rejected` where the declarations, or how they are to be called, are not what Google takes."""
    names: list[str] = []
    for place, function in enumerate(functions_of(request)):
        where = f"GenerateContentRequest.tools[0].function_declarations[{place}]"
        name = function.get("name", "")
        if not _NAME.fullmatch(name):
            raise Rejected(400, f"* {where}.name: {_NAMES}\n")
        if name in names:
            raise Rejected(400, f"Duplicate function declaration found: {name}")
        if "parameters" in function and "parametersJsonSchema" in function:
            raise Rejected(400, f"* {where}: parameters and parameters_json_schema are mutually exclusive.\n")
        schema = function.get("parametersJsonSchema", {"type": "object"})
        if not isinstance(schema, dict) or schema.get("type") != "object":
            raise Rejected(400, f"* {where}.parameters_json_schema: parameters must describe an object.\n")
        names.append(name)
    _check_calling(calling_of(request), names)


def _check_calling(calling: Mapping[str, Any], names: list[str]) -> None:
    if calling and not names:
        raise Rejected(400, "Function calling config is set without function_declarations.")
    allowed = calling.get("allowedFunctionNames", ())
    if allowed and calling.get("mode") not in {"ANY", "VALIDATED"}:
        raise Rejected(400, "Allowed function names should only be set when the function calling mode is ANY.")
    if not set(allowed) <= set(names):
        raise Rejected(400, "Allowed function names should be a subset of the declared functions.")


def check_turns(request: Mapping[str, Any]) -> None:
    """Raises `Rejected` where calls and what came of them are not turn by turn."""
    open_calls: list[str] = []
    for calls, results in _exchanges(request):
        if results and not open_calls:
            raise Rejected(
                400, "Please ensure that function response turn comes immediately after a function call turn."
            )
        if len(results) != len(open_calls):
            raise Rejected(
                400,
                "Please ensure that the number of function response parts is equal to the number of function call "
                "parts of the function call turn.",
            )
        if results != open_calls:
            raise Rejected(400, "Please ensure that function responses come in the order of their function calls.")
        open_calls = calls
    if open_calls:
        raise Rejected(400, "Please ensure that function call turn is followed by a function response turn.")


def _exchanges(request: Mapping[str, Any]) -> Iterator[tuple[list[str], list[str]]]:
    """For each turn the names of the functions that it calls, and of those that it brings the results of."""
    for content in request.get("contents", ()):
        parts = content.get("parts", ())
        names = [
            [part[kind].get("name", "") for part in parts if kind in part]
            for kind in ("functionCall", "functionResponse")
        ]
        yield names[0], names[1]
