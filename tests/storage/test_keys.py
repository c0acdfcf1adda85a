"""Keys: found by their hash; the first one lies where only its owner reads it."""

import os
import stat
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection

from impasto.domain.errors import Code, Failure
from impasto.domain.key_records import KeyTerms
from impasto.domain.keys import VirtualKey, is_well_formed, secret_from
from impasto.domain.retention import Keeps
from impasto.storage.database import Database
from impasto.storage.key_register import SqlKeyRegister
from impasto.storage.keys import (
    EVERY_RIGHT,
    FIRST_KEY_FILE,
    FixedKeys,
    KeyFileError,
    SqlKeys,
    ensure_operator,
    make_first_key,
    read_first_key,
)
from impasto.storage.tables import metadata

Result = TypeVar("Result")


@pytest.fixture
def loose_umask() -> Iterator[None]:
    before = os.umask(0)
    yield
    os.umask(before)


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


async def test_a_key_is_found_by_its_secret_and_by_nothing_else() -> None:
    keys = FixedKeys({"secret": EVERY_RIGHT})
    assert await keys.find("secret", now=True) is EVERY_RIGHT
    for other in ("", "Secret", "secret ", "secre", "\udcff"):
        assert await keys.find(other, now=True) is None


def test_no_secret_is_kept_as_it_is() -> None:
    assert "secret" not in repr(vars(FixedKeys({"secret": EVERY_RIGHT})))


@pytest.mark.usefixtures("loose_umask")
def test_the_first_key_is_its_owners_alone_under_any_umask(tmp_path: Path) -> None:
    data = tmp_path / "new" / "data"
    secret = make_first_key(data)
    assert read_first_key(data) == secret
    assert is_well_formed(secret)
    assert mode_of(data) == 0o700
    assert mode_of(data / FIRST_KEY_FILE) == 0o600
    assert [file.name for file in data.iterdir()] == [FIRST_KEY_FILE]


@pytest.mark.usefixtures("loose_umask")
def test_an_empty_file_that_everybody_may_read_is_replaced_by_a_closed_one(tmp_path: Path) -> None:
    (tmp_path / FIRST_KEY_FILE).touch(0o666)
    assert read_first_key(tmp_path) is None
    secret = make_first_key(tmp_path)
    assert read_first_key(tmp_path) == secret
    assert mode_of(tmp_path / FIRST_KEY_FILE) == 0o600


def test_a_link_in_its_place_is_not_written_through(tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.touch()
    (tmp_path / FIRST_KEY_FILE).symlink_to(elsewhere)
    make_first_key(tmp_path)
    assert elsewhere.read_bytes() == b""


def test_who_comes_second_gets_the_key_of_who_came_first(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        secrets = set(pool.map(lambda _: make_first_key(tmp_path), range(8)))
    assert secrets == {read_first_key(tmp_path)}


def test_no_key_is_read_where_none_was_made(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert read_first_key(tmp_path / "nowhere") is None
    assert read_first_key(tmp_path / "file") is None


def test_a_file_that_holds_no_key_is_an_error_that_says_what_to_do(tmp_path: Path) -> None:
    (tmp_path / FIRST_KEY_FILE).write_bytes(b"\xff\xfe")
    with pytest.raises(KeyFileError, match=r"first-key holds no key\. Remove it"):
        read_first_key(tmp_path)


def test_a_file_that_cannot_be_read_is_an_error_that_says_what_to_do(tmp_path: Path) -> None:
    (tmp_path / FIRST_KEY_FILE).mkdir()
    with pytest.raises(KeyFileError, match=r"cannot be read: Is a directory\. Let this user read it"):
        read_first_key(tmp_path)


def test_a_folder_that_cannot_be_made_is_an_error_that_says_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(KeyFileError, match=r"cannot hold this gateway's key: .* Set IMPASTO_DATA"):
        make_first_key(tmp_path / "file" / "data")


NOW = 1_790_000_000.0
HASHING_KEY = b"hashing key"
SECRETS = [secret_from(number.to_bytes(32)) for number in range(1, 40)]
METACHARACTERS = [
    "' OR '1'='1", '" OR ""="', "'; DROP TABLE keys; --", "%", "_", "*", "\\", "\x00", ":hash", "$1", "{0}", "ü",
    "\udcff",
]  # fmt: skip


@dataclass(slots=True)
class Clock:
    """Shows `seconds`."""

    seconds: float = NOW

    def __call__(self) -> float:
        return self.seconds


@dataclass(slots=True)
class Counted:
    """A database that counts what it is asked."""

    behind: Database
    reads: int = 0
    dialect: str = ""

    async def read(self, query: Callable[[Connection], Result]) -> Result:
        self.reads += 1
        return await self.behind.read(query)

    async def write(self, change: Callable[[Connection], Result]) -> Result:
        return await self.behind.write(change)

    async def close(self) -> None:
        await self.behind.close()


def register_of(database: Database, clock: Callable[[], float]) -> SqlKeyRegister:
    secrets, ids = iter(SECRETS), iter(map(str, range(1, 100)))
    return SqlKeyRegister(database, HASHING_KEY, clock, lambda: next(secrets), lambda: next(ids))


async def test_a_key_in_the_database_is_found_by_its_secret(database: Database) -> None:
    terms = KeyTerms(
        "studio", frozenset({"generate"}), models=frozenset({"maker/brush"}), image_output="both", image_delivery="url",
        retention=Keeps.PICTURES, requests_per_minute=7, concurrent_requests=2, expires_ms=int(NOW * 1000) + 1,
        sandbox=True, default_tags={"client": "acme"},
    )  # fmt: skip
    made = await register_of(database, Clock()).create(terms)
    assert await SqlKeys(database, HASHING_KEY, {}, Clock()).find(made.secret, now=True) == VirtualKey(
        "studio", frozenset({"generate"}), "both", made.record.id, made.record.account_id, frozenset({"maker/brush"}),
        "url", 7, 2, int(NOW * 1000) + 1, True, {"client": "acme"}, 0,
        Keeps.PICTURES,
    )  # fmt: skip
    assert await SqlKeys(database, b"another", {}, Clock()).find(made.secret, now=True) is None


async def test_a_fixed_key_is_found_in_any_form_without_the_database(database: Database) -> None:
    counted = Counted(database)
    keys = SqlKeys(counted, HASHING_KEY, {"any form": EVERY_RIGHT, SECRETS[0]: EVERY_RIGHT}, Clock())
    for secret in ("any form", SECRETS[0]):
        assert await keys.find(secret, now=True) is EVERY_RIGHT
    assert counted.reads == 0


async def test_what_cannot_be_a_key_is_not_looked_up(database: Database) -> None:
    counted = Counted(database)
    keys = SqlKeys(counted, HASHING_KEY, {}, Clock())
    for secret in ("", "impasto_", SECRETS[0][:-1], f"{SECRETS[0]}'", f"{SECRETS[0][:-1]}-", *METACHARACTERS):
        for now in (True, False):
            assert await keys.find(secret, now=now) is None
    assert counted.reads == 0


async def test_a_found_key_is_remembered_for_a_minute_and_a_missing_one_never(database: Database) -> None:
    counted, clock = Counted(database), Clock()
    keys, register = SqlKeys(counted, HASHING_KEY, {}, clock), register_of(database, clock)
    assert await keys.find(SECRETS[0], now=False) is None
    made = await register.create(KeyTerms("one"))
    assert made.secret == SECRETS[0]
    for seconds, now, reads in ((0, False, 2), (59, False, 2), (59, True, 3), (118, False, 3), (119, False, 4)):
        clock.seconds = NOW + seconds
        assert await keys.find(SECRETS[0], now=now) is not None
        assert counted.reads == reads
    clock.seconds = NOW - 3600  # a clock that was set back
    await keys.find(SECRETS[0], now=False)
    assert counted.reads == 5


async def test_what_is_remembered_is_bounded(database: Database) -> None:
    counted = Counted(database)
    keys, register = SqlKeys(counted, HASHING_KEY, {}, Clock(), 2), register_of(database, Clock())
    one, two, three = [(await register.create(KeyTerms(name))).secret for name in ("one", "two", "three")]
    for secret, reads in ((one, 1), (two, 2), (one, 2), (three, 3), (two, 3), (three, 3), (one, 4)):
        await keys.find(secret, now=False)
        assert counted.reads == reads


async def test_a_revoked_key_is_gone_at_once_in_every_process(database: Database) -> None:
    here, there = [SqlKeys(database, HASHING_KEY, {}, Clock()) for _ in range(2)]
    register = register_of(database, Clock())
    made = await register.create(KeyTerms("one"))
    for keys in (here, there):
        assert await keys.find(made.secret, now=True) is not None
    await register.revoke(made.record.id)
    for keys in (here, there):
        assert await keys.find(made.secret, now=True) is None
        assert await keys.find(made.secret, now=False) is None  # what was remembered went with it


async def test_a_rotated_secret_is_gone_at_once_and_the_new_one_is_the_same_key(database: Database) -> None:
    keys, register = SqlKeys(database, HASHING_KEY, {}, Clock()), register_of(database, Clock())
    made = await register.create(KeyTerms("one"))
    again = await register.rotate(made.record.id, lambda _: None)
    assert await keys.find(made.secret, now=True) is None
    found = await keys.find(again.secret, now=True)
    assert found is not None
    assert (found.id, found.account_id, found.version) == (made.record.id, made.record.account_id, 1)


async def test_forgetting_is_at_once_in_this_process(database: Database) -> None:
    keys = SqlKeys(database, HASHING_KEY, {}, Clock())
    register = SqlKeyRegister(database, HASHING_KEY, Clock(), lambda: SECRETS[0], lambda: "1", keys.forget)
    made = await register.create(KeyTerms("one"))
    assert await keys.find(made.secret, now=False) is not None
    await register.revoke(made.record.id)
    assert await keys.find(made.secret, now=False) is None


@pytest.mark.parametrize("now", [True, False])
async def test_an_expired_key_says_when(database: Database, now: bool) -> None:
    clock = Clock(NOW - 1)
    keys = SqlKeys(database, HASHING_KEY, {}, clock)
    made = await register_of(database, clock).create(KeyTerms("one", expires_ms=int(NOW * 1000)))
    assert await keys.find(made.secret, now=now) is not None
    clock.seconds = NOW
    with pytest.raises(Failure, match=r"^This key expired on 2026-09-21 14:13 UTC\.$") as refused:
        await keys.find(made.secret, now=now)
    assert refused.value.code is Code.INVALID_API_KEY


async def test_no_secret_is_kept_in_the_database(database: Database) -> None:
    made = await register_of(database, Clock()).create(KeyTerms("one"))

    def dump(connection: Connection) -> list[str]:
        return [repr(tuple(row)) for table in metadata.sorted_tables for row in connection.execute(table.select())]

    kept = await database.read(dump)
    assert kept
    assert not [row for row in kept if made.secret in row or made.secret[8:40] in row]
    assert made.secret not in repr(made)


async def test_the_operators_rows_are_there_once(database: Database) -> None:
    await ensure_operator(database, NOW)
    await ensure_operator(database, NOW + 5)
    record = await register_of(database, Clock()).record("operator")
    assert record.terms.scopes == EVERY_RIGHT.scopes
    assert (record.account_id, record.hint, record.created_ms) == ("operator", "", int(NOW * 1000))


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(st.binary(min_size=32, max_size=32), unique=True, min_size=2, max_size=4),
    st.lists(st.text(max_size=60), max_size=4),
)
async def test_two_credentials_never_share_an_identity(
    database: Database, chances: list[bytes], others: list[str]
) -> None:
    clock = Clock()
    fresh = iter(chances)
    register = SqlKeyRegister(
        database, os.urandom(32), clock, lambda: secret_from(next(fresh)), lambda: os.urandom(16).hex()
    )
    fixed = {text: VirtualKey(f"fixed {place}", frozenset(), id=f"fixed_{place}") for place, text in enumerate(others)}
    keys = SqlKeys(database, register._hashing_key, fixed, clock)
    made = [await register.create(KeyTerms("one")) for _ in chances]
    for now in (True, False, False):
        found = [await keys.find(one.secret, now=now) for one in made] + [await keys.find(o, now=now) for o in fixed]
        ids = [key.id for key in found if key is not None]
        assert len(ids) == len(set(ids)) == len(made) + len(fixed)
        assert ids[: len(made)] == [one.record.id for one in made]
        for one in made:  # no beginning and no end of a secret stands for it
            for cut in (one.secret[:20], one.secret[20:], one.secret[:-1], one.secret.swapcase()):
                assert await keys.find(cut, now=now) is None
