"""A whole answer as callers see it: a chat completion, its pictures as data URLs.

Rule: that a lone picture is `message.content` is known here and nowhere else. The body
is rendered around its pictures: they are read from the spool and encoded while it is
sent, and its length is known before.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import msgspec
import pybase64
from msgspec import Raw

from impasto.api.money import json_number
from impasto.completions.answer import Completion, Picture
from impasto.domain.events import FinishReason
from impasto.domain.image import ImageConfig
from impasto.domain.usage import Usage

PIECE_BYTES = 192 << 10
"""Decoded bytes read at a time; a multiple of three, so that pieces of base64 join without padding between."""


@dataclass(frozen=True, slots=True)
class RenderedAnswer:
    """A body in pieces: JSON as it is, and pictures to be encoded in their place."""

    completion: Completion
    pieces: tuple[bytes | Picture, ...]

    @property
    def content_length(self) -> int:
        return sum(len(piece) if isinstance(piece, bytes) else _base64_length(piece) for piece in self.pieces)

    def __iter__(self) -> Iterator[bytes]:
        for piece in self.pieces:
            if isinstance(piece, bytes):
                yield piece
            else:
                yield from self._base64(piece)

    def _base64(self, picture: Picture) -> Iterator[bytes]:
        end = picture.offset + picture.byte_count
        for offset in range(picture.offset, end, PIECE_BYTES):
            yield pybase64.b64encode(self.completion.spool.read(offset, min(PIECE_BYTES, end - offset)))


def render_answer(completion: Completion, *, shape: str, ignored: tuple[str, ...], version: str) -> RenderedAnswer:
    """The body of the answer in `shape`, `content` or `images`."""
    results = completion.results
    body: dict[str, object] = {
        "id": completion.id,
        "object": "chat.completion",
        "created": completion.created,
        "model": completion.request.model,
        "provider": completion.served_by.provider.id,
        "system_fingerprint": f"impasto-{version}",
        "choices": [
            {
                "index": 0,
                "message": _message(completion, shape),
                "logprobs": None,
                "finish_reason": completion.finish.reason,
                "native_finish_reason": completion.finish.native,
            }
        ],
        "usage": usage_body(completion.bill.usage),
        "cost": json_number(completion.bill.cost),
        "cost_status": completion.bill.status,
        "applied": [_applied(completion, picture) for picture in results],
    }
    if completion.stood_in:
        body["served_by"] = completion.served_by.id
    if completion.facts:
        body[completion.served_by.provider.id] = completion.facts
    if ignored:
        body["ignored"] = ignored
    return RenderedAnswer(completion, _filled(msgspec.json.encode(body), results))


def usage_body(usage: Usage) -> dict[str, object]:
    """`usage` in OpenAI's words, by modality."""
    return {
        "prompt_tokens": usage.prompt_tokens,
        "completion_tokens": usage.completion_tokens,
        "total_tokens": usage.total_tokens,
        "prompt_tokens_details": {
            "text_tokens": usage.input_text_tokens,
            "image_tokens": usage.input_image_tokens,
            "cached_tokens": usage.cached_tokens,
        },
        "completion_tokens_details": {
            "text_tokens": usage.output_text_tokens,
            "image_tokens": usage.output_image_tokens,
            "reasoning_tokens": usage.thought_tokens,
        },
    }


def _message(completion: Completion, shape: str) -> dict[str, object]:
    words, slots = completion.text, [_slot(index, picture) for index, picture in enumerate(completion.results)]
    message: dict[str, object] = {"role": "assistant", "content": words, "refusal": None}
    if completion.finish.reason is FinishReason.CONTENT_FILTER:
        message |= _refusal(completion)
    if slots and shape == "content":
        message |= {"content": slots[-1], "text": words}
    elif slots:
        message["content"] = words
        message["images"] = [{"type": "image_url", "image_url": {"url": slot}} for slot in slots]
    return message


def _refusal(completion: Completion) -> dict[str, object]:
    words, finish = completion.text, completion.finish
    ours = f"{completion.served_by.provider.name} refused this request ({finish.native})."
    refused: dict[str, object] = {"content": None, "refusal": finish.explanation or words or ours}
    return refused | {"text": words} if words else refused


def _slot(index: int, picture: Picture) -> Raw:
    """A data URL with a gap for its base64. JSON writes a NUL in words as \\u0000, so this one is nobody's words."""
    return Raw(f'"data:{picture.media_type};base64,\0{index}\0"'.encode())


def _filled(body: bytes, pictures: tuple[Picture, ...]) -> tuple[bytes | Picture, ...]:
    pieces = body.split(b"\0")
    return tuple(pictures[int(piece)] if place % 2 else piece for place, piece in enumerate(pieces))


def _applied(completion: Completion, picture: Picture) -> dict[str, object]:
    dimensions = picture.dimensions
    return {
        "asked": _config_body(completion.request.image_config),
        "sent": _config_body(completion.sent),
        "dimensions": {"width": dimensions.width, "height": dimensions.height} if dimensions else None,
        "media_type": picture.media_type,
        "bytes": picture.byte_count,
    }


def _config_body(config: ImageConfig) -> dict[str, str]:
    pairs = (("aspect_ratio", config.aspect_ratio), ("image_size", config.image_size))
    return {name: value for name, value in pairs if value is not None}


def _base64_length(picture: Picture) -> int:
    return (picture.byte_count + 2) // 3 * 4
