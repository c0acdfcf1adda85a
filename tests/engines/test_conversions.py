"""Who waits for a conversion, for how long, and that no blob is in use once it is over."""

import asyncio
from dataclasses import dataclass, field
from threading import Event
from typing import Any

import pytest

from impasto.domain.errors import Code, Failure
from impasto.domain.image import media_type_of
from impasto.domain.picture_form import PictureForm
from impasto.engines.conversions import Conversions
from tests.fakes.blobs import MemoryBlob, MemoryStore
from tests.fakes.pictures import png

pytest.importorskip("pyvips")
FORM = PictureForm("image/webp", 16)
PATIENCE = 30.0
AT_ONCE = 0.0


@dataclass(slots=True)
class SlowBlob:
    """A picture that is given in a thread only once it `may_go_on`; `has_begun` tells when it was asked for there."""

    data: bytes = field(default_factory=lambda: png(64, 48))
    has_begun: Event = field(default_factory=Event)
    may_go_on: Event = field(default_factory=Event)
    is_in_use: bool = False

    @property
    def byte_count(self) -> int:
        return len(self.data)

    def read(self, offset: int, count: int) -> bytes:
        if _is_on_the_loop():
            return self.data[offset : offset + count]
        self.is_in_use = True
        self.has_begun.set()
        self.may_go_on.wait(PATIENCE)
        self.is_in_use = False
        return self.data[offset : offset + count]

    def write(self, data: bytes) -> None:
        raise ValueError

    def close(self) -> None:
        raise ValueError


def _is_on_the_loop() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


def conversions(**limits: Any) -> Conversions:
    return Conversions(**{"at_once": 1, "wait_seconds": PATIENCE, "deadline_seconds": PATIENCE, **limits})


def blob(data: bytes) -> MemoryBlob:
    made = MemoryStore().open()
    made.write(data)
    return made


async def begun(converting: Conversions, source: SlowBlob) -> "asyncio.Task[None]":
    """A conversion that a thread is at."""
    task = asyncio.create_task(converting.convert(source, blob(b""), FORM))
    await asyncio.to_thread(source.has_begun.wait, PATIENCE)
    return task


async def waiting(converting: Conversions, count: int) -> list["asyncio.Task[None]"]:
    tasks = [asyncio.create_task(converting.convert(blob(png(64, 48)), blob(b""), FORM)) for _ in range(count)]
    for _ in range(3):  # each comes to where it waits
        await asyncio.sleep(0)
    assert not any(task.done() for task in tasks)
    return tasks


async def test_a_picture_is_converted() -> None:
    target = blob(b"")
    converting = conversions()
    await converting.convert(blob(png(64, 48)), target, FORM)
    assert media_type_of(bytes(target.data)) == "image/webp"


async def test_the_loop_is_free_meanwhile_and_others_wait_for_their_turn() -> None:
    converting = conversions()
    slow = SlowBlob()
    first = await begun(converting, slow)
    others = await waiting(converting, 2)
    slow.may_go_on.set()
    await asyncio.gather(first, *others)


async def test_where_too_many_wait_the_next_is_told_to_come_back() -> None:
    converting = conversions(max_waiting=2)
    slow = SlowBlob()
    first = await begun(converting, slow)
    others = await waiting(converting, 2)
    with pytest.raises(Failure) as refused:
        await converting.convert(blob(png()), blob(b""), FORM)
    assert (refused.value.code, refused.value.retry_after_seconds) == (Code.OVERLOADED, 5)
    assert refused.value.retry_helps
    others.pop().cancel()
    await asyncio.sleep(0)
    others += await waiting(converting, 1)
    slow.may_go_on.set()
    await asyncio.gather(first, others[0], others[-1])


async def test_who_waits_too_long_is_told_to_come_back() -> None:
    converting = conversions(wait_seconds=AT_ONCE)
    slow = SlowBlob()
    first = await begun(converting, slow)
    with pytest.raises(Failure) as refused:
        await converting.convert(blob(png()), blob(b""), FORM)
    assert refused.value.code is Code.OVERLOADED
    slow.may_go_on.set()
    await first


async def test_what_can_never_be_made_does_not_wait() -> None:
    converting = conversions(max_waiting=0)
    slow = SlowBlob()
    first = await begun(converting, slow)
    with pytest.raises(Failure) as refused:
        await converting.convert(blob(b"no picture"), blob(b""), FORM)
    assert refused.value.code is Code.UNSUPPORTED
    slow.may_go_on.set()
    await first


async def test_after_its_deadline_it_is_stopped_and_the_next_has_its_turn() -> None:
    converting = conversions(deadline_seconds=AT_ONCE)
    slow = SlowBlob()
    late = asyncio.create_task(converting.convert(slow, blob(b""), FORM))
    await asyncio.to_thread(slow.has_begun.wait, PATIENCE)
    for _ in range(5):
        await asyncio.sleep(0)
    assert not late.done(), "its blobs are still in use"
    slow.may_go_on.set()
    with pytest.raises(Failure) as refused:
        await late
    assert refused.value.code is Code.DEADLINE_EXCEEDED
    assert not slow.is_in_use
    assert converting._turns._value == 1


async def test_who_leaves_is_let_go_when_his_blobs_are_no_longer_in_use() -> None:
    converting = conversions()
    slow = SlowBlob()
    task = await begun(converting, slow)
    for _ in range(3):
        task.cancel()
        await asyncio.sleep(0)
    assert not task.done()
    slow.may_go_on.set()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert not slow.is_in_use
    await converting.convert(blob(png(64, 48)), blob(b""), FORM)
