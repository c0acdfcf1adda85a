"""The life of a request: prepared, found to be a repeat or begun, brought to its end, asked for again.

Rule: nothing is sent before its money is held, a repeat is never sent at all, and what has begun
ends in the ledger whoever leaves.
"""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine, Mapping
from contextlib import aclosing, suppress
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, assert_never

from impasto.catalogue.catalogue import Catalogue
from impasto.completions.answer import Answers, Asking, Manner
from impasto.completions.call import Serving
from impasto.completions.calling import Calling, Passing
from impasto.completions.ingredients import Ingredients
from impasto.completions.inline import Inlined, inline
from impasto.completions.journal import Journal
from impasto.completions.kept import answers_of, asking_of, broke_off, encode
from impasto.completions.ports import Answerers, BlobStore, ImageSource, Ledger
from impasto.completions.prepare import Prepared, prepare
from impasto.completions.recall import Recall, Recalled
from impasto.completions.repeats import RefusedAttempts
from impasto.completions.running import Running
from impasto.domain.chat import ChatRequest
from impasto.domain.errors import MAY_HAVE_SPENT, Code, Failure
from impasto.domain.events import Event
from impasto.domain.keys import VirtualKey
from impasto.domain.ledger import Begun, Delivery, Earlier, Generation, KeyChanged, Opening, State, Undecided
from impasto.domain.limits import check_pictures
from impasto.domain.retention import Keeps

LOOK_SECONDS = (0.05, 0.1, 0.25, 0.5)
"""Pauses between looks at what another process is at; the last one goes on."""


@dataclass(frozen=True, slots=True)
class Asked:
    """One request of one caller.

    `id` names what comes of it. `key_now` gives the key as it is this moment. `request_hash` is that of its text,
    where it may be asked again; `idempotency_hash` that of the key that it came with; `is_retry`: it says that it is
    a repeat. `wait_seconds` is how long it waits for an earlier one that is still running (`None`: to its end).
    `session_id` and `end_user` are his names for a conversation and a person; `keeps` is how much of it is kept.
    """

    id: str
    request: ChatRequest
    key: VirtualKey
    key_now: Callable[[], Awaitable[VirtualKey]]
    manner: Manner
    count: int = 1
    request_hash: bytes | None = None
    idempotency_hash: bytes | None = None
    is_retry: bool = False
    wait_seconds: float | None = None
    tags: Mapping[str, str] = field(default_factory=dict)
    session_id: str | None = None
    end_user: str | None = None
    keeps: Keeps = Keeps.ALL


@dataclass(slots=True)
class Attached:
    """A caller's hold on a generation, his own or an earlier one (`is_repeat`): he waits, reads, and says how it went.

    `running` is there where this process is at it. Closed once, by whoever holds it.
    """

    id: str
    asking: Asking
    is_repeat: bool
    running: Running | None
    completions: "Completions"
    asked: Asked
    claim: int = 0
    has_left: bool = False
    _kept: Answers | None = None

    async def answers(self) -> Answers:
        """All answers, whole. Raises the failure where there is none; 409 where the caller would not wait so long."""
        if self.running is not None:
            return await self._waiting(self.running.answers())
        if self._kept is None:
            self._kept = await self.completions.kept_answers(self.id, self.asked)
        return self._kept

    async def live(self) -> AsyncGenerator[Serving | Event | Answers, None]:
        """The first answer as it comes, or as it came, and last all that came. Raises `Failure`."""
        if self.running is not None:
            events = self.running.follow()
            async with aclosing(events):
                async for event in events:
                    yield event
        yield await self.answers()

    @property
    def waits_not_to_the_end(self) -> bool:
        """Whether this is a repeat whose caller would rather hear that the first one still runs."""
        return self.is_repeat and self.asked.wait_seconds is not None

    @property
    def is_recognisable(self) -> bool:
        """Whether it may be asked for again without a key, so that it matters what became of the answer."""
        return self.asked.request_hash is not None and self.asked.idempotency_hash is None

    def is_owed(self, failure: Failure) -> bool:
        """Whether `failure` only puts off an answer that is there or comes: he gets it when he asks again."""
        away = self.running is None and failure.code is Code.LEDGER_UNAVAILABLE
        return away or failure.code is Code.STILL_RUNNING

    async def note_delivery(self, delivery: Delivery) -> None:
        """What became of the answer."""
        if self.is_recognisable:
            await self.completions.ledger.note_delivery(self.id, self.claim, delivery)

    def give_up(self) -> None:
        """He has left, and the generation ends if nobody else waits for it, now or when the last one leaves."""
        if self.running is not None and not self.has_left:
            self.has_left = True
            self.running.leave()

    def close(self) -> None:
        """Wait for it no longer, and let go of its pictures."""
        if self.running is not None:
            self.running.detach(had_left=self.has_left)
        elif self._kept is not None:
            self._kept.close()

    async def _waiting(self, answers: Coroutine[Any, Any, Answers]) -> Answers:
        if not self.waits_not_to_the_end:
            return await answers
        try:
            async with asyncio.timeout(self.asked.wait_seconds):
                return await answers
        except TimeoutError:
            raise still_running(self.id) from None


@dataclass(slots=True)
class Completions:
    """Answers chat requests. `now` gives seconds since the epoch; `deadline_seconds` bounds the calls of a request.
    `recall` finds what requests cite, and `strips_gps` says whether photos lose their position.
    `sandbox` answers for keys that no provider is asked for. `siblings_seconds`: how long a repeat waits to hear that
    the line of an earlier one was lost, before it takes it for lost."""

    catalogue: Catalogue
    answerers: Answerers
    sandbox: Answerers
    images: ImageSource
    store: BlobStore
    ledger: Ledger
    recall: Recall
    now: Callable[[], float]
    new_id: Callable[[], str]
    deadline_seconds: float
    passing: Passing = lambda _: None
    siblings_seconds: float = 2.0
    strips_gps: bool = True
    _running: dict[str, Running] = field(default_factory=dict)
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)
    _refused: RefusedAttempts = field(default_factory=RefusedAttempts)

    async def open(self, asked: Asked) -> Attached:
        """Begin what was asked, or attach to it where it was asked before. Raises `Failure`."""
        try:
            opened = await self._open(asked)
        except Failure as failure:
            self.note_refusal(asked, failure)
            raise
        # A failure to attach is no refusal: what he asked for was made, and is found when he asks again.
        return await self._attach(asked, opened) if isinstance(opened, Earlier) else opened

    def note_refusal(self, asked: Asked, failure: Failure) -> None:
        """The caller is told to try again: his next attempt is no repeat of a lost one."""
        if failure.retry_helps and asked.request_hash is not None and asked.idempotency_hash is None:
            self._refused.add(asked.key.id, asked.request_hash, asyncio.get_running_loop().time())

    async def kept_answers(self, generation_id: str, asked: Asked) -> Answers:
        """The answers of a generation that this process is not at, as soon as it has ended."""
        waits = float("inf") if asked.wait_seconds is None else asked.wait_seconds
        attempt = 0
        while True:
            generation = await self.ledger.find(generation_id)
            if generation is None:
                raise Failure(Code.ANSWER_GONE, f"Nothing is kept of {generation_id} any more.")
            if generation.state is not State.RUNNING:
                return await self._answers(generation, asked)
            if waits <= 0:
                raise still_running(generation_id)
            pause = min(LOOK_SECONDS[min(attempt, len(LOOK_SECONDS) - 1)], waits)
            await asyncio.sleep(pause)
            waits -= pause
            attempt += 1

    async def find(self, generation_id: str) -> Generation | None:
        """What is kept of a generation."""
        return await self.ledger.find(generation_id)

    def do_afterwards(self, work: Coroutine[Any, Any, None]) -> None:
        """Bring `work` to its end before all is over, with nobody waiting for it."""
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def drain(self, seconds: float | None = None) -> None:
        """Wait until everything that runs has ended, for at most `seconds`; then end the rest."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while self._tasks:
                    await asyncio.wait(self._tasks)
        self.cut()
        if self._tasks:
            await asyncio.wait(self._tasks)

    def cut(self) -> None:
        """End everything that runs at once, as if this process had died: what it leaves is resolved by the next."""
        for task in self._tasks:
            task.cancel()

    async def _answers(self, generation: Generation, asked: Asked) -> Answers:
        try:
            return await answers_of(generation, self.store)
        except Failure as failure:
            if asked.idempotency_hash is None and failure.code in MAY_HAVE_SPENT:
                raise broke_off() from failure
            raise

    async def _open(self, asked: Asked) -> Attached | Earlier:
        try:
            return await self._found_or_begun(asked)
        except Failure as failure:
            if failure.code is not Code.INVALID_IMAGE or asked.request_hash is None:
                raise
            # What a repeat cites may have gone since it was made first: the answer is there all the same.
            return await self._earlier(asked, failure)

    async def _earlier(self, asked: Asked, refusal: Failure) -> Earlier:
        """What this repeats; else it is refused."""
        if asked.idempotency_hash is None and not asked.is_retry:
            raise refusal
        opening = Opening(
            asked.id, asked.key, asked.request.model, (), "", request_hash=asked.request_hash,
            idempotency_hash=asked.idempotency_hash, refusal=refusal,
        )  # fmt: skip
        begun = await self._begin_or_find(asked, opening)
        if isinstance(begun, Earlier):
            return begun
        raise refusal

    async def _found_or_begun(self, asked: Asked) -> Attached | Earlier:
        recalled = await self.recall.recalled(asked.request, asked.key.id, asked.session_id)
        while True:
            prepared = prepare(
                recalled.request, asked.key, self.catalogue, self.answerers,
                count=asked.count, streamed=asked.manner.streamed,
            )  # fmt: skip
            inputs = None if recalled.request.has_links else await self._inputs(prepared)
            asking = self._asking(asked, prepared)
            begun = await self._begin(asked, prepared, asking)
            match begun:
                case Begun():
                    return self._start(asked, prepared, asking, inputs, recalled)
                case Earlier():
                    return begun
                case KeyChanged():
                    # The secret that was sent may be the one that it had before: the caller shows it again.
                    asked = _with_key(asked, await asked.key_now())
                case Undecided():
                    raise AssertionError
                case _:
                    assert_never(begun)

    async def _inputs(self, prepared: Prepared) -> Inlined:
        inputs = await self._brought(prepared)
        check_pictures(prepared.route.model, inputs.turns)
        return inputs

    async def _brought(self, prepared: Prepared) -> Inlined:
        return await inline(prepared.request, self.images, self.store, strips_gps=self.strips_gps)

    def _asking(self, asked: Asked, prepared: Prepared) -> Asking:
        has_drafts = any(model.images and model.images.drafts for model in prepared.models)
        waits = asked.manner.waits or has_drafts or asked.count > 1
        manner = replace(asked.manner, waits=waits, sandbox=prepared.sandbox)
        return Asking(
            int(self.now()), asked.request.model, asked.request.image_config, asked.count, manner, asked.keeps
        )

    async def _begin(
        self, asked: Asked, prepared: Prepared, asking: Asking
    ) -> Begun | Earlier | KeyChanged | Undecided:
        opening = Opening(
            generation_id=asked.id,
            key=asked.key,
            model=prepared.route.model.id,
            holds=(prepared.hold,) * asked.count,
            request=encode(_without_words(asking)).decode(),
            sent=not prepared.request.has_links,
            request_hash=asked.request_hash,
            idempotency_hash=asked.idempotency_hash,
            tags=asked.tags,
            session_id=None if asked.keeps is Keeps.NONE else asked.session_id,
            end_user=None if asked.keeps is Keeps.NONE else asked.end_user,
            keeps=asked.keeps,
        )
        begun = await self._begin_or_find(asked, opening)
        self.passing("begun")
        return begun

    async def _begin_or_find(self, asked: Asked, opening: Opening) -> Begun | Earlier | KeyChanged | Undecided:
        if asked.is_retry and asked.request_hash is not None and asked.idempotency_hash is None:
            return await self._begin_again(asked, opening)
        return await self.ledger.begin(opening)

    async def _begin_again(self, asked: Asked, opening: Opening) -> Begun | Earlier | KeyChanged | Undecided:
        """Of a request that says that it is a repeat: the one whose line was lost, else the one that was refused,
        else one that is still open, whose line must have been lost unnoticed."""
        assert asked.request_hash is not None  # noqa: S101 - the caller has looked
        clock = asyncio.get_running_loop().time
        if self._refused.has(asked.key.id, asked.request_hash, clock()):
            try:
                begun = await self.ledger.begin(replace(opening, retry="lost"))
            except Failure:  # it has come back, and is refused anew
                self._refused.take(asked.key.id, asked.request_hash, clock())
                raise
            if isinstance(begun, Begun):
                self._refused.take(asked.key.id, asked.request_hash, clock())
            return begun
        until = clock() + self.siblings_seconds
        opening = replace(opening, retry="wait")
        while isinstance(begun := await self.ledger.begin(opening), Undecided):
            opening = replace(opening, was_open=begun.generation_id)
            if clock() >= until:
                opening = replace(opening, retry="open")
            else:
                await asyncio.sleep(LOOK_SECONDS[1])
        return begun

    def _start(
        self, asked: Asked, prepared: Prepared, asking: Asking, inputs: Inlined | None, recalled: Recalled
    ) -> Attached:
        calling = Calling(
            id=asked.id,
            prepared=prepared,
            asking=asking,
            answerers=self.sandbox if prepared.sandbox else self.answerers,
            store=self.store,
            new_id=self.new_id,
            passing=self.passing,
            deadline=asyncio.get_running_loop().time() + self.deadline_seconds,
            deadline_seconds=self.deadline_seconds,
        )
        journals = tuple(Journal(self.store, is_kept=calling.is_kept) for _ in range(asked.count))
        ingredients = Ingredients.of(prepared.request, recalled.parents, asked.keeps)
        bring = partial(self._brought, prepared)
        running = Running(asking, inputs, bring, ingredients, calling, self.ledger, journals)
        running.attach()
        self._running[asked.id] = running
        task = asyncio.create_task(running.run(), name=asked.id)
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        return Attached(asked.id, asking, False, running, self, asked)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        self._running.pop(task.get_name(), None)

    async def _attach(self, asked: Asked, earlier: Earlier) -> Attached:
        running = self._running.get(earlier.generation_id)
        if running is not None and running.attach():
            return Attached(running.id, running.asking, True, running, self, asked, earlier.claim)
        generation = await self.ledger.find(earlier.generation_id)
        if generation is None:
            raise Failure(Code.ANSWER_GONE, f"Nothing is kept of {earlier.generation_id} any more.")
        return Attached(generation.id, asking_of(generation), True, None, self, asked, earlier.claim)


def _without_words(asking: Asking) -> Asking:
    """As it is written down: under `none` without the names of fields that are unknown here: they may say anything."""
    if asking.keeps is not Keeps.NONE:
        return asking
    return replace(asking, manner=replace(asking.manner, ignored=()))


def _with_key(asked: Asked, key: VirtualKey) -> Asked:
    """The same with the key as it is now. Where it has come to allow less to be kept, less is: without a picture that
    is kept there is no link to it."""
    keeps = asked.keeps.within(key.retention)
    delivery = "inline" if keeps is Keeps.NONE else asked.manner.delivery
    return replace(asked, key=key, keeps=keeps, manner=replace(asked.manner, delivery=delivery))


def still_running(generation_id: str) -> Failure:
    """What is said to who would not wait so long."""
    return Failure(
        Code.STILL_RUNNING,
        f"This request was made before and still runs, as {generation_id}. Ask again later, or without Prefer: wait.",
    )
