"""A whole answer as callers see it: a chat completion, its pictures as data URLs.

Rule: that a lone picture is `message.content` is known here and nowhere else. The body
is rendered around its pictures: they are read from the spool and encoded while it is
sent, and its length is known before.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal

import msgspec
import pybase64

from impasto.completions.answer import Bill, Completion, Picture
from impasto.domain.events import FinishReason
from impasto.domain.image import ImageConfig
from impasto.domain.usage import Usage

PIECE_BYTES = 192 << 10
"""Decoded bytes read at a time; a multiple of three, so that pieces of base64 join without padding between."""

_encoder = msgspec.json.Encoder(decimal_format="number")


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
    slots = _Slots(completion.id, results)
    body = {
        "id": completion.id,
        "object": "chat.completion",
        "created": completion.created,
        "model": completion.request.model,
        "provider": completion.served_by.provider.id,
        "system_fingerprint": f"impasto-{version}",
        "choices": [
            {
                "index": 0,
                "message": _message(completion, slots, shape),
                "logprobs": None,
                "finish_reason": completion.finish.reason,
                "native_finish_reason": completion.finish.native,
            }
        ],
        "usage": usage_body(completion.bill.usage),
        "cost": completion.bill.cost,
        "cost_status": completion.bill.status,
        "applied": [_applied(completion, picture) for picture in results],
    }
    if completion.stood_in:
        body["served_by"] = completion.served_by.id
    if completion.facts:
        body[completion.served_by.provider.id] = completion.facts
    if ignored:
        body["ignored"] = ignored
    return RenderedAnswer(completion, slots.fill(_encoder.encode(body)))


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


def cost_header(bill: Bill) -> str | None:
    """The cost as a header says it: US dollars, nothing where it is unknown."""
    return None if bill.cost is None else decimal_text(bill.cost)


def decimal_text(value: Decimal) -> str:
    """`0.0685615`, never `6.85615E-2`."""
    text = f"{value:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


class _Slots:
    """Stands a mark in the JSON for each picture's base64, and puts the picture there afterwards.

    The mark holds the completion's random id, which no words of a model can know.
    """

    def __init__(self, completion_id: str, pictures: tuple[Picture, ...]) -> None:
        self._mark = f"<picture {completion_id} ".encode()
        self._completion_id = completion_id
        self._pictures = pictures

    def data_url(self, index: int) -> str:
        return f"data:{self._pictures[index].media_type};base64,<picture {self._completion_id} {index:04}>"

    def fill(self, body: bytes) -> tuple[bytes | Picture, ...]:
        first, *rest = body.split(self._mark)
        pieces: list[bytes | Picture] = [first]
        for piece in rest:
            pieces += [self._pictures[int(piece[:4])], piece[5:]]
        return tuple(pieces)


def _message(completion: Completion, slots: _Slots, shape: str) -> dict[str, object]:
    results, text = completion.results, completion.text
    message: dict[str, object] = {"role": "assistant", "content": text, "refusal": None}
    if completion.finish.reason is FinishReason.CONTENT_FILTER:
        message["content"] = text or None
        message["refusal"] = completion.finish.explanation or (
            f"{completion.served_by.provider.name} refused this request ({completion.finish.native})."
        )
    if results and shape == "content":
        message["content"] = slots.data_url(len(results) - 1)
        message["text"] = text
    elif results:
        message["content"] = text
        message["images"] = [
            {"type": "image_url", "image_url": {"url": slots.data_url(index)}} for index in range(len(results))
        ]
    return message


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
