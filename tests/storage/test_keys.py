"""Keys: found by their hash; the first one lies where only its owner reads it."""

import os
import stat
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from impasto.storage.keys import EVERY_RIGHT, FIRST_KEY_FILE, FixedKeys, KeyFileError, make_first_key, read_first_key


@pytest.fixture
def loose_umask() -> Iterator[None]:
    before = os.umask(0)
    yield
    os.umask(before)


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_a_key_is_found_by_its_secret_and_by_nothing_else() -> None:
    keys = FixedKeys({"secret": EVERY_RIGHT})
    assert keys.find("secret") is EVERY_RIGHT
    for other in ("", "Secret", "secret ", "secre", "\udcff"):
        assert keys.find(other) is None


def test_no_secret_is_kept_as_it_is() -> None:
    assert "secret" not in repr(vars(FixedKeys({"secret": EVERY_RIGHT})))


@pytest.mark.usefixtures("loose_umask")
def test_the_first_key_is_its_owners_alone_under_any_umask(tmp_path: Path) -> None:
    data = tmp_path / "new" / "data"
    secret = make_first_key(data)
    assert read_first_key(data) == secret
    assert secret.startswith("impasto_")
    assert len(secret) > 40
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
