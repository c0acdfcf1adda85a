"""Signatures as callers carry them: `reasoning_details`, in OpenRouter's form, out and back.

Rule: a signature is never a Python string. Out, it is written where its JSON leaves a gap; back, it is a view of the
request's own bytes. What is not from a gateway like this one is none of our business, and passed over.
https://openrouter.ai/docs/use-cases/reasoning-tokens
"""

from typing import Any

import msgspec
from msgspec import Raw, Struct

from impasto.completions.carried import SignedPart
from impasto.domain.errors import Code, Failure
from impasto.domain.signatures import MAX_SIGNATURE_BYTES, CarriedSignature, is_id, is_signature

MAX_SIGNATURES = 256
"""In one message."""

_KIND = "reasoning.encrypted"
_FORMATS = {"google": "google-gemini-v1"}
_PROVIDERS = {name: provider for provider, name in _FORMATS.items()}
_VERSION = "-v1"


class _DetailBody(Struct):
    """An entry; those of others hold what they like."""

    type: str
    id: Any = None
    index: Any = None
    format: Any = None
    data: Raw = Raw(b"null")


_details = msgspec.json.Decoder(list[_DetailBody])


def detail_body(part: SignedPart, data: bytes) -> dict[str, object]:
    """An entry of `reasoning_details`; `data` is text of JSON."""
    return {
        "type": _KIND,
        "id": part.id,
        "index": part.index,
        "format": _FORMATS.get(part.made_by, part.made_by + _VERSION),
        "data": Raw(b'"' + data + b'"'),
    }


def parse_details(details: Raw, where: str) -> tuple[CarriedSignature, ...]:
    """The signatures among the entries of `reasoning_details`. Raises 400 and 413 naming the place."""
    try:
        entries = _details.decode(details)
    except msgspec.ValidationError:
        return ()
    found = [_parse_detail(entry, f"{where}[{place}]", place) for place, entry in enumerate(entries)]
    signatures = tuple(signature for signature in found if signature is not None)
    if len(signatures) > MAX_SIGNATURES:
        raise Failure(
            Code.INVALID_VALUE,
            f"{where} holds {len(signatures)} signatures. It takes at most {MAX_SIGNATURES}.",
            param=where,
        )
    return signatures


def _parse_detail(entry: _DetailBody, where: str, place: int) -> CarriedSignature | None:
    match entry:
        case _DetailBody(type="reasoning.encrypted", id=str(part), format=str(form)) if is_id(part):
            provider = _PROVIDERS.get(form, form.removesuffix(_VERSION))
            index = entry.index if isinstance(entry.index, int) else place
            return CarriedSignature(part, index, provider, _data(entry.data, f"{where}.data"))
    return None


def _data(value: Raw, where: str) -> bytes | memoryview:
    """The characters of a JSON string that is base64, as they lie."""
    view = memoryview(value)
    inside = view[1:-1]
    if len(inside) > MAX_SIGNATURE_BYTES:
        raise Failure(
            Code.BODY_TOO_LARGE,
            f"{where} is larger than {MAX_SIGNATURE_BYTES} bytes: no signature from here is.",
            param=where,
        )
    if chr(view[0]) == '"':
        if is_signature(inside):
            return inside
        without_escapes = bytes(inside).replace(b"\\/", b"/")  # some writers of JSON escape every slash
        if is_signature(without_escapes):
            return without_escapes
    raise Failure(
        Code.INVALID_VALUE,
        f"{where} is no signature: it takes the base64 that the answer gave. Send the entry as it came, or leave it "
        "out.",
        param=where,
    )
