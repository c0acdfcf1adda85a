"""POST /v3/chat/completions: parse, prepare, answer whole or live.

Rule: a whole answer's status goes out when it is whole, with its length and its cost. A caller
who leaves before anything is spent is forgotten; after that the answer is brought to its end.
"""

from collections.abc import AsyncGenerator, Iterable, Iterator
from contextlib import aclosing
from dataclasses import dataclass
from datetime import UTC, datetime, time
from email.utils import format_datetime

from starlette.types import Receive, Scope, Send

from impasto import __version__
from impasto.api.access import name_generation, note
from impasto.api.admission import Admission, bytes_held_by
from impasto.api.auth import caller_of
from impasto.api.body import read_body, unless_caller_leaves
from impasto.api.chat_answer import Answers, render_answer
from impasto.api.chat_stream import DONE, ChunkWriter, chunk_header, error_event, receipt_chunk
from impasto.api.chat_wire import ChatBody, parse_chat_body
from impasto.api.event_stream import EventStream
from impasto.api.money import decimal_text
from impasto.api.shapes import WAITING_SHAPES
from impasto.completions.answer import Bill, Completion
from impasto.completions.call import Serving
from impasto.completions.create import Completions, Prepared
from impasto.domain.errors import Failure


@dataclass(frozen=True, slots=True)
class ChatCompletions:
    """The endpoint as a bare ASGI app. `default_shape` is the answer's where neither request nor key names one."""

    completions: Completions
    admission: Admission
    max_body_bytes: int
    default_shape: str

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        completion_id = name_generation(scope)
        async with self.admission.held(bytes_held_by(scope, self.max_body_bytes)):
            await self._answer(scope, receive, send, completion_id)

    async def _answer(self, scope: Scope, receive: Receive, send: Send, completion_id: str) -> None:
        body = parse_chat_body(await read_body(scope, receive, self.max_body_bytes))
        shape = body.shape or caller_of(scope).image_output or self.default_shape
        note(scope, model=body.request.model[:100])
        answering = _Answering(self.completions, scope, receive, body, shape, completion_id)
        await (answering.live(send) if body.streamed else answering.whole(send))


@dataclass(frozen=True, slots=True)
class _Answering:
    """One request being answered."""

    completions: Completions
    scope: Scope
    receive: Receive
    body: ChatBody
    shape: str
    completion_id: str

    async def whole(self, send: Send) -> None:
        async with self.completions.deadline():
            answers = await self._collect(await self._prepare())
        try:
            _note_answers(self.scope, answers)
            answer = render_answer(answers, shape=self.shape, ignored=self.body.ignored, version=__version__)
            headers = {"content-type": "application/json", "content-length": str(answer.content_length)}
            await _send(headers | _cost(answers.bill) | self._sunset(), answer, send)
        finally:
            answers.close()

    async def live(self, send: Send) -> None:
        stream, last = EventStream(send, self._sunset()), DONE
        try:
            async with stream.kept_alive(), self.completions.deadline():
                chunks = self._chunks(await self._prepare())
                async with aclosing(chunks):
                    async for chunk in chunks:
                        await stream.write(chunk)
        except Failure as failure:
            if not stream.has_begun:
                raise
            note(self.scope, code=failure.code, why=failure.logged)
            last = error_event(failure) + last
        async with self.completions.deadline():  # who has stopped reading is not waited for without end
            await stream.break_event()
            await stream.write(last)
            await stream.end()

    def _sunset(self) -> dict[str, str]:
        """The day from which its provider may no longer know the model: a warning, and no more (RFC 8594)."""
        asked = self.completions.catalogue.find(self.body.request.model)
        if asked is None or asked.lifecycle.retired is None:
            return {}
        return {"sunset": format_datetime(datetime.combine(asked.lifecycle.retired, time(), UTC), usegmt=True)}

    async def _prepare(self) -> Prepared:
        body = self.body
        preparing = self.completions.prepare(body.request, count=body.count, streamed=body.streamed)
        if not body.request.has_links:
            return await preparing  # at once: nobody can leave meanwhile
        return await unless_caller_leaves(self.receive, preparing)

    async def _collect(self, prepared: Prepared) -> Answers:
        """All answers, whole. Raises the first failure if there is nothing else."""
        answers = Answers({}, {})
        try:
            each = self.completions.create_each(prepared, self.body.count, id=self.completion_id)
            async with aclosing(each):
                async for index, answer in each:
                    _sort_in(answers, index, answer)
        except BaseException:
            answers.close()
            raise
        _check_any(answers)
        return answers

    def _chunks(self, prepared: Prepared) -> AsyncGenerator[bytes, None]:
        models = (prepared.route.model, prepared.route.replacement)
        has_drafts = any(model and model.images and model.images.drafts for model in models)
        waits = has_drafts or self.body.count > 1 or self.shape in WAITING_SHAPES
        return self._chunks_from_spool(prepared) if waits else self._chunks_as_they_come(prepared)

    async def _chunks_as_they_come(self, prepared: Prepared) -> AsyncGenerator[bytes, None]:
        events = self.completions.live(prepared, id=self.completion_id)
        writer: ChunkWriter | None = None
        async with aclosing(events):
            async for event in events:
                if isinstance(event, Serving):
                    header = chunk_header(self.completion_id, prepared, event.model, __version__)
                    writer = ChunkWriter(header, event.model, self.shape)
                elif writer is None:
                    continue
                elif isinstance(event, Completion):
                    for chunk in writer.end(event):
                        yield chunk
                    yield self._receipt(Answers({0: event}))
                elif chunks := b"".join(writer.write(event)):
                    yield chunks

    async def _chunks_from_spool(self, prepared: Prepared) -> AsyncGenerator[bytes, None]:
        answers = Answers({}, {})
        each = self.completions.create_each(prepared, self.body.count, id=self.completion_id)
        async with aclosing(each):
            async for index, answer in each:
                _sort_in(answers, index, answer)
                if isinstance(answer, Failure):
                    continue
                try:
                    for chunk in self._replay(prepared, answer, index):
                        yield chunk
                finally:
                    answer.spool.close()
        _check_any(answers)
        yield self._receipt(answers)

    def _replay(self, prepared: Prepared, answer: Completion, index: int) -> Iterator[bytes]:
        header = chunk_header(self.completion_id, prepared, answer.served_by, __version__)
        return ChunkWriter(header, answer.served_by, self.shape, index).replay(answer)

    def _receipt(self, answers: Answers) -> bytes:
        _note_answers(self.scope, answers)
        return receipt_chunk(answers, self.body.ignored, __version__)


def _sort_in(answers: Answers, index: int, answer: Completion | Failure) -> None:
    if isinstance(answer, Failure):
        answers.failures[index] = answer
    else:
        answers.completions[index] = answer


def _check_any(answers: Answers) -> None:
    if not answers.completions:
        raise answers.failures[min(answers.failures)]


async def _send(headers: dict[str, str], pieces: Iterable[bytes], send: Send) -> None:
    raw = [(name.encode(), value.encode()) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": 200, "headers": raw})
    last = b""
    for piece in pieces:
        if last:
            await send({"type": "http.response.body", "body": last, "more_body": True})
        last = piece
    await send({"type": "http.response.body", "body": last, "more_body": False})


def _cost(bill: Bill) -> dict[str, str]:
    return {} if bill.cost is None else {"x-impasto-cost": decimal_text(bill.cost)}


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
