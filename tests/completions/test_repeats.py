"""Asked before: what is made once, what is given again, and which repeat belongs to which attempt."""

import asyncio
import hashlib
from dataclasses import replace
from typing import Any

import pytest

from impasto.completions.repeats import MOST_REMEMBERED, REMEMBERED_SECONDS, RefusedAttempts
from impasto.domain.chat import Handle, Message, TextPart
from impasto.domain.errors import Code, Failure
from impasto.domain.events import Text, UsageSeen
from impasto.domain.image import Dimensions
from impasto.domain.ledger import Delivery, Generation, State, Undecided
from impasto.domain.stored_image import StoredImage
from tests.completions.house import KEY, PAINTED, RED, STOP, USAGE, House
from tests.completions.test_running import Gated
from tests.fakes.answerers import FakeAnswerers
from tests.fakes.models import a_model, a_request

NAMED: dict[str, Any] = {"idempotency_hash": b"name", "request_hash": b"text"}
FIRST: dict[str, Any] = {"request_hash": b"text"}
RETRY: dict[str, Any] = {"request_hash": b"text", "is_retry": True}

# --- attempts that were refused ---


def test_each_refusal_accounts_for_one_repeat() -> None:
    refused = RefusedAttempts()
    refused.add("key-1", b"a", 0)
    refused.add("key-1", b"a", 1)
    assert refused.has("key-1", b"a", 1)
    assert not refused.has("key-2", b"a", 1)
    assert not refused.has("key-1", b"b", 1)
    refused.take("key-1", b"a", 1)
    assert refused.has("key-1", b"a", 1)
    refused.take("key-1", b"a", 1)
    assert not refused.has("key-1", b"a", 1)
    refused.take("key-1", b"a", 1)
    assert not refused.has("key-1", b"a", 1)


def test_who_does_not_come_back_has_given_up() -> None:
    refused = RefusedAttempts()
    refused.add("key-1", b"a", 0)
    refused.add("key-1", b"a", 60)
    assert refused.has("key-1", b"a", REMEMBERED_SECONDS)
    refused.take("key-1", b"a", REMEMBERED_SECONDS)
    assert not refused.has("key-1", b"a", REMEMBERED_SECONDS)


def test_the_oldest_are_forgotten_first() -> None:
    refused = RefusedAttempts()
    for number in range(MOST_REMEMBERED):
        refused.add("key-1", b"%d" % number, 0)
    refused.add("key-1", b"0", 0)
    refused.add("key-1", b"new", 0)
    assert refused.has("key-1", b"0", 0)
    assert not refused.has("key-1", b"1", 0)
    assert refused.has("key-1", b"2", 0)


# --- with a name ---


async def test_the_same_name_is_one_call_ever() -> None:
    house = House()
    first = await house.create(**NAMED)
    again = await house.create(id="chatcmpl-2", **NAMED)
    assert again.id == "chatcmpl-1"
    assert [picture.id for picture in again.first.results] == [picture.id for picture in first.first.results]
    assert again.bill == first.bill
    assert len(house.answerers.calls) == 1


async def test_many_at_once_under_one_name_are_one_call() -> None:
    house = House()

    async def once(number: int) -> bytes:
        attached = await house.open(id=f"chatcmpl-{number}", **NAMED)
        try:
            (picture,) = (await attached.answers()).first.results
            return picture.read(0, 1000)
        finally:
            attached.close()

    assert await asyncio.gather(*map(once, range(32))) == [RED] * 32
    assert len(house.answerers.calls) == 1
    assert house.store.open_blobs == []


async def test_what_cost_nothing_may_be_asked_under_the_same_name_again() -> None:
    house = House(FakeAnswerers([Failure(Code.PROVIDER_OVERLOADED, "no")]))
    await house.failure_of(**NAMED)
    house.answerers.script = PAINTED
    assert (await house.create(id="chatcmpl-2", **NAMED)).id == "chatcmpl-2"


async def test_under_a_name_a_failure_is_given_again_as_it_was() -> None:
    house = House(FakeAnswerers([Failure(Code.DEADLINE_EXCEEDED, "too late", param="model")]))
    await house.failure_of(**NAMED)
    again = await house.failure_of(id="chatcmpl-2", **NAMED)
    assert (again.code, again.message, again.param) == (Code.DEADLINE_EXCEEDED, "too late", "model")
    assert len(house.answerers.calls) == 1


@pytest.mark.parametrize("wait_seconds", [0, 0.02])
async def test_who_would_not_wait_so_long_is_told_that_it_runs(wait_seconds: float) -> None:
    answerers = Gated()
    house = House(answerers)
    first = await house.open(**NAMED)
    second = await house.open(id="chatcmpl-2", wait_seconds=wait_seconds, **NAMED)
    with pytest.raises(Failure) as raised:
        await second.answers()
    assert raised.value.code is Code.STILL_RUNNING
    assert "chatcmpl-1" in raised.value.message
    second.close()
    answerers.gate.set()
    await first.answers()
    first.close()
    assert house.store.open_blobs == []


async def test_what_has_ended_is_given_to_who_would_not_wait() -> None:
    house = House()
    await house.create(**NAMED)
    assert (await house.create(id="chatcmpl-2", wait_seconds=0, **NAMED)).first.results


async def test_the_first_to_ask_waits_whatever_he_prefers() -> None:
    assert (await House().create(wait_seconds=0, **NAMED)).first.results


async def at_another_process(house: House) -> Generation:
    """What `house` has made, which goes on running as the ledger sees it: nothing in this process is at it."""
    await house.create(**NAMED)
    done = house.generation
    house.ledger.generations[done.id] = replace(done, state=State.RUNNING, answer=None, ended_ms=None)
    return done


async def test_what_another_process_is_at_is_waited_for() -> None:
    house = House()
    done = await at_another_process(house)
    async with house.asking(id="chatcmpl-2", **NAMED) as repeat:
        assert repeat.running is None
        waiting = asyncio.create_task(repeat.answers())
        await asyncio.sleep(0.06)
        assert not waiting.done()
        house.ledger.generations[done.id] = done
        assert (await waiting).id == "chatcmpl-1"


@pytest.mark.parametrize("wait_seconds", [0, 0.07])
async def test_what_another_process_is_at_is_waited_for_no_longer_than_preferred(wait_seconds: float) -> None:
    house = House()
    await at_another_process(house)
    failure = await house.failure_of(id="chatcmpl-2", wait_seconds=wait_seconds, **NAMED)
    assert failure.code is Code.STILL_RUNNING


async def test_an_answer_that_is_no_longer_kept_is_gone() -> None:
    house = House()
    await house.create(**NAMED)
    house.store.kept.clear()
    assert (await house.failure_of(id="chatcmpl-2", **NAMED)).code is Code.ANSWER_GONE
    assert len(house.answerers.calls) == 1


# --- what it cites ---

CITED = Handle("image", "img_0", "messages[0].content[1]")
CITING = a_request(a_model().id, Message("user", (TextPart("now at night"), CITED)))


def house_with_picture() -> House:
    """The picture that `CITING` cites is there."""
    house = House()
    sha256 = hashlib.sha256(RED).hexdigest()
    house.store.kept[sha256] = RED
    size = Dimensions(3, 2)
    house.gallery.kept.append(StoredImage("img_0", "chatcmpl-0", KEY.id, sha256, "image/png", len(RED), size, 1))
    return house


@pytest.mark.parametrize("repeat", [NAMED, RETRY])
async def test_a_repeat_gets_its_answer_when_what_it_cites_is_gone(repeat: dict[str, Any]) -> None:
    house = house_with_picture()
    async with house.asking(CITING, **{**repeat, "is_retry": False}) as attached:
        await attached.answers()
        await attached.note_delivery(Delivery.LOST)
    house.gallery.kept.clear()
    assert (await house.create(CITING, id="chatcmpl-2", **repeat)).id == "chatcmpl-1"
    assert len(house.answerers.calls) == 1


@pytest.mark.parametrize("asked", [{}, FIRST, NAMED, RETRY])
async def test_what_was_never_made_is_refused_when_what_it_cites_is_gone(asked: dict[str, Any]) -> None:
    house = house_with_picture()
    house.gallery.kept.clear()
    assert (await house.failure_of(CITING, **asked)).code is Code.INVALID_IMAGE
    assert house.ledger.generations == {}


# --- without a name ---


async def test_a_repeat_gets_the_answer_whose_line_was_lost() -> None:
    house = House()
    async with house.asking(**FIRST) as attached:
        await attached.answers()
        await attached.note_delivery(Delivery.LOST)
    async with house.asking(id="chatcmpl-2", **RETRY) as attached:
        assert (await attached.answers()).id == "chatcmpl-1"
        await attached.note_delivery(Delivery.DELIVERED)
    assert len(house.answerers.calls) == 1
    assert house.ledger.deliveries == [("chatcmpl-1", 0, Delivery.LOST), ("chatcmpl-1", 1, Delivery.DELIVERED)]
    assert (await house.create(id="chatcmpl-3", **RETRY)).id == "chatcmpl-3"


async def test_siblings_of_one_text_each_get_one() -> None:
    house = House()
    for number in (1, 2):
        async with house.asking(id=f"chatcmpl-{number}", **FIRST) as attached:
            await attached.answers()
            await attached.note_delivery(Delivery.LOST)
    repeats = [await house.create(id=f"chatcmpl-{number}", **RETRY) for number in (3, 4)]
    assert [answers.id for answers in repeats] == ["chatcmpl-1", "chatcmpl-2"]
    assert len(house.answerers.calls) == 2


async def test_no_first_attempt_is_taken_for_a_repeat() -> None:
    house = House()
    async with house.asking(**FIRST) as attached:
        await attached.answers()
        await attached.note_delivery(Delivery.LOST)
    assert (await house.create(id="chatcmpl-2", **FIRST)).id == "chatcmpl-2"


async def test_a_repeat_of_what_was_refused_is_made_like_a_first_attempt() -> None:
    house = House()
    answerers = Gated()
    house.completions.answerers = answerers
    sibling = await house.open(**FIRST)
    house.ledger.answers.append(Failure(Code.BUDGET_HELD, "wait", retry_helps=True))
    with pytest.raises(Failure):
        await house.open(id="chatcmpl-2", **FIRST)
    repeat = await house.open(id="chatcmpl-3", **RETRY)
    assert not repeat.is_repeat
    for attached in (sibling, repeat):
        answerers.gate.set()
        await attached.answers()
        attached.close()
    assert house.ledger.openings[-1].retry == "lost"


async def test_refusals_of_repeats_do_not_pile_up() -> None:
    house = House()
    for asked in (FIRST, RETRY, RETRY):
        house.ledger.answers.append(Failure(Code.BUDGET_HELD, "wait", retry_helps=True))
        await house.failure_of(**asked)
    await house.create(**RETRY)
    await house.create(id="chatcmpl-2", **FIRST)
    house.completions.siblings_seconds = 0
    assert (await house.create(id="chatcmpl-3", **RETRY)).id == "chatcmpl-1"
    assert len(house.answerers.calls) == 2


async def test_a_refusal_that_no_repeat_can_mend_accounts_for_none() -> None:
    house = House()
    house.ledger.answers.append(Failure(Code.BUDGET_SPENT, "spent"))
    await house.failure_of(**FIRST)
    await house.create(id="chatcmpl-2", **RETRY)
    assert [opening.retry for opening in house.ledger.openings] == [None, "wait"]


async def test_a_repeat_waits_to_hear_which_line_was_lost() -> None:
    house = House()
    house.ledger.answers += [Undecided("one"), Undecided("one")]
    assert (await house.create(**RETRY)).id == "chatcmpl-1"
    assert [opening.retry for opening in house.ledger.openings] == ["wait"] * 3


async def test_after_a_while_the_oldest_that_is_open_is_taken_for_lost() -> None:
    answerers = Gated()
    house = House(answerers)
    house.completions.siblings_seconds = 0
    first = await house.open(**FIRST)
    repeat = await house.open(id="chatcmpl-2", **RETRY)
    assert (repeat.id, repeat.is_repeat, repeat.claim) == ("chatcmpl-1", True, 1)
    assert [opening.retry for opening in house.ledger.openings] == [None, "wait", "open"]
    answerers.gate.set()
    for attached in (first, repeat):
        await attached.answers()
        attached.close()
    assert len(answerers.calls) == 1


async def test_without_a_name_a_repeat_of_what_broke_off_is_told_so_and_not_made() -> None:
    house = House(FakeAnswerers([Text("a"), Failure(Code.DEADLINE_EXCEEDED, "too late")]))
    async with house.asking(**FIRST) as attached:
        with pytest.raises(Failure):
            await attached.answers()
        await attached.note_delivery(Delivery.LOST)
    failure = await house.failure_of(id="chatcmpl-2", **RETRY)
    assert (failure.code, failure.retry_helps) == (Code.PROVIDER_BROKE_OFF, False)
    assert len(house.answerers.calls) == 1


async def test_without_a_name_a_repeat_of_what_cost_nothing_is_made() -> None:
    house = House(FakeAnswerers([Failure(Code.PROVIDER_OVERLOADED, "no")]))
    async with house.asking(**FIRST) as attached:
        with pytest.raises(Failure):
            await attached.answers()
        await attached.note_delivery(Delivery.LOST)
    house.answerers.script = [Text("a"), UsageSeen(USAGE), STOP]
    assert (await house.create(id="chatcmpl-2", **RETRY)).id == "chatcmpl-2"


async def test_a_repeat_that_was_kept_from_its_answer_is_not_made_when_it_comes_back() -> None:
    house = House()
    async with house.asking(**FIRST) as attached:
        await attached.answers()
        await attached.note_delivery(Delivery.LOST)
    house.ledger.unread = Failure(Code.LEDGER_UNAVAILABLE, "the books are away", retry_helps=True)
    assert await house.failure_of(id="chatcmpl-2", **RETRY) is house.ledger.unread
    house.ledger.unread = None
    assert (await house.create(id="chatcmpl-3", **RETRY)).id == "chatcmpl-1"
    assert len(house.answerers.calls) == 1


async def test_only_what_may_be_asked_again_without_a_name_notes_its_delivery() -> None:
    for asked in ({}, NAMED):
        house = House()
        async with house.asking(**asked) as attached:
            await attached.answers()
            await attached.note_delivery(Delivery.LOST)
        assert house.ledger.deliveries == []
