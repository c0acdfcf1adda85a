"""Laws of Gemini's answers: against a plain reading of the whole document, however it is cut."""

import base64
import json
from collections.abc import Iterable
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from impasto.adapters.gemini_answer import GeminiAnswerParser
from impasto.domain.errors import Code, Failure
from impasto.domain.events import Event, ImageData
from tests.adapters.folding import Folded, FoldedCall, FoldedImage, FoldedText, events_of, fold

FIXTURES = Path(__file__).parents[1] / "fixtures" / "gemini"
ANSWERS = [path for path in sorted(FIXTURES.glob("*.json")) if not path.stem.startswith("error")]

BASE64 = st.binary(max_size=40).map(lambda data: base64.b64encode(data).decode())
TEXTS = st.text(max_size=12)
KEYS = st.sampled_from(["data", "thoughtSignature", "args", "text", "inline_data", "a b"]) | st.text(max_size=5)
JSON: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3),
    max_leaves=6,
)


def spellings(*names: str) -> st.SearchStrategy[str]:
    return st.sampled_from(names)


@st.composite
def parts(draw: st.DrawFn) -> dict[str, Any]:
    """A part with its keys in any order, in either spelling, with things that are not ours."""
    members: list[tuple[str, Any]] = []
    kind = draw(st.sampled_from(["text", "picture", "call", "nothing"]))
    if kind == "text":
        members.append(("text", draw(TEXTS)))
    elif kind == "picture":
        blob = [(draw(spellings("mimeType", "mime_type")), "image/png"), ("data", draw(BASE64))]
        members.append((draw(spellings("inlineData", "inline_data")), dict(draw(st.permutations(blob)))))
    elif kind == "call":
        call: list[tuple[str, Any]] = [("args", draw(st.dictionaries(KEYS, JSON, max_size=3)))]
        call += draw(st.just([("name", "look")]) | st.just([]))
        members.append((draw(spellings("functionCall", "function_call")), dict(draw(st.permutations(call)))))
    if draw(st.booleans()):
        members.append(("thought", draw(st.booleans())))
    if draw(st.booleans()):
        members.append((draw(spellings("thoughtSignature", "thought_signature")), draw(BASE64)))
    return dict(draw(st.permutations(members)))


COUNTS = st.integers(0, 5000) | st.sampled_from([None, -1, "7", 2**40])
USAGES = st.dictionaries(
    st.sampled_from(["promptTokenCount", "candidatesTokenCount", "thoughtsTokenCount", "totalTokenCount"]), COUNTS
)
CANDIDATES = st.fixed_dictionaries(
    {"content": st.fixed_dictionaries({"parts": st.lists(parts(), max_size=5)})},
    optional={
        "finishReason": st.sampled_from(["STOP", "IMAGE_SAFETY", "MAX_TOKENS", "SUN_SPOTS"]),
        "finishMessage": TEXTS,
    },
)
DOCUMENTS = st.fixed_dictionaries(
    {"candidates": st.lists(CANDIDATES, min_size=1, max_size=2)},
    optional={"usageMetadata": USAGES, "modelVersion": TEXTS, "groundingMetadata": st.just({"data": ["AAAA"]})},
)


@st.composite
def cuttings(draw: st.DrawFn) -> tuple[dict[str, Any], list[bytes]]:
    answer = draw(DOCUMENTS)
    document = json.dumps(answer, ensure_ascii=draw(st.booleans()), indent=draw(st.none() | st.just(2))).encode()
    cuts = sorted(draw(st.lists(st.integers(0, len(document)), max_size=12)))
    return answer, [document[start:stop] for start, stop in pairwise([0, *cuts, len(document)])]


def found_in(pieces: Iterable[bytes]) -> Folded:
    return fold(events_of(GeminiAnswerParser("Google"), pieces))


def plain(part: FoldedText | FoldedImage | FoldedCall) -> object:
    """The part without what is merely claimed; arguments as the values that they mean."""
    match part:
        case FoldedImage():
            return FoldedImage(part.base64, part.thought, part.signature)
        case FoldedCall(call, signature):
            assert call.signature == signature.decode()
            return call.id, call.name, json.loads(call.arguments), signature
    return part


def parts_by_the_book(answer: dict[str, Any]) -> list[object]:
    """What the first candidate says, read at leisure."""
    found: list[object] = []
    calls = 0
    content = answer["candidates"][0].get("content") or {}
    for part in content.get("parts") or ():
        blob = part.get("inlineData", part.get("inline_data", {}))
        signature = part.get("thoughtSignature", part.get("thought_signature", "")).encode()
        thought = part.get("thought") is True
        text = "" if thought else part.get("text", "")
        is_signed = "thoughtSignature" in part or "thought_signature" in part
        call = part.get("functionCall", part.get("function_call", {}))
        if "data" in blob:
            found.append(FoldedImage(blob["data"].encode(), thought, signature))
        elif "name" in call and not thought:
            found.append((f"call_{calls}_look", "look", call["args"], signature))
            calls += 1
        elif text or is_signed:
            found.append(FoldedText(text, signature))
    return found


@given(cuttings())
def test_any_cutting_gives_the_parts_of_the_document(case: tuple[dict[str, Any], list[bytes]]) -> None:
    answer, pieces = case
    found = found_in(pieces)
    assert [plain(part) for part in found.parts] == parts_by_the_book(answer)
    assert found.finish is not None
    assert found.finish.native == answer["candidates"][0].get("finishReason", "FINISH_REASON_UNSPECIFIED")
    assert found.finish.explanation == answer["candidates"][0].get("finishMessage", "")


@given(cuttings())
def test_any_cutting_gives_what_the_whole_gives(case: tuple[dict[str, Any], list[bytes]]) -> None:
    _, pieces = case
    assert found_in(pieces) == found_in([b"".join(pieces)])


@given(DOCUMENTS)
def test_no_token_is_counted_below_zero(answer: dict[str, Any]) -> None:
    usage = found_in([json.dumps(answer).encode()]).usage
    if usage is not None:
        kinds = (usage.input_text_tokens, usage.input_image_tokens, usage.cached_tokens)
        assert min(*kinds, usage.output_text_tokens, usage.output_image_tokens, usage.thought_tokens) >= 0


@given(DOCUMENTS, st.data())
def test_an_answer_that_is_cut_broke_off(answer: dict[str, Any], data: st.DataObject) -> None:
    document = json.dumps(answer).encode()
    with pytest.raises(Failure) as raised:
        found_in([document[: data.draw(st.integers(0, len(document) - 1))]])
    assert raised.value.code is Code.PROVIDER_BROKE_OFF


@given(st.binary(max_size=60))
def test_any_bytes_are_an_answer_or_a_failure_of_the_provider(document: bytes) -> None:
    try:
        found_in([document])
    except Failure as failure:
        assert failure.code in {Code.PROVIDER_WRONG, Code.PROVIDER_BROKE_OFF}  # noqa: PT017 - an answer is as good


@pytest.mark.parametrize("path", ANSWERS, ids=lambda path: path.stem)
def test_every_split_of_a_fixture_gives_the_same(path: Path) -> None:
    document = path.read_bytes()
    whole = found_in([document])
    for at in range(len(document) + 1):
        assert found_in([document[:at], document[at:]]) == whole
    assert found_in(document[at : at + 1] for at in range(len(document))) == whole


def data_in(events: list[Event]) -> list[bytes]:
    return [event.data for event in events if isinstance(event, ImageData)]


@pytest.mark.parametrize("size", [1, 3, 4, 5, 1000])
def test_pieces_of_a_picture_stand_on_their_own(size: int) -> None:
    picture = bytes(range(256)) * 20 + b"!"
    part = {"inlineData": {"mimeType": "image/png", "data": base64.b64encode(picture).decode()}}
    document = json.dumps({"candidates": [{"content": {"parts": [part]}}]}).encode()
    pieces = data_in(
        events_of(GeminiAnswerParser("Google"), (document[at : at + size] for at in range(0, len(document), size)))
    )
    assert b"".join(base64.b64decode(piece, validate=True) for piece in pieces) == picture
