"""A clean answer whatever breaks.

Rule: an error of ours tells the caller its request id and nothing else. An answer that breaks
off after it began is cut, so that nobody takes half of it for the whole.
"""

from dataclasses import dataclass

from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from impasto.api.access import note, note_broken, request_id_of
from impasto.api.body import CallerLeftError
from impasto.api.errors import error_response, no_route_response, status_of
from impasto.domain.errors import Code, Failure


class AnswerBrokeOffError(ConnectionError):
    """Tells the server to cut the connection: the answer had begun and cannot be ended."""


@dataclass(frozen=True, slots=True)
class FailuresAnswered:
    """ASGI middleware around the routes: what they raise is answered in the one shape of errors."""

    app: ASGIApp

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        scope["app"] = self.app  # with it there, Starlette raises for an unknown address instead of answering in text
        has_begun = False

        async def watched(message: Message) -> None:
            nonlocal has_begun
            has_begun = True
            await send(message)

        try:
            await self.app(scope, receive, watched)
        except CallerLeftError:
            note(scope, code="caller_left")
        except AnswerBrokeOffError:
            raise
        except Exception as error:
            answer = _answer_to(error, scope)
            if has_begun:
                raise AnswerBrokeOffError from None
            await answer(scope, receive, send)


async def answer_failure(failure: Failure, scope: Scope, receive: Receive, send: Send) -> None:
    """The same answer, for who has something to do when it is sent."""
    await _answer_to(failure, scope)(scope, receive, send)


def _answer_to(error: Exception, scope: Scope) -> Response:
    match error:
        case HTTPException():
            return no_route_response(error, scope["method"], scope["path"])
        case Failure():
            note(scope, code=error.code, param=error.param)
            if status_of(error.code) >= 500 or error.logged != error.message:
                note(scope, why=error.logged)
            return error_response(error)
    note_broken(scope, error)
    note(scope, code=Code.INTERNAL)
    message = f"Something broke in this gateway. Its log knows more under {request_id_of(scope)}."
    return error_response(Failure(Code.INTERNAL, message))
