"""The five shapes of an answer's message.

Rule: where a shape holds one picture, it is the last result; every other shape holds all results,
and drafts are in none. An answer without a picture is words in `content`, in every shape.
"""

from collections.abc import Callable

import msgspec
from msgspec import Raw

from impasto.api.tool_wire import tool_call_body
from impasto.completions.answer import Completion, Picture, ServedBy, Words
from impasto.domain.events import FinishReason

SHAPES: tuple[str, ...] = ("content", "images", "both", "parts", "markdown")

DELIVERIES: tuple[str, ...] = ("inline", "url")

WAITING_SHAPES = frozenset({"both"})
"""Shapes that need to know the end before they can begin."""

MARKDOWN_BEFORE, MARKDOWN_AFTER = "![image](", ")"
MARKDOWN_BETWEEN = "\n\n"

Slot = Callable[[Picture], bytes]
"""Gives the text of a picture's URL for JSON: of a data URL with a gap for its base64, or of a link."""


def words_beside(shape: str, served_by: ServedBy) -> bool:
    """Whether words stand in `text`, because `content` is kept for a picture."""
    return shape in ("content", "both") and served_by.makes_images


def message_of(completion: Completion, shape: str, slot: Slot) -> dict[str, object]:
    """The assistant's message."""
    pictures = completion.results
    message: dict[str, object] = {"role": "assistant", "content": None, "refusal": refusal_of(completion)}
    if words_beside(shape, completion.served_by):
        message["text"] = completion.text
    message["content"] = _CONTENT[shape](completion, slot) if pictures else words_alone(completion, shape)
    if pictures and shape in ("images", "both"):
        message["images"] = [image_part(slot(picture)) for picture in pictures]
    if completion.tool_calls:
        message["tool_calls"] = [tool_call_body(call) for call in completion.tool_calls]
    return message


def words_alone(completion: Completion, shape: str) -> str | None:
    """`content` of an answer without a picture: the words; nothing where they are refused or stand beside, or
    where functions are called without a word."""
    if completion.tool_calls and not completion.text:
        return None
    refused = completion.finish.reason is FinishReason.CONTENT_FILTER
    if refused and (not completion.text or words_beside(shape, completion.served_by)):
        return None
    return completion.text


def refusal_of(completion: Completion) -> str | None:
    """The provider's words about a refusal; `None` where there was none."""
    finish = completion.finish
    if finish.reason is not FinishReason.CONTENT_FILTER:
        return None
    ours = f"{completion.served_by.provider_name} refused this request ({finish.native})."
    return finish.explanation or completion.text or ours


def image_part(url: bytes) -> dict[str, object]:
    """A picture as OpenRouter and LiteLLM write it; `url` is text of JSON."""
    return {"type": "image_url", "image_url": {"url": _quoted(url)}}


def _lone_picture(completion: Completion, slot: Slot) -> object:
    return _quoted(slot(completion.results[-1]))


def _words(completion: Completion, slot: Slot) -> object:
    return completion.text


def _parts(completion: Completion, slot: Slot) -> object:
    return [
        {"type": "text", "text": part.text} if isinstance(part, Words) else image_part(slot(part))
        for part in completion.shown_parts
    ]


def _markdown(completion: Completion, slot: Slot) -> object:
    pieces = [
        _text_of_json(part.text)
        if isinstance(part, Words)
        else MARKDOWN_BEFORE.encode() + slot(part) + MARKDOWN_AFTER.encode()
        for part in completion.shown_parts
    ]
    return _quoted(_text_of_json(MARKDOWN_BETWEEN).join(pieces))


_CONTENT: dict[str, Callable[[Completion, Slot], object]] = {
    "content": _lone_picture,
    "both": _lone_picture,
    "images": _words,
    "parts": _parts,
    "markdown": _markdown,
}


def _quoted(text: bytes) -> Raw:
    return Raw(b'"' + text + b'"')


def _text_of_json(text: str) -> bytes:
    return msgspec.json.encode(text)[1:-1]
