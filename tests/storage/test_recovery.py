"""What a dead process left is brought to its end: what it was at, and what it had noted."""

import pytest

from impasto.completions.answer import Bill, CostStatus, ServedBy
from impasto.completions.kept import KeptCompletion, Note, encode
from impasto.domain.events import Finished, FinishReason
from impasto.domain.image import ImageConfig
from impasto.domain.ledger import Closing, Outcome, Resolution, State
from impasto.domain.usage import Usage
from impasto.storage.database import Database
from impasto.storage.ledger import SqlLedger
from impasto.storage.recovery import resolve, resolve_noted
from impasto.storage.store import Store
from tests.storage.till import Clock, Till, add_key, closing, opening, settled

SETTLED = (Outcome.SETTLED, 70)
UNKNOWN = (Outcome.UNKNOWN, None)


@pytest.fixture
async def till(database: Database) -> Till:
    clock = Clock()
    till = Till(SqlLedger(database, "mine", clock), database, clock)
    await till.begin(opening("g", await add_key(database), 100, 100))
    return till


def note(call: int, cost_nano: int) -> bytes:
    """What is noted of a call that was answered in words."""
    completion = KeptCompletion(
        call, ServedBy("google/painter", "google", "Google", True, False), False, ImageConfig(), (),
        Bill(Usage(), None, CostStatus.EXACT), Finished(FinishReason.STOP, "STOP"), {},
    )  # fmt: skip
    return encode(Note(Resolution(call, Outcome.SETTLED, cost_nano, "google/painter"), completion))


async def test_a_note_of_what_is_posted_is_taken_away(till: Till, store: Store) -> None:
    await till.ledger.close(settled("g", 70, 70))
    await store.note("g.0", note(0, 70))
    await store.note("g.1", note(1, 70))
    await resolve_noted(till.ledger, store)
    assert store.names_of_notes() == []
    assert await till.kinds("g") == ["reserved", "settled", "reserved", "settled"]
    assert (await till.balance()).spent == 140


async def test_a_note_says_what_was_unknown(till: Till, store: Store) -> None:
    """Its process was taken for dead, came back, and died before it could post."""
    await till.ledger.close(closing("g", SETTLED, UNKNOWN, state=State.DONE))
    await store.note("g.1", note(1, 60))
    await resolve_noted(till.ledger, store)
    assert store.names_of_notes() == []
    assert await till.kinds("g") == ["reserved", "settled", "reserved", "unknown", "settled"]
    balance = await till.balance()
    assert (balance.held, balance.unknown, balance.spent) == (0, 0, 130)


async def test_notes_of_what_runs_and_of_nobody_stay(till: Till, store: Store) -> None:
    await till.ledger.close(Closing("g", (Resolution(0, *SETTLED),)))
    for name in ("g.0", "nobody.0", "no-note-of-ours"):
        await store.note(name, note(0, 70))
    await resolve_noted(till.ledger, store)
    assert store.names_of_notes() == ["g.0", "no-note-of-ours", "nobody.0"]


async def test_a_note_that_cannot_be_read_stops_nobody(till: Till, store: Store) -> None:
    await store.note("g.0", b'{"of": "a version to come"}')
    await store.note("g.1", note(1, 60))
    await resolve("g", till.ledger, store)
    assert store.names_of_notes() == ["g.0"]
    assert await till.kinds("g") == ["reserved", "unknown", "reserved", "settled"]
