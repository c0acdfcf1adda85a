"""An answer as HTTP: status, headers and the body in pieces.

Rule: JSON looks as Google's does, indented in a whole answer and on one line per event in a stream,
whose lines end in CR LF.
"""

import gzip
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import msgspec

from impasto.simulator.answers import Answer, events_of
from impasto.simulator.errors import Rejected, no_quota
from impasto.simulator.faults import Escape, Fault, Gzip, Html, LongHeader, Redirect, Status, StreamError, Truncate

_HEADERS = {"Vary": "Origin, X-Origin, Referer", "Server": "scaffolding on HTTPServer2", "X-XSS-Protection": "0"}
_PAGE = b"<html>\r\n<head><title>502 Bad Gateway</title></head>\r\n<body>nginx</body>\r\n</html>\r\n"
_MESSAGES = {
    400: "Request contains an invalid argument.",
    401: "Request had invalid authentication credentials.",
    403: "The caller does not have permission",
    404: "Requested entity was not found.",
    500: "An internal error has occurred. Please retry or report in https://developers.generativeai.google/guide/troubleshooting",
    503: "The model is overloaded. Please try again later.",
    504: "Deadline expired before operation could complete.",
}
_MEGABYTE = 1 << 20


@dataclass(frozen=True, slots=True)
class Reply:
    """What is sent; `pieces` are written one by one."""

    status: int
    media_type: str
    pieces: tuple[bytes, ...]
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def all_headers(self) -> dict[str, str]:
        kind = {"Content-Type": self.media_type} if self.media_type else {}
        return {**_HEADERS, **kind, **self.headers}


def whole_reply(value: Any, status: int = 200) -> Reply:
    return Reply(status, "application/json; charset=UTF-8", (_json(value, indent=2) + b"\n",))


def rejection(error: Rejected, *, as_list: bool = False) -> Reply:
    return whole_reply([error.body()] if as_list else error.body(), error.status)


def stream_reply(answer: Any, faults: Sequence[Fault], *, sse: bool) -> Reply:
    """The events of the answer: as server-sent events, or without `alt=sse` as one list."""
    events = _with_errors(events_of(answer) if isinstance(answer, dict) else [answer], faults)
    if not sse:
        return whole_reply(events)
    pieces = tuple(b"data: " + json.dumps(event, ensure_ascii=False).encode() + b"\r\n\r\n" for event in events)
    return Reply(200, "text/event-stream", pieces, {"Content-Disposition": "attachment"})


def altered(reply: Reply, faults: Iterable[Fault]) -> Reply:
    """The reply with what the faults say about its bytes and headers."""
    for fault in faults:
        match fault:
            case Escape():
                pieces = tuple(piece.replace(b"/", b"\\/").replace(b"=", b"\\u003d") for piece in reply.pieces)
                reply = replace(reply, pieces=pieces)
            case Truncate(after_bytes):
                body = b"".join(reply.pieces)
                reply = replace(reply, pieces=(body[: len(body) // 2 if after_bytes is None else after_bytes],))
            case LongHeader(count):
                reply = replace(reply, headers={**reply.headers, "X-Long": "a" * count})
            case Gzip(content, megabytes):
                zipped = b"this was never compressed" if content == "broken" else _bomb(megabytes)
                reply = replace(reply, pieces=(zipped,), headers={**reply.headers, "Content-Encoding": "gzip"})
            case _:
                continue
    return reply


def instead(faults: Iterable[Fault], model: str) -> Reply | None:
    """The reply that takes the place of an answer, if a fault asks for one."""
    for fault in faults:
        match fault:
            case Status():
                return _error_reply(fault, model)
            case Html(code):
                return Reply(code, "text/html", (_PAGE,))
            case Redirect(location, code):
                return Reply(code, "text/html", (b"",), {"Location": location})
            case _:
                continue
    return None


def error_of(code: int, message: str = "") -> Rejected:
    return Rejected(code, message or _MESSAGES.get(code, "Something is wrong."))


def _error_reply(fault: Status, model: str) -> Reply:
    error = error_of(fault.code, fault.message)
    if fault.code == 429 and not fault.message:
        error = no_quota(model, fault.limit, fault.retry_delay)
    headers = {"Retry-After": fault.retry_after} if fault.retry_after else {}
    return replace(rejection(error, as_list=fault.as_list), headers=headers)


def _with_errors(events: Iterable[Answer], faults: Sequence[Fault]) -> list[Answer]:
    listed = list(events)
    for fault in faults:
        if isinstance(fault, StreamError):
            return [*listed[: fault.after_events], error_of(fault.code).body()]
    return listed


def _json(value: Any, indent: int) -> bytes:
    try:
        return msgspec.json.format(msgspec.json.encode(value), indent=indent)
    except OverflowError:
        # Counts beyond 64 bits, which only a fault makes.
        return json.dumps(value, indent=indent, ensure_ascii=False).encode()


def _bomb(megabytes: int) -> bytes:
    return gzip.compress(bytes(megabytes * _MEGABYTE), compresslevel=9)
