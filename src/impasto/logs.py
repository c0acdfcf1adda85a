"""How lines are logged: one JSON object each, on standard error.

Rule: what is logged was chosen by name; nothing passes through as a whole object that
could hold a prompt, a key or a picture.
"""

import logging
import sys
from datetime import UTC, datetime

import msgspec

_encoder = msgspec.json.Encoder(enc_hook=str)


class JsonLines(logging.Formatter):
    """Formats a record as one line of JSON: time, level, event, and the facts given as `extra={"facts": …}`."""

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, object] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "event": record.getMessage(),
        }
        line |= getattr(record, "facts", {})
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return _encoder.encode(line).decode()


def configure_logs(level: str) -> None:
    """Send lines from `level` up to standard error."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines())
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    # uvicorn's own request lines hold query strings; ours are in `api.access`.
    logging.getLogger("uvicorn.access").disabled = True
