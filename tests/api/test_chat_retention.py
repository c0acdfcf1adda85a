"""Pictures by their ids, and how much is kept of a request, as callers see it."""

from typing import Any

import pytest

from impasto.domain.events import UsageSeen
from impasto.domain.keys import VirtualKey
from impasto.domain.retention import Keeps
from impasto.storage.keys import FixedKeys
from tests.api.surface import PICTURE, STOP, USAGE, Surface, data_url, picture_events, png, surface
from tests.fakes.blobs import MemoryStore
from tests.fakes.folding import chunks_of
from tests.fakes.photos import exif, exif_segment, jpeg_with

ALL, PICTURES, NONE, LINKING = "keeps-all", "keeps-pictures", "keeps-none", "keeps-none-and-wants-links"
KEYS = FixedKeys({
    secret: VirtualKey(
        secret, frozenset({"generate"}), id=secret, retention=keeps,
        image_delivery="url" if secret == LINKING else None,
    )
    for secret, keeps in ((ALL, Keeps.ALL), (PICTURES, Keeps.PICTURES), (NONE, Keeps.NONE), (LINKING, Keeps.NONE))
})  # fmt: skip
TWO_PICTURES = [*picture_events(PICTURE), *picture_events(png(60)), UsageSeen(USAGE), STOP]


def keeping(**changes: Any) -> Surface:
    return surface(keys=KEYS, **changes)


async def test_every_picture_has_an_id_in_the_answer_and_in_a_header() -> None:
    answer = await surface(TWO_PICTURES).complete()
    ids = [each["id"] for each in answer.json["applied"]]
    assert len(set(ids)) == 2
    assert all(each.startswith("img_") for each in ids)
    assert answer.headers["x-impasto-image-ids"] == ", ".join(ids)


async def test_the_ids_of_several_answers_are_named_in_their_order() -> None:
    answer = await surface().complete(n=2)
    ids = [each["id"] for each in answer.json["applied"]]
    assert answer.headers["x-impasto-image-ids"].split(", ") == ids
    assert [each["choice"] for each in answer.json["applied"]] == [0, 1]


@pytest.mark.parametrize(
    ("key", "asked", "kept"),
    [
        (ALL, None, "all"), (ALL, "all", "all"), (ALL, "pictures", "pictures"), (ALL, "none", "none"),
        (PICTURES, None, "pictures"), (PICTURES, "pictures", "pictures"), (PICTURES, "none", "none"),
        (NONE, None, "none"), (NONE, "none", "none"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("streamed", [False, True])
async def test_how_much_is_kept_is_said(key: str, asked: str | None, kept: str, streamed: bool) -> None:
    at = keeping()
    answer = await at.complete(key, retention=asked, stream=streamed)
    body = chunks_of(answer.body)[-1] if streamed else answer.json
    assert answer.status == 200
    assert at.ledger.openings[0].keeps == kept
    if kept == "all":
        assert "retention" not in body
    else:
        assert body["retention"]["kept"] == kept
        assert "not" in body["retention"]["message"]


@pytest.mark.parametrize(
    ("key", "asked", "choices"),
    [(PICTURES, "all", '"pictures" or "none"'), (NONE, "all", '"none"'), (NONE, "pictures", '"none"')],
)
async def test_no_request_keeps_more_than_its_key(key: str, asked: str, choices: str) -> None:
    at = keeping()
    answer = await at.complete(key, retention=asked)
    assert answer.status == 400
    error = answer.json["error"]
    assert error["param"] == "retention"
    assert asked in error["message"]
    for choice in ("pictures", "none"):
        assert (choice in error["message"].partition("It takes")[2]) == (choice in choices)
    assert at.ledger.openings == []


async def test_of_what_is_not_kept_nothing_can_be_cited() -> None:
    at = keeping(store=MemoryStore())
    answer = await at.complete(NONE)
    assert answer.message["content"] == data_url(PICTURE)
    assert "x-impasto-image-ids" not in answer.headers
    assert [each["id"] for each in answer.json["applied"]] == [None]
    assert at.store.kept == {}
    assert at.store.open_blobs == []


@pytest.mark.parametrize("key", [ALL, NONE])
async def test_a_link_needs_a_picture_that_is_kept(key: str) -> None:
    at = keeping()
    answer = await at.complete(key, retention="none", image_delivery="url")
    assert (answer.status, answer.json["error"]["param"]) == (400, "image_delivery")
    assert at.ledger.openings == []


async def test_a_key_that_wants_links_gets_pictures_where_none_are_kept() -> None:
    answer = await keeping().complete(LINKING)
    assert answer.message["content"] == data_url(PICTURE)


async def test_names_for_conversation_and_person_are_kept_with_it() -> None:
    at = surface()
    await at.complete(session_id="s", user="ann")
    await at.complete(session_id="s", user="ann", retention="none")
    assert [(each.session_id, each.end_user) for each in at.ledger.openings] == [("s", "ann"), (None, None)]


@pytest.mark.parametrize("streamed", [False, True])
async def test_what_lost_its_position_is_named(streamed: bool) -> None:
    taken = jpeg_with(exif_segment(exif()))
    parts = [{"type": "image_url", "image_url": {"url": data_url(photo, "image/jpeg")}} for photo in (PICTURE, taken)]
    answer = await surface().complete(messages=[{"role": "user", "content": parts}], stream=streamed, n=2)
    body = chunks_of(answer.body)[-1] if streamed else answer.json
    assert body["gps_removed"] == ["messages[0].content[1].image_url.url"]
    assert "gps_removed" not in (await surface().complete()).json


async def test_what_nobody_has_is_refused_by_its_place_and_nothing_is_held() -> None:
    at = surface()
    for url in ("impasto:image/img_x", "impasto:image/previous", "impasto:file/x"):
        content = [{"type": "text", "text": "again"}, {"type": "image_url", "image_url": {"url": url}}]
        answer = await at.complete(messages=[{"role": "user", "content": content}])
        assert (answer.status, answer.json["error"]["param"]) == (400, "messages[0].content[1].image_url.url")
    assert at.ledger.openings == []
    assert at.answerers.calls == []
