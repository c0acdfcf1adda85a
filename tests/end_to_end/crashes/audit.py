"""What has to hold when all is over, read from the database and from the store themselves.

Rule: what callers heard, what the provider counted and what the ledger says are three accounts of the same
requests; each difference is a sentence.
"""

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from sqlalchemy import Connection, func, select, text

from impasto.domain.ledger import Delivery, Outcome, State
from impasto.domain.money import dollars_of
from impasto.domain.retention import Keeps
from impasto.storage.books import check_books, count_entries
from impasto.storage.keeping import PROCESSES_FOLDER
from impasto.storage.tables import entries, generations, processes, tags
from tests.end_to_end.crashes.belongings import Belongings
from tests.end_to_end.crashes.callers import Told
from tests.end_to_end.crashes.stored import Content, StoredAudit

MOST_SHOWN = 5


@dataclass(frozen=True, slots=True)
class Kept:
    """A generation as the ledger has it: its state, whose it was, and each call's last word and cost."""

    id: str
    token: str
    state: str
    delivery: str
    owner: str
    outcomes: Mapping[int, str]
    cost_nano: int

    @property
    def is_answered_or_unknown(self) -> int:
        """How many of its calls may have been made."""
        return sum(outcome != Outcome.VOID for outcome in self.outcomes.values())


@dataclass(slots=True)
class Audit:
    """The accounts: `told` by the callers, who have `belongings`, `called` by the provider, for each token, and
    `contents` of the store; `noted` are the names of notes that were there when a process was killed, `left` those that
    are there still; `survivors` are the processes that were not. `sums` is how much was seen."""

    data: Path
    told: Sequence[Told]
    belongings: Collection[Belongings]
    called: Mapping[str, int]
    contents: Mapping[str, Content]
    noted: Iterable[str]
    left: Iterable[str]
    survivors: Collection[str]
    sums: Counter[str] = field(default_factory=Counter)

    def findings(self, connection: Connection) -> list[str]:
        """What should not be, in sentences."""
        kept = _kept(connection)
        self.sums["entries"] = count_entries(connection)
        self.sums["provider calls"] = sum(self.called.values())
        self.sums.update(outcome for each in kept for outcome in each.outcomes.values())
        found = [*check_books(connection), *_integrity(connection)]
        for check in (self._calls, self._answers, self._refusals, self._noted, self._open):
            found += _first(check.__name__.strip("_"), check(kept))
        found += _first("deliveries", _deliveries(connection))
        stored = StoredAudit(connection, self.contents, self.told, self.belongings)
        found += _first("stored", stored.findings())
        self.sums.update(stored.sums())
        found += _first("notes", (f"{name} is noted still" for name in self.left))
        return [*found, *_leftovers(self.data, connection)]

    def _calls(self, kept: Sequence[Kept]) -> Iterator[str]:
        """Every call has its reservation; no wish is paid for twice; what is settled was called."""
        by_token: defaultdict[str, list[Kept]] = defaultdict(list)
        for each in kept:
            by_token[each.token].append(each)
        wishes = {told.token: told for told in self.told}
        for token in self.called.keys() | by_token.keys():
            called, mine, wish = self.called.get(token, 0), by_token[token], wishes[token]
            reserved = sum(len(each.outcomes) for each in mine)
            if called > reserved:
                yield f"{token} was called {called} times with {reserved} reservations"
            settled = sum(outcome == Outcome.SETTLED for each in mine for outcome in each.outcomes.values())
            if settled > called:
                yield f"{token} was charged {settled} times and called {called} times"
            if wish.is_harmed:
                continue
            if called > wish.count:
                yield f"{token} ({wish.manner}) was wished for {wish.count} times and called {called} times: {mine}"
            if called > sum(each.is_answered_or_unknown for each in mine):
                yield f"{token} was called, and its reservation says that nothing was sent"

    def _answers(self, kept: Sequence[Kept]) -> Iterator[str]:
        """Who was answered finds his answer in the ledger, at the cost that he was told."""
        by_id = {each.id: each for each in kept}
        seen: Counter[str] = Counter()
        for told in self.told:
            if not told.heard.is_answer:
                continue
            heard, mine = told.heard, by_id.get(told.heard.generation_id)
            seen[heard.generation_id] += 1
            if mine is None or mine.token != told.token:
                yield f"{told.token} was answered by {heard.generation_id}, which the ledger does not know"
            elif mine.state != State.DONE or Outcome.SETTLED not in mine.outcomes.values():
                yield f"{told.token} was answered by {mine.id}, which the ledger calls {mine.state}"
            elif heard.cost != dollars_of(mine.cost_nano):
                yield f"{told.token} was told {heard.cost}, and {mine.cost_nano} nano-dollars were posted"
        yield from (f"{id_} answered {count} wishes" for id_, count in seen.items() if count > 1)

    def _refusals(self, kept: Sequence[Kept]) -> Iterator[str]:
        """What cites a picture that is gone is refused, and costs nothing. Only of what was to leave nothing is the
        answer gone."""
        by_token: defaultdict[str, list[Kept]] = defaultdict(list)
        for each in kept:
            by_token[each.token].append(each)
        for told in self.told:
            if told.heard.error == "answer_gone" and told.keeps is not Keeps.NONE:
                yield f"{told.token} was answered, and nothing of it is there"
            if told.heard.error != "invalid_image":
                continue
            if not told.cites:
                yield f"{told.token} was refused for a picture that it does not cite"
                continue
            mine = by_token[told.token]
            # A call that the provider refused costs nothing either, and may have been made before.
            was_called = self.called.get(told.token) and not told.is_harmed
            if was_called or any(each.is_answered_or_unknown for each in mine):
                yield f"{told.token} ({told.manner}) was refused for its picture, and was called: {told.heard} {mine}"

    def _noted(self, kept: Sequence[Kept]) -> Iterator[str]:
        """An answer that was kept and noted is posted, whoever died then."""
        by_id = {each.id: each for each in kept}
        for name in self.noted:
            self.sums["noted at a death"] += 1
            generation_id, _, call = name.rpartition(".")
            mine = by_id.get(generation_id)
            if mine is None or mine.state != State.DONE or mine.outcomes[int(call)] != Outcome.SETTLED:
                yield f"{name} was noted, and its outcome is not known: {mine}"

    def _open(self, kept: Sequence[Kept]) -> Iterator[str]:
        """Nothing is open, and nothing is unknown but by a death or by the provider's own doing."""
        harmed = {told.token for told in self.told if told.is_harmed}
        for each in kept:
            if each.state == State.RUNNING or "" in each.outcomes.values():
                yield f"{each.id} is open still"
            elif (
                each.owner in self.survivors and each.token not in harmed and Outcome.UNKNOWN in each.outcomes.values()
            ):
                yield f"{each.id} is unknown, and nobody died"


def count_running(connection: Connection) -> int:
    """How many generations are open."""
    return connection.scalar(select(func.count()).where(generations.c.state == State.RUNNING)) or 0


def processes_in(connection: Connection) -> list[str]:
    """Who is counted among the living."""
    return list(connection.scalars(select(processes.c.id)))


def _kept(connection: Connection) -> list[Kept]:
    calls: defaultdict[str, dict[int, str]] = defaultdict(dict)
    costs: Counter[str] = Counter()
    for row in connection.execute(select(entries).order_by(entries.c.step)):
        calls[row.generation_id][row.call] = row.kind if row.step else ""
        costs[row.generation_id] += row.spent
    found = select(generations.c.id, generations.c.state, generations.c.delivery, generations.c.owner, tags.c.value)
    rows = connection.execute(found.join(tags, tags.c.generation_id == generations.c.id, isouter=True))
    return [Kept(row.id, row.value, row.state, row.delivery, row.owner, calls[row.id], costs[row.id]) for row in rows]


def _deliveries(connection: Connection) -> Iterator[str]:
    """Nobody waits for an answer any more: each was delivered, or its line was lost."""
    waiting = select(generations.c.id).where(
        generations.c.delivery == Delivery.OPEN, generations.c.request_hash.is_not(None)
    )
    yield from (f"{id_} has a caller who waits" for id_ in connection.scalars(waiting))


def _integrity(connection: Connection) -> list[str]:
    if connection.dialect.name != "sqlite":
        return []
    said = [row[0] for row in connection.execute(text("PRAGMA integrity_check"))]
    broken = connection.execute(text("PRAGMA foreign_key_check")).all()
    return [*(f"SQLite: {line}" for line in said if line != "ok"), *(f"a row leads nowhere: {row}" for row in broken)]


def _leftovers(data: Path, connection: Connection) -> list[str]:
    folders = (data / "store" / "incoming", data / PROCESSES_FOLDER)
    left = [path for folder in folders if folder.exists() for path in folder.iterdir()]
    rows = processes_in(connection)
    return [*_first("leftovers", (str(path.relative_to(data)) for path in left)),
            *_first("processes", (f"{id_} is counted among the living" for id_ in rows))]  # fmt: skip


def _first(name: str, found: Iterator[str]) -> list[str]:
    """A few of many: one mistake shows in a hundred places."""
    sentences = list(found)
    more = len(sentences) - MOST_SHOWN
    shown = [f"{name}: {sentence}" for sentence in sentences[:MOST_SHOWN]]
    return [*shown, f"{name}: and {more} more"] if more > 0 else shown
