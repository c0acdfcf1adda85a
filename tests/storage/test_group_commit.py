"""Commands that wait together become durable together, and none of them takes another with it."""

import asyncio
from collections.abc import Callable, Sequence
from typing import TypeVar, cast

import pytest
from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError, IntegrityError, StatementError

from impasto.domain.errors import Code, Failure
from impasto.storage.database import database_failures
from impasto.storage.group_commit import MAX_BATCH, GroupCommit

Result = TypeVar("Result")


class FakeDatabase:
    """Writes one at a time, in no time; `errors` are raised by the next writes, `None` by none."""

    dialect = "sqlite"

    def __init__(self, *errors: BaseException | None) -> None:
        self.errors = list(errors)

    async def write(self, change: Callable[[Connection], Result]) -> Result:
        await asyncio.sleep(0)
        with database_failures():
            result = change(cast("Connection", None))
            if self.errors and (error := self.errors.pop(0)):
                raise error
            return result

    async def read(self, query: Callable[[Connection], Result]) -> Result:
        return await self.write(query)

    async def close(self) -> None:
        pass


class Recorder:
    """Gives each command back, or raises what it is."""

    def __init__(self) -> None:
        self.batches: list[tuple[list[object], bool]] = []

    def __call__(self, connection: Connection, commands: Sequence[object], redone: bool) -> Sequence[object]:
        self.batches.append((list(commands), redone))
        for command in commands:
            if isinstance(command, Exception) and not isinstance(command, Failure):
                raise command
        return commands


def broken_line() -> DBAPIError:
    return DBAPIError("COMMIT", None, OSError("gone"), connection_invalidated=True)


async def test_each_gets_its_own_result_in_its_order() -> None:
    recorder = Recorder()
    commits = GroupCommit(FakeDatabase(), recorder)
    count = MAX_BATCH * 2 + 3
    assert await asyncio.gather(*(commits.do(number) for number in range(count))) == list(range(count))
    assert [len(batch) for batch, _ in recorder.batches] == [MAX_BATCH, MAX_BATCH, 3]
    assert [number for batch, _ in recorder.batches for number in batch] == list(range(count))


async def test_a_refusal_is_raised_to_who_asked() -> None:
    refusal = Failure(Code.BUDGET_SPENT, "no")
    commits = GroupCommit(FakeDatabase(), Recorder())
    results: Sequence[object] = await asyncio.gather(
        commits.do(1), commits.do(refusal), commits.do(3), return_exceptions=True
    )
    assert list(results) == [1, refusal, 3]


@pytest.mark.parametrize(
    "bad",
    [
        KeyError("bug"),
        IntegrityError("INSERT", None, ValueError("twice")),
        StatementError("no", "SELECT", None, ValueError()),
    ],
)
async def test_a_bad_command_breaks_alone(bad: Exception) -> None:
    recorder = Recorder()
    commits = GroupCommit(FakeDatabase(), recorder)
    results: Sequence[object] = await asyncio.gather(
        commits.do(1), commits.do(bad), commits.do(3), return_exceptions=True
    )
    assert list(results) == [1, bad, 3]
    assert [redone for _, redone in recorder.batches] == [False, True, True, True]


@pytest.mark.parametrize("again", [True, False])
async def test_a_broken_line_is_replaced_once(again: bool) -> None:
    recorder = Recorder()
    commits = GroupCommit(FakeDatabase(broken_line(), broken_line() if again else None), recorder)
    results: Sequence[object] = await asyncio.gather(commits.do(1), return_exceptions=True)
    assert recorder.batches == [([1], False), ([1], True)]
    if not again:
        assert list(results) == [1]
        return
    (failure,) = results
    assert isinstance(failure, Failure)
    assert failure.code is Code.LEDGER_UNAVAILABLE
    assert await commits.do(2) == 2


@pytest.mark.parametrize("error", [ConnectionRefusedError("down"), DBAPIError("COMMIT", None, OSError("disk is full"))])
async def test_a_database_that_is_away_is_not_asked_again_for_each(error: Exception) -> None:
    recorder = Recorder()
    commits = GroupCommit(FakeDatabase(error), recorder)
    results: Sequence[object] = await asyncio.gather(commits.do(1), commits.do(2), return_exceptions=True)
    assert [failure.code for failure in results if isinstance(failure, Failure)] == [Code.LEDGER_UNAVAILABLE] * 2
    assert len(recorder.batches) == 1


async def test_who_stops_waiting_stops_nothing() -> None:
    recorder = Recorder()
    commits = GroupCommit(FakeDatabase(), recorder)
    leaving, staying = asyncio.create_task(commits.do("left")), asyncio.create_task(commits.do("stayed"))
    await asyncio.sleep(0)
    leaving.cancel()
    assert await staying == "stayed"
    await commits.flush()
    assert recorder.batches == [(["left", "stayed"], False)]


async def test_flush_waits_for_what_came_meanwhile() -> None:
    commits = GroupCommit(FakeDatabase(), Recorder())
    await commits.flush()
    waiting = [commits.put(number) for number in range(MAX_BATCH + 1)]
    await commits.flush()
    assert all(done.done() for done in waiting)
