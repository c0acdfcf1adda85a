"""Who is calling.

Rule: a virtual key is known by what it may do; its secret is not kept here. Its text carries a
checksum, so a typing error is told from a stranger without asking anybody.
"""

import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Literal

from impasto.domain.errors import Code, Failure
from impasto.domain.retention import Keeps

Scope = Literal["public", "generate", "read", "manage"]
"""What a route asks of a key. `public` asks for none."""

SCOPES: tuple[Scope, ...] = ("generate", "read", "manage")

PREFIX = "impasto_"
RANDOM_LENGTH = 43
"""Characters of base 62: 256 bits of chance."""
CHECKSUM_LENGTH = 6
_DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"

OPERATOR_ID = "operator"
"""The key and the account behind `IMPASTO_API_KEY` and the first key."""


@dataclass(frozen=True, slots=True)
class VirtualKey:
    """A caller's key.

    `scopes` is what it may do; `models` the ids it may ask for (`None`: all). `image_output` and
    `image_delivery` are its defaults (`None`: the path's). `requests_per_minute` and `concurrent_requests`
    bound it (`None`: unbounded). `expires_ms`: milliseconds since the epoch. `sandbox`: it is answered without
    a provider, for nothing. `default_tags` stand on every request that does not bring its own. `version` counts
    its changes. What it spends is `account_id`'s.
    """

    name: str
    scopes: frozenset[Scope]
    image_output: str | None = None
    id: str = OPERATOR_ID
    account_id: str = OPERATOR_ID
    models: frozenset[str] | None = None
    image_delivery: str | None = None
    requests_per_minute: int | None = None
    concurrent_requests: int | None = None
    expires_ms: int | None = None
    sandbox: bool = False
    default_tags: Mapping[str, str] = field(default_factory=dict)
    version: int = 0
    retention: Keeps = Keeps.ALL

    def may(self, scope: Scope) -> bool:
        return scope == "public" or scope in self.scopes

    def may_use(self, model_id: str) -> bool:
        return self.models is None or model_id in self.models


def check_not_expired(expires_ms: int | None, now: float) -> None:
    """Raises `invalid_api_key` for a key whose time is over at `now`, in seconds since the epoch."""
    if expires_ms is None or now * 1000 < expires_ms:
        return
    expired = datetime.fromtimestamp(expires_ms / 1000, UTC)
    raise Failure(Code.INVALID_API_KEY, f"This key expired on {expired:%Y-%m-%d %H:%M} UTC.")


def secret_from(chance: bytes) -> str:
    """A key's text from 32 bytes of chance: prefix, 43 characters of base 62, and a checksum over them."""
    body = _base62(int.from_bytes(chance), RANDOM_LENGTH)
    return PREFIX + body + _checksum(body)


def is_well_formed(secret: str) -> bool:
    """Is this a text that `secret_from` makes? A key with a typing error is not."""
    body, checksum = secret[len(PREFIX) : -CHECKSUM_LENGTH], secret[-CHECKSUM_LENGTH:]
    return (
        secret.startswith(PREFIX)
        and len(body) == RANDOM_LENGTH
        and all(character in _DIGITS for character in body)
        and checksum == _checksum(body)
    )


def _checksum(body: str) -> str:
    return _base62(zlib.crc32(body.encode()), CHECKSUM_LENGTH)


def _base62(number: int, length: int) -> str:
    digits = []
    for _ in range(length):
        number, rest = divmod(number, 62)
        digits.append(_DIGITS[rest])
    return "".join(reversed(digits))
