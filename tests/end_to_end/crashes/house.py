"""A gateway that is to be killed, and everything around it: a provider, callers, a database and a store.

Rule: what is checked in the end is read from the database and the store themselves, when nobody writes any more.
"""

import random
import time
from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from impasto.domain.budget import Budget
from impasto.domain.key_records import KeyTerms
from impasto.domain.keys import secret_from
from impasto.storage import schema
from impasto.storage.database import Database, database_at
from impasto.storage.key_register import SqlKeyRegister
from impasto.storage.retention import sweep
from impasto.storage.secret import subkey
from impasto.storage.store import Store
from tests.end_to_end.crashes.audit import Audit
from tests.end_to_end.crashes.belongings import Belongings
from tests.end_to_end.crashes.callers import Crowd
from tests.end_to_end.crashes.errands import Errands
from tests.end_to_end.crashes.lives import environment_of, free_port
from tests.end_to_end.crashes.provider import Provider, surroundings
from tests.end_to_end.crashes.stored import Content, after_a_sweep, contents_of
from tests.end_to_end.crashes.wishes import Wishes

SECRET = "a secret of more than thirty-two characters"
BUDGET = Budget(10**15)
TWO_HOURS_MS = 2 * 60 * 60 * 1000


@dataclass(frozen=True, slots=True)
class House:
    """A provider, a crowd that asks, and what a gateway between them is started with. `noted` are names of notes that
    were there at a death."""

    provider: Provider
    crowd: Crowd
    chance: random.Random
    environment: Mapping[str, str]
    folder: Path
    store: Store
    noted: set[str] = field(default_factory=set)

    @property
    def data(self) -> Path:
        return self.folder / "data"

    def look_at_notes(self) -> None:
        self.noted.update(self.store.names_of_notes())

    async def check(self, database: Database, survivors: Sequence[str]) -> None:
        """All is over, and all accounts agree."""
        crowd, contents = self.crowd, await contents_of(self.store)
        audit = Audit(
            self.data, crowd.told, list(crowd.belongings.values()), self.provider.counted, contents, self.noted,
            self.store.names_of_notes(), survivors,
        )  # fmt: skip
        findings = [*crowd.findings, *await database.read(audit.findings)]
        findings += [f"the provider would not take {len(self.provider.refused)} calls"] if self.provider.refused else []
        findings += await self.swept(database, contents)
        sums = crowd.counted + audit.sums + Counter({"edits": self.provider.edits})
        print(f"{database.dialect}: {dict(sums)}")  # noqa: T201 - what a soak is for
        assert findings == [], "\n".join(findings)

    async def swept(self, database: Database, contents: Mapping[str, Content]) -> list[str]:
        """What should not be after a sweep that finds nothing too old but what no row names."""
        later_ms = int(time.time() * 1000) + TWO_HOURS_MS
        await sweep(database, self.store, max_age_ms=None, max_bytes=None, now_ms=later_ms)
        after = await contents_of(self.store)
        return await database.read(lambda connection: list(after_a_sweep(connection, contents, after)))


@asynccontextmanager
async def built_house(
    database_url: str, folder: Path, store: Store, more: Mapping[str, str], **provided: int
) -> AsyncIterator[House]:
    """On this empty database. `more` is set for the gateway beside what it needs; `provided` are sizes of what the
    provider makes."""
    chance = random.Random(random.random())
    belongings = {secret: Belongings() for secret in await make_keys(database_url)}
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    async with surroundings(**provided) as provider:
        environment = environment_of(
            IMPASTO_DATA=str(folder / "data"),
            IMPASTO_DATABASE_URL=database_url,
            IMPASTO_PORT=str(port),
            IMPASTO_SECRET=SECRET,
            IMPASTO_LOG_LEVEL="error",
            IMPASTO_FETCH_ALLOW=provider.pictures,
            GEMINI_API_KEY="a key",
            GOOGLE_GEMINI_BASE_URL=provider.base_url,
            **more,
        )
        wishes = Wishes(chance, belongings, provider.picture_url)
        crowd = Crowd(url, wishes, Errands(url, chance, belongings, [], Counter()), provider)
        yield House(provider, crowd, chance, environment, folder, store)
    store.close()


async def make_keys(database_url: str) -> list[str]:
    """Two keys with an account and a budget each, made before the first life."""
    database = database_at(database_url)
    await schema.prepare(database)
    chances = iter(bytes([number]) * 32 for number in range(1, 9))
    register = SqlKeyRegister(
        database, subkey(SECRET.encode(), "keys"), lambda: 1.0, lambda: secret_from(next(chances)),
        lambda: next(chances).hex()[:20],
    )  # fmt: skip
    made = [await register.create(KeyTerms(name, budget=BUDGET)) for name in ("one team", "another team")]
    await database.close()
    return [key.secret for key in made]
