import base64
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from impasto.adapters.gemini import GeminiAdapter
from impasto.domain.chat import READ_BYTES, ImagePart, ModelCall, Sampling, Stored, TextPart, Turn
from impasto.domain.errors import Code, Failure
from impasto.domain.image import ImageConfig
from impasto.domain.tools import ResponseFormat, Tool, ToolCall, ToolChoice, ToolResult
from tests.fakes.blobs import MemoryStore
from tests.fakes.models import a_call, a_model, a_text_model
from tests.fakes.pictures import picture_part, png

FIXTURES = Path(__file__).parents[1] / "fixtures" / "gemini"
PICTURE = picture_part()
INLINE = {"inlineData": {"mimeType": "image/png", "data": base64.b64encode(png()).decode()}}


def rendered(call: ModelCall) -> Any:
    return json.loads(b"".join(map(bytes, GeminiAdapter().render(call).body)))


def failure_for(status: int, body: bytes | str = b"", headers: dict[str, str] | None = None) -> Failure:
    if isinstance(body, str):
        body = (FIXTURES / f"{body}.json").read_bytes()
    return GeminiAdapter().failure_of(a_call(), status, headers or {}, body)


# --- requests ---


def test_words_alone_make_the_least_request() -> None:
    assert rendered(a_call(a_text_model(), "hello")) == {"contents": [{"role": "user", "parts": [{"text": "hello"}]}]}


def test_a_picture_is_asked_for_with_its_shape() -> None:
    call = a_call(turns="a banana", image_config=ImageConfig("16:9", "2K"))
    assert rendered(call) == {
        "contents": [{"role": "user", "parts": [{"text": "a banana"}]}],
        "generationConfig": {
            "responseModalities": ["TEXT", "IMAGE"],
            "imageConfig": {"aspectRatio": "16:9", "imageSize": "2K"},
        },
    }


@pytest.mark.parametrize(
    ("config", "sent"),
    [
        (ImageConfig(), None),
        (ImageConfig("16:9"), {"aspectRatio": "16:9"}),
        (ImageConfig(image_size="2K"), {"imageSize": "2K"}),
    ],
)
def test_only_the_shape_that_is_sent_is_said(config: ImageConfig, sent: dict[str, str] | None) -> None:
    assert rendered(a_call(image_config=config))["generationConfig"].get("imageConfig") == sent


def test_modalities_are_passed_on() -> None:
    config = rendered(a_call(modalities=("image",)))["generationConfig"]
    assert config == {"responseModalities": ["IMAGE"]}


def test_sampling_is_said_in_googles_words() -> None:
    sampling = Sampling(0.5, 0.9, 100, 7, ("end",), 0.1, 0.2, "high")
    assert rendered(a_call(a_text_model(), sampling=sampling))["generationConfig"] == {
        "temperature": 0.5,
        "topP": 0.9,
        "maxOutputTokens": 100,
        "seed": 7,
        "stopSequences": ["end"],
        "presencePenalty": 0.1,
        "frequencyPenalty": 0.2,
        "thinkingConfig": {"thinkingLevel": "high"},
    }


def test_every_sampling_field_has_a_word_at_google() -> None:
    sampling = Sampling(0.5, 0.9, 100, 7, ("end",), 0.1, 0.2, "high")
    assert len(sampling.asked()) == len(Sampling.__slots__)
    assert len(rendered(a_call(a_text_model(), sampling=sampling))["generationConfig"]) == len(Sampling.__slots__)


def test_instructions_go_apart_from_turns() -> None:
    turns = (
        Turn("system", (TextPart("Be brief."), TextPart(""))),
        Turn("user", (TextPart("hello"),)),
        Turn("system", (TextPart("Be kind."),)),
    )
    assert rendered(a_call(a_text_model(), turns)) == {
        "contents": [{"role": "user", "parts": [{"text": "hello"}]}],
        "systemInstruction": {"parts": [{"text": "Be brief."}, {"text": "Be kind."}]},
    }


def test_a_model_without_system_messages_reads_them_before_the_users_words() -> None:
    turns = (
        Turn("system", (TextPart("Be brief."),)),
        Turn("system", (TextPart("Be kind."),)),
        Turn("assistant", (TextPart("What shall I paint?"),)),
        Turn("user", (TextPart("a banana"),)),
        Turn("user", (TextPart("ripe"),)),
    )
    body = rendered(a_call(a_model(system_messages=False), turns))
    assert "systemInstruction" not in body
    assert body["contents"] == [
        {"role": "model", "parts": [{"text": "What shall I paint?"}]},
        {"role": "user", "parts": [{"text": "Be brief.\n\nBe kind."}, {"text": "a banana"}]},
        {"role": "user", "parts": [{"text": "ripe"}]},
    ]


def test_instructions_before_the_models_words_alone_are_the_users() -> None:
    turns = (Turn("system", (TextPart("Go on."),)), Turn("assistant", (TextPart("Once"),)))
    assert rendered(a_call(a_model(system_messages=False), turns))["contents"] == [
        {"role": "user", "parts": [{"text": "Go on."}]},
        {"role": "model", "parts": [{"text": "Once"}]},
    ]


HISTORY = (
    Turn("user", (TextPart("a banana"),)),
    Turn("assistant", (TextPart("Here it is."), PICTURE)),
    Turn("user", (TextPart("now at night"), PICTURE)),
)


def test_earlier_answers_are_the_models_turns() -> None:
    assert rendered(a_call(a_model(), HISTORY))["contents"] == [
        {"role": "user", "parts": [{"text": "a banana"}]},
        {"role": "model", "parts": [{"text": "Here it is."}, INLINE]},
        {"role": "user", "parts": [{"text": "now at night"}, INLINE]},
    ]


def test_a_model_that_wants_signatures_is_told_of_earlier_answers() -> None:
    assert rendered(a_call(a_model(signatures=True), HISTORY))["contents"] == [
        {"role": "user", "parts": [{"text": "a banana"}]},
        {
            "role": "user",
            "parts": [
                {"text": "You answered before: Here it is."},
                {"text": "The picture that you made before:"},
                INLINE,
                {"text": "now at night"},
                INLINE,
            ],
        },
    ]


def test_an_answer_at_the_end_is_told_as_well() -> None:
    contents = rendered(a_call(a_model(signatures=True), HISTORY[:2]))["contents"]
    assert [turn["role"] for turn in contents] == ["user", "user"]
    assert contents[1]["parts"][-1] == INLINE


# --- its own turns ---

WORDS_SIGNATURE, PICTURE_SIGNATURE = b"d29yZHM=", b"cGljdHVyZQ-_"
SIGNED_WORDS = TextPart("Here it is.", WORDS_SIGNATURE)
SIGNED_PICTURE = replace(PICTURE, signature=memoryview(PICTURE_SIGNATURE))
ASKS, AGAIN = Turn("user", (TextPart("a banana"),)), Turn("user", (TextPart("now at night"),))


def turns_of(*turns: Turn, **of_model: Any) -> Any:
    return rendered(a_call(a_model(**{"signatures": True} | of_model), (ASKS, *turns, AGAIN)))["contents"]


def own(*parts: TextPart | ImagePart, made_by: str = "google") -> Turn:
    return Turn("assistant", parts, made_by)


def is_told(contents: Any) -> bool:
    """Whether nothing in it is claimed to be the model's own."""
    return {turn["role"] for turn in contents} == {"user"} and "thoughtSignature" not in json.dumps(contents)


def test_its_own_turn_goes_back_byte_for_byte() -> None:
    asks, model, again = turns_of(own(SIGNED_WORDS, SIGNED_PICTURE, TextPart("Good?"), TextPart("", b"AAAA")))
    assert (asks, again) == (
        {"role": "user", "parts": [{"text": "a banana"}]},
        {"role": "user", "parts": [{"text": "now at night"}]},
    )
    assert model == {
        "role": "model",
        "parts": [
            {"text": "Here it is.", "thoughtSignature": WORDS_SIGNATURE.decode()},
            INLINE | {"thoughtSignature": PICTURE_SIGNATURE.decode()},
            {"text": "Good?"},
            {"text": "", "thoughtSignature": "AAAA"},
        ],
    }


def test_a_signed_picture_alone_is_an_own_turn() -> None:
    contents = turns_of(own(SIGNED_PICTURE), AGAIN, own(SIGNED_WORDS))
    assert [turn["role"] for turn in contents] == ["user", "model", "user", "model", "user"]


@pytest.mark.parametrize(
    "turn",
    [
        pytest.param(own(SIGNED_WORDS, SIGNED_PICTURE, made_by="openai"), id="another provider's"),
        pytest.param(own(SIGNED_WORDS, SIGNED_PICTURE, made_by=""), id="nobody knows whose"),
        pytest.param(own(SIGNED_WORDS, PICTURE), id="an unsigned picture"),
        pytest.param(own(SIGNED_WORDS, SIGNED_PICTURE, PICTURE), id="one unsigned picture of two"),
        pytest.param(own(TextPart("Here it is.")), id="unsigned words"),
        pytest.param(own(TextPart("Here it is."), PICTURE), id="nothing signed"),
    ],
)
def test_what_is_not_its_own_or_not_signed_is_told(turn: Turn) -> None:
    contents = turns_of(turn)
    assert is_told(contents)
    assert contents[-1]["parts"][-1] == {"text": "now at night"}
    told = {"text": "You answered before: Here it is."}
    assert (told in contents[-1]["parts"]) == any(isinstance(part, TextPart) for part in turn.parts)


def test_what_is_told_comes_before_its_own_turn_that_follows() -> None:
    contents = turns_of(own(TextPart("Hm."), made_by="openai"), own(SIGNED_PICTURE), own(PICTURE, made_by=""))
    assert [(turn["role"], list(turn["parts"][0])) for turn in contents] == [
        ("user", ["text"]),
        ("user", ["text"]),
        ("model", ["inlineData", "thoughtSignature"]),
        ("user", ["text"]),
    ]
    assert contents[1]["parts"] == [{"text": "You answered before: Hm."}]
    assert contents[3]["parts"] == [{"text": "The picture that you made before:"}, INLINE, {"text": "now at night"}]


@pytest.mark.parametrize("model", [a_model(), a_text_model(), a_text_model(signatures=True)])
def test_a_model_that_wants_no_signature_of_words_and_pictures_gets_none(model: Any) -> None:
    turns = (ASKS, own(SIGNED_WORDS, SIGNED_PICTURE), AGAIN)
    contents = rendered(a_call(model, turns))["contents"]
    assert contents[1] == {"role": "model", "parts": [{"text": "Here it is."}, INLINE]}


def stored(data: bytes, *, encoded: bool = True) -> Stored:
    blob = MemoryStore().open()
    blob.write(data)
    return Stored(blob, encoded=encoded)


@pytest.mark.parametrize("byte_count", [1, 2, 3, READ_BYTES, READ_BYTES + 1])
def test_what_the_store_keeps_is_a_piece_that_knows_its_length(byte_count: int) -> None:
    data = bytes(number % 251 for number in range(byte_count))
    picture = replace(PICTURE, base64=stored(data), signature=stored(PICTURE_SIGNATURE, encoded=False))
    request = GeminiAdapter().render(a_call(a_model(signatures=True), (ASKS, own(picture), AGAIN)))
    assert [piece for piece in request.body if isinstance(piece, Stored)] == [picture.base64, picture.signature]
    for _ in range(2):
        body = b"".join(map(bytes, request.body))
        assert request.content_length == len(body)
    part = json.loads(body)["contents"][1]["parts"][0]
    assert base64.b64decode(part["inlineData"]["data"]) == data
    assert part["thoughtSignature"].encode() == PICTURE_SIGNATURE


def test_empty_words_and_turns_are_left_out() -> None:
    turns = (Turn("user", (TextPart(""), PICTURE)), Turn("assistant", (TextPart(""),)))
    assert rendered(a_call(a_text_model(), turns)) == {"contents": [{"role": "user", "parts": [INLINE]}]}


@pytest.mark.parametrize("turns", [(), (Turn("system", (TextPart("Be brief."),)),), (Turn("user", (TextPart(""),)),)])
def test_a_request_with_nothing_to_answer_is_the_callers(turns: tuple[Turn, ...]) -> None:
    for model in (a_model(), a_model(system_messages=False), a_model(signatures=True)):
        with pytest.raises(Failure) as raised:
            GeminiAdapter().render(a_call(model, turns))
        assert (raised.value.code, raised.value.param) == (Code.INVALID_VALUE, "messages")


def test_a_picture_is_passed_on_as_it_lies() -> None:
    view = memoryview(bytearray(b"QUJD" * 1000))
    picture = ImagePart(view, "image/jpeg", None, "messages[0].content[0]")
    request = GeminiAdapter().render(a_call(turns=(Turn("user", (picture, TextPart("it"))),)))
    assert any(piece is view for piece in request.body)
    assert all(request.body)
    assert request.content_length == len(b"".join(map(bytes, request.body)))
    assert (
        json.loads(b"".join(map(bytes, request.body)))["contents"][0]["parts"][0]["inlineData"]["mimeType"]
        == "image/jpeg"
    )


def test_the_models_name_cannot_leave_its_place_in_the_path() -> None:
    request = GeminiAdapter().render(a_call(a_model("a/../b?key=c#d e")))
    assert request.path == "/v1beta/models/a%2F..%2Fb%3Fkey%3Dc%23d%20e:generateContent"
    assert request.content_type == "application/json"


# --- errors ---


@pytest.mark.parametrize(
    ("name", "code", "retry_helps", "wait", "says"),
    [
        ("error-400-key", Code.PROVIDER_AUTH, False, None, "key or account"),
        ("error-400-key-expired", Code.PROVIDER_AUTH, False, None, "key or account"),
        ("error-400-location", Code.PROVIDER_AUTH, False, None, "key or account"),
        ("error-400-signature", Code.SIGNATURE_REFUSED, False, None, "missing a thought_signature"),
        ("error-400-unknown-name", Code.PROVIDER_WRONG, False, None, "did not understand"),
        ("error-401", Code.PROVIDER_AUTH, False, None, "nothing was spent"),
        ("error-403", Code.PROVIDER_AUTH, False, None, "nothing was spent"),
        ("error-404-model", Code.MODEL_RETIRED, False, None, "does not know this model"),
        ("error-429-no-quota", Code.PROVIDER_NO_QUOTA, False, None, "no quota"),
        ("error-429-limit", Code.PROVIDER_RATE_LIMITED, True, 35, "Try again in 35 seconds"),
        ("error-500", Code.PROVIDER_WRONG, False, None, "status 500. It may bill"),
        ("error-503", Code.PROVIDER_OVERLOADED, True, None, "nothing was spent"),
        ("error-504", Code.PROVIDER_TIMEOUT, False, None, "may bill"),
    ],
)
@pytest.mark.parametrize("in_array", [False, True])
def test_an_error_is_sorted_by_whose_fault_it_was(
    name: str, code: Code, retry_helps: bool, wait: int | None, says: str, in_array: bool
) -> None:
    body = (FIXTURES / f"{name}.json").read_bytes()
    failure = failure_for(json.loads(body)["error"]["code"], b"[" + body + b"]" if in_array else body)
    assert failure.code is code
    assert failure.retry_helps is retry_helps
    assert failure.retry_after_seconds == wait
    assert says in failure.message
    assert "\n" not in failure.message
    assert "Google answered" in failure.logged


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html><title>502 Bad Gateway</title></html>",
        b"[]",
        b"null",
        b'{"error": "no"}',
        b'{"error": null}',
        b'{"error": {"message": 7}}',
        b'{"error": {"details": ["no"]}}',
        b'{"error": {"message": "cut o',
        b"\xff\xfe",
        b"[" * 50_000,
    ],
)
@pytest.mark.parametrize(
    ("status", "code"),
    [
        (302, Code.PROVIDER_WRONG),
        (400, Code.PROVIDER_WRONG),
        (401, Code.PROVIDER_AUTH),
        (403, Code.PROVIDER_AUTH),
        (404, Code.PROVIDER_WRONG),
        (408, Code.PROVIDER_TIMEOUT),
        (413, Code.PROVIDER_WRONG),
        (429, Code.PROVIDER_RATE_LIMITED),
        (500, Code.PROVIDER_WRONG),
        (502, Code.PROVIDER_WRONG),
        (503, Code.PROVIDER_OVERLOADED),
        (504, Code.PROVIDER_TIMEOUT),
        (529, Code.PROVIDER_WRONG),
    ],
)
def test_an_error_without_words_goes_by_its_status(body: bytes, status: int, code: Code) -> None:
    failure = failure_for(status, body)
    assert failure.code is code
    # A proxy's 503 may come in the middle of a call that is billed.
    assert failure.retry_helps is (status == 429)


def test_an_error_may_lack_anything() -> None:
    assert failure_for(400, b'{"error": {}}').code is Code.PROVIDER_REJECTED
    nulls = b'{"error": {"message": null, "status": null, "details": null}}'
    assert failure_for(400, nulls).message == "Google refused the request, and nothing was spent."


@pytest.mark.parametrize(
    ("said", "wait"),
    [
        ("7", 7),
        ("1.2", 2),
        ("0", 1),
        (" 30 ", 30),
        ("9" * 400, 86400),
        ("-5", None),
        ("Wed, 21 Oct 2026 07:28:00 GMT", None),
        ("soon", None),
        ("", None),
        ("\u0663", None),
    ],
)
@pytest.mark.parametrize("status", [429, 503])
def test_the_wait_is_whole_seconds_or_unknown(said: str, wait: int | None, status: int) -> None:
    assert failure_for(status, b'{"error": {}}', {"retry-after": said}).retry_after_seconds == wait


def test_googles_own_wait_comes_first() -> None:
    assert failure_for(429, "error-429-limit", {"retry-after": "7"}).retry_after_seconds == 35


def test_no_wait_is_named_where_waiting_does_not_help() -> None:
    for status, name in ((429, "error-429-no-quota"), (500, "error-500")):
        assert failure_for(status, name, {"retry-after": "7"}).retry_after_seconds is None


@pytest.mark.parametrize("limit", ["0", "0,", "0\n", "0."])
def test_no_quota_is_a_limit_of_nothing(limit: str) -> None:
    body = json.dumps({"error": {"message": f"Quota exceeded, limit: {limit}"}}).encode()
    assert failure_for(429, body).code is Code.PROVIDER_NO_QUOTA


@pytest.mark.parametrize("limit", ["1000000", "10", "0.5", "05"])
def test_any_other_limit_passes_with_time(limit: str) -> None:
    body = json.dumps({"error": {"message": f"Quota exceeded, limit: {limit}"}}).encode()
    assert failure_for(429, body).code is Code.PROVIDER_RATE_LIMITED


def test_a_long_message_is_shown_in_short() -> None:
    body = json.dumps({"error": {"message": "no " * 10_000}}).encode()
    assert len(failure_for(400, body).message) < 400


def test_braces_in_what_was_said_are_words() -> None:
    body = json.dumps({"error": {"message": "{provider} {0} {"}}).encode()
    assert failure_for(400, body).message.endswith("It said: {provider} {0} {")


# --- functions and formats ---

CALL = ToolCall("1", "weather", '{"city":"Bern","n":1.50}')
ASK = Turn("user", (TextPart("Bern?"),))


def result(call_id: str = "1", name: str = "weather", text: str = "rain") -> Turn:
    return Turn("tool", (ToolResult(call_id, name, text),))


def contents(*turns: Turn, signatures: bool = False) -> Any:
    return rendered(a_call(a_text_model(signatures=signatures), turns))["contents"]


def test_functions_are_declared_with_their_schemas_untouched() -> None:
    tools = (Tool("weather", "Says it.", b'{"type": "object","x":1.50}'), Tool("clock"))
    call = a_call(a_text_model(), "hello", tools=tools)
    assert b'"parametersJsonSchema":{"type": "object","x":1.50}' in b"".join(
        map(bytes, GeminiAdapter().render(call).body)
    )
    assert rendered(call)["tools"] == [
        {
            "functionDeclarations": [
                {"name": "weather", "description": "Says it.", "parametersJsonSchema": {"type": "object", "x": 1.5}},
                {"name": "clock"},
            ]
        }
    ]


@pytest.mark.parametrize(
    ("choice", "sent"),
    [
        (ToolChoice(), {"mode": "AUTO"}),
        (ToolChoice("none"), {"mode": "NONE"}),
        (ToolChoice("required"), {"mode": "ANY"}),
        (ToolChoice("required", "clock"), {"mode": "ANY", "allowedFunctionNames": ["clock"]}),
    ],
)
def test_how_functions_are_to_be_called(choice: ToolChoice, sent: Any) -> None:
    call = a_call(a_text_model(), "hello", tools=(Tool("clock"),), tool_choice=choice)
    assert rendered(call)["toolConfig"] == {"functionCallingConfig": sent}
    assert "toolConfig" not in rendered(a_call(a_text_model(), "hello", tool_choice=choice))


def test_an_answer_in_json() -> None:
    asked = a_call(a_text_model(), "hello", response_format=ResponseFormat())
    assert rendered(asked)["generationConfig"] == {"responseMimeType": "application/json"}
    asked = a_call(a_text_model(), "hello", response_format=ResponseFormat(b'{"type":"object"}'))
    assert rendered(asked)["generationConfig"]["responseJsonSchema"] == {"type": "object"}


def test_a_call_and_what_came_of_it() -> None:
    said = contents(ASK, Turn("assistant", (TextPart("Wait."), CALL)), result())
    assert said[1:] == [
        {
            "role": "model",
            "parts": [
                {"text": "Wait."},
                {"functionCall": {"name": "weather", "args": {"city": "Bern", "n": 1.5}}},
            ],
        },
        {"role": "user", "parts": [{"functionResponse": {"name": "weather", "response": {"result": "rain"}}}]},
    ]
    call = a_call(a_text_model(), (ASK, Turn("assistant", (CALL,)), result()))
    body = b"".join(map(bytes, GeminiAdapter().render(call).body))
    assert b'"args":{"city":"Bern","n":1.50}' in body


@pytest.mark.parametrize(
    ("text", "response"),
    [
        ('{"sky": "grey", "n": 1}', {"sky": "grey", "n": 1}),
        ("{}", {}),
        ("", {"result": ""}),
        ("[1]", {"result": "[1]"}),
        ('"rain"', {"result": '"rain"'}),
        ('{"a": 1e999}', {"result": '{"a": 1e999}'}),
        ('{"a": 1} and more', {"result": '{"a": 1} and more'}),
        ("[" * 100_000, {"result": "[" * 100_000}),
    ],
)
def test_what_a_function_returned_is_an_object(text: str, response: Any) -> None:
    (part,) = contents(ASK, Turn("assistant", (CALL,)), result(text=text))[-1]["parts"]
    assert part["functionResponse"]["response"] == response


def test_what_came_of_calls_at_once_is_one_turn_in_their_order() -> None:
    calls = Turn("assistant", (CALL, ToolCall("2", "clock", "{}"), ToolCall("3", "weather", "{}")))
    said = contents(ASK, calls, result("3", text="c"), result("2", "clock", "b"), result(text="a"), ASK)
    responses = [part["functionResponse"] for part in said[2]["parts"]]
    assert [each["response"]["result"] for each in responses] == ["a", "b", "c"]
    assert said[3] == {"role": "user", "parts": [{"text": "Bern?"}]}


@pytest.mark.parametrize("first", ["c2ln", ""])
def test_the_first_call_of_a_turn_is_signed_where_the_model_wants_it(first: str) -> None:
    calls = Turn("assistant", (replace(CALL, signature=first), ToolCall("2", "clock", "{}")))
    results = (result(), result("2", "clock"))
    signed = contents(ASK, calls, *results, signatures=True)[1]["parts"]
    assert signed[0]["thoughtSignature"] == (first or "skip_thought_signature_validator")
    assert "thoughtSignature" not in signed[1]
    assert contents(ASK, calls, *results)[1]["parts"][0].get("thoughtSignature", "") == first
