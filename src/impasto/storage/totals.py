"""What the ledger comes to, all in all.

Rule: quick however long the ledger is: it reads balances, which are few, and overruns, which have an index.
"""

from sqlalchemy import Connection, func, select

from impasto.domain.spending import Totals
from impasto.storage.tables import balances, entries

_BALANCES = select(func.sum(balances.c.spent), func.sum(balances.c.held), func.sum(balances.c.unknown))
_OVERRUNS = select(func.count(), func.sum(entries.c.spent + entries.c.held + entries.c.unknown)).where(
    entries.c.overrun
)


def totals_of(connection: Connection) -> Totals:
    """The sums of now."""
    spent, held, unknown = connection.execute(_BALANCES).one()
    overruns, overrun = connection.execute(_OVERRUNS).one()
    return Totals(int(spent or 0), int(held or 0), int(unknown or 0), overruns, int(overrun or 0))
