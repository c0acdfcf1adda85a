"""Was it made here? What anybody with a key learns, and what the key that made it."""

import pytest

from tests.api.surface import IMAGES_KEY, KEY, MANAGERS_KEY, READERS_KEY, Answer, surface
from tests.fakes.lineage import SHA256, MemoryLineage, a_picture, some_facts

KNOWN = {"sha256": SHA256, "made_here": True, "created_at": "2026-11-18T11:06:49.000Z", "model": "maker/brush"}


async def asked(sha256: str = SHA256, key: str | None = KEY, **image: object) -> Answer:
    lineage = MemoryLineage([some_facts(a_picture(**image))])  # type: ignore[arg-type]
    return await surface(lineage=lineage).ask("GET", f"/v3/provenance/{sha256}", key=key)


@pytest.mark.parametrize("key", [IMAGES_KEY, READERS_KEY])
async def test_any_key_learns_that_it_was_made_here_and_no_more(key: str) -> None:
    answer = await asked(key=key)
    assert (answer.status, answer.json) == (200, KNOWN)


@pytest.mark.parametrize("key", [KEY, MANAGERS_KEY])
async def test_who_made_it_and_who_manages_learn_all(key: str) -> None:
    body = (await asked(key=key)).json
    [image] = body.pop("images")
    assert (image["id"], image["prompt"], image["generation_id"]) == ("img_1", "a cat", "chatcmpl-1")
    assert body == KNOWN | {"provider": "maker", "pictures": 1}


async def test_a_picture_that_was_let_go_is_known_all_the_same() -> None:
    body = (await asked(gone_ms=1_795_000_010_000)).json
    assert body["made_here"] is True
    assert body["images"][0]["gone_at"] == "2026-11-18T11:06:50.000Z"


async def test_capitals_are_digits_too() -> None:
    assert (await asked(SHA256.upper())).json["sha256"] == SHA256


async def test_not_to_know_is_told_as_no_proof() -> None:
    body = (await asked("0" * 64)).json
    assert (body["sha256"], body["made_here"]) == ("0" * 64, False)
    assert "proves nothing" in body["note"]


@pytest.mark.parametrize("sha256", ["abc", "g" * 64, "0" * 63, "0" * 65, "٠" * 64, "img_1"])
async def test_what_is_no_hash_is_refused(sha256: str) -> None:
    answer = await asked(sha256)
    assert (answer.status, answer.json["error"]["param"]) == (400, "sha256")
    assert "64 hexadecimal digits" in answer.json["error"]["message"]


@pytest.mark.parametrize("key", [None, "no key of this gateway's"])
async def test_without_a_key_nothing_is_told(key: str | None) -> None:
    assert (await asked(key=key)).status == 401
    assert (await asked("abc", key=key)).status == 401
