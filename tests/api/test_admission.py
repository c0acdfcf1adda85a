"""Requests are let in by the bytes they hold, in their order."""

import asyncio
from contextlib import AsyncExitStack

import pytest

from impasto.api.admission import ANSWER_BYTES, Admission, bytes_held_by
from impasto.domain.errors import Code, Failure


async def come(admission: Admission, byte_count: int, leave: asyncio.Event, log: list[int]) -> None:
    async with admission.held(byte_count):
        log.append(byte_count)
        await leave.wait()


async def test_who_fits_comes_in_and_the_others_wait_in_line() -> None:
    admission, leave, log = Admission(100, 5), asyncio.Event(), list[int]()
    async with asyncio.TaskGroup() as group:
        for byte_count in (60, 50, 10):
            group.create_task(come(admission, byte_count, leave, log))
        await asyncio.sleep(0.01)
        assert log == [60]  # 10 would fit, but 50 was there first
        leave.set()
    assert log == [60, 50, 10]


async def test_who_waits_too_long_hears_when_to_come_back() -> None:
    admission = Admission(100, 0.02)
    async with admission.held(100):
        with pytest.raises(Failure) as raised:
            async with admission.held(1):
                pass
    assert (raised.value.code, raised.value.retry_after_seconds) == (Code.OVERLOADED, 5)
    assert raised.value.retry_helps
    async with admission.held(100):
        pass


async def test_what_is_larger_than_everything_comes_in_alone() -> None:
    admission = Admission(100, 0.02)
    async with admission.held(1000):
        with pytest.raises(Failure):
            async with admission.held(1):
                pass


async def test_who_leaves_the_line_holds_nothing_and_blocks_nobody() -> None:
    admission, leave, log = Admission(100, 5), asyncio.Event(), list[int]()
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(admission.held(90))
        large = asyncio.create_task(come(admission, 80, leave, log))
        small = asyncio.create_task(come(admission, 10, leave, log))
        await asyncio.sleep(0.01)
        assert log == []
        large.cancel()
        await asyncio.sleep(0.01)
        assert log == [10]
        leave.set()
        await small
    async with admission.held(100):
        pass


async def test_who_leaves_the_line_as_room_is_made_just_leaves() -> None:
    admission = Admission(100, 5)
    async with admission.held(100):
        waiting = asyncio.create_task(come(admission, 100, asyncio.Event(), []))
        await asyncio.sleep(0.01)
        waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    async with admission.held(100):
        pass


@pytest.mark.parametrize(("length", "held"), [(b"10", 10), (b"", 1000), (b"99999", 1000), (b"x", 1000)])
def test_a_body_that_does_not_say_its_length_counts_as_the_largest(length: bytes, held: int) -> None:
    scope = {"type": "http", "headers": [(b"content-length", length)] if length else []}
    assert bytes_held_by(scope, 1000) == held + ANSWER_BYTES
