"""Around every request: its id, one line in the log, and a clean answer whatever breaks.

Rule: no prompt, no key and no byte of a picture reaches the log; an error of ours tells
the caller its request id and nothing else.
"""

import logging
import re
import time
from collections.abc import Callable
from typing import Any

from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from impasto.api.body import CallerLeftError
from impasto.api.errors import error_response, status_of
from impasto.domain.errors import Code, Failure

_log = logging.getLogger("impasto.access")
_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,128}")


def note(scope: Scope, **facts: object) -> None:
    """Add facts to the request's line in the log."""
    scope["impasto.facts"].update(facts)


class Access:
    """ASGI middleware. `new_id` makes ids for requests and completions."""

    def __init__(self, app: ASGIApp, new_id: Callable[[], str]) -> None:
        self._app = app
        self._new_id = new_id

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        await self._answer(scope, receive, send)

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        started = time.perf_counter()
        request_id = _sent_id(scope) or f"req-{self._new_id()}"
        facts: dict[str, Any] = {"request_id": request_id, "method": scope["method"], "path": scope["path"]}
        scope["impasto.facts"] = facts
        scope["impasto.new_id"] = self._new_id
        scope["app"] = self._app  # with it there, Starlette raises for an unknown address instead of answering in text
        sent = _Sent(send, request_id, facts)
        try:
            await self._app(scope, receive, sent)
        except Failure as failure:
            facts |= {"code": failure.code, "why": failure.logged}
            if not sent.started:
                await error_response(failure)(scope, receive, sent)
        except HTTPException as error:
            await http_error(scope["method"], scope["path"], error.status_code)(scope, receive, sent)
        except CallerLeftError:
            facts |= {"code": "caller_left"}
        except Exception:
            _log.exception("broken", extra={"facts": {"request_id": request_id}})
            facts |= {"code": Code.INTERNAL}
            if sent.started:
                raise
            await error_response(_ours(request_id))(scope, receive, sent)
        finally:
            facts |= {"status": sent.status, "bytes": sent.byte_count}
            facts["seconds"] = round(time.perf_counter() - started, 4)
            quiet = scope["path"].startswith("/health/")
            _log.log(logging.DEBUG if quiet else logging.INFO, "request", extra={"facts": facts})


class _Sent:
    """Watches what is sent and adds the ids to it."""

    def __init__(self, send: Send, request_id: str, facts: dict[str, Any]) -> None:
        self._send = send
        self._request_id = request_id
        self._facts = facts
        self.status = 0
        self.byte_count = 0

    @property
    def started(self) -> bool:
        return self.status != 0

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            headers = MutableHeaders(scope=message)
            headers["x-request-id"] = self._request_id
            if "generation" in self._facts:
                headers["x-impasto-generation-id"] = self._facts["generation"]
        else:
            self.byte_count += len(message.get("body", b""))
        await self._send(message)


def _sent_id(scope: Scope) -> str | None:
    sent = Headers(scope=scope).get("x-request-id", "")
    return sent if _REQUEST_ID.fullmatch(sent) else None


def _ours(request_id: str) -> Failure:
    return Failure(Code.INTERNAL, f"Something broke in this gateway. Its log knows more under {request_id}.")


def http_error(method: str, path: str, status: int) -> Response:
    """The answer to an address or a method that does not exist, in the one shape of errors."""
    if status == status_of(Code.METHOD_NOT_ALLOWED):
        return error_response(Failure(Code.METHOD_NOT_ALLOWED, f"{method} is not possible at {path[:100]}."))
    message = f"There is nothing at {path[:100]}. Completions are at POST /v3/chat/completions."
    return error_response(Failure(Code.NOT_FOUND, message))
