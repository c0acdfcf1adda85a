"""How lines are logged: one JSON object each, on standard error.

Rule: what is logged was chosen by name; nothing passes through as a whole object that
could hold a prompt, a key or a picture.
"""

import asyncio
import logging
import sys
import traceback
from datetime import UTC, datetime

import msgspec

_encoder = msgspec.json.Encoder(enc_hook=str)


class JsonLines(logging.Formatter):
    """Formats a record as one line of JSON: time, level, event, and the facts given as `extra={"facts": …}`.

    An exception is told by its type and places: its message may quote what a caller sent.
    """

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, object] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "event": record.getMessage().strip().partition("\n")[0],
        }
        line |= getattr(record, "facts", {})
        error = record.exc_info[1] if record.exc_info else None
        if error is not None:
            frames = traceback.extract_tb(error.__traceback__)
            line["error"] = type(error).__name__
            line["places"] = [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in frames]
        return _encoder.encode(line).decode()


def configure_logs(level: str) -> None:
    """Send lines from `level` up to standard error."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines())
    handler.addFilter(is_news)
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    logging.getLogger("alembic").setLevel(logging.WARNING)
    # It warns in words that may come out of a picture; what kept one from being converted is in `api.access`.
    logging.getLogger("pyvips").setLevel(logging.CRITICAL)
    logging.getLogger("python_multipart").setLevel(logging.ERROR)  # it warns of every form that is broken
    # uvicorn's own request lines hold query strings; ours are in `api.access`.
    logging.getLogger("uvicorn.access").disabled = True
    # It tells of every step of starting and stopping; what a person needs of it is said by the command line.
    logging.getLogger("uvicorn.error").setLevel(logging.DEBUG if level == "debug" else logging.WARNING)


def is_news(record: logging.LogRecord) -> bool:
    """Whether a record says what no other line says: requests that were cut on purpose are in `api.access`."""
    error = record.exc_info[1] if record.exc_info else None
    return not isinstance(error, asyncio.CancelledError | ConnectionError)
