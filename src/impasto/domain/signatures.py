"""Signatures: what a provider wants back with its own parts, and how a caller carries them between two requests.

Rule: a signature goes back on the very part that it was made for, or on none. A picture is told by its id or its
hash, words by their place and their hash.
"""

import hashlib
import re
from dataclasses import dataclass

from impasto.domain.image import is_base64

MAX_SIGNATURE_BYTES = 8 << 20
"""Of one part, in base64. Google's are 1 to 3 MB where a picture is large."""

MOST_TOKENS_OF_CARRIED = 32_768
"""What the signatures of one turn are counted as at most: no picture model puts out more in one answer.
https://ai.google.dev/gemini-api/docs/models"""

_ALPHABET = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/-_="
_CHECKED_CHARACTERS = 1 << 18
_HASH_CHARACTERS = 16
_WORDS = re.compile(r"text-(0|[1-9]\d{0,8})-([1-9]\d{0,8})-([0-9a-f]{16})", re.ASCII)
_PICTURE = re.compile(r"image-[0-9a-f]{16}|img_[A-Za-z0-9_-]{1,80}", re.ASCII)


@dataclass(frozen=True, slots=True)
class CarriedSignature:
    """One that a message brings. `id` and `index` say of which part of the answer it is, `made_by` whose; `data` is
    base64, a view of the request's own bytes."""

    id: str
    index: int
    made_by: str
    data: bytes | memoryview

    @property
    def is_of_words(self) -> bool:
        return self.id.startswith("text-")


def id_of_words(text: str, start: int) -> str:
    """The id of the signature of `text`, which begins at this character of all words of its answer."""
    return f"text-{start}-{start + len(text)}-{_hash_of(text)}"


def id_of_picture(sha256: str) -> str:
    """The id of the signature of a picture that has no name of its own."""
    return f"image-{sha256[:_HASH_CHARACTERS]}"


def is_id(text: str) -> bool:
    """Whether a gateway like this one gives such ids to signatures."""
    return bool(_WORDS.fullmatch(text) or _PICTURE.fullmatch(text))


def place_of_words(signature_id: str, words: str) -> tuple[int, int] | None:
    """From which to which character of `words` the signed ones stand; `None` where other words stand there."""
    found = _WORDS.fullmatch(signature_id)
    if found is None:
        return None
    start, end = int(found[1]), int(found[2])
    text = words[start:end]
    return (start, end) if len(text) == end - start > 0 and _hash_of(text) == found[3] else None


def is_signature(data: bytes | memoryview) -> bool:
    """Whether it is written in base64, in either alphabet, so that it can stand in JSON as it is. Empty is not."""
    view = memoryview(data)
    if is_base64(view):
        return True
    pieces = (bytes(view[start : start + _CHECKED_CHARACTERS]) for start in range(0, len(view), _CHECKED_CHARACTERS))
    return bool(view) and not any(piece.translate(None, _ALPHABET) for piece in pieces)


def _hash_of(text: str) -> str:
    return hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest()[:_HASH_CHARACTERS]
