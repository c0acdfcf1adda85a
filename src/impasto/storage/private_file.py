"""A file that holds one secret, and that its owner alone can read.

Rule: it appears whole or not at all, and survives a loss of power; of several processes that make
it at once, all take what the first one wrote.
"""

import os
import tempfile
from pathlib import Path


def read_private(path: Path) -> str | None:
    """The secret in `path`, or `None` where there is none. Raises `OSError` and `UnicodeDecodeError`."""
    try:
        return path.read_text(encoding="ascii").strip() or None
    except (FileNotFoundError, NotADirectoryError):
        return None


def keep_private(path: Path, secret: str) -> str:
    """Keep `secret` in `path`, whose folder is made where it is missing, and return it.

    Where another process was quicker, what it kept is returned. Raises `OSError` and `UnicodeDecodeError`.
    """
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}-")
    written = Path(name)
    try:
        with os.fdopen(handle, "w", encoding="ascii") as file:
            file.write(secret + "\n")
            file.flush()
            os.fsync(file.fileno())
        return _moved(written, path, secret)
    finally:
        written.unlink(missing_ok=True)


def _moved(written: Path, path: Path, secret: str) -> str:
    try:
        path.hardlink_to(written)
    except FileExistsError:
        earlier = read_private(path)
        if earlier:
            return earlier
        written.replace(path)
    except OSError:  # a file system without links
        written.replace(path)
    _sync_folder(path.parent)
    return secret


def _sync_folder(folder: Path) -> None:
    if os.name != "posix":  # elsewhere a folder cannot be opened
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
