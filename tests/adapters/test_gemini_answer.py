import base64
import json
from pathlib import Path
from typing import Any

import pytest

from impasto.adapters.gemini_answer import GeminiAnswerParser, GeminiStreamParser
from impasto.domain.errors import Code, Failure
from impasto.domain.events import Event, Finished, FinishReason, ImageStarted
from impasto.domain.tools import ToolCall
from impasto.domain.usage import Usage
from tests.adapters.folding import Folded, FoldedCall, FoldedImage, FoldedText, events_of, fold
from tests.fakes.pictures import png

FIXTURES = Path(__file__).parents[1] / "fixtures" / "gemini"
RED, GREEN, BLUE = (base64.b64encode(png(colour=colour)) for colour in ((255, 0, 0), (0, 255, 0), (0, 0, 255)))
SIGNED = b"c2lnbmVk"

FINISH_REASONS = {
    "STOP": FinishReason.STOP,
    "MAX_TOKENS": FinishReason.LENGTH,
    "SAFETY": FinishReason.CONTENT_FILTER,
    "RECITATION": FinishReason.CONTENT_FILTER,
    "LANGUAGE": FinishReason.CONTENT_FILTER,
    "OTHER": FinishReason.CONTENT_FILTER,
    "BLOCKLIST": FinishReason.CONTENT_FILTER,
    "PROHIBITED_CONTENT": FinishReason.CONTENT_FILTER,
    "SPII": FinishReason.CONTENT_FILTER,
    "MALFORMED_FUNCTION_CALL": FinishReason.STOP,
    "IMAGE_SAFETY": FinishReason.CONTENT_FILTER,
    "IMAGE_PROHIBITED_CONTENT": FinishReason.CONTENT_FILTER,
    "IMAGE_OTHER": FinishReason.CONTENT_FILTER,
    "NO_IMAGE": FinishReason.CONTENT_FILTER,
    "IMAGE_RECITATION": FinishReason.CONTENT_FILTER,
    "UNEXPECTED_TOOL_CALL": FinishReason.STOP,
    "TOO_MANY_TOOL_CALLS": FinishReason.STOP,
    "MISSING_THOUGHT_SIGNATURE": FinishReason.STOP,
    "MALFORMED_RESPONSE": FinishReason.STOP,
    "ESCALATION": FinishReason.CONTENT_FILTER,
    "PUP_LIMITED_DISABLED": FinishReason.CONTENT_FILTER,
    "CONTINUATION": FinishReason.STOP,
    "MODEL_ARMOR": FinishReason.CONTENT_FILTER,
    "SUN_SPOTS": FinishReason.STOP,
}


def events_in(document: bytes) -> list[Event]:
    return events_of(GeminiAnswerParser("Google"), [document])


def folded(answer: Any) -> Folded:
    return fold(events_in(json.dumps(answer).encode()))


def parts_of(*parts: Any) -> list[FoldedText | FoldedImage | FoldedCall]:
    return folded({"candidates": [{"content": {"parts": list(parts)}, "finishReason": "STOP"}]}).parts


def usage_in(metadata: Any) -> Usage | None:
    return folded({"candidates": [{"finishReason": "STOP"}], "usageMetadata": metadata}).usage


def failure_in(document: bytes | Any) -> Failure:
    with pytest.raises(Failure) as raised:
        events_in(document if isinstance(document, bytes) else json.dumps(document).encode())
    assert not raised.value.retry_helps
    return raised.value


# --- the fixtures ---


@pytest.mark.parametrize(
    ("name", "parts", "native"),
    [
        ("image", [FoldedImage(RED, signature=SIGNED)], "STOP"),
        (
            "text-then-image",
            [FoldedText("Here's an image of it: "), FoldedImage(RED, claimed="image/png")],
            "STOP",
        ),
        ("image-then-text", [FoldedImage(RED, claimed="image/png"), FoldedText("There it is.")], "STOP"),
        (
            "story",
            [
                FoldedText("First the seed."),
                FoldedImage(RED, claimed="image/png"),
                FoldedText("Then the tree."),
                FoldedImage(GREEN, claimed="image/png"),
                FoldedText("The end."),
            ],
            "STOP",
        ),
        (
            "drafts",
            [
                FoldedImage(RED, signature=b"Zmlyc3Q=", claimed="image/jpeg"),
                FoldedImage(GREEN, signature=b"c2Vjb25k", claimed="image/jpeg"),
                FoldedImage(BLUE, signature=b"bGFzdA==", claimed="image/jpeg"),
            ],
            "STOP",
        ),
        (
            "thoughts",
            [
                FoldedImage(GREEN, thought=True, claimed="image/png"),
                FoldedImage(BLUE, thought=True, claimed="image/png"),
                FoldedImage(RED, signature=SIGNED, claimed="image/png"),
            ],
            "STOP",
        ),
        (
            "signature-on-empty-text",
            [FoldedImage(RED, claimed="image/png"), FoldedText("", signature=SIGNED)],
            "STOP",
        ),
        ("snake-case", [FoldedImage(RED, signature=SIGNED, claimed="image/png")], "STOP"),
        ("two-candidates", [FoldedImage(RED, claimed="image/png")], "STOP"),
        ("question", [FoldedText("Which style would you like?")], "STOP"),
        ("cut-by-max-tokens", [FoldedText("Once upon")], "MAX_TOKENS"),
        ("refused-empty-content", [], "IMAGE_OTHER"),
        ("refused-null-parts", [], "IMAGE_SAFETY"),
        ("refused-role-only", [], "IMAGE_PROHIBITED_CONTENT"),
        ("refused-no-content", [], "NO_IMAGE"),
    ],
)
def test_an_answer_is_its_parts_in_order(name: str, parts: list[FoldedText | FoldedImage], native: str) -> None:
    found = fold(events_in((FIXTURES / f"{name}.json").read_bytes()))
    assert found.parts == parts
    assert found.finish is not None
    assert (found.finish.native, found.finish.reason) == (native, FINISH_REASONS[native])


def test_a_refusal_brings_its_explanation() -> None:
    found = fold(events_in((FIXTURES / "refused-empty-content.json").read_bytes())).finish
    assert found is not None
    assert found.explanation.startswith("Unable to show the generated image. You will not be charged")


def test_a_blocked_prompt_is_a_refusal() -> None:
    found = fold(events_in((FIXTURES / "blocked-prompt.json").read_bytes()))
    assert found.finish == Finished(FinishReason.CONTENT_FILTER, "PROHIBITED_CONTENT")
    assert found.usage == Usage(input_text_tokens=11)


# --- why it ended ---

CONTENTS: list[Any] = [
    {},
    {"content": None},
    {"content": {}},
    {"content": {"role": "model"}},
    {"content": {"parts": None}},
    {"content": {"parts": []}},
    {"content": {"parts": [{}]}},
    {"content": {"parts": [{"text": ""}]}},
    {"content": {"parts": [{"text": "hello"}]}},
    {"content": {"parts": [{"inlineData": {"mimeType": "image/png", "data": RED.decode()}}]}},
]
HAS_OUTPUT = [False] * 8 + [True] * 2


@pytest.mark.parametrize("native", FINISH_REASONS)
def test_every_finish_reason_has_one_meaning_whatever_the_content(native: str) -> None:
    for content, has_output in zip(CONTENTS, HAS_OUTPUT, strict=True):
        found = folded({"candidates": [{"finishReason": native, **content}]})
        assert found.finish == Finished(FINISH_REASONS[native], native)
        assert bool(found.parts) == has_output


@pytest.mark.parametrize("native", ["STOP", "SUN_SPOTS", None])
def test_a_blocked_prompt_outweighs_an_empty_candidate(native: str | None) -> None:
    for content, has_output in zip(CONTENTS, HAS_OUTPUT, strict=True):
        candidate = content | ({"finishReason": native} if native else {})
        found = folded({"promptFeedback": {"blockReason": "JAILBREAK"}, "candidates": [candidate]}).finish
        assert found is not None
        assert (found.native == "JAILBREAK") is not has_output
        assert found.reason is (FinishReason.STOP if has_output else FinishReason.CONTENT_FILTER)


def test_a_candidates_own_refusal_outweighs_the_prompts() -> None:
    answer = {"candidates": [{"finishReason": "SAFETY"}], "promptFeedback": {"blockReason": "OTHER"}}
    assert folded(answer).finish == Finished(FinishReason.CONTENT_FILTER, "SAFETY")


def test_a_blocked_prompt_explains_itself() -> None:
    feedback = {"blockReason": "OTHER", "blockReasonMessage": "Not like that.", "safetyRatings": [{"blocked": True}]}
    assert folded({"promptFeedback": feedback, "candidates": []}).finish == Finished(
        FinishReason.CONTENT_FILTER, "OTHER", "Not like that."
    )


def test_nulls_say_nothing() -> None:
    candidate = {"finishReason": None, "finishMessage": None, "content": {"parts": [{"text": None}]}}
    found = folded({"candidates": [candidate], "promptFeedback": {"blockReason": None}, "error": None})
    assert found.parts == []
    assert found.finish == Finished(FinishReason.STOP, "FINISH_REASON_UNSPECIFIED")


# --- parts ---


def test_the_media_type_is_known_early_where_it_comes_first() -> None:
    first = {"inlineData": {"mimeType": "image/webp", "data": RED.decode()}}
    last = {"inlineData": {"data": RED.decode(), "mimeType": "image/webp"}}
    for part, claimed in ((first, "image/webp"), (last, "")):
        answer = {"candidates": [{"content": {"parts": [part]}}]}
        started = [event for event in events_in(json.dumps(answer).encode()) if isinstance(event, ImageStarted)]
        assert started == [ImageStarted(claimed)]


def test_a_signature_may_come_before_its_part() -> None:
    assert parts_of(
        {"thoughtSignature": "YQ==", "inlineData": {"data": RED.decode()}},
        {"text": "red", "thoughtSignature": "Yg=="},
        {"thoughtSignature": "Yw==", "text": "rose"},
    ) == [FoldedImage(RED, signature=b"YQ=="), FoldedText("red", b"Yg=="), FoldedText("rose", b"Yw==")]


def test_a_signature_stays_with_its_own_part_even_where_that_is_left_out() -> None:
    assert parts_of(
        {"text": "hm", "thought": True, "thoughtSignature": "YQ=="},
        {"functionCall": {"args": {}}, "thoughtSignature": "Yg=="},
        {"text": "done"},
    ) == [FoldedText("", b"YQ=="), FoldedText("", b"Yg=="), FoldedText("done")]


def test_only_the_pictures_own_data_is_a_picture() -> None:
    assert (
        parts_of(
            {"functionCall": {"args": {"data": "AAAA", "inlineData": {"data": "AAAA"}, "thoughtSignature": "AAAA"}}},
            {"inlineData": {"data": ["AAAA"]}},
            {"inlineData": {"data": None}},
            {"inlineData": {"data": 7}},
            {"fileData": {"data": "AAAA"}},
            {"data": "AAAA"},
            {"text": 7},
            {"text": ["hello"]},
            "text",
            None,
        )
        == []
    )


def test_a_picture_of_no_bytes_is_still_a_picture() -> None:
    assert parts_of({"inlineData": {"data": ""}}) == [FoldedImage(b"")]


def test_needless_escapes_change_nothing() -> None:
    data = base64.b64encode(b"\xff\xff\xfe?")
    assert b"/" in data
    assert data.endswith(b"=")
    document = json.dumps({"candidates": [{"content": {"parts": [{"inlineData": {"data": data.decode()}}]}}]})
    escaped = document.replace("/", r"\/").replace("=", r"\u003d")
    assert fold(events_in(escaped.encode())).parts == [FoldedImage(data)]


def test_two_pictures_in_one_part_are_no_answer() -> None:
    document = b'{"candidates":[{"content":{"parts":[{"inlineData":{"data":"AAAA","data":"AAAA"}}]}}]}'
    assert failure_in(document).code is Code.PROVIDER_WRONG


# --- usage ---


@pytest.mark.parametrize(
    ("metadata", "usage"),
    [
        pytest.param(
            {
                "promptTokenCount": 22,
                "candidatesTokenCount": 1216,
                "candidatesTokensDetails": [{"modality": "IMAGE", "tokenCount": 1120}],
                "thoughtsTokenCount": 179,
                "totalTokenCount": 1417,
            },
            Usage(22, 0, 96, 1120, 179),
            id="a success: the rest of the candidates is words",
        ),
        pytest.param(
            {
                "promptTokenCount": 280,
                "promptTokensDetails": [
                    {"modality": "TEXT", "tokenCount": 22},
                    {"modality": "IMAGE", "tokenCount": 129},
                    {"modality": "IMAGE", "tokenCount": 129},
                ],
                "cachedContentTokenCount": 7,
            },
            Usage(22, 258, cached_tokens=7),
            id="pictures in the input, said one by one",
        ),
        pytest.param(
            {"promptTokenCount": 30, "candidatesTokenCount": 212, "thoughtsTokenCount": 212, "totalTokenCount": 242},
            Usage(30, thought_tokens=212),
            id="a refusal: the candidates repeat the thoughts",
        ),
        pytest.param(
            {"promptTokenCount": 30, "candidatesTokenCount": 50, "thoughtsTokenCount": 50, "totalTokenCount": 130},
            Usage(30, output_text_tokens=50, thought_tokens=50),
            id="as many words as thoughts by chance",
        ),
        pytest.param(
            {"promptTokenCount": 9, "candidatesTokenCount": 6, "totalTokenCount": 15}, Usage(9, 0, 6), id="words only"
        ),
        pytest.param(
            {"promptTokenCount": 9, "toolUsePromptTokenCount": 4, "totalTokenCount": 13},
            Usage(13),
            id="what a tool brought counts as input",
        ),
        pytest.param({"promptTokenCount": 9, "thoughtsTokenCount": None}, Usage(9), id="a null is no count"),
        pytest.param(
            {"promptTokenCount": 9, "candidatesTokenCount": 6, "totalTokenCount": 1000},
            Usage(9, 0, 991, estimated=True),
            id="a total that knows of more",
        ),
        pytest.param(
            {"promptTokenCount": 9, "candidatesTokenCount": 6, "totalTokenCount": 3},
            Usage(9, 0, 6, estimated=True),
            id="a total that knows of less",
        ),
        pytest.param({"totalTokenCount": 100}, Usage(0, 0, 100, estimated=True), id="a total alone"),
        pytest.param(
            {
                "promptTokenCount": 9,
                "candidatesTokenCount": 6,
                "candidatesTokensDetails": [{"modality": "IMAGE", "tokenCount": 1120}],
                "totalTokenCount": 15,
            },
            Usage(9, 0, 0, 1120, estimated=True),
            id="details beyond their sum",
        ),
        pytest.param({}, None, id="nothing"),
        pytest.param(None, None, id="null"),
        pytest.param({"trafficType": "ON_DEMAND"}, None, id="no count"),
        pytest.param({"promptTokenCount": -5}, None, id="negative"),
        pytest.param({"promptTokenCount": 10**30}, None, id="huge"),
        pytest.param({"promptTokenCount": "22"}, None, id="a string"),
        pytest.param({"promptTokenCount": 2.5}, None, id="a fraction"),
        pytest.param({"promptTokenCount": True}, None, id="a truth"),
        pytest.param(
            {"promptTokenCount": 9, "candidatesTokensDetails": [{"modality": "IMAGE", "tokenCount": -1}]},
            None,
            id="a negative detail",
        ),
        pytest.param(
            {"promptTokenCount": 9, "candidatesTokensDetails": [{"modality": "IMAGE"}, {"tokenCount": 3}, None]},
            Usage(9),
            id="half a detail",
        ),
    ],
)
def test_usage_counts_every_token_once(metadata: Any, usage: Usage | None) -> None:
    assert usage_in(metadata) == usage


def test_without_metadata_there_is_no_usage() -> None:
    assert folded({"candidates": [{"finishReason": "STOP"}]}).usage is None


# --- what is no answer ---


@pytest.mark.parametrize(
    "document",
    [
        b"<html><body>502 Bad Gateway</body></html>",
        b"\x1f\x8b\x08\x00",
        b"not found",
        b"[]",
        b"{}",
        b"7 ",
        b'"an answer"',
        b"null",
        b'[{"candidates": [{"finishReason": "STOP"}]}]',
        b'{"candidates": []}',
        b'{"candidates": {"0": {"finishReason": "STOP"}}}',
        b'{"candidates": "none"}',
        b'{"candidates": [null]}',
        b'{"candidates": [{"finishReason": "STOP"}]} {}',
        b'{"error": {"code": 500}}',
        b'{"error": "no"}',
        b'{"error": [{"message": "no"}]}',
        b'{"candidates": [{"finishReason": "STOP"}], "error": {"message": "too late"}}',
        b"[" * 1000,
    ],
)
def test_what_is_no_answer_is_the_providers_fault(document: bytes) -> None:
    failure = failure_in(document)
    assert failure.code is Code.PROVIDER_WRONG
    assert "Google" in failure.message


def test_an_error_inside_is_logged_and_not_shown() -> None:
    failure = failure_in((FIXTURES / "error-inside.json").read_bytes())
    assert failure.code is Code.PROVIDER_WRONG
    assert "An internal error has occurred." in failure.logged
    assert "An internal error has occurred." not in failure.message


def test_a_long_error_is_logged_in_short() -> None:
    assert len(failure_in({"error": {"message": "no " * 10_000}}).logged) < 1000


def test_an_empty_body_broke_off() -> None:
    assert failure_in(b"").code is Code.PROVIDER_BROKE_OFF
    assert failure_in(b" \n").code is Code.PROVIDER_BROKE_OFF


@pytest.mark.parametrize("path", sorted(FIXTURES.glob("*.json")), ids=lambda path: path.stem)
def test_an_answer_that_is_cut_is_never_an_answer(path: Path) -> None:
    document = path.read_bytes().rstrip()
    for length in range(len(document)):
        with pytest.raises(Failure) as raised:
            events_in(document[:length])
        expected = {Code.PROVIDER_BROKE_OFF} | ({Code.PROVIDER_WRONG} if path.stem.startswith("error") else set())
        assert raised.value.code in expected
        assert not raised.value.retry_helps


# --- calls of functions ---


def calls_of(*parts: Any, earlier: tuple[str, ...] = (), finish_reason: str = "STOP") -> tuple[list[ToolCall], str]:
    answer = {"candidates": [{"content": {"parts": list(parts)}, "finishReason": finish_reason}]}
    found = fold(events_of(GeminiAnswerParser("Google", earlier), [json.dumps(answer).encode()]))
    assert found.finish
    return [part.call for part in found.parts if isinstance(part, FoldedCall)], found.finish.reason


def a_function_call(name: str = "look", **fields: Any) -> Any:
    return {"functionCall": {"name": name} | fields}


def test_a_call_with_its_arguments() -> None:
    arguments = {"data": "AAAA", "inlineData": {"data": ["x", "ü\n"]}, "thoughtSignature": "YQ==", "n": [1, None, True]}
    (call,), reason = calls_of(a_function_call(args=arguments, id="g1"))
    assert (call.id, call.name, json.loads(call.arguments), call.signature) == ("g1", "look", arguments, "")
    assert reason is FinishReason.TOOL_CALLS


def test_numbers_stand_as_they_were_sent() -> None:
    document = b'{"candidates":[{"content":{"parts":[{"function_call":{"args":{"a" : 1.50, "b":1E2},"name":"x"}}]}}]}'
    (call,) = [event for event in events_in(document) if isinstance(event, ToolCall)]
    assert call.arguments == '{"a":1.50,"b":1E2}'


@pytest.mark.parametrize("fields", [{}, {"args": None}, {"args": {}}])
def test_a_call_without_arguments_has_an_empty_object(fields: dict[str, Any]) -> None:
    (call,), _ = calls_of(a_function_call(**fields))
    assert call.arguments == "{}"


@pytest.mark.parametrize("arguments", [[], "x", 7, [{}]])
def test_arguments_that_are_no_object_are_no_answer(arguments: Any) -> None:
    with pytest.raises(Failure) as raised:
        calls_of(a_function_call(args=arguments))
    assert raised.value.code is Code.PROVIDER_WRONG


def test_arguments_have_a_bound() -> None:
    with pytest.raises(Failure) as raised:
        calls_of(a_function_call(args={"data": "x" * (1 << 20)}))
    assert raised.value.code is Code.PROVIDER_WRONG


def test_an_id_is_googles_or_new() -> None:
    some = [a_function_call(), a_function_call(id="g1"), a_function_call(id="g1"), a_function_call("x" * 100)]
    calls, _ = calls_of(*some, earlier=("call_0_look", "call_2_look"))
    assert [call.id for call in calls] == ["call_3_look", "g1", "call_4_look", "call_5_" + "x" * 33]
    calls, _ = calls_of(a_function_call(), a_function_call())
    assert [call.id for call in calls] == ["call_0_look", "call_1_look"]


def test_a_small_signature_is_with_its_call() -> None:
    (first, second), _ = calls_of(
        {"thoughtSignature": "YQ=="} | a_function_call(), a_function_call() | {"thoughtSignature": "x" * 65537}
    )
    assert (first.signature, second.signature) == ("YQ==", "")


def test_what_was_only_thought_calls_nothing() -> None:
    assert calls_of(a_function_call() | {"thought": True}, {"text": "No."}) == ([], FinishReason.STOP)


@pytest.mark.parametrize(
    ("finish_reason", "reason"),
    [("STOP", "tool_calls"), ("MAX_TOKENS", "length"), ("SAFETY", "content_filter"), ("SUN_SPOTS", "tool_calls")],
)
def test_why_an_answer_with_calls_ended(finish_reason: str, reason: str) -> None:
    assert calls_of(a_function_call(), finish_reason=finish_reason)[1] == reason


# --- streams ---


@pytest.mark.parametrize("closing", [b"", b"data: [DONE]\n\n", b"data: [DONE]"])
def test_a_closing_word_takes_nothing_from_a_stream(closing: bytes) -> None:
    answer = b'{"candidates": [{"content": {"parts": [{"text": "a [DONE] b"}]}, "finishReason": "STOP"}]}'
    start, end = answer.split(b"[DONE]")
    pieces = [b"data: " + start, b"[DONE]", end + b"\n\n" + closing]
    said = fold(events_of(GeminiStreamParser("Google"), pieces))
    assert said.parts == [FoldedText("a [DONE] b")]
    assert said.finish == Finished(FinishReason.STOP, "STOP")
