"""What an answer carries comes back as the parts that the provider gave, whatever it said and however it was shown."""

import asyncio
import base64
from typing import Any

from hypothesis import example, given
from hypothesis import strategies as st

from impasto.api.shapes import SHAPES
from impasto.domain.chat import ImagePart, TextPart
from impasto.domain.events import Event, Finished, FinishReason, ImageData, ImageEnded, ImageStarted, Signature, Text
from tests.api.surface import PICTURE, png, surface
from tests.fakes.folding import chunks_of, folded

Part = tuple[str | bytes, bytes]
"""Words or a picture, and its signature."""

STOP = Finished(FinishReason.STOP, "STOP")
WORDS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=8)
PARTS = st.lists(st.tuples(WORDS | st.builds(png, st.integers(100, 120)), st.booleans()), min_size=1, max_size=5)


def signed(parts: list[tuple[str | bytes, bool]]) -> list[Part]:
    """The parts as a provider gives them: pictures and the first words have a signature, others may have one."""
    found: list[Part] = []
    has_words = False
    for number, (content, also) in enumerate(parts):
        is_signed = also or isinstance(content, bytes) or not has_words
        has_words |= isinstance(content, str)
        found.append((content, base64.b64encode(b"signature %d" % number) if is_signed else b""))
    return found


def events_of(parts: list[Part], cut: int) -> list[Event]:
    """A stream of them: words in pieces, their signature after them."""
    events: list[Event] = []
    for content, signature in parts:
        pieces: list[Event] = [Signature(signature)] if signature else []
        if isinstance(content, bytes):
            events += [ImageStarted(""), ImageData(base64.b64encode(content)), *pieces, ImageEnded()]
            continue
        events += [Text(content[start : start + cut]) for start in range(0, len(content), cut)]
        if signature:
            events += [*pieces, Text("")]
    return [*events, STOP]


def as_given(parts: list[Part]) -> list[Part]:
    """Unsigned words with nothing between them are one part; a signature takes those before it in as well."""
    joined: list[Part] = []
    for content, signature in parts:
        before = joined[-1][0] if joined and not joined[-1][1] else None
        if isinstance(content, str) and isinstance(before, str):
            joined[-1] = (before + content, signature)
        else:
            joined.append((content, signature))
    return joined


async def came_back(events: list[Event], asked: dict[str, Any]) -> tuple[Any, Any]:
    """The message that was received, and the turn that its provider gets when it is appended."""
    gateway = surface(tuple(events))
    answer = await gateway.complete(include_signatures=True, retention="none", **asked)
    shape = asked["image_output"]
    body = folded(chunks_of(answer.body), shape) if asked["stream"] else answer.json
    message = body["choices"][0]["message"]
    again = [{"role": "user", "content": "a cat"}, message, {"role": "user", "content": "at night"}]
    await gateway.complete(messages=again)
    return message, gateway.answerers.calls[-1].turns[1]


def parts_of(turn: Any) -> list[Part]:
    return [
        (part.text if isinstance(part, TextPart) else part.decoded(), bytes(part.signature or b""))
        for part in turn.parts
        if isinstance(part, TextPart | ImagePart)
    ]


@given(PARTS, st.sampled_from(SHAPES), st.booleans(), st.integers(1, 9))
@example([("\n", False), (PICTURE, False)], "markdown", False, 1)
@example([("a\n\n", False), (PICTURE, False), ("\n\nb", False), (PICTURE, False)], "markdown", True, 3)
@example([(PICTURE, False), ("a", False), (PICTURE, False), ("b", True)], "images", False, 2)
def test_what_is_carried_comes_back(
    given_parts: list[tuple[str | bytes, bool]], shape: str, streamed: bool, cut: int
) -> None:
    parts = as_given(signed(given_parts))
    asked = {"image_output": shape, "stream": streamed}
    message, turn = asyncio.run(came_back(events_of(parts, cut), asked))
    assert len(message["reasoning_details"]) == sum(bool(signature) for _, signature in parts)
    # In markdown, words of nothing but line ends are not told from the blank lines between pictures.
    is_told = shape != "markdown" or all(content.strip("\n") for content in words_of(parts))
    assert turn.made_by == "maker" or not is_told
    back = parts_of(turn)
    assert [part for part in back if part[1] and part not in parts] == []
    if is_told:
        assert "".join(words_of(back)) == "".join(words_of(parts))
        assert words_of(back, signed=True) == words_of(parts, signed=True)
    if is_told and shape in ("parts", "markdown") and not (shape == "parts" and streamed):
        assert back == parts


def words_of(parts: list[Part], *, signed: bool = False) -> list[str]:
    return [content for content, signature in parts if isinstance(content, str) and (signature or not signed)]
