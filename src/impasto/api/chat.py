"""POST /v3/chat/completions: parse, create, send the whole answer.

Rule: the status goes out when the answer is whole, with its length and its cost; from
then on it can only be sent.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, time
from email.utils import format_datetime

from starlette.types import Receive, Scope, Send

from impasto import __version__
from impasto.api.access import name_generation, note
from impasto.api.auth import caller_of
from impasto.api.body import read_body
from impasto.api.chat_answer import render_answer
from impasto.api.chat_wire import parse_chat_body
from impasto.api.money import decimal_text
from impasto.completions.answer import Completion
from impasto.completions.create import Completions
from impasto.domain.model import Model


@dataclass(frozen=True, slots=True)
class ChatCompletions:
    """The endpoint as a bare ASGI app. `default_shape` is the answer's where neither request nor key names one."""

    completions: Completions
    max_body_bytes: int
    default_shape: str

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        completion_id = name_generation(scope)
        body = parse_chat_body(await read_body(scope, receive, self.max_body_bytes))
        note(scope, model=body.request.model[:100])
        completion = await self.completions.create(body.request, id=completion_id)
        try:
            _note_completion(scope, completion)
            shape = body.shape or caller_of(scope).image_output or self.default_shape
            answer = render_answer(completion, shape=shape, ignored=body.ignored, version=__version__)
            headers = {"content-type": "application/json", "content-length": str(answer.content_length)}
            headers |= _cost(completion) | _sunset(self.completions.catalogue.find(completion.request.model))
            await _send(headers, answer, send)
        finally:
            completion.spool.close()


async def _send(headers: dict[str, str], pieces: Iterable[bytes], send: Send) -> None:
    raw = [(name.encode(), value.encode()) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": 200, "headers": raw})
    for piece in pieces:
        await send({"type": "http.response.body", "body": piece, "more_body": True})
    await send({"type": "http.response.body", "body": b"", "more_body": False})


def _cost(completion: Completion) -> dict[str, str]:
    cost = completion.bill.cost
    return {} if cost is None else {"x-impasto-cost": decimal_text(cost)}


def _sunset(asked: Model | None) -> dict[str, str]:
    """The day from which its provider may no longer know the model: a warning, and no more (RFC 8594)."""
    if asked is None or asked.lifecycle.retired is None:
        return {}
    return {"sunset": format_datetime(datetime.combine(asked.lifecycle.retired, time(), UTC), usegmt=True)}


def _note_completion(scope: Scope, completion: Completion) -> None:
    bill = completion.bill
    note(
        scope,
        served_by=completion.served_by.id,
        finish=completion.finish.native,
        pictures=len(completion.results),
        prompt_tokens=bill.usage.prompt_tokens,
        completion_tokens=bill.usage.completion_tokens,
        cost=None if bill.cost is None else decimal_text(bill.cost),
        cost_status=bill.status,
    )
