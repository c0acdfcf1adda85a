"""Around every request: its id, and one line in the log.

Rule: no prompt, no key and no byte of a picture reaches the log. What a caller did wrong is
logged by code and field, and what broke by its type and place: their sentences may hold values.
"""

import logging
import re
import time
import traceback
from collections.abc import Callable, Mapping
from typing import Any

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_log = logging.getLogger("impasto.access")
_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,128}")
_FACTS = "impasto.facts"
_HEADERS = "impasto.headers"
_GENERATION_ID = "generation"


def note(scope: Scope, **facts: object) -> None:
    """Add facts to the request's line in the log."""
    scope[_FACTS].update(facts)


def send_along(scope: Scope, headers: Mapping[str, str]) -> None:
    """Add headers to whatever this request is answered with, errors included."""
    scope[_HEADERS].update(headers)


def name_generation(scope: Scope) -> str:
    """The id of what this request will make; from here on the answer names it, whatever it says."""
    generation_id = f"chatcmpl-{scope['impasto.new_id']()}"
    note(scope, **{_GENERATION_ID: generation_id})
    return generation_id


def rename_generation(scope: Scope, generation_id: str) -> None:
    """The answer is that of an earlier request."""
    note(scope, **{_GENERATION_ID: generation_id})


def request_id_of(scope: Scope) -> str:
    """The id that the answer and the log name the request by."""
    request_id: str = scope[_FACTS]["request_id"]
    return request_id


def note_broken(scope: Scope, error: BaseException) -> None:
    """Log what broke: by type and place, never by its message, which may quote a request."""
    frames = traceback.extract_tb(error.__traceback__)
    places = [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in frames]
    facts = {"request_id": request_id_of(scope), "error": type(error).__name__, "places": places}
    _log.error("broken", extra={"facts": facts})


class Access:
    """ASGI middleware, the outermost. `new_id` makes ids for requests and completions."""

    def __init__(self, app: ASGIApp, new_id: Callable[[], str]) -> None:
        self._app = app
        self._new_id = new_id

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = time.perf_counter()
        request_id = _sent_id(scope) or f"req-{self._new_id()}"
        facts: dict[str, Any] = {"request_id": request_id, "method": scope["method"], "path": scope["path"][:200]}
        scope[_FACTS] = facts
        headers: dict[str, str] = {}
        scope[_HEADERS] = headers
        scope["impasto.new_id"] = self._new_id
        sent = _Sent(send, facts, headers)
        try:
            await self._app(scope, receive, sent)
        finally:
            facts |= {"status": sent.status, "bytes": sent.byte_count}
            facts["seconds"] = round(time.perf_counter() - started, 4)
            quiet = scope["path"].startswith("/health/")
            _log.log(logging.DEBUG if quiet else logging.INFO, "request", extra={"facts": facts})


class _Sent:
    """Watches what is sent and adds the ids to it."""

    def __init__(self, send: Send, facts: dict[str, Any], headers: dict[str, str]) -> None:
        self._send = send
        self._facts = facts
        self._headers = headers
        self.status = 0
        self.byte_count = 0

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            headers = MutableHeaders(scope=message)
            headers.update(self._headers)
            headers["x-request-id"] = self._facts["request_id"]
            if _GENERATION_ID in self._facts:
                headers["x-impasto-generation-id"] = self._facts[_GENERATION_ID]
        else:
            self.byte_count += len(message.get("body", b""))
        await self._send(message)


def _sent_id(scope: Scope) -> str | None:
    sent = Headers(scope=scope).get("x-request-id", "")
    return sent if _REQUEST_ID.fullmatch(sent) else None
