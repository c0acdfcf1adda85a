"""A whole answer as callers see it: a chat completion, its pictures as data URLs.

Rule: the body is rendered around its pictures: they are read from the spool and encoded
while it is sent, and its length is known before.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import msgspec
import pybase64

from impasto.api.errors import error_body
from impasto.api.money import json_number
from impasto.api.shapes import message_of
from impasto.completions.answer import Bill, Completion, Picture, total_of
from impasto.domain.errors import Failure
from impasto.domain.image import ImageConfig
from impasto.domain.model import Model
from impasto.domain.usage import Usage

PIECE_BYTES = 192 << 10
"""Decoded bytes read at a time; a multiple of three, so that pieces of base64 join without padding between."""

SpooledPicture = tuple[Completion, Picture]


@dataclass(frozen=True, slots=True)
class Answers:
    """What came of one request: completions by the index that they were asked under, and the failures among them.

    At least one completion is there.
    """

    completions: dict[int, Completion]
    failures: dict[int, Failure] = field(default_factory=dict)

    @property
    def first(self) -> Completion:
        return self.completions[min(self.completions)]

    @property
    def bill(self) -> Bill:
        return total_of([completion.bill for completion in self.completions.values()])

    def close(self) -> None:
        """Let go of the pictures."""
        for completion in self.completions.values():
            completion.spool.close()


@dataclass(frozen=True, slots=True)
class RenderedAnswer:
    """A body in pieces: JSON as it is, and pictures to be encoded in their place."""

    pieces: tuple[bytes | SpooledPicture, ...]

    @property
    def content_length(self) -> int:
        return sum(len(piece) if isinstance(piece, bytes) else base64_length(piece[1]) for piece in self.pieces)

    def __iter__(self) -> Iterator[bytes]:
        for piece in self.pieces:
            if isinstance(piece, bytes):
                yield piece
            else:
                yield from base64_of(*piece)


def render_answer(answers: Answers, *, shape: str, ignored: tuple[str, ...], version: str) -> RenderedAnswer:
    """The body of the answer in `shape`."""
    pictures: list[SpooledPicture] = []

    def message(completion: Completion) -> dict[str, object]:
        def slot(picture: Picture) -> bytes:
            # JSON writes a NUL in words as \u0000, so this gap is in nobody's words.
            pictures.append((completion, picture))
            return f"data:{picture.media_type};base64,\0{len(pictures) - 1}\0".encode()

        return message_of(completion, shape, slot)

    body = header_of(answers.first, "chat.completion", version)
    body["choices"] = [
        {
            "index": index,
            "message": message(completion),
            "logprobs": None,
            "finish_reason": completion.finish.reason,
            "native_finish_reason": completion.finish.native,
        }
        for index, completion in sorted(answers.completions.items())
    ]
    body |= receipt_of(answers, ignored)
    return RenderedAnswer(_filled(msgspec.json.encode(body), pictures))


def header_of(completion: Completion, kind: str, version: str) -> dict[str, object]:
    """What names an answer."""
    asked = completion.request.model
    return answer_header(completion.id, completion.created, asked, completion.served_by, kind, version)


def answer_header(
    completion_id: str, created: int, asked: str, model: Model, kind: str, version: str
) -> dict[str, object]:
    """What names an answer for `asked` that `model` gives, and each of its chunks; `kind` is OpenAI's `object`."""
    return {
        "id": completion_id,
        "object": kind,
        "created": created,
        "model": asked,
        "provider": model.provider.id,
        "system_fingerprint": f"impasto-{version}",
    }


def receipt_of(answers: Answers, ignored: tuple[str, ...]) -> dict[str, object]:
    """What an answer came to: usage, cost, what was applied, who served, what was ignored, what failed."""
    first, bill = answers.first, answers.bill
    body: dict[str, object] = {
        "usage": usage_body(bill.usage),
        "cost": json_number(bill.cost),
        "cost_status": bill.status,
        "applied": [
            _applied(index, completion, picture)
            for index, completion in sorted(answers.completions.items())
            for picture in completion.results
        ],
    }
    if first.stood_in:
        body["served_by"] = first.served_by.id
    if first.facts:
        body[first.served_by.provider.id] = first.facts
    if ignored:
        body["ignored"] = ignored
    if answers.failures:
        body["errors"] = [{"index": index} | error_body(failure) for index, failure in sorted(answers.failures.items())]
    return body


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


def base64_of(completion: Completion, picture: Picture, piece_bytes: int = PIECE_BYTES) -> Iterator[bytes]:
    """The picture as base64, in pieces that join."""
    end = picture.offset + picture.byte_count
    for offset in range(picture.offset, end, piece_bytes):
        yield pybase64.b64encode(completion.spool.read(offset, min(piece_bytes, end - offset)))


def base64_length(picture: Picture) -> int:
    return (picture.byte_count + 2) // 3 * 4


def _filled(body: bytes, pictures: Sequence[SpooledPicture]) -> tuple[bytes | SpooledPicture, ...]:
    pieces = body.split(b"\0")
    return tuple(pictures[int(piece)] if place % 2 else piece for place, piece in enumerate(pieces))


def _applied(index: int, completion: Completion, picture: Picture) -> dict[str, object]:
    dimensions = picture.dimensions
    return {
        "choice": index,
        "asked": _config_body(completion.request.image_config),
        "sent": _config_body(completion.sent),
        "dimensions": {"width": dimensions.width, "height": dimensions.height} if dimensions else None,
        "media_type": picture.media_type,
        "bytes": picture.byte_count,
    }


def _config_body(config: ImageConfig) -> dict[str, str]:
    pairs = (("aspect_ratio", config.aspect_ratio), ("image_size", config.image_size))
    return {name: value for name, value in pairs if value is not None}
