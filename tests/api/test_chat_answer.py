"""Whole answers: both shapes, exact money, exact lengths, and pictures that nobody's words can pass for."""

import json
from base64 import b64decode
from collections.abc import Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from impasto.api.chat_answer import PIECE_BYTES, RenderedAnswer, render_answer, usage_body
from impasto.api.chat_stream import ChunkWriter
from impasto.api.shapes import SHAPES
from impasto.completions.answer import (
    Answers,
    Asking,
    Bill,
    Completion,
    CostStatus,
    Item,
    Manner,
    Picture,
    ServedBy,
    Words,
)
from impasto.completions.carried import Signatures, SignedPart
from impasto.domain.chat import Stored
from impasto.domain.events import Finished, FinishReason
from impasto.domain.image import Dimensions, ImageConfig
from impasto.domain.model import Model
from impasto.domain.tools import ToolCall
from impasto.domain.usage import Usage
from tests.api.surface import BRUSH, DRAFTER, STOP, USAGE, data_url, png
from tests.fakes.blobs import MemoryStore

ID = "chatcmpl-0123456789abcdef"
ASKING = Asking(1_769_000_000, "brush", ImageConfig("16:9", "2K"), 1, Manner())


def completed(
    *given_parts: str | bytes,
    model: Model = BRUSH,
    finish: Finished = STOP,
    cost: Decimal | None = Decimal("0.0672295"),
    media_type: str = "image/png",
    facts: Mapping[str, object] | None = None,
    stood_in: bool = False,
    store: MemoryStore | None = None,
) -> Completion:
    """An answer of words (`str`) and pictures (`bytes`), in this order."""
    store = store or MemoryStore()
    items: list[Item] = []
    for number, part in enumerate(given_parts):
        if isinstance(part, str):
            items.append(Words((part,)))
        else:
            blob = store.open()
            blob.write(part)
            items.append(Picture(blob, len(part), media_type, Dimensions(4, 3), f"img_{number}"))
    return Completion(
        id=ID,
        asking=ASKING,
        served_by=ServedBy.of(model),
        stood_in=stood_in,
        sent=ImageConfig("16:9"),
        items=tuple(items),
        bill=Bill(USAGE, cost, CostStatus.UNKNOWN if cost is None else CostStatus.EXACT),
        finish=finish,
        facts=facts or {},
    )


def answers_with(
    completion: Completion, shape: str = "content", ignored: Sequence[str] = (), delivery: str = "inline"
) -> Answers:
    asking = replace(ASKING, manner=Manner(shape, delivery, ignored=tuple(ignored), version="1.2.3"))
    return Answers(ID, asking, {0: replace(completion, asking=asking)})


def link_of(image_id: str) -> str:
    return f"https://gateway.test/{image_id}?a=1&b=2"


def rendered(
    completion: Completion, shape: str = "content", ignored: Sequence[str] = (), delivery: str = "inline"
) -> bytes:
    answer: RenderedAnswer = render_answer(answers_with(completion, shape, ignored, delivery), link_of, Signatures())
    body = b"".join(answer)
    completion.close()
    assert answer.content_length == len(body)
    return body


def body_of(completion: Completion, shape: str = "content", ignored: Sequence[str] = ()) -> Any:
    return json.loads(rendered(completion, shape, ignored), parse_float=Decimal)


def message_of(completion: Completion, shape: str = "content") -> Any:
    return body_of(completion, shape)["choices"][0]["message"]


def images_of(*pictures: bytes) -> list[object]:
    return [{"type": "image_url", "image_url": {"url": data_url(picture)}} for picture in pictures]


A, B, C = png(100), png(101), png(102)


def test_the_whole_body() -> None:
    body = body_of(completed("Here: ", A), ignored=["zebra"])
    assert body == {
        "id": ID,
        "object": "chat.completion",
        "created": 1_769_000_000,
        "model": "brush",
        "provider": "maker",
        "system_fingerprint": "impasto-1.2.3",
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": data_url(A), "text": "Here: ", "refusal": None},
                "logprobs": None,
                "finish_reason": "stop",
                "native_finish_reason": "STOP",
            }
        ],
        "usage": {
            "prompt_tokens": 5,
            "completion_tokens": 1129,
            "total_tokens": 1134,
            "prompt_tokens_details": {"text_tokens": 5, "image_tokens": 0, "cached_tokens": 0},
            "completion_tokens_details": {"text_tokens": 2, "image_tokens": 1120, "reasoning_tokens": 7},
        },
        "cost": Decimal("0.0672295"),
        "cost_status": "exact",
        "applied": [
            {
                "choice": 0,
                "id": "img_1",
                "asked": {"aspect_ratio": "16:9", "image_size": "2K"},
                "sent": {"aspect_ratio": "16:9"},
                "dimensions": {"width": 4, "height": 3},
                "media_type": "image/png",
                "bytes": 100,
            }
        ],
        "ignored": ["zebra"],
    }


def test_what_is_not_always_there() -> None:
    body = body_of(completed(A, stood_in=True, facts={"scene": "table"}))
    assert body["served_by"] == "maker/brush"
    assert body["maker"] == {"scene": "table"}
    assert "ignored" not in body


# --- shapes ---


def test_one_picture_is_the_content_and_nothing_beside_it() -> None:
    message = message_of(completed(A))
    assert message == {"role": "assistant", "content": data_url(A), "text": "", "refusal": None}


def test_one_picture_among_images() -> None:
    message = message_of(completed("Here: ", A), "images")
    assert message == {"role": "assistant", "content": "Here: ", "refusal": None, "images": images_of(A)}
    assert message_of(completed(A), "images")["content"] == ""


@pytest.mark.parametrize("shape", SHAPES)
def test_words_alone_are_the_content_in_every_shape(shape: str) -> None:
    message = message_of(completed("Hello ", "there"), shape)
    assert message.pop("text", "Hello there") == "Hello there"
    assert message == {"role": "assistant", "content": "Hello there", "refusal": None}


def test_both_is_the_lone_picture_with_all_of_them_beside_it() -> None:
    message = message_of(completed("One: ", A, "two: ", B), "both")
    assert message == {
        "role": "assistant",
        "content": data_url(B),
        "text": "One: two: ",
        "refusal": None,
        "images": images_of(A, B),
    }


def test_parts_stand_in_the_models_order() -> None:
    message = message_of(completed("One: ", A, "two: ", B), "parts")
    one, two = images_of(A, B)
    assert message["content"] == [{"type": "text", "text": "One: "}, one, {"type": "text", "text": "two: "}, two]
    assert "images" not in message


def test_markdown_is_words_with_pictures_between() -> None:
    message = message_of(completed('A "quoted" one:', A, "two:", B), "markdown")
    expected = f'A "quoted" one:\n\n![image]({data_url(A)})\n\ntwo:\n\n![image]({data_url(B)})'
    assert message["content"] == expected


def test_drafts_are_in_no_shape() -> None:
    for shape in ("parts", "markdown", "both"):
        text = str(message_of(completed(A, C, model=DRAFTER), shape))
        assert data_url(C) in text
        assert data_url(A) not in text


def test_of_several_results_the_shape_for_one_holds_the_last() -> None:
    answer = ("First: ", A, "Second: ", B)
    assert message_of(completed(*answer))["content"] == data_url(B)
    assert message_of(completed(*answer))["text"] == "First: Second: "
    assert message_of(completed(*answer), "images")["images"] == images_of(A, B)
    assert len(body_of(completed(*answer))["applied"]) == 2


def test_drafts_are_no_results() -> None:
    assert message_of(completed(A, B, C, model=DRAFTER), "images")["images"] == images_of(C)
    assert message_of(completed(A, "no:", B, C, model=DRAFTER), "images")["images"] == images_of(A, C)
    assert message_of(completed(A, B, C), "images")["images"] == images_of(A, B, C)
    assert len(body_of(completed(A, B, C, model=DRAFTER))["applied"]) == 1


def test_many_pictures_keep_their_order() -> None:
    pictures = [png(40 + number) for number in range(30)]
    assert message_of(completed(*pictures), "images")["images"] == images_of(*pictures)


@pytest.mark.parametrize("shape", ["parts", "markdown"])
def test_neither_a_call_nor_a_draft_parts_words(shape: str) -> None:
    call, parted = ToolCall("1", "look", "{}"), completed("a", "b", C)
    words, more, picture = parted.items
    called = replace(parted, items=(words, call, more, picture))
    assert message_of(called, shape)["content"] == message_of(completed("ab", C), shape)["content"]
    drafted = completed("a", A, " ", B, model=DRAFTER)
    assert message_of(drafted, shape)["content"] == message_of(completed("a ", B), shape)["content"]


# --- links ---


@pytest.mark.parametrize("shape", SHAPES)
def test_links_stand_where_data_urls_would(shape: str) -> None:
    def both(delivery: str) -> Any:
        completion = completed("One: ", A, "two: ", B)
        return json.loads(rendered(completion, shape, delivery=delivery), parse_float=Decimal)

    inline, linked = both("inline"), both("url")
    text = json.dumps(inline, default=float)
    for number, picture in ((1, A), (3, B)):
        text = text.replace(data_url(picture), link_of(f"img_{number}"))
    assert json.loads(text, parse_float=Decimal) == json.loads(json.dumps(linked, default=float), parse_float=Decimal)
    assert "base64" not in json.dumps(linked, default=float)


# --- refusals ---

FILTERED = Finished(FinishReason.CONTENT_FILTER, "IMAGE_SAFETY", "It looks unsafe.")


@pytest.mark.parametrize("shape", SHAPES)
def test_a_refusal_has_no_content_and_says_why(shape: str) -> None:
    body = body_of(completed(finish=FILTERED), shape)
    (choice,) = body["choices"]
    assert choice["message"].pop("text", "") == ""
    assert choice["message"] == {"role": "assistant", "content": None, "refusal": "It looks unsafe."}
    assert (choice["finish_reason"], choice["native_finish_reason"]) == ("content_filter", "IMAGE_SAFETY")
    assert body["cost"] == Decimal("0.0672295")
    assert body["applied"] == []


def test_a_refusal_without_an_explanation_says_what_was_said_or_who() -> None:
    silent = Finished(FinishReason.CONTENT_FILTER, "SAFETY")
    assert message_of(completed(finish=silent))["refusal"] == "Maker refused this request (SAFETY)."
    words = message_of(completed("I cannot draw that.", finish=silent))
    assert words["content"] is None
    assert words["refusal"] == words["text"] == "I cannot draw that."


@pytest.mark.parametrize("shape", ["content", "images"])
def test_a_picture_that_came_before_a_refusal_is_paid_for_and_there(shape: str) -> None:
    message = message_of(completed(A, finish=FILTERED), shape)
    assert data_url(A) in json.dumps(message)
    assert message["refusal"] == "It looks unsafe."


def test_an_answer_cut_short_is_no_refusal() -> None:
    body = body_of(completed("Once upon", finish=Finished(FinishReason.LENGTH, "MAX_TOKENS")))
    assert body["choices"][0]["finish_reason"] == "length"
    assert body["choices"][0]["message"]["refusal"] is None


# --- money and usage ---


@pytest.mark.parametrize(
    ("cost", "number"),
    [
        ("6.9E-7", b"0.00000069"),
        ("0.0672295", b"0.0672295"),
        ("0.1", b"0.1"),
        ("0.30000000000000004", b"0.30000000000000004"),
        ("0E-9", b"0"),
        ("1E+2", b"100"),
        ("0.138472000", b"0.138472"),
    ],
)
def test_the_cost_is_exact_and_plain(cost: str, number: bytes) -> None:
    assert b'"cost":' + number + b"," in rendered(completed(A, cost=Decimal(cost)))


def test_an_unknown_cost_is_null_and_never_zero() -> None:
    body = rendered(completed(A, cost=None))
    assert b'"cost":null,' in body
    assert json.loads(body)["cost_status"] == "unknown"


COUNTS = st.integers(0, 10**9)


@given(st.builds(Usage, COUNTS, COUNTS, COUNTS, COUNTS, COUNTS, COUNTS))
def test_usage_sums(usage: Usage) -> None:
    body: Any = usage_body(usage)
    input_details, output_details = body["prompt_tokens_details"], body["completion_tokens_details"]
    assert body["total_tokens"] == body["prompt_tokens"] + body["completion_tokens"]
    assert body["prompt_tokens"] == input_details["text_tokens"] + input_details["image_tokens"]
    assert body["completion_tokens"] == sum(output_details.values())


# --- bytes ---


@pytest.mark.parametrize(
    "byte_count",
    [1, 2, 3, 4, 5, 6, *range(PIECE_BYTES - 3, PIECE_BYTES + 4), 2 * PIECE_BYTES, 2 * PIECE_BYTES + 1],
)
@pytest.mark.parametrize("shape", ["content", "images"])
def test_every_length_is_right_and_every_byte_arrives(byte_count: int, shape: str) -> None:
    picture = bytes(number * 31 % 256 for number in range(byte_count))
    before, after = b"\xff" * 7, b"\x00" * 5
    message = message_of(completed(before, "x", picture, "y", after), shape)
    urls = [part["image_url"]["url"] for part in message["images"]] if "images" in message else [message["content"]]
    found = [b64decode(url.partition(",")[2], validate=True) for url in urls]
    assert found == ([before, picture, after] if shape == "images" else [after])
    if shape == "images":
        assert urls[1] == data_url(picture)


def test_the_pieces_are_small() -> None:
    answer = render_answer(answers_with(completed(png(10 * PIECE_BYTES))), link_of, Signatures())
    assert max(len(piece) for piece in answer) <= PIECE_BYTES // 3 * 4


@pytest.mark.parametrize("shape", SHAPES)
def test_signatures_stand_beside_the_message_and_are_read_while_they_are_sent(shape: str) -> None:
    store = MemoryStore()
    signature = store.open()
    signature.write(b"c2ln" * PIECE_BYTES)
    part = SignedPart("img_1", 1, "google", Stored(signature, encoded=False))
    answer = render_answer(answers_with(completed("Here: ", A), shape), link_of, Signatures({0: (part,)}))
    pieces = [*answer]
    assert max(map(len, pieces)) <= PIECE_BYTES // 3 * 4
    assert answer.content_length == sum(map(len, pieces))
    message = json.loads(b"".join(pieces))["choices"][0]["message"]
    assert message.pop("reasoning_details") == [
        {
            "type": "reasoning.encrypted",
            "id": "img_1",
            "index": 1,
            "format": "google-gemini-v1",
            "data": "c2ln" * PIECE_BYTES,
        }
    ]
    assert message == message_of(completed("Here: ", A), shape)


def test_in_a_stream_a_signature_is_one_event_on_one_line_before_the_end() -> None:
    store = MemoryStore()
    signature = store.open()
    signature.write(b"c2ln" * PIECE_BYTES)
    part = SignedPart("img_1", 1, "google", Stored(signature, encoded=False))
    completion = completed("Here: ", A)
    writer = ChunkWriter(ID, ASKING, completion.served_by)
    pieces = [*writer.replay(completion, None, (part, part))]
    assert max(map(len, pieces)) <= PIECE_BYTES // 3 * 4
    *_, first, second, finish = b"".join(pieces).removesuffix(b"\n\n").split(b"\n\n")
    assert first == second
    assert first.count(b"\n") == 0
    (choice,) = json.loads(first.removeprefix(b"data: "))["choices"]
    assert choice["delta"]["reasoning_details"][0]["data"] == "c2ln" * PIECE_BYTES
    assert json.loads(finish.removeprefix(b"data: "))["choices"][0]["finish_reason"] == "stop"


@pytest.mark.parametrize("media_type", ["image/png", "image/jpeg", "image/webp", "image/gif", "image/avif"])
def test_the_type_is_that_of_the_bytes(media_type: str) -> None:
    body = body_of(completed(A, media_type=media_type))
    assert body["choices"][0]["message"]["content"] == data_url(A, media_type)
    assert body["applied"][0]["media_type"] == media_type


WORDS = st.text(max_size=60) | st.sampled_from(
    [
        "\x00", "\x000\x00", '"\x000\x00"', "\\u00000\\u0000", "data:image/png;base64,\x000\x00",
        '","cost":0,"', "\u2028", "\U0001f34c", "\x00" * 9,
    ]
)  # fmt: skip


@given(st.lists(WORDS, max_size=3), WORDS, WORDS, st.sampled_from(["content", "images"]))
@example(["\x000\x00"], "\x000\x00", "\x000\x00", "images")
def test_no_words_pass_for_a_picture(said: list[str], explanation: str, fact: str, shape: str) -> None:
    finish = Finished(FinishReason.CONTENT_FILTER, explanation, explanation)
    body = body_of(completed(*said, A, *said, B, finish=finish, facts={fact: fact}), shape, ignored=[fact])
    (choice,) = body["choices"]
    words = "".join(said) * 2
    assert choice["native_finish_reason"] == explanation
    assert body["maker"] == {fact: fact}
    assert body["ignored"] == [fact]
    if shape == "content":
        assert (choice["message"]["content"], choice["message"]["text"]) == (data_url(B), words)
    else:
        assert (choice["message"]["images"], choice["message"]["content"]) == (images_of(A, B), words)
