"""POST /v3/chat/completions: parse, begin or attach, answer whole or live.

Rule: a whole answer's status goes out when it is whole, with its length and its cost. A caller who
leaves stops nothing: what he asked for is brought to its end and kept, unless the operator chose
otherwise.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Iterable
from contextlib import aclosing, asynccontextmanager, closing, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, time
from email.utils import format_datetime
from functools import partial

from starlette.datastructures import Headers
from starlette.types import Receive, Scope, Send

from impasto import __version__
from impasto.api.access import name_generation, note, rename_generation
from impasto.api.admission import Admission, bytes_held_by
from impasto.api.auth import caller_now, caller_of
from impasto.api.body import CallerLeftError, Line, read_body
from impasto.api.chat_answer import LinkOf, RenderedAnswer, render_answer
from impasto.api.chat_stream import DONE, ChunkWriter, error_event, receipt_chunk
from impasto.api.chat_wire import ChatBody, parse_chat_body
from impasto.api.event_stream import EventStream
from impasto.api.failures import AnswerBrokeOffError, answer_failure
from impasto.api.money import decimal_text
from impasto.api.repeats import repeatable_of
from impasto.api.shapes import WAITING_SHAPES
from impasto.api.spaces import Spaces
from impasto.api.tags_wire import parse_tags
from impasto.completions.answer import Answers, Bill, Manner, ServedBy
from impasto.completions.call import Serving
from impasto.completions.carried import Signatures, signatures_of
from impasto.completions.create import Asked, Attached, Completions
from impasto.domain.errors import Code, Failure, listed
from impasto.domain.keys import VirtualKey
from impasto.domain.ledger import Delivery
from impasto.domain.retention import Keeps

READING_SECONDS = 30.0
"""How much longer than its making a live answer may take to be read."""


@dataclass(frozen=True, slots=True)
class ChatCompletions:
    """The endpoint as a bare ASGI app.

    `default_shape` is the answer's where neither request nor key names one. `link_of` gives signed links, and is
    `None` where the gateway does not know its own address. `finishes`: a call goes on when its caller leaves.
    `spaces_seconds`: after so long a silence a whole answer begins with white space; 0 is never.
    """

    completions: Completions
    admission: Admission
    max_body_bytes: int
    default_shape: str
    link_of: LinkOf | None = None
    finishes: bool = True
    spaces_seconds: float = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        generation_id = name_generation(scope)
        async with self.admission.held(bytes_held_by(scope, self.max_body_bytes)):
            raw = await read_body(scope, receive, self.max_body_bytes)
            asked = self._asked(scope, generation_id, raw)
            del raw  # the request holds views of what it needs
            line = Line(scope, receive)
            try:
                await _Answering(self, scope, line, asked).answer(receive, send)
            finally:
                line.close()

    def _asked(self, scope: Scope, generation_id: str, raw: bytearray) -> Asked:
        body, key, headers = parse_chat_body(raw), caller_of(scope), Headers(scope=scope)
        keeps = _keeps(body.keeps, key)
        note(scope, model=body.request.model[:100])
        repeatable = repeatable_of(headers, raw, self.default_shape)
        return Asked(
            id=generation_id,
            request=body.request,
            key=key,
            key_now=partial(caller_now, scope),
            manner=self._manner(body, key, keeps),
            count=body.count,
            request_hash=repeatable.request_hash,
            idempotency_hash=repeatable.idempotency_hash,
            is_retry=repeatable.is_retry,
            wait_seconds=repeatable.wait_seconds,
            tags=parse_tags(body.tags, headers, key.default_tags),
            session_id=body.session_id,
            end_user=body.end_user,
            keeps=keeps,
        )

    def _manner(self, body: ChatBody, key: VirtualKey, keeps: Keeps) -> Manner:
        shape = body.shape or key.image_output or self.default_shape
        delivery = body.delivery or (None if keeps is Keeps.NONE else key.image_delivery) or "inline"
        if delivery == "url" and keeps is Keeps.NONE:
            raise Failure(
                Code.UNSUPPORTED,
                'image_delivery "url" is not possible with retention none: a link needs a picture that is kept. It '
                "takes inline.",
                param="image_delivery",
            )
        if delivery == "url" and self.link_of is None:
            raise Failure(
                Code.UNSUPPORTED,
                'image_delivery "url" is not possible here: this gateway does not know the address that links begin '
                "with. Its operator sets IMPASTO_PUBLIC_URL. It takes inline.",
                param="image_delivery",
            )
        waits = shape in WAITING_SHAPES or delivery == "url"
        return Manner(
            shape, delivery, body.streamed, waits, body.ignored, __version__, signatures=body.signatures
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Answering:
    """One request being answered."""

    endpoint: ChatCompletions
    scope: Scope
    line: Line
    asked: Asked

    async def answer(self, receive: Receive, send: Send) -> None:
        attached = await self.endpoint.completions.open(self.asked)
        if attached.is_repeat:
            rename_generation(self.scope, attached.id)
            note(self.scope, repeats=attached.id)
        try:
            await (self._live if attached.asking.manner.streamed else self._whole)(attached, send)
        except CallerLeftError:
            await self._left(attached)
            raise
        except Failure as failure:
            await self._refuse(attached, failure, receive, send)
        finally:
            attached.close()

    async def _refuse(self, attached: Attached, failure: Failure, receive: Receive, send: Send) -> None:
        """Say why there is no answer. It is delivered when it is said: who was cut off before asks again, and so may
        who would not wait, or was kept from an answer that is there."""
        passing = self.endpoint.completions.passing
        is_owed = attached.is_owed(failure)
        if not is_owed:
            self.endpoint.completions.note_refusal(self.asked, failure)
        was_lost = self.line.is_lost or is_owed
        passing("responding")
        await answer_failure(failure, self.scope, receive, send)
        passing("responded")
        await self._note_heard(attached, was_lost=was_lost)

    async def _left(self, attached: Attached) -> None:
        """Nobody is on the line any more. The place that the request holds is given back when it ends."""
        await _noted(attached, Delivery.LOST)
        if not self.endpoint.finishes:
            attached.give_up()
        if not attached.is_repeat:
            with suppress(Failure):
                await attached.answers()

    async def _whole(self, attached: Attached, send: Send) -> None:
        passing = self.endpoint.completions.passing
        spaces = Spaces(send, self.endpoint.spaces_seconds)
        try:
            async with spaces.sent_in_silence():
                answers = await self.line.unless_lost(attached.answers())
                signatures = await self._signatures_of(answers)
        except Failure as failure:
            if not spaces.has_begun:
                raise
            note(self.scope, code=failure.code, why=failure.logged)  # it was told under status 200
            await _noted(attached, Delivery.LOST if attached.is_owed(failure) else Delivery.DELIVERED)
            return
        with closing(signatures):
            _note_answers(self.scope, answers)
            rendered = render_answer(answers, self._link_of(), signatures)
            passing("responding")
            if not spaces.has_begun:
                await _start(self._headers(attached) | _cost(answers.bill) | _image_ids(answers), rendered, send)
            try:
                last = await _send_but_last(rendered, send)
            except Failure as failure:  # the store, of which a picture is read while it is sent
                note(self.scope, code=failure.code, why=failure.logged)
                await _noted(attached, Delivery.LOST)
                raise AnswerBrokeOffError from None
        await self._end(attached, send, last)

    async def _live(self, attached: Attached, send: Send) -> None:
        stream = EventStream(send, self._headers(attached))
        try:
            await self.line.unless_lost(self._write_stream(attached, stream))
        except Failure as failure:
            if not stream.has_begun:
                raise
            note(self.scope, code=failure.code, why=failure.logged)
            async with self._cutting_off(attached):
                await stream.break_event()
                await stream.write(error_event(failure) + DONE)
        await self._end(attached, send, b"")

    async def _write_stream(self, attached: Attached, stream: EventStream) -> None:
        seconds = self.endpoint.completions.deadline_seconds
        try:
            async with stream.kept_alive(), asyncio.timeout(seconds + self._reading_seconds):
                chunks = self._chunks(attached)
                async with aclosing(chunks):
                    async for chunk in chunks:
                        await stream.write(chunk)
                await stream.write(DONE)
        except TimeoutError:
            raise Failure(
                Code.DEADLINE_EXCEEDED,
                f"The answer was not read within {seconds:g} seconds. It is kept: GET /v3/generations/{attached.id}.",
            ) from None

    async def _end(self, attached: Attached, send: Send, last: bytes) -> None:
        """End the answer. Once it has ended the line tells nothing any more, so it is asked before."""
        was_lost = self.line.is_lost
        async with self._cutting_off(attached):
            await send({"type": "http.response.body", "body": last, "more_body": False})
        self.endpoint.completions.passing("responded")
        await self._note_heard(attached, was_lost=was_lost)

    @property
    def _reading_seconds(self) -> float:
        return min(self.endpoint.completions.deadline_seconds, READING_SECONDS)

    @asynccontextmanager
    async def _cutting_off(self, attached: Attached) -> AsyncIterator[None]:
        """For the last that is sent: who has stopped reading is not waited for without end."""
        try:
            async with asyncio.timeout(self._reading_seconds):
                yield
        except TimeoutError:
            await _noted(attached, Delivery.LOST)
            raise AnswerBrokeOffError from None

    async def _note_heard(self, attached: Attached, *, was_lost: bool) -> None:
        if not attached.is_recognisable:
            return
        if was_lost or not self.line.can_tell:
            await _noted(attached, Delivery.LOST if was_lost else Delivery.DELIVERED)
        else:  # the place that the request holds need not wait for it
            self.endpoint.completions.do_afterwards(self._note_when_known(attached))

    async def _note_when_known(self, attached: Attached) -> None:
        has_it = await self.line.confirmed()
        await _noted(attached, Delivery.DELIVERED if has_it else Delivery.LOST)

    async def _chunks(self, attached: Attached) -> AsyncGenerator[bytes, None]:
        if attached.running is None or attached.asking.manner.waits or attached.waits_not_to_the_end:
            answers = await attached.answers()
            with closing(await self._signatures_of(answers)) as signatures:
                for chunk in self._replay(answers, signatures):
                    yield chunk
            return
        events = attached.live()
        writer: ChunkWriter | None = None
        async with aclosing(events):
            async for event in events:
                if isinstance(event, Serving):
                    writer = ChunkWriter(attached.id, attached.asking, ServedBy.of(event.model))
                elif writer is None:
                    continue
                elif isinstance(event, Answers):
                    with closing(await self._signatures_of(event)) as signatures:
                        for chunk in writer.end(event.first, signatures=signatures.of(min(event.completions))):
                            yield chunk
                    yield self._receipt(event)
                elif chunks := b"".join(writer.write(event)):
                    yield chunks

    async def _signatures_of(self, answers: Answers) -> Signatures:
        return await signatures_of(answers, self.endpoint.completions.store)

    def _replay(self, answers: Answers, signatures: Signatures) -> Iterable[bytes]:
        link_of = self._link_of() if answers.asking.manner.delivery == "url" else None
        for index, completion in sorted(answers.completions.items()):
            writer = ChunkWriter(answers.id, answers.asking, completion.served_by, index)
            yield from writer.replay(completion, link_of, signatures.of(index))
        yield self._receipt(answers)

    def _receipt(self, answers: Answers) -> bytes:
        _note_answers(self.scope, answers)
        return receipt_chunk(answers)

    def _link_of(self) -> LinkOf:
        return self.endpoint.link_of or _no_link

    def _headers(self, attached: Attached) -> dict[str, str]:
        headers = self._sunset(attached)
        if attached.is_repeat and self.asked.idempotency_hash is not None:
            headers["idempotent-replayed"] = "true"
        return headers

    def _sunset(self, attached: Attached) -> dict[str, str]:
        """The day from which its provider may no longer know the model: a warning, and no more (RFC 8594)."""
        asked = self.endpoint.completions.catalogue.find(attached.asking.model)
        if asked is None or asked.lifecycle.retired is None:
            return {}
        return {"sunset": format_datetime(datetime.combine(asked.lifecycle.retired, time(), UTC), usegmt=True)}


def _keeps(asked: Keeps | None, key: VirtualKey) -> Keeps:
    """How much is kept: what was asked for, which may be less than what the key allows and never more."""
    if asked is None:
        return key.retention
    order = tuple(Keeps)
    if order.index(asked) < order.index(key.retention):
        allowed = order[order.index(key.retention) :]
        raise Failure(
            Code.INVALID_VALUE,
            f'retention "{asked}" is not possible with the key "{key.name}". It takes {listed(allowed)}.',
            param="retention",
        )
    return asked


def _no_link(image_id: str) -> str:
    """For an answer that was given as links before the gateway forgot its own address."""
    return f"/v3/images/{image_id}/content"


async def _noted(attached: Attached, delivery: Delivery) -> None:
    with suppress(Failure):  # the books are away: a repeat will find it open, and attach to it all the same
        await attached.note_delivery(delivery)


async def _start(headers: dict[str, str], answer: RenderedAnswer, send: Send) -> None:
    headers = {"content-type": "application/json", "content-length": str(answer.content_length)} | headers
    raw = [(name.encode(), value.encode()) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": 200, "headers": raw})


async def _send_but_last(pieces: Iterable[bytes], send: Send) -> bytes:
    """Send all pieces but the last one, and return that."""
    last = b""
    for piece in pieces:
        if last:
            await send({"type": "http.response.body", "body": last, "more_body": True})
        last = piece
    return last


def _cost(bill: Bill) -> dict[str, str]:
    return {} if bill.cost is None else {"x-impasto-cost": decimal_text(bill.cost)}


def _image_ids(answers: Answers) -> dict[str, str]:
    ids = [picture.id for each in answers.completions.values() for picture in each.results if picture.id]
    return {"x-impasto-image-ids": ", ".join(ids)} if ids else {}


def _note_answers(scope: Scope, answers: Answers) -> None:
    bill, completions = answers.bill, answers.completions.values()
    note(
        scope,
        served_by=answers.first.served_by.id,
        finish=answers.first.finish.native,
        answers=len(answers.completions),
        pictures=sum(len(completion.results) for completion in completions),
        prompt_tokens=bill.usage.prompt_tokens,
        completion_tokens=bill.usage.completion_tokens,
        cost=None if bill.cost is None else decimal_text(bill.cost),
        cost_status=bill.status,
    )
    if answers.failures:
        note(scope, failed=[failure.code for failure in answers.failures.values()])
