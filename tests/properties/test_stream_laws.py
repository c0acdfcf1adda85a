"""A stream folds to exactly the whole answer, whatever the model said and however it came."""

import asyncio
import base64
import json
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from hypothesis import example, given
from hypothesis import strategies as st

from impasto.api.shapes import SHAPES
from impasto.domain.events import (
    Event,
    Finished,
    FinishReason,
    ImageData,
    ImageEnded,
    ImageStarted,
    Signature,
    Text,
    UsageSeen,
)
from impasto.domain.tools import ToolCall
from impasto.domain.usage import Usage
from tests.api.surface import Answer, png, surface
from tests.fakes.folding import chunks_of, folded

STOP = Finished(FinishReason.STOP, "STOP")
CALLED = Finished(FinishReason.TOOL_CALLS, "STOP")
CUT = Finished(FinishReason.LENGTH, "MAX_TOKENS")
REFUSED = Finished(FinishReason.CONTENT_FILTER, "IMAGE_SAFETY", "It looks unsafe.")


def picture_events(picture: bytes, cut: int, thought: bool = False) -> list[Event]:
    data = base64.b64encode(picture)
    pieces = [data[start : start + 4 * cut] for start in range(0, len(data), 4 * cut)]
    return [ImageStarted("", thought), *(ImageData(piece) for piece in pieces), Signature(b"c2ln"), ImageEnded(thought)]


PICTURES = st.builds(
    picture_events, st.builds(png, st.integers(24, 700)), st.integers(1, 200), st.sampled_from([False, False, True])
)
WORDS = st.builds(lambda text: [Text(text)], st.text(max_size=20))
CALLS = st.builds(
    lambda name, arguments, signature: [ToolCall(f"call_{name}", name, json.dumps(arguments), signature)],
    st.sampled_from(["look", "listen"]),
    st.dictionaries(st.text(max_size=5), st.text(max_size=5), max_size=2),
    st.sampled_from(["", "c2ln"]),
)
FINISHES = st.sampled_from([STOP, CUT, REFUSED])


def ended(parts: list[list[Event]], finish: Finished) -> list[Event]:
    said = [event for part in parts for event in part]
    if finish is STOP and any(isinstance(event, ToolCall) for event in said):
        finish = CALLED
    return [*said, UsageSeen(Usage(5, 0, 20, 1120, 7)), finish]


ANSWERS = st.builds(ended, st.lists(PICTURES | WORDS | CALLS, max_size=5), FINISHES)


@given(ANSWERS, st.sampled_from(SHAPES), st.sampled_from(["maker/brush", "maker/drafter"]))
@example(ended([[Text("a")], picture_events(png(50), 3), [Text("b")]], STOP), "markdown", "maker/brush")
@example(ended([picture_events(png(50), 3), picture_events(png(60), 3)], STOP), "images", "maker/drafter")
@example(
    ended([picture_events(png(50), 3), [Text("a")], [ToolCall("1", "look", "{}")], [Text("b")]], STOP), "markdown",
    "maker/brush",
)  # fmt: skip
@example(
    ended([[Text("a")], picture_events(png(50), 3), [Text(" ")], picture_events(png(60), 3)], STOP), "markdown",
    "maker/drafter",
)  # fmt: skip
def test_a_stream_folds_to_the_whole_answer(answer: list[Event], shape: str, model: str) -> None:
    whole, streamed = asyncio.run(both_ways(answer, shape, model))
    if whole["object"] == "error":
        assert streamed == whole
        return
    message = whole["choices"][0]["message"]
    message.setdefault("text", "")
    if shape == "content" and model != "maker/drafter" and len(whole["applied"]) > 1:
        # A live answer has sent its first picture before it knows of a second: the later ones follow as images.
        live = streamed["choices"][0]["message"]
        assert live.pop("images")[-1]["image_url"]["url"] == message.pop("content")
        assert live.pop("content").startswith("data:image/png;base64,")
    assert streamed == whole


@given(st.lists(WORDS | CALLS, max_size=5), FINISHES, st.sampled_from(SHAPES))
@example([[Text("a")], [ToolCall("1", "look", "{}")], [Text("b")]], STOP, "parts")
@example([[ToolCall("1", "look", "{}")], [ToolCall("2", "look", "{}")]], STOP, "markdown")
def test_a_stream_of_words_folds_to_the_whole_answer(said: list[list[Event]], finish: Finished, shape: str) -> None:
    whole, streamed = asyncio.run(both_ways(ended(said, finish), shape, "maker/writer"))
    if whole["object"] != "error":
        whole["choices"][0]["message"].setdefault("text", "")
    assert streamed == whole


@given(
    st.lists(st.integers(1, 200), min_size=1, max_size=2),
    ANSWERS,
    st.sampled_from(SHAPES),
    st.sampled_from(["maker/brush", "maker/drafter"]),
    st.sampled_from(["inline", "url"]),
    st.sampled_from([1, 1, 2]),
    st.booleans(),
)
@example([1, 7], ended([picture_events(png(50), 1)], STOP), "content", "maker/brush", "inline", 1, True)
@example(
    [2, 50], ended([[Text("a")], picture_events(png(50), 1), picture_events(png(61), 2)], STOP), "content",
    "maker/brush", "inline", 1, False,
)  # fmt: skip
def test_what_is_given_again_is_the_same_byte_for_byte(
    cuts: list[int], answer: list[Event], shape: str, model: str, delivery: str, count: int, signed: bool
) -> None:
    asked: dict[str, Any] = {"model": model, "image_output": shape, "image_delivery": delivery, "n": count}
    asked["include_signatures"] = signed
    asyncio.run(given_again(answer, cuts, asked))


async def given_again(answer: list[Event], cuts: list[int], asked: dict[str, Any]) -> None:
    """Of a streamed and a whole answer: live, by another process, as a generation, and as its provider cuts it
    otherwise, all give the same."""
    named = {"idempotency-key": "once"}
    for streamed in (False, True):
        at = surface(answer)
        live = await at.complete(headers=named, stream=streamed, **asked)
        for where in (at, surface(ledger=at.ledger, store=at.store)):
            again = await where.complete(headers=named, stream=streamed, **asked)
            assert (again.status, data_of(again)) == (live.status, data_of(live))
        assert len(at.answerers.calls) == asked["n"]
        for cut in cuts:
            otherwise = await surface(cut_otherwise(answer, cut)).complete(headers=named, stream=streamed, **asked)
            assert (otherwise.status, data_of(otherwise)) == (live.status, data_of(live))
        assert at.store.open_blobs == []


def data_of(answer: Answer) -> bytes:
    """What is compared: comments aside, which come when nothing happens."""
    return b"\n\n".join(event for event in answer.body.split(b"\n\n") if not event.startswith(b":"))


def cut_otherwise(answer: Sequence[Event], cut: int) -> list[Event]:
    """The same answer, the base64 of its pictures in pieces of `cut` groups of four."""
    events: list[Event] = []
    data = b""
    for event in answer:
        if isinstance(event, ImageData):
            data += event.data
            continue
        events += [ImageData(data[start : start + 4 * cut]) for start in range(0, len(data), 4 * cut)]
        events.append(event)
        data = b""
    return events


async def both_ways(answer: Sequence[Event], shape: str, model: str) -> tuple[Any, Any]:
    gateway = surface(tuple(answer))
    whole = await gateway.complete(model=model, image_output=shape)
    streamed = await gateway.complete(model=model, image_output=shape, stream=True)
    assert whole.status == streamed.status
    if whole.status != 200:
        return ({"object": "error", **json.loads(one.body)["error"]} for one in (whole, streamed))  # type: ignore[return-value]
    return _plain(json.loads(whole.body, parse_float=Decimal)), _plain(folded(chunks_of(streamed.body), shape))


def _plain(body: Any) -> Any:
    """`body` without what names it, and its pictures."""
    applied = [{key: value for key, value in one.items() if key != "id"} for one in body.get("applied", ())]
    return {key: value for key, value in body.items() if key not in ("id", "created")} | {"applied": applied}
