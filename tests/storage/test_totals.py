"""What the ledger comes to, all in all."""

from impasto.domain.spending import Totals
from impasto.storage.database import Database
from impasto.storage.ledger import SqlLedger
from impasto.storage.totals import totals_of
from tests.storage.till import Clock, Till, add_key, opening, settled, unknown


async def test_an_empty_ledger_comes_to_nothing(database: Database) -> None:
    assert await database.read(totals_of) == Totals()


async def test_overruns_are_counted_and_summed(database: Database) -> None:
    clock = Clock()
    till = Till(SqlLedger(database, "here", clock), database, clock)
    ann, ben = await add_key(database, "ann"), await add_key(database, "ben")
    for name, key in (("under", ann), ("over", ben), ("broken", ann), ("running", ben)):
        await till.begin(opening(name, key, 100))
    await till.ledger.close(settled("under", 70))
    await till.ledger.close(settled("over", 130))
    await till.ledger.close(unknown("broken"))
    assert await database.read(totals_of) == Totals(200, 100, 100, 1, 30)
