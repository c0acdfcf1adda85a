"""Pictures as a list, and one of them: what is told, and to whom."""

from dataclasses import replace
from decimal import Decimal
from urllib.parse import urlencode

import pytest

from impasto.domain.ledger import Outcome, Parent
from impasto.domain.lineage import Ancestor, PictureFacts, PictureQuestion
from tests.api.surface import IMAGES_KEY, KEY, MANAGERS_KEY, READERS_KEY, Answer, surface
from tests.fakes.lineage import SETTLED, SHA256, MemoryLineage, a_generation, a_picture, some_facts

BODY = {
    "id": "img_1",
    "object": "image",
    "generation_id": "chatcmpl-1",
    "choice": 0,
    "sha256": SHA256,
    "media_type": "image/png",
    "bytes": 1000,
    "dimensions": {"width": 2048, "height": 1152},
    "created_at": "2026-11-18T11:06:49.000Z",
    "gone_at": None,
    "model": "brush",
    "served_by": "maker/brush",
    "provider": "maker",
    "prompt": "a cat",
    "prompt_is_cut": False,
    "parents": [],
    "child_count": 0,
    "image_config": {"asked": {"aspect_ratio": "16:9", "image_size": "2K"}, "sent": {"aspect_ratio": "16:9"}},
    "cost": Decimal("0.0685615"),
    "pictures_in_call": 1,
    "key": {"id": "key-1", "name": "generator"},
    "session_id": "talk",
    "user": "eve",
    "tags": {"project": "fruit"},
    "retention": "all",
    "provenance": {"c2pa": True},
    "url": "a signed link",
    "content_path": "/v3/images/img_1/content",
}


async def listing(lineage: MemoryLineage, key: str | None = KEY, **query: object) -> Answer:
    at = surface(lineage=lineage)
    return await at.ask("GET", "/v3/images", key=key, query=urlencode(query))


async def one(facts: PictureFacts, key: str | None = KEY, image_id: str = "img_1", *, links: bool = True) -> Answer:
    at = surface(lineage=MemoryLineage([facts]), makes_links=links)
    return await at.ask("GET", f"/v3/images/{image_id}", key=key)


async def test_all_that_is_known_of_a_picture_is_told() -> None:
    answer = await one(some_facts())
    assert answer.status == 200
    body = answer.json
    assert body["url"].startswith("https://gateway.test/v3/images/img_1/content?expires=")
    assert body | {"url": "a signed link"} == BODY | {"child_ids": []}
    [item] = (await listing(MemoryLineage([some_facts()]))).json["items"]
    assert item | {"url": "a signed link"} == BODY


async def test_what_is_not_known_or_not_kept_is_null() -> None:
    image = a_picture(dimensions=None, model="", facts={}, gone_ms=1_795_000_010_000)
    generation = a_generation(calls=(), session_id=None, end_user=None, tags={})
    body = (await one(some_facts(image, generation, prompt=None, characters=0, key_name=""))).json
    for field in ("dimensions", "served_by", "provider", "prompt", "cost", "session_id", "user", "provenance", "url"):
        assert body[field] is None
    assert (body["content_path"], body["image_config"]["sent"], body["key"]["name"]) == (None, None, None)
    assert body["gone_at"] == "2026-11-18T11:06:50.000Z"
    assert body["prompt_is_cut"] is False


async def test_without_an_address_for_links_there_are_none() -> None:
    body = (await one(some_facts(), links=False)).json
    assert (body["url"], body["content_path"]) == (None, "/v3/images/img_1/content")


@pytest.mark.parametrize(
    "call",
    [
        replace(SETTLED, outcome=Outcome.UNKNOWN, cost_nano=None),
        replace(SETTLED, cost_nano=None, facts="{}"),
        replace(SETTLED, outcome=None),
        replace(SETTLED, call=1),
    ],
)
async def test_a_cost_that_nobody_knows_is_null(call: object) -> None:
    assert (await one(some_facts(generation=a_generation(calls=(call,))))).json["cost"] is None


async def test_a_call_that_made_several_says_so_beside_its_cost() -> None:
    images = (("img_1", 0), ("img_2", 0), ("img_3", 1))
    assert (await one(some_facts(images=images))).json["pictures_in_call"] == 2


async def test_a_long_prompt_says_that_it_was_cut() -> None:
    body = (await one(some_facts(prompt="a c", characters=9000))).json
    assert (body["prompt"], body["prompt_is_cut"]) == ("a c", True)


async def test_parents_are_told_in_order_with_a_link_where_they_are_kept() -> None:
    kept, gone = a_picture("img_kept"), a_picture("img_gone", gone_ms=1)
    parents = (
        Ancestor(Parent("image", "img_kept", "1" * 64), kept),
        Ancestor(Parent("image", "img_gone", "2" * 64), gone),
        Ancestor(Parent("file", "file-1", "3" * 64)),
        Ancestor(Parent("photo", "", "4" * 64)),
        Ancestor(Parent("file", "file-2", "")),
    )
    told = (await one(some_facts(parents=parents))).json["parents"]
    assert told[0].pop("url").startswith("https://gateway.test/v3/images/img_kept/content?")
    assert told == [
        {"kind": "image", "id": "img_kept", "sha256": "1" * 64},
        {"kind": "image", "id": "img_gone", "sha256": "2" * 64, "url": None},
        {"kind": "file", "id": "file-1", "sha256": "3" * 64, "url": None},
        {"kind": "photo", "id": None, "sha256": "4" * 64, "url": None},
        {"kind": "file", "id": "file-2", "sha256": None, "url": None},
    ]


async def test_children_are_counted_and_the_newest_named() -> None:
    body = (await one(replace(some_facts(), child_count=200, child_ids=("img_9", "img_8")))).json
    assert (body["child_count"], body["child_ids"]) == (200, ["img_9", "img_8"])


@pytest.mark.parametrize(
    ("key", "status"), [(KEY, 200), (MANAGERS_KEY, 200), (IMAGES_KEY, 404), (READERS_KEY, 403), (None, 401)]
)
async def test_a_picture_is_there_for_its_key_and_for_who_manages(key: str | None, status: int) -> None:
    assert (await one(some_facts(), key)).status == status


async def test_what_does_not_exist_and_what_is_anothers_are_told_alike() -> None:
    theirs = await one(some_facts(), IMAGES_KEY)
    for image_id in ("img_2", "img_%00", "x" * 81, "img.1"):
        nobodys = await one(some_facts(), IMAGES_KEY, image_id)
        assert (nobodys.status, nobodys.json) == (404, theirs.json)


async def test_a_list_has_pages() -> None:
    lineage = MemoryLineage([some_facts(a_picture(f"img_{number}")) for number in range(5)])
    answer = await listing(lineage, page=2, limit=2)
    body = answer.json
    assert [item["id"] for item in body.pop("items")] == ["img_2", "img_3"]
    assert body == {"object": "list", "total": 5, "page": 2, "limit": 2, "total_pages": 3}
    empty = (await listing(MemoryLineage())).json
    assert empty == {"object": "list", "items": [], "total": 0, "page": 1, "limit": 20, "total_pages": 0}


async def test_every_parameter_is_understood() -> None:
    lineage = MemoryLineage()
    answer = await listing(
        lineage, query="red, house", model="maker/brush", session_id="talk", user="eve", parent="img_1",
        since="2026-11-01", until="1795000000", include_gone="true", page=3, limit=100,
    )  # fmt: skip
    assert answer.status == 200
    assert lineage.questions == [
        PictureQuestion(
            "key-1", ("red", "house"), "maker/brush", "talk", "eve", "img_1", 1_793_491_200_000, 1_795_000_000_000,
            True, 100, 200,
        )
    ]  # fmt: skip


async def test_a_key_lists_its_own_and_who_manages_those_of_any() -> None:
    lineage = MemoryLineage([some_facts(), some_facts(a_picture("img_9", key_id="key-4"))])
    for key, query, expected in (
        (KEY, {}, ["img_1"]), (KEY, {"key_id": "key-1"}, ["img_1"]), (IMAGES_KEY, {}, []),
        (MANAGERS_KEY, {}, ["img_9"]), (MANAGERS_KEY, {"key_id": "key-1"}, ["img_1"]),
    ):  # fmt: skip
        answer = await listing(lineage, key, **query)
        assert [item["id"] for item in answer.json["items"]] == expected
    refused = await listing(lineage, IMAGES_KEY, key_id="key-1")
    assert (refused.status, refused.json["error"]["param"]) == (403, "key_id")
    assert (await listing(lineage, READERS_KEY)).status == 403


@pytest.mark.parametrize(
    ("query", "param", "says"),
    [
        ("limit=0", "limit", "from 1 to 100"),
        ("limit=101", "limit", "from 1 to 100"),
        ("limit=ten", "limit", "from 1 to 100"),
        ("page=0", "page", "from 1 to 1000000"),
        ("page=9999999999999999999999", "page", "from 1 to 1000000"),
        ("since=soon", "since", "2026-11-01"),
        ("until=2026-11-31", "until", "2026-11-01"),
        ("since=2026-11-02&until=2026-11-01", "until", "is not after since 2026-11-02"),
        ("since=1795000000&until=1795000000", "until", "is not after since"),
        ("include_gone=yes", "include_gone", "true and false"),
        ("query=", "query", "holds no word"),
        ("query=%21%3F", "query", "holds no word"),
        ("query=" + "a" * 201, "query", "200 at most"),
        ("colour=red", "colour", "session_id"),
        ("model=a&model=b", "model", "given twice"),
        ("user=%00", "user", "no text"),
    ],
)
async def test_a_bad_value_is_refused_by_name_with_what_to_do(query: str, param: str, says: str) -> None:
    lineage = MemoryLineage()
    answer = await surface(lineage=lineage).ask("GET", "/v3/images", query=query)
    assert (answer.status, answer.json["error"]["param"]) == (400, param)
    assert says in answer.json["error"]["message"]
    assert lineage.questions == []
