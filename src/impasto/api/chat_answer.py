"""A whole answer as callers see it: a chat completion, its pictures as data URLs.

Rule: the body is rendered around its pictures and signatures: they are read from the store while it
is sent, and its length is known before.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import msgspec
import pybase64

from impasto.api.errors import error_body
from impasto.api.money import json_number
from impasto.api.shapes import message_of
from impasto.api.signature_wire import detail_body
from impasto.completions.answer import Answers, Asking, Completion, Picture
from impasto.completions.carried import Signatures
from impasto.domain.chat import Stored
from impasto.domain.retention import Keeps
from impasto.domain.usage import Usage

PIECE_BYTES = 192 << 10
"""Decoded bytes read at a time; a multiple of three, so that pieces of base64 join without padding between."""

LinkOf = Callable[[str], str]
"""Gives the signed link of the picture with this id."""


@dataclass(frozen=True, slots=True)
class RenderedAnswer:
    """A body in pieces: JSON as it is, pictures to be encoded in their place, and signatures."""

    pieces: tuple[bytes | Picture | Stored, ...]

    @property
    def content_length(self) -> int:
        return sum(base64_length(piece) if isinstance(piece, Picture) else len(piece) for piece in self.pieces)

    def __iter__(self) -> Iterator[bytes]:
        for piece in self.pieces:
            match piece:
                case bytes():
                    yield piece
                case Picture():
                    yield from base64_of(piece)
                case Stored():
                    yield from piece


def render_answer(answers: Answers, link_of: LinkOf, signatures: Signatures) -> RenderedAnswer:
    """The body of the answer, in the manner that was asked for."""
    manner = answers.asking.manner
    filling: list[Picture | Stored] = []

    def gap_for(piece: Picture | Stored) -> bytes:
        # JSON writes a NUL in words as \u0000, so this gap is in nobody's words.
        filling.append(piece)
        return f"\0{len(filling) - 1}\0".encode()

    def slot(picture: Picture) -> bytes:
        if manner.delivery == "url":
            return link_of(picture.id).encode()
        return f"data:{picture.media_type};base64,".encode() + gap_for(picture)

    def message(call: int, completion: Completion) -> dict[str, object]:
        details = [detail_body(part, gap_for(part.data)) for part in signatures.of(call)]
        return message_of(completion, manner.shape, slot) | ({"reasoning_details": details} if details else {})

    body = header_of(answers.first, "chat.completion")
    body["choices"] = [
        {
            "index": index,
            "message": message(index, completion),
            "logprobs": None,
            "finish_reason": completion.finish.reason,
            "native_finish_reason": completion.finish.native,
        }
        for index, completion in sorted(answers.completions.items())
    ]
    body |= receipt_of(answers)
    return RenderedAnswer(_filled(msgspec.json.encode(body), filling))


def header_of(completion: Completion, kind: str) -> dict[str, object]:
    """What names an answer."""
    return answer_header(completion.id, completion.asking, completion.served_by.provider, kind)


def answer_header(completion_id: str, asking: Asking, provider: str, kind: str) -> dict[str, object]:
    """What names an answer that `provider` gives, and each of its chunks; `kind` is OpenAI's `object`."""
    return {
        "id": completion_id,
        "object": kind,
        "created": asking.created,
        "model": asking.model,
        "provider": provider,
        "system_fingerprint": f"impasto-{asking.manner.version}",
    }


def receipt_of(answers: Answers) -> dict[str, object]:
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
    if answers.asking.manner.sandbox:
        body["sandbox"] = True
    if answers.asking.keeps is not Keeps.ALL:
        body["retention"] = _retention_body(answers.asking.keeps)
    if without_gps := {where: None for each in answers.completions.values() for where in each.without_gps}:
        body["gps_removed"] = list(without_gps)
    if any(each.signatures_refused for each in answers.completions.values()):
        body["signatures_refused"] = True
    if first.facts:
        body[first.served_by.provider] = first.facts
    if answers.asking.manner.ignored:
        body["ignored"] = answers.asking.manner.ignored
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


def base64_of(picture: Picture, piece_bytes: int = PIECE_BYTES) -> Iterator[bytes]:
    """The picture as base64, in pieces that join."""
    for offset in range(0, picture.byte_count, piece_bytes):
        yield pybase64.b64encode(picture.read(offset, piece_bytes))


def base64_length(picture: Picture) -> int:
    return (picture.byte_count + 2) // 3 * 4


def _filled(body: bytes, filling: Sequence[Picture | Stored]) -> tuple[bytes | Picture | Stored, ...]:
    pieces = body.split(b"\0")
    return tuple(filling[int(piece)] if place % 2 else piece for place, piece in enumerate(pieces))


def _applied(index: int, completion: Completion, picture: Picture) -> dict[str, object]:
    dimensions = picture.dimensions
    return {
        "choice": index,
        "id": picture.id or None,
        "asked": completion.asking.image_config.asked(),
        "sent": completion.sent.asked(),
        "dimensions": {"width": dimensions.width, "height": dimensions.height} if dimensions else None,
        "media_type": picture.media_type,
        "bytes": picture.byte_count,
        **({"provenance": picture.provenance} if picture.provenance else {}),
    }


_MISSING: Mapping[Keeps, str] = {
    Keeps.PICTURES: "The words of the request are not kept: its pictures cannot be searched for by them.",
    Keeps.NONE: "Nothing of this answer is kept: its pictures have no handle and no link, their signatures are not "
    "remembered (include_signatures hands them out), and asking again, or for the generation, does not give it again.",
}


def _retention_body(keeps: Keeps) -> dict[str, object]:
    """How much is kept, and what cannot work then."""
    return {"kept": keeps, "message": _MISSING[keeps]}
