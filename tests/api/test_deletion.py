"""DELETE of what is kept: whose it is, how much was meant, and nothing where that was not said."""

from urllib.parse import quote

import pytest

from impasto.domain.errors import Code
from tests.api.surface import KEY, MANAGERS_KEY, READERS_KEY, surface
from tests.fakes.deletion import FakeDeletion

IMAGES = "/v3/images"
CONTENT = "/v3/manage/content"
ANSWER = {
    "deleted": {"images": 3, "generations": 2, "uploads": 1, "blobs": 5, "bytes": 70_000_000},
    "still_running": 1,
}  # fmt: skip
OWN_ANSWER = {"deleted": {"images": 3, "generations": 2, "uploads": 1}, "still_running": 1}
"""To a key that does not manage: which files went would tell it what others have."""


@pytest.mark.parametrize(
    ("path", "query", "key", "asked"),
    [
        (f"{IMAGES}/img_1", "", KEY, ("image", "img_1", "key-1")),
        (f"{IMAGES}/img_1", "", MANAGERS_KEY, ("image", "img_1", None)),
        ("/v3/generations/chatcmpl-1", "", KEY, ("generation", "chatcmpl-1", "key-1")),
        ("/v3/generations/chatcmpl-1", "", MANAGERS_KEY, ("generation", "chatcmpl-1", None)),
        (IMAGES, "all=true", KEY, ("content", "key-1", None)),
        (IMAGES, f"user={quote('Anna & Co')}", KEY, ("content", "key-1", "Anna & Co")),
        (IMAGES, "all=true", MANAGERS_KEY, ("content", "key-4", None)),
        (CONTENT, "key_id=key_7", MANAGERS_KEY, ("content", "key_7", None)),
        (CONTENT, "user=anna", MANAGERS_KEY, ("content", None, "anna")),
        (CONTENT, "user=anna&key_id=key_7", MANAGERS_KEY, ("content", "key_7", "anna")),
    ],
)
async def test_what_is_named_is_deleted_and_told(path: str, query: str, key: str, asked: tuple[str, ...]) -> None:
    deletion = FakeDeletion()
    answer = await surface(deletion=deletion).ask("DELETE", path, key=key, query=query)
    assert (answer.status, answer.json) == (200, ANSWER if key == MANAGERS_KEY else OWN_ANSWER)
    assert deletion.asked == [asked]


@pytest.mark.parametrize(
    ("path", "query", "param", "said"),
    [
        (IMAGES, "", None, "user=NAME for what one of your end users left, or all=true"),
        (IMAGES, "user=anna&all=true", "all", "one of the two"),
        (IMAGES, "all=yes", "all", 'all "yes" is not possible. It takes true.'),
        (IMAGES, "all=true&usr=anna", "usr", 'There is no parameter "usr". It takes user and all.'),
        (IMAGES, "user=", "user", "user takes 1 to 200 characters."),
        (IMAGES, "user=%00", "user", "user takes 1 to 200 characters."),
        (IMAGES, f"user={'a' * 201}", "user", "user takes 1 to 200 characters."),
        (IMAGES, "user=anna&user=bob", "user", "user is said twice."),
        (IMAGES, "key_id=key_7", "key_id", "It takes user and all."),
        (CONTENT, "", None, "key_id=ID for that of a key"),
        (CONTENT, "all=true", "all", "It takes key_id and user."),
    ],
)
async def test_what_is_not_named_is_not_deleted(path: str, query: str, param: str | None, said: str) -> None:
    deletion = FakeDeletion()
    answer = await surface(deletion=deletion).ask("DELETE", path, key=MANAGERS_KEY, query=query)
    error = answer.json["error"]
    assert (answer.status, error["code"], error["param"]) == (400, "invalid_value", param)
    assert said in error["message"]
    assert deletion.asked == []


@pytest.mark.parametrize(("code", "status"), [(Code.NOT_FOUND, 404), (Code.STILL_RUNNING, 409)])
async def test_what_cannot_be_deleted_is_said(code: Code, status: int) -> None:
    answer = await surface(deletion=FakeDeletion(code)).ask("DELETE", "/v3/generations/chatcmpl-1")
    assert (answer.status, answer.json["error"]["code"]) == (status, code)


@pytest.mark.parametrize("path", [f"{IMAGES}/%27%20OR%201", "/v3/generations/" + "a" * 81])
async def test_what_cannot_be_an_id_is_looked_for_nowhere(path: str) -> None:
    deletion = FakeDeletion()
    assert (await surface(deletion=deletion).ask("DELETE", path)).status == 404
    assert deletion.asked == []


async def test_who_may_not_manage_deletes_nothing_of_others() -> None:
    deletion = FakeDeletion()
    at = surface(deletion=deletion)
    assert (await at.ask("DELETE", CONTENT, query="user=anna")).status == 403
    assert (await at.ask("DELETE", IMAGES, query="all=true", key=READERS_KEY)).status == 403
    assert (await at.ask("DELETE", IMAGES, query="all=true", key=None)).status == 401
    assert deletion.asked == []
