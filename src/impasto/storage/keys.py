"""The keys that callers hold.

Rule: a secret is looked up by its hash and never compared as a string; the first key
of a fresh gateway lies in a file that only its owner can read.
"""

import hashlib
import os
import secrets
import tempfile
from collections.abc import Mapping
from pathlib import Path

from impasto.domain.keys import VirtualKey

FIRST_KEY_FILE = "first-key"
EVERY_RIGHT = VirtualKey("operator", frozenset({"generate", "read", "manage"}))


class KeyFileError(Exception):
    """The file of the first key cannot be read or written. The message names it and says what to do."""


class FixedKeys:
    """Keys that are known at start."""

    def __init__(self, keys: Mapping[str, VirtualKey]) -> None:
        self._by_hash = {_hash_of(secret): key for secret, key in keys.items()}

    def find(self, secret: str) -> VirtualKey | None:
        return self._by_hash.get(_hash_of(secret))


def read_first_key(data: Path) -> str | None:
    """The first key of the gateway whose data lie in `data`, or `None` where none was made.

    Raises `KeyFileError`.
    """
    path = data / FIRST_KEY_FILE
    try:
        return path.read_text(encoding="ascii").strip() or None
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise KeyFileError(
            f"{path} holds this gateway's key and cannot be read: {error.strerror}. Let this user read it, or set "
            "IMPASTO_DATA to another folder."
        ) from error
    except UnicodeDecodeError as error:
        raise KeyFileError(f"{path} holds no key. Remove it, and the next start makes a new one.") from error


def make_first_key(data: Path) -> str:
    """Make a key with every right, keep it in `data`, readable by its owner alone, and return it.

    Where another process was quicker, its key is the first. Raises `KeyFileError`.
    """
    try:
        data.mkdir(parents=True, exist_ok=True, mode=0o700)
        return _kept(data, f"impasto_{secrets.token_urlsafe(32)}")
    except OSError as error:
        raise KeyFileError(
            f"{data} cannot hold this gateway's key: {error.strerror}. Set IMPASTO_DATA to a folder that this user may "
            "write, or IMPASTO_API_KEY to a key."
        ) from error


def _kept(data: Path, secret: str) -> str:
    """`secret` in a file of its own, moved to its place whole: nobody reads half a key, or finds it open."""
    handle, name = tempfile.mkstemp(dir=data, prefix=f".{FIRST_KEY_FILE}-")
    written, path = Path(name), data / FIRST_KEY_FILE
    try:
        with os.fdopen(handle, "w", encoding="ascii") as file:
            file.write(secret + "\n")
        try:
            path.hardlink_to(written)
        except FileExistsError:
            earlier = read_first_key(data)
            if earlier:
                return earlier
            written.replace(path)
        except OSError:  # a file system without links
            written.replace(path)
    finally:
        written.unlink(missing_ok=True)
    return secret


def _hash_of(secret: str) -> bytes:
    return hashlib.sha256(secret.encode("utf-8", "surrogateescape")).digest()
