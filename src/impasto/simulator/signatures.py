"""Thought signatures: as long as asked, and good for one part only.

Rule: nothing is remembered. A signature is computed from the content of its part and from its own
length, so that one that was cut, or moved to another part, is known to be wrong, also after a restart.
https://ai.google.dev/gemini-api/docs/thought-signatures
"""

import hashlib

import pybase64

_SHORTEST = 32


def signature_of(content: str, characters: int) -> str:
    """The base64 signature for a part that holds `content`: its text, its picture in base64, its call as JSON."""
    length = max(_SHORTEST, characters // 4 * 4)
    seed = hashlib.sha256(f"impasto {length} ".encode() + content.encode()).digest()
    return pybase64.b64encode_as_string(hashlib.shake_256(seed).digest(length // 4 * 3))


def is_signature_of(signature: str, content: str) -> bool:
    """Whether this signature was made for that content. Accepts the URL-safe alphabet as well."""
    standard = signature.translate({ord("-"): "+", ord("_"): "/"})
    return standard == signature_of(content, len(standard))
