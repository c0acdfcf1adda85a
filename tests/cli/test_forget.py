"""`impasto forget`: in the database and the store themselves and through a gateway, never unasked."""

import asyncio
import json
import time
from pathlib import Path
from typing import Any

import pytest

from impasto.storage.blobs import FileStore
from impasto.storage.database import database_at
from impasto.storage.keys import ensure_operator
from impasto.storage.schema import prepare
from impasto.storage.tables import images, uploads
from tests.cli.conftest import Impasto
from tests.cli.test_gateway import server_that_says
from tests.storage.contents import Contents

TAKEN = {
    "deleted": {"images": 1, "generations": 2, "uploads": 0, "blobs": 3, "bytes": 1_500_000},
    "still_running": 1,
}  # fmt: skip


@pytest.fixture
def data(impasto: Impasto, folder: Path) -> Path:
    """A data folder with two keys and what they left."""
    data = folder / "impasto-data"

    async def fill() -> None:
        database, store = database_at(f"sqlite:///{data}/impasto.db"), FileStore(data / "store", "p")
        await prepare(database)
        await ensure_operator(database, 0.0)
        contents = Contents(database, store, int(time.time() * 1000) - 60_000)
        for number, key in enumerate(("ann", "bob")):
            await contents.add_key(key)
            await contents.generation(f"g{number}", key=key, pictures=(key.encode(),), user="u")
            await contents.upload(f"up{number}", key=key, content=f"upload of {key}".encode(), user="v")
        store.close()
        await database.close()

    asyncio.run(fill())
    return data


def left(data: Path) -> tuple[set[str], set[str], int]:
    """The ids of pictures and uploads, and how many files there are."""

    async def read() -> tuple[set[str], set[str], int]:
        database, store = database_at(f"sqlite:///{data}/impasto.db"), FileStore(data / "store", "p")
        contents = Contents(database, store, 0)
        found = await contents.ids(images), await contents.ids(uploads), len(await contents.files())
        store.close()
        await database.close()
        return found

    return asyncio.run(read())


def forgot(impasto: Impasto, *arguments: str) -> Any:
    result = impasto("forget", *arguments, "--yes", "--json")
    assert result.exit_code == 0, result.stderr
    return json.loads(result.stdout)["deleted"]


def test_what_is_named_goes_and_nothing_else(impasto: Impasto, data: Path) -> None:
    assert forgot(impasto, "--image", "img_g0_0")["images"] == 1
    assert left(data) == ({"img_g1_0"}, {"up0", "up1"}, 4)
    assert forgot(impasto, "--key", "ann", "--user", "u")["generations"] == 0
    assert forgot(impasto, "--user", "v")["uploads"] == 2
    assert left(data) == ({"img_g1_0"}, set(), 2)
    assert forgot(impasto, "--generation", "g1")["generations"] == 1
    assert left(data) == (set(), set(), 0)
    assert [path.name for path in (data / "store" / "incoming").glob("p-*")] == []


def test_it_is_told_in_words(impasto: Impasto, data: Path) -> None:
    result = impasto("forget", "--key", "bob", "--yes")
    assert result.stdout == "Deleted: 1 picture, what was kept of 1 request, 1 upload; 3 files with 0.0 MB.\n"
    assert left(data)[0] == {"img_g0_0"}


def test_nothing_goes_unasked(impasto: Impasto, data: Path) -> None:
    result = impasto("forget", "--user", "u")
    assert result.exit_code == 1
    assert 'All that the end user "u" left with any key will be deleted for good.' in result.stderr
    assert len(left(data)[0]) == 2


@pytest.mark.parametrize("arguments", [[], ["--image", "a", "--user", "u"], ["--image", "a", "--generation", "b"]])
def test_what_is_not_said_once_is_a_wrong_call(impasto: Impasto, arguments: list[str]) -> None:
    result = impasto("forget", *arguments, "--yes")
    assert result.exit_code == 2
    assert "Say what to delete, one thing" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--image", "img_9"], 'There is no picture "img_9".'),
        (["--generation", "g9"], 'There is no generation "g9".'),
        (["--key", "eve"], 'There is no key "eve". See: impasto keys list.'),
    ],
)
def test_what_is_not_there_is_one_sentence(impasto: Impasto, data: Path, arguments: list[str], said: str) -> None:
    result = impasto("forget", *arguments, "--yes")
    assert (result.exit_code, result.stdout) == (1, "")
    assert said in result.stderr


@pytest.mark.parametrize(
    ("arguments", "path"),
    [
        (["--image", "img/1"], "/v3/images/img%2F1"),
        (["--generation", "chatcmpl-1"], "/v3/generations/chatcmpl-1"),
        (["--user", "anna & co"], "/v3/manage/content?user=anna+%26+co"),
    ],
)
def test_a_gateway_is_asked_where_one_is_named(impasto: Impasto, arguments: list[str], path: str) -> None:
    with server_that_says(200, json.dumps(TAKEN)) as (url, asked):
        result = impasto("forget", *arguments, "--yes", "--url", url, IMPASTO_API_KEY="operators-own")
    assert result.stdout == "Deleted: 1 picture, what was kept of 2 requests, 0 uploads; 3 files with 1.5 MB.\n"
    assert "1 request still running: once ended, ask again." in result.stderr
    assert [(one["method"], one["path"]) for one in asked] == [("DELETE", path)]


def test_a_gateway_may_tell_of_no_files(impasto: Impasto) -> None:
    told = {"deleted": {"images": 1, "generations": 1, "uploads": 0}, "still_running": 0}
    with server_that_says(200, json.dumps(told)) as (url, _):
        result = impasto("forget", "--image", "img_1", "--yes", "--url", url, IMPASTO_API_KEY="sk")
    assert result.stdout == "Deleted: 1 picture, what was kept of 1 request, 0 uploads.\n"
