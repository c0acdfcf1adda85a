"""Read a request's body into one buffer, bounded.

Rule: what is too large is refused before it is read, and what lies about its length
as soon as it shows.
"""

from starlette.datastructures import Headers
from starlette.types import Receive, Scope

from impasto.domain.errors import Code, Failure


class CallerLeftError(ConnectionError):
    """The caller hung up before the whole body was here."""


async def read_body(scope: Scope, receive: Receive, max_bytes: int) -> bytearray:
    """The whole body. Raises 413 for more than `max_bytes`."""
    declared = Headers(scope=scope).get("content-length", "0")
    if declared.isdecimal() and int(declared[:20]) > max_bytes:
        raise _too_large(max_bytes)
    body = bytearray()
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise CallerLeftError
        body += message.get("body", b"")
        if len(body) > max_bytes:
            raise _too_large(max_bytes)
        if not message.get("more_body", False):
            return body


def _too_large(max_bytes: int) -> Failure:
    return Failure(
        Code.BODY_TOO_LARGE,
        f"The body is larger than {max_bytes >> 20} MB, the most that this gateway takes (IMPASTO_MAX_BODY_MB).",
    )
