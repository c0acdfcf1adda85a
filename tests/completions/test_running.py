"""One generation while it runs: it ends in the ledger and leaves nothing open, whatever happens and whoever leaves."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from typing import Any

import pytest

from impasto.completions.answer import Answers
from impasto.completions.call import Serving
from impasto.completions.kept import LONGEST_IN_A_ROW, answers_of
from impasto.domain.chat import ModelCall
from impasto.domain.errors import Code, Failure
from impasto.domain.events import Event, Text, UsageSeen
from impasto.domain.ledger import Closing, Delivery, Outcome, State
from tests.completions.house import PAINTED, RED, STOP, URL, USAGE, WITH_LINK, House
from tests.fakes.answerers import FakeAnswerers
from tests.fakes.blobs import MemoryStore
from tests.fakes.images import FakeImages
from tests.fakes.ledger import MemoryLedger
from tests.fakes.models import a_request

DOWN = Failure(Code.LEDGER_UNAVAILABLE, "the books are away")


class Gated(FakeAnswerers):
    """Answers when `gate` is set; the calls have begun by then. Where `scripts` are given, each call has its own."""

    def __init__(self, *scripts: Sequence[Event | BaseException]) -> None:
        super().__init__(PAINTED)
        self.gate = asyncio.Event()
        self.begun = asyncio.Event()
        self.scripts = list(scripts)

    async def answer(self, call: ModelCall) -> AsyncGenerator[Event, None]:
        script = self.scripts.pop(0) if self.scripts else self.script
        self.begun.set()
        if not any(isinstance(step, BaseException) for step in script):
            await self.gate.wait()
        self.script = script
        async for event in super().answer(call):
            yield event


# --- whoever leaves ---


async def test_it_goes_on_when_its_caller_leaves() -> None:
    answerers = Gated()
    house = House(answerers)
    attached = await house.open()
    await answerers.begun.wait()
    attached.close()
    answerers.gate.set()
    await house.completions.drain()
    assert (house.generation.state, house.store.open_blobs) == (State.DONE, [])
    assert RED in house.store.kept.values()


async def test_waiting_for_it_can_be_broken_off_without_harm() -> None:
    answerers = Gated()
    house = House(answerers)
    async with house.asking() as attached:
        waiting = asyncio.create_task(attached.answers())
        await answerers.begun.wait()
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
        answerers.gate.set()
        assert (await attached.answers()).first.results


async def test_several_wait_for_the_same_and_each_reads_its_pictures() -> None:
    answerers = Gated()
    house = House(answerers)
    first = await house.open(idempotency_hash=b"name", request_hash=b"text")
    second = await house.open(id="chatcmpl-2", idempotency_hash=b"name", request_hash=b"text")
    assert (second.id, second.is_repeat, first.is_repeat) == ("chatcmpl-1", True, False)
    answerers.gate.set()
    assert (await first.answers()).first.results
    first.close()
    (picture,) = (await second.answers()).first.results
    assert picture.read(0, 1000) == RED
    second.close()
    assert house.store.open_blobs == []
    assert len(answerers.calls) == 1


async def test_it_is_not_given_up_while_somebody_else_waits() -> None:
    answerers = Gated()
    house = House(answerers)
    first = await house.open(idempotency_hash=b"name", request_hash=b"text")
    second = await house.open(id="chatcmpl-2", idempotency_hash=b"name", request_hash=b"text")
    await answerers.begun.wait()
    first.give_up()
    first.close()
    answerers.gate.set()
    assert (await second.answers()).first.results
    second.close()
    assert house.store.open_blobs == []


@pytest.mark.parametrize("first_leaves", [True, False])
async def test_it_is_given_up_when_the_last_one_leaves(first_leaves: bool) -> None:
    answerers = Gated()
    house = House(answerers)
    first = await house.open(idempotency_hash=b"name", request_hash=b"text")
    second = await house.open(id="chatcmpl-2", idempotency_hash=b"name", request_hash=b"text")
    await answerers.begun.wait()
    if first_leaves:
        first.give_up()  # his request stays until the generation has ended
    second.give_up()
    second.close()
    first.give_up()
    with pytest.raises(Failure) as raised:
        await first.answers()
    assert raised.value.code is Code.PROVIDER_BROKE_OFF
    first.close()
    assert house.store.open_blobs == []


async def test_who_comes_as_it_ends_unwatched_gets_what_was_kept() -> None:
    answerers = Gated()
    house = House(answerers)
    name: dict[str, Any] = {"idempotency_hash": b"name", "request_hash": b"text"}
    (await house.open(**name)).close()
    answerers.gate.set()
    came = 0
    while house.completions._tasks:  # at every moment until it has ended
        attached = await house.open(id="chatcmpl-2", **name)
        (picture,) = (await attached.answers()).first.results
        assert picture.read(0, 1000) == RED
        attached.close()
        came += 1
    async with house.asking(id="chatcmpl-2", **name) as attached:
        (picture,) = (await attached.answers()).first.results
        assert picture.read(0, 1000) == RED
    assert came
    assert len(answerers.calls) == 1


async def test_what_has_ended_unwatched_cannot_be_attached_to() -> None:
    house = House()
    attached = await house.open()
    running = attached.running
    assert running is not None
    await attached.answers()
    assert running.attach()
    running.detach()
    attached.close()
    assert not running.attach()
    assert house.store.open_blobs == []


async def test_a_process_that_ends_tells_who_waits_and_leaves_the_rest_to_the_next() -> None:
    answerers = Gated()
    house = House(answerers)
    async with house.asking() as attached:
        waiting = asyncio.create_task(attached.answers())
        await answerers.begun.wait()
        (task,) = house.completions._tasks  # as a loop does that is closed
        task.cancel()
        with pytest.raises(Failure) as raised:
            await waiting
    assert raised.value.code is Code.OVERLOADED
    assert not raised.value.retry_helps
    assert house.generation.state is State.RUNNING


# --- links ---


async def test_who_leaves_while_links_are_fetched_and_wants_it_cancelled_spends_nothing() -> None:
    class Slow(FakeImages):
        async def fetch(self, url: str, *, where: str) -> bytes:
            await asyncio.sleep(0.05)
            return RED

    house = House(images=Slow())
    async with house.asking(a_request("google/painting-model", *WITH_LINK)) as attached:
        await asyncio.sleep(0.01)
        attached.give_up()
    assert house.answerers.calls == []
    assert (house.generation.state, house.outcomes) == (State.REFUSED, [Outcome.VOID])


async def test_what_cannot_be_marked_as_sent_is_not_sent() -> None:
    class CannotMark(MemoryLedger):
        async def mark_sent(self, generation_id: str) -> None:
            raise DOWN

    house = House(images=FakeImages({URL: RED}), ledger=CannotMark())
    assert (await house.failure_of(a_request("google/painting-model", *WITH_LINK))).code is Code.LEDGER_UNAVAILABLE
    assert (house.answerers.calls, house.outcomes) == ([], [Outcome.VOID])


# --- several answers ---


async def test_of_several_some_may_fail() -> None:
    answerers = Gated(list(PAINTED), [Failure(Code.PROVIDER_OVERLOADED, "no")], list(PAINTED))
    answerers.gate.set()
    house = House(answerers)
    answers = await house.create(count=3)
    assert sorted(answers.completions) == [0, 2]
    assert {call: failure.code for call, failure in answers.failures.items()} == {1: Code.PROVIDER_OVERLOADED}
    assert house.outcomes == [Outcome.SETTLED, Outcome.VOID, Outcome.SETTLED]
    assert house.generation.state is State.DONE
    assert house.store.notes == {}


async def test_if_all_fail_the_first_is_told() -> None:
    answerers = Gated(*[[Failure(Code.PROVIDER_OVERLOADED, f"no {number}")] for number in range(3)])
    house = House(answerers)
    assert (await house.failure_of(count=3)).message == "no 0"
    assert (house.generation.state, house.outcomes) == (State.REFUSED, [Outcome.VOID] * 3)


async def test_each_of_several_is_posted_as_soon_as_it_is_known() -> None:
    answerers = Gated([Failure(Code.PROVIDER_OVERLOADED, "no")], list(PAINTED))
    house = House(answerers)
    async with house.asking(count=2):
        await answerers.begun.wait()
        for _ in range(20):
            await asyncio.sleep(0)
        assert house.outcomes == [Outcome.VOID, None]
        assert house.generation.state is State.RUNNING
        answerers.gate.set()
    assert house.outcomes == [Outcome.VOID, Outcome.SETTLED]


# --- our own mistakes ---


async def test_a_mistake_of_ours_is_of_unknown_outcome_and_closes_what_was_open() -> None:
    house = House(FakeAnswerers([*PAINTED[:2], ZeroDivisionError()]))
    with pytest.raises(ZeroDivisionError):
        await house.create()
    assert (house.generation.state, house.outcomes) == (State.UNKNOWN, [Outcome.UNKNOWN])
    with pytest.raises(Failure) as raised:
        await answers_of(house.generation, house.store)
    assert raised.value.code is Code.PROVIDER_BROKE_OFF


async def test_a_mistake_in_one_of_several_lets_the_others_come_to_their_end() -> None:
    answerers = Gated([ZeroDivisionError()], list(PAINTED))
    house = House(answerers)
    async with house.asking(count=2) as attached:
        for _ in range(20):
            await asyncio.sleep(0)
        answerers.gate.set()
        with pytest.raises(ZeroDivisionError):
            await attached.answers()
    assert house.outcomes == [Outcome.UNKNOWN, Outcome.SETTLED]
    assert house.generation.state is State.UNKNOWN


@pytest.mark.parametrize("script", [PAINTED, [Text("a"), ZeroDivisionError()]])
async def test_nobody_waits_for_ever_when_the_end_cannot_be_written(script: list[Event | BaseException]) -> None:
    class CannotClose(MemoryLedger):
        async def close(self, closing: Closing) -> None:
            raise DOWN

    house = House(FakeAnswerers(script), ledger=CannotClose())
    attached = await house.open()
    async with asyncio.timeout(2):
        with pytest.raises((Failure, ZeroDivisionError)):
            await attached.answers()
    attached.close()
    await asyncio.gather(*house.completions._tasks, return_exceptions=True)  # it is known to fail
    assert house.store.open_blobs == []


# --- the ledger and the store ---


async def test_with_the_books_away_nothing_is_sent() -> None:
    house = House(ledger=MemoryLedger(down=DOWN))
    assert (await house.failure_of()).code is Code.LEDGER_UNAVAILABLE
    assert house.answerers.calls == []


async def test_a_delivery_that_cannot_be_noted_is_told() -> None:
    house = House()
    async with house.asking(request_hash=b"text") as attached:
        await attached.answers()
        house.ledger.down = DOWN
        with pytest.raises(Failure):
            await attached.note_delivery(Delivery.DELIVERED)


class Failing(MemoryStore):
    """A store that takes pictures and fails at what `fails` names: `keep`, `note`, `forget` or `words`."""

    def __init__(self, fails: str) -> None:
        super().__init__()
        self.fails = fails

    async def keep(self, blob: object) -> str:
        if self.fails == "keep" or (self.fails == "words" and not bytes(blob.data).startswith(b"\x89PNG")):  # type: ignore[attr-defined]
            raise self.full()
        return await super().keep(blob)  # type: ignore[arg-type]

    async def note(self, name: str, text: bytes | None) -> None:
        if self.fails == ("forget" if text is None else "note"):
            raise self.full()
        await super().note(name, text)


async def test_a_picture_that_cannot_be_kept_is_paid_for_and_not_given() -> None:
    house = House(store=Failing("keep"))
    failure = await house.failure_of()
    assert failure.code is Code.STORE_UNAVAILABLE
    assert not failure.retry_helps
    assert (house.generation.state, house.outcomes) == (State.FAILED, [Outcome.SETTLED])


@pytest.mark.parametrize("fails", ["note", "forget"])
async def test_a_note_that_cannot_be_kept_or_taken_away_does_no_harm(fails: str) -> None:
    house = House(store=Failing(fails))
    assert (await house.create()).first.results
    assert (house.generation.state, house.outcomes) == (State.DONE, [Outcome.SETTLED])


@pytest.mark.parametrize("count", [1, 2])
async def test_a_long_answer_that_cannot_be_kept_is_posted_and_not_given(count: int) -> None:
    long: list[Event] = [Text("x" * LONGEST_IN_A_ROW), *PAINTED[:-2], UsageSeen(USAGE), STOP]
    house = House(FakeAnswerers(long), store=Failing("words"))
    failure = await house.failure_of(count=count)
    assert failure.code is Code.STORE_UNAVAILABLE
    assert (house.generation.state, house.outcomes) == (State.FAILED, [Outcome.SETTLED] * count)
    assert house.store.notes == {}
    with pytest.raises(Failure) as raised:
        await answers_of(house.generation, house.store)
    assert raised.value.code is Code.STORE_UNAVAILABLE


async def test_a_long_answer_is_a_blob() -> None:
    house = House(FakeAnswerers([Text("x" * LONGEST_IN_A_ROW), UsageSeen(USAGE), STOP]))
    answers = await house.create()
    assert house.generation.answer is None
    again = await answers_of(house.generation, house.store)
    assert again.first == answers.first


# --- reading along ---


async def test_what_is_live_ends_with_all_that_came_and_only_then() -> None:
    house = House(FakeAnswerers([Text("a"), UsageSeen(USAGE), STOP]))
    async with house.asking() as attached:
        heard = [event async for event in attached.live()]
        assert house.passed[-1] == "settled"
    serving, words, answers = heard
    assert isinstance(serving, Serving)
    assert words == Text("a")
    assert isinstance(answers, Answers)


async def test_a_live_reader_hears_of_a_failure_when_it_is_posted() -> None:
    house = House(FakeAnswerers([Text("a"), Failure(Code.PROVIDER_BROKE_OFF, "cut")]))
    async with house.asking() as attached:
        events = attached.live()
        assert isinstance(await anext(events), Serving)
        assert await anext(events) == Text("a")
        with pytest.raises(Failure, match="cut"):
            await anext(events)
        assert house.outcomes == [Outcome.UNKNOWN]
