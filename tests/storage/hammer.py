"""A process that asks for more than there is: `python -m tests.storage.hammer URL PROCESS REQUESTS`.

It prints how many requests began and what they came to.
"""

import asyncio
import sys

from impasto.domain.errors import Code, Failure
from impasto.domain.keys import VirtualKey
from impasto.domain.ledger import Begun
from impasto.storage.database import database_at
from impasto.storage.ledger import SqlLedger
from tests.storage.till import Clock, opening, settled, unknown, void

TASKS = 32
HOLD = 100


async def hammer(url: str, process: str, requests: int) -> tuple[int, int]:
    database = database_at(url)
    ledger = SqlLedger(database, process, Clock())
    key = VirtualKey("ann", frozenset({"generate"}), id="ann", account_id="ann")
    numbers = iter(range(requests))
    begun: list[int] = []

    async def begins(generation_id: str) -> bool:
        """As callers do: while money is only held, it is tried again."""
        while True:
            try:
                return await ledger.begin(opening(generation_id, key, HOLD)) == Begun()
            except Failure as failure:
                if failure.code is Code.BUDGET_SPENT:
                    return False
                if failure.code is not Code.BUDGET_HELD:
                    raise
            await asyncio.sleep(0.01)

    async def ask() -> None:
        for number in numbers:
            generation_id = f"{process}.{number}"
            if not await begins(generation_id):
                return
            endings = (settled(generation_id, 60), settled(generation_id, HOLD), void(generation_id))
            ending = endings[number % 3]
            if number % 5 == 0:
                await ledger.close(unknown(generation_id))
            await ledger.close(ending)
            begun.append((60, HOLD, 0)[number % 3])

    await asyncio.gather(*(ask() for _ in range(TASKS)))
    await database.close()
    return len(begun), sum(begun)


if __name__ == "__main__":
    url, process, requests = sys.argv[1:]
    print(*asyncio.run(hammer(url, process, int(requests))))  # noqa: T201
