"""The keys that callers hold.

Rule: a secret is looked up by its hash and never compared as a string; the first key
of a fresh gateway lies in a file that only its owner can read.
"""

import hashlib
import os
import secrets
from collections.abc import Mapping
from pathlib import Path

from impasto.domain.keys import VirtualKey

FIRST_KEY_FILE = "first-key"
EVERY_RIGHT = VirtualKey("operator", frozenset({"generate", "read", "manage"}))


class FixedKeys:
    """Keys that are known at start."""

    def __init__(self, keys: Mapping[str, VirtualKey]) -> None:
        self._by_hash = {_hash_of(secret): key for secret, key in keys.items()}

    def find(self, secret: str) -> VirtualKey | None:
        return self._by_hash.get(_hash_of(secret))


def read_first_key(data: Path) -> str | None:
    """The first key of the gateway whose data lie in `data`, or `None` where none was made."""
    try:
        return (data / FIRST_KEY_FILE).read_text(encoding="ascii").strip() or None
    except (FileNotFoundError, NotADirectoryError):
        return None


def make_first_key(data: Path) -> str:
    """Make a key with every right and keep it in `data`, readable by its owner alone."""
    data.mkdir(parents=True, exist_ok=True)
    secret = f"impasto_{secrets.token_urlsafe(32)}"
    handle = os.open(data / FIRST_KEY_FILE, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(handle, "w", encoding="ascii") as file:
        file.write(secret + "\n")
    return secret


def _hash_of(secret: str) -> bytes:
    return hashlib.sha256(secret.encode("utf-8", "surrogateescape")).digest()
