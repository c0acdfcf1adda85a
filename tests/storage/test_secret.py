"""The gateway's secret: made once, kept by its owner, and the same for everybody who shares a database."""

import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from impasto.storage.database import Database
from impasto.storage.secret import SECRET_FILE, SecretError, check_same_secret, load_secret, subkey

CONFIGURED = "a secret of at least thirty-two characters"


def test_what_is_configured_is_taken_and_nothing_is_written(tmp_path: Path) -> None:
    assert load_secret(tmp_path / "data", CONFIGURED) == CONFIGURED.encode()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("configured", [None, ""])
def test_the_first_start_makes_one_and_the_second_finds_it(tmp_path: Path, configured: str | None) -> None:
    data = tmp_path / "new" / "data"
    secret = load_secret(data, configured)
    assert len(secret) >= 32
    assert load_secret(data, configured) == secret
    assert stat.S_IMODE((data / SECRET_FILE).stat().st_mode) == 0o600
    assert [file.name for file in data.iterdir()] == [SECRET_FILE]


def test_who_starts_at_once_agrees(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        loaded = set(pool.map(lambda _: load_secret(tmp_path, None), range(8)))
    assert loaded == {load_secret(tmp_path, None)}


@pytest.mark.parametrize("content", [b"short\n", b"\xff\xfe" * 40])
def test_a_file_that_holds_no_secret_is_not_replaced(tmp_path: Path, content: bytes) -> None:
    (tmp_path / SECRET_FILE).write_bytes(content)
    with pytest.raises(SecretError, match=r"holds no secret of 32 characters or more\. Put back the one"):
        load_secret(tmp_path, None)
    assert (tmp_path / SECRET_FILE).read_bytes() == content


def test_a_file_that_cannot_be_read_is_an_error_that_says_what_to_do(tmp_path: Path) -> None:
    (tmp_path / SECRET_FILE).mkdir()
    with pytest.raises(SecretError, match=r"cannot be read or written: Is a directory\. Let this user do so, set"):
        load_secret(tmp_path, None)


def test_every_purpose_has_a_secret_of_its_own() -> None:
    derived = [subkey(secret, purpose) for secret in (b"one", b"two") for purpose in ("keys", "links")]
    assert len(set(derived)) == 4
    assert {len(one) for one in derived} == {32}
    assert subkey(b"one", "keys") == derived[0]


async def test_a_database_takes_one_secret(database: Database) -> None:
    await check_same_secret(database, b"one")
    await check_same_secret(database, b"one")
    with pytest.raises(SecretError, match="need the same IMPASTO_SECRET"):
        await check_same_secret(database, b"two")
    await check_same_secret(database, b"one")
