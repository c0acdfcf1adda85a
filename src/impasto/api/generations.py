"""GET /v3/generations/{id}: how far a generation is, what it came to, and its answer, as it was or would have been.

Rule: it is there for the key that asked for it and for whoever manages the gateway; to everybody
else it does not exist. The answer is read from the store while it is sent.
"""

import re
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass

import msgspec
from msgspec import Raw
from starlette.types import Receive, Scope, Send

from impasto.api.auth import caller_of
from impasto.api.bill_wire import time_text
from impasto.api.chat_answer import LinkOf, RenderedAnswer, render_answer
from impasto.api.errors import error_body
from impasto.api.lineage_wire import Lineage, parent_bodies, prompt_body
from impasto.api.receipt import receipt_body
from impasto.completions.answer import Answers
from impasto.completions.carried import signatures_of
from impasto.completions.create import Completions
from impasto.completions.kept import answers_of, asking_of
from impasto.domain.errors import Code, Failure
from impasto.domain.keys import VirtualKey
from impasto.domain.ledger import Generation, State
from impasto.domain.lineage import Origin

_ID = re.compile(r"[A-Za-z0-9._-]{1,80}", re.ASCII)
_GAP = b'"\0response\0"'
_STATUS: Mapping[State, str] = {
    State.RUNNING: "running",
    State.DONE: "completed",
    State.REFUSED: "failed",
    State.FAILED: "failed",
    State.UNKNOWN: "unknown",
}


@dataclass(frozen=True, slots=True)
class Generations:
    """The resource, an ASGI app."""

    completions: Completions
    link_of: LinkOf | None
    lineage: Lineage | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        generation = await self._found(scope["path_params"]["generation_id"], caller_of(scope))
        origin = await self.lineage.origin(generation.id) if self.lineage else None
        body = generation_body(generation, origin, self.link_of)
        answers: Answers | None = None
        try:
            if generation.state is not State.RUNNING:
                answers = await answers_of(generation, self.completions.store)
        except Failure as failure:
            body["error"] = error_body(failure)
        if answers is None:
            await _send(body, None, send)
            return
        with closing(answers), closing(await signatures_of(answers, self.completions.store)) as signatures:
            await _send(body, render_answer(answers, self.link_of or _no_link, signatures), send)

    async def _found(self, generation_id: str, caller: VirtualKey) -> Generation:
        generation = await self.completions.find(generation_id) if _ID.fullmatch(generation_id) else None
        if generation is None or not (generation.key_id == caller.id or caller.may("manage")):
            raise Failure(
                Code.NOT_FOUND,
                "There is no such generation, or this key did not ask for it. The header x-impasto-generation-id of "
                "every answer names its own.",
            )
        return generation


def generation_body(
    generation: Generation, origin: Origin | None = None, link_of: LinkOf | None = None
) -> dict[str, object]:
    """What there is to say of a generation beside its answer."""
    asking = asking_of(generation)
    return {
        "id": generation.id,
        "object": "generation",
        "status": _STATUS[generation.state],
        "model": asking.model,
        "created": asking.created,
        "created_at": time_text(generation.created_ms),
        "ended_at": None if generation.ended_ms is None else time_text(generation.ended_ms),
        "session_id": generation.session_id,
        "user": generation.end_user,
        "tags": dict(generation.tags),
        "retention": generation.keeps,
        **prompt_body(origin),
        "parents": parent_bodies(origin, link_of),
        "images": [image_id for image_id, _ in origin.images] if origin else [],
        "receipt": [receipt_body(call, ended_ms=generation.ended_ms) for call in generation.calls],
        "error": None,
        "response": None,
    }


def _no_link(image_id: str) -> str:
    return f"/v3/images/{image_id}/content"


async def _send(body: dict[str, object], answer: RenderedAnswer | None, send: Send) -> None:
    if answer is not None:
        body["response"] = Raw(_GAP)
    before, _, after = msgspec.json.encode(body).partition(_GAP)
    length = len(before) + len(after) + (answer.content_length if answer is not None else 0)
    headers = [(b"content-type", b"application/json"), (b"content-length", str(length).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    for piece in _joined(before, answer, after):
        await send({"type": "http.response.body", "body": piece, "more_body": True})
    await send({"type": "http.response.body", "body": b"", "more_body": False})


def _joined(before: bytes, answer: RenderedAnswer | None, after: bytes) -> Iterator[bytes]:
    yield before
    if answer is not None:
        yield from answer
    yield after
