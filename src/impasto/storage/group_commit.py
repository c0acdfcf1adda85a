"""Commands that wait together become durable together.

Rule: a command is answered when its transaction is durable, and never before. One that breaks its
batch is tried again alone, so that it takes nobody with it; a connection that broke is replaced
and the batch is done again, which its commands must allow.
"""

import asyncio
from collections.abc import Callable, Sequence

from sqlalchemy import Connection
from sqlalchemy.exc import DataError, DBAPIError, IntegrityError, ProgrammingError, StatementError

from impasto.domain.errors import Failure
from impasto.storage.database import Database

MAX_BATCH = 64
_DEADLOCK_OR_CONFLICT = frozenset({"40001", "40P01"})

Apply = Callable[[Connection, Sequence[object], bool], Sequence[object]]
"""Does commands in one transaction, and gives each one's result, or the `Failure` that refuses it. The flag says
that it may all have been done before."""


class GroupCommit:
    """Writes commands to `database` by `apply`, one batch after the other."""

    def __init__(self, database: Database, apply: Apply) -> None:
        self._database = database
        self._apply = apply
        self._waiting: list[tuple[object, asyncio.Future[object]]] = []
        self._writing: asyncio.Task[None] | None = None

    async def do(self, command: object) -> object:
        """The command's result. Raises the `Failure` that refuses it, or `ledger_unavailable`.

        Who stops waiting does not stop the command.
        """
        return await self.put(command)

    def put(self, command: object) -> asyncio.Future[object]:
        """What `do` waits for."""
        done: asyncio.Future[object] = asyncio.get_running_loop().create_future()
        self._waiting.append((command, done))
        if self._writing is None or self._writing.done():
            self._writing = asyncio.create_task(self._write())
        return done

    async def flush(self) -> None:
        """Wait until nothing waits."""
        while self._writing is not None and not self._writing.done():
            await asyncio.wait({self._writing})

    async def _write(self) -> None:
        while self._waiting:
            batch, self._waiting = self._waiting[:MAX_BATCH], self._waiting[MAX_BATCH:]
            commands = [command for command, _ in batch]
            for (_, done), result in zip(batch, await self._results(commands), strict=True):
                if done.done():
                    continue
                if isinstance(result, BaseException):
                    done.set_exception(result)
                else:
                    done.set_result(result)

    async def _results(self, commands: Sequence[object]) -> Sequence[object]:
        try:
            return await self._transaction(commands, redone=False)
        except Exception as error:
            if not _may_work_again(error):
                return [error] * len(commands)
        results: list[object] = []
        for command in commands:
            try:
                results += await self._transaction([command], redone=True)
            except Exception as error:
                results.append(_own_fault_of(error) or error)
        return results

    async def _transaction(self, commands: Sequence[object], *, redone: bool) -> Sequence[object]:
        return await self._database.write(lambda connection: self._apply(connection, commands, redone))


def _may_work_again(error: Exception) -> bool:
    """A broken connection may be replaced, a conflict may have passed, and a bad command may be alone at fault."""
    if not isinstance(error, Failure) or _own_fault_of(error):
        return True
    cause = error.__cause__
    if not isinstance(cause, DBAPIError):
        return False
    return cause.connection_invalidated or getattr(cause.orig, "sqlstate", None) in _DEADLOCK_OR_CONFLICT


def _own_fault_of(error: Exception) -> StatementError | None:
    """What the database would refuse from this command at any time: to call it unavailable would be to try for ever."""
    cause = error.__cause__ if isinstance(error, Failure) else None
    if not isinstance(cause, StatementError):
        return None
    is_driver = isinstance(cause, DBAPIError)
    return cause if not is_driver or isinstance(cause, IntegrityError | DataError | ProgrammingError) else None
