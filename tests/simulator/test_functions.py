"""Functions at the stand-in: what it refuses, what it calls, and what it wants back."""

from typing import Any

import msgspec
import pytest

from impasto.simulator.answers import Order, answer_to, prompt_of
from impasto.simulator.errors import Rejected
from impasto.simulator.faults import Calls, Fault
from impasto.simulator.functions import example_of
from impasto.simulator.gemini_wire import check_request, read_request
from impasto.simulator.models import MODELS, by_name
from impasto.simulator.signatures import is_signature_of, signature_of

MODEL_BY_NAME = by_name(MODELS)
SIGNING, PLAIN, PAINTING = "gemini-3.5-flash", "gemini-2.5-flash", "gemini-3.1-flash-image"
ASKED = {"role": "user", "parts": [{"text": "Bern?"}]}
LOOK = {"name": "look", "parametersJsonSchema": {"type": "object", "properties": {"at": {"type": "string"}}}}
UNSIGNED = {"thoughtSignature": "skip_thought_signature_validator"}


def request_of(*turns: Any, functions: Any = (LOOK, {"name": "listen"}), calling: Any = None, **config: Any) -> Any:
    request: dict[str, Any] = {"contents": [ASKED, *turns], "tools": [{"functionDeclarations": list(functions)}]}
    if calling is not None:
        request["toolConfig"] = {"functionCallingConfig": calling}
    return request | {"generationConfig": config}


def calling(*names: str, **more: Any) -> Any:
    first = {"functionCall": {"name": names[0], "args": {}}} | more
    return {"role": "model", "parts": [first, *({"functionCall": {"name": name}} for name in names[1:])]}


def results(*names: str) -> Any:
    return {"role": "user", "parts": [{"functionResponse": {"name": name, "response": {}}} for name in names]}


def check(request: Any, model: str = PLAIN) -> None:
    _, parsed = read_request(msgspec.json.encode(request))
    check_request(MODEL_BY_NAME[model], parsed)


def parts_of(request: Any, *faults: Fault, model: str = SIGNING) -> list[Any]:
    _, parsed = read_request(msgspec.json.encode(request))
    order = Order(model, MODEL_BY_NAME[model], parsed, prompt_of(parsed), picture_bytes=0, signature_characters=100)
    parts: list[Any] = answer_to(order, faults)["candidates"][0]["content"]["parts"]
    return parts


@pytest.mark.parametrize(
    ("model", "request_"),
    [
        (PLAIN, request_of()),
        (PLAIN, request_of(calling={"mode": "ANY", "allowedFunctionNames": ["look"]})),
        (PLAIN, request_of(calling("look", "listen"), results("look", "listen"))),
        (PLAIN, request_of(calling("look"), results("look"), calling("look"), results("look"), ASKED)),
        (SIGNING, request_of(calling("look", "listen", **UNSIGNED), results("look", "listen"))),
        (SIGNING, request_of(responseMimeType="application/json")),
        (PLAIN, {"contents": [ASKED], "tools": [{"function_declarations": [{"name": "x", "parameters": {}}]}]}),
    ],
)
def test_taken(model: str, request_: Any) -> None:
    check(request_, model)


@pytest.mark.parametrize(
    ("model", "request_", "why"),
    [
        (PLAIN, request_of(functions=[{"name": "9"}]), "Invalid function name"),
        (PLAIN, request_of(functions=[{}]), "Invalid function name"),
        (PLAIN, request_of(functions=[LOOK, LOOK]), "Duplicate function declaration found: look"),
        (PLAIN, request_of(functions=[LOOK | {"parameters": {}}]), "mutually exclusive"),
        (PLAIN, request_of(functions=[LOOK | {"parametersJsonSchema": {"type": "string"}}]), "describe an object"),
        (PLAIN, request_of(functions=[LOOK | {"strict": True}]), 'Unknown name "strict"'),
        (PLAIN, request_of(functions=[], calling={"mode": "ANY"}), "without function_declarations"),
        (PLAIN, request_of(calling={"mode": "MAYBE"}), "FunctionCallingConfig.Mode"),
        (PLAIN, request_of(calling={"mode": "AUTO", "allowedFunctionNames": ["look"]}), "mode is ANY"),
        (PLAIN, request_of(calling={"mode": "ANY", "allowedFunctionNames": ["smell"]}), "a subset"),
        (PLAIN, request_of(results("look")), "immediately after a function call turn"),
        (PLAIN, request_of(calling("look", "listen"), results("look")), "the number of function response parts"),
        (PLAIN, request_of(calling("look"), ASKED), "the number of function response parts"),
        (PLAIN, request_of(calling("look", "listen"), results("listen", "look")), "in the order"),
        (PLAIN, request_of(calling("look")), "followed by a function response turn"),
        (PLAIN, request_of({"parts": [{"functionCall": {"name": "x", "args": "{}"}}]}), "google.protobuf.Struct"),
        (PLAIN, request_of({"parts": [{"functionResponse": {"name": "x", "response": []}}]}), "response"),
        (PLAIN, request_of(responseMimeType="application/json"), "Function calling with a response mime type"),
        (SIGNING, request_of(calling("look"), results("look")), "missing a thought_signature"),
        (SIGNING, request_of(calling("look", thoughtSignature="AAAA"), results("look")), "Corrupted"),
        (PAINTING, request_of(), "Function calling is not enabled"),
        (PAINTING, {"contents": [ASKED], "generationConfig": {"responseMimeType": "application/json"}}, "JSON mode"),
        (PLAIN, {"contents": [ASKED], "generationConfig": {"responseMimeType": "image/png"}}, "allowed mimetypes"),
        (PLAIN, {"contents": [ASKED], "generationConfig": {"responseJsonSchema": {}}}, "only allowed when"),
    ],
)
def test_refused(model: str, request_: Any, why: str) -> None:
    with pytest.raises(Rejected, match=why) as caught:
        check(request_, model)
    assert caught.value.status == 400


def test_a_call_is_signed_and_comes_back_so() -> None:
    (part,) = parts_of(request_of(calling={"mode": "ANY"}))
    assert part["functionCall"]["name"] == "look"
    assert part["functionCall"]["args"] == {"at": "Bern?"}
    assert part["functionCall"]["id"]
    assert is_signature_of(part["thoughtSignature"], '["look", {"at": "Bern?"}]')
    check(request_of({"role": "model", "parts": [part]}, results("look")), SIGNING)
    part["thoughtSignature"] = signature_of("another call", 100)
    with pytest.raises(Rejected, match="Corrupted"):
        check(request_of({"role": "model", "parts": [part]}, results("look")), SIGNING)


def test_calls_on_demand() -> None:
    calls = [part["functionCall"]["name"] for part in parts_of(request_of(), Calls(3), model=PLAIN)]
    assert calls == ["look", "listen", "look"]
    assert parts_of(request_of(calling={"mode": "NONE"}), Calls(3), model=PLAIN) == [{"text": "You said: Bern?"}]


@pytest.mark.parametrize(
    ("schema", "example"),
    [
        (None, "hm"),
        ({}, "hm"),
        ({"enum": ["a", "b"]}, "a"),
        ({"const": None}, None),
        ({"type": ["integer", "null"], "minimum": 9}, 9),
        ({"type": "array", "items": {"type": "boolean"}}, [True]),
        ({"properties": {"a": {"type": "null"}, "b": {"type": "number"}}}, {"a": None, "b": 0.5}),
    ],
)
def test_an_example_of_a_schema(schema: Any, example: Any) -> None:
    assert example_of(schema, "hm") == example
