"""Is this request one that was made before?

Rule: what names a request is hashed, and what is compared are hashes: of its text with the shape
that its address stands for, and of the Idempotency-Key that came with it. Nothing here decides;
the ledger does.
"""

import hashlib
import re
from dataclasses import dataclass

from starlette.datastructures import Headers

from impasto.domain.errors import Code, Failure

MAX_KEY_CHARACTERS = 255
_QUOTED = re.compile(r'"((?:[^"\\]|\\["\\])*)"')
_WAIT = re.compile(r"(?:^|[,;\s])wait\s*=\s*(\d{1,6})(?:$|[,;\s])", re.IGNORECASE | re.ASCII)


@dataclass(frozen=True, slots=True)
class Repeatable:
    """What a request may be recognised by. `wait_seconds`: how long it waits for an earlier one; `None`: to its end."""

    request_hash: bytes | None = None
    idempotency_hash: bytes | None = None
    is_retry: bool = False
    wait_seconds: float | None = None


def repeatable_of(headers: Headers, body: bytes | bytearray, default_shape: str) -> Repeatable:
    """What this request can be recognised by. Raises 400 for an Idempotency-Key that is none.

    Clients that OpenAI's generator made count their attempts in `x-stainless-retry-count`, and repeat by themselves.
    """
    key = _idempotency_key(headers)
    count = headers.get("x-stainless-retry-count")
    if key is None and count is None:
        return Repeatable()
    return Repeatable(
        request_hash=hashlib.sha256(default_shape.encode() + b"\0" + body).digest(),
        idempotency_hash=None if key is None else hashlib.sha256(key.encode()).digest(),
        is_retry=count is not None and count.isdecimal() and int(count[:9]) > 0,
        wait_seconds=_wait_seconds(headers),
    )


def _idempotency_key(headers: Headers) -> str | None:
    """The draft writes it as a string in quotes, and most clients without them.

    https://datatracker.ietf.org/doc/html/draft-ietf-httpapi-idempotency-key-header-07
    """
    sent = headers.get("idempotency-key")
    if sent is None:
        return None
    quoted = _QUOTED.fullmatch(sent.strip())
    key = re.sub(r"\\(.)", r"\1", quoted[1]) if quoted else sent.strip()
    if not key or len(key) > MAX_KEY_CHARACTERS or not key.isprintable():
        raise Failure(
            Code.INVALID_VALUE,
            f"The Idempotency-Key is no key. It takes 1 to {MAX_KEY_CHARACTERS} printable characters, for instance a "
            "UUID.",
            param="Idempotency-Key",
        )
    return key


def _wait_seconds(headers: Headers) -> float | None:
    """`Prefer: wait=0` asks not to wait (RFC 7240, 4.3)."""
    found = _WAIT.search(headers.get("prefer", ""))
    return float(found[1]) if found else None
