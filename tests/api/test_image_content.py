"""The bytes of a picture: who gets them, with which headers, and what everybody else hears."""

from dataclasses import dataclass, field, replace
from typing import Any

import msgspec
import pytest
from starlette.routing import Route, Router
from starlette.types import Message

from impasto.api.access import Access
from impasto.api.failures import AnswerBrokeOffError, FailuresAnswered
from impasto.api.images import PIECE_BYTES, ImageContent
from impasto.api.links import Links
from impasto.domain.errors import Code, Failure
from impasto.domain.image import Dimensions
from impasto.domain.keys import VirtualKey
from impasto.domain.stored_image import StoredImage
from tests.fakes.blobs import MemoryStore

NOW = 1_769_000_000.0
LINKS = Links("", b"k" * 32, 3600, lambda: NOW)
PICTURE = bytes(number % 251 for number in range(2 * PIECE_BYTES + 7))
URL = "/v3/images/img-1/content"
OWNER = {"authorization": "Bearer owner"}
STRANGER = {"authorization": "Bearer stranger"}


@dataclass(slots=True)
class Keys:
    """Two tenants; notes whether a key was asked for as it is this moment."""

    asked_now: list[bool] = field(default_factory=list)

    async def find(self, secret: str, *, now: bool) -> VirtualKey | None:
        self.asked_now.append(now)
        if secret == "late":
            raise Failure(Code.INVALID_API_KEY, "This key expired.")
        return VirtualKey(secret, frozenset({"generate"}), id=secret) if secret in ("owner", "stranger") else None


@dataclass(slots=True)
class Answer:
    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    pieces: list[bytes] = field(default_factory=list)

    @property
    def body(self) -> bytes:
        return b"".join(self.pieces)

    @property
    def error(self) -> Any:
        return msgspec.json.decode(self.body)["error"]


@dataclass(slots=True)
class World:
    """The resource over fakes; `asked_for` are the ids that the database was asked for."""

    image: StoredImage
    store: MemoryStore
    keys: Keys = field(default_factory=Keys)
    links: Links = LINKS
    asked_for: list[str] = field(default_factory=list)
    breaks_after: int | None = None

    async def find_image(self, image_id: str) -> StoredImage | None:
        self.asked_for.append(image_id)
        return self.image if image_id == self.image.id else None

    async def ask(self, url: str = URL, headers: dict[str, str] | None = None, method: str = "GET") -> Answer:
        content = ImageContent(self.find_image, self.store, self.links, self.keys)
        routes = [Route("/v3/images/{image_id}/content", content, methods=["GET"])]
        app = Access(FailuresAnswered(Router(routes)), lambda: "id")
        path, _, query = url.partition("?")
        answer = Answer()

        async def receive() -> Message:
            return {"type": "http.disconnect"}

        async def send(message: Message) -> None:
            if message["type"] == "http.response.start":
                answer.status = message["status"]
                answer.headers = {name.decode(): value.decode() for name, value in message["headers"]}
            else:
                if len(answer.pieces) == self.breaks_after:
                    raise OSError("the caller left")
                answer.pieces.append(message.get("body", b""))

        raw = [(name.encode(), value.encode()) for name, value in (headers or {}).items()]
        scope = {
            "type": "http", "method": method, "path": path, "raw_path": path.encode(), "root_path": "",
            "query_string": query.encode(), "headers": raw,
        }  # fmt: skip
        await app(scope, receive, send)
        assert not self.store.open_blobs
        return answer


@pytest.fixture
async def world() -> World:
    store = MemoryStore()
    blob = store.open()
    blob.write(PICTURE)
    sha256 = await store.keep(blob)
    blob.close()
    image = StoredImage("img-1", "chatcmpl-1", "owner", sha256, "image/png", len(PICTURE), Dimensions(4, 3), 1)
    return World(image, store)


async def test_the_key_that_made_it_gets_the_picture_in_pieces(world: World) -> None:
    answer = await world.ask(headers=OWNER)
    assert (answer.status, answer.body) == (200, PICTURE)
    assert max(map(len, answer.pieces)) == PIECE_BYTES
    assert world.keys.asked_now == [True]
    assert {name: value for name, value in answer.headers.items() if name != "x-request-id"} == {
        "content-type": "image/png",
        "content-length": str(len(PICTURE)),
        "content-disposition": 'inline; filename="img-1.png"',
        "content-security-policy": "default-src 'none'; sandbox",
        "x-content-type-options": "nosniff",
        "cache-control": "private, max-age=3600",
        "vary": "authorization, x-api-key",
        "etag": f'"{world.image.sha256}"',
    }


async def test_a_link_needs_no_key_and_is_shown_again_only_while_it_is_good(world: World) -> None:
    url = LINKS.url_of("img-1")
    world.links = replace(LINKS, now=lambda: NOW + 3000)
    answer = await world.ask(url)
    assert (answer.status, answer.body) == (200, PICTURE)
    assert answer.headers["cache-control"] == "private, max-age=600"
    assert world.keys.asked_now == []


async def test_a_link_that_is_over_says_so(world: World) -> None:
    url = LINKS.url_of("img-1")
    world.links = replace(LINKS, now=lambda: NOW + 3600)
    answer = await world.ask(url)
    assert (answer.status, answer.error["code"]) == (403, "not_allowed")
    assert answer.error["message"].startswith("This link was good until 2026-01-21 13:53:20 UTC.")
    assert world.asked_for == []


async def test_head_says_the_same_without_the_bytes(world: World) -> None:
    head, whole = await world.ask(headers=OWNER, method="HEAD"), await world.ask(headers=OWNER)
    assert (head.status, head.body) == (200, b"")
    assert {**head.headers, "x-request-id": ""} == {**whole.headers, "x-request-id": ""}


@pytest.mark.parametrize("tag", ['"{}"', 'W/"{}"', '"other", "{}"', "*"])
async def test_who_has_it_already_is_not_sent_it_again(tag: str, world: World) -> None:
    answer = await world.ask(headers={**OWNER, "if-none-match": tag.format(world.image.sha256)})
    assert (answer.status, answer.body) == (304, b"")
    assert answer.headers["etag"] == f'"{world.image.sha256}"'
    assert "content-length" not in answer.headers


async def test_who_has_another_one_is_sent_it(world: World) -> None:
    assert (await world.ask(headers={**OWNER, "if-none-match": '"other"'})).status == 200


async def test_to_have_it_already_opens_nothing(world: World) -> None:
    headers = {**STRANGER, "if-none-match": f'"{world.image.sha256}"'}
    assert (await world.ask(headers=headers)).status == 404


async def test_what_is_no_longer_kept_is_gone(world: World) -> None:
    world.store.kept.clear()
    for url, headers, method in ((URL, OWNER, "GET"), (URL, OWNER, "HEAD"), (LINKS.url_of("img-1"), {}, "GET")):
        answer = await world.ask(url, headers, method)
        assert (answer.status, answer.error["code"]) == (410, "answer_gone")


async def test_a_caller_who_leaves_leaves_nothing_open(world: World) -> None:
    world.breaks_after = 1
    with pytest.raises(AnswerBrokeOffError):
        await world.ask(headers=OWNER)
    assert world.store.open_blobs == []


@pytest.mark.parametrize("headers", [{}, {"authorization": "Bearer nobody"}, {"authorization": "Bearer late"}])
async def test_without_a_good_key_nothing_is_looked_up(headers: dict[str, str], world: World) -> None:
    answer = await world.ask(headers=headers)
    assert (answer.status, answer.error["code"]) == (401, "invalid_api_key")
    assert world.asked_for == []


async def test_another_tenants_picture_and_none_at_all_are_told_in_the_same_words(world: World) -> None:
    another = await world.ask(headers=STRANGER)
    unknown = await world.ask("/v3/images/img-2/content", STRANGER)
    forged = await world.ask(LINKS.url_of("img-2").replace("img-2", "img-1"))
    assert (another.status, another.error["code"]) == (404, "not_found")
    assert another.body == unknown.body == forged.body


async def test_a_broken_link_does_not_stand_in_the_way_of_the_key(world: World) -> None:
    assert (await world.ask(f"{URL}?expires=1&signature=wrong", OWNER)).status == 200
    assert (await world.ask(f"{URL}?expires=1&signature=wrong", STRANGER)).status == 404


@pytest.mark.parametrize(
    "query",
    [
        "expires=1&signature=wrong",
        "signature=x",
        "signature=%00",
        "signature=%FF%FE",
        "expires=-1&signature=x",
        f"expires={'9' * 5000}&signature=x",
        "expires=1e9&signature=x",
        "expires=%D9%A1&signature=x",
        f"expires=9999999999&signature={'A' * 43}",
        f"expires=1&signature={'A' * 20000}",
        "expires=1&expires=2&signature=x&signature=y",
    ],
)
async def test_a_link_that_was_not_made_here_is_not_found(query: str, world: World) -> None:
    answer = await world.ask(f"{URL}?{query}")
    assert (answer.status, answer.error["code"]) == (404, "not_found")
    assert world.asked_for == []


@pytest.mark.parametrize(
    "image_id", ["img-1\0", "..", "img-1'--", "%", "ïmg-1", "x" * 81, "img-1\n", 'a"b', "x" * 9000]
)
async def test_an_id_that_cannot_be_one_never_reaches_the_database(image_id: str, world: World) -> None:
    assert (await world.ask(f"/v3/images/{image_id}/content", OWNER)).status == 404
    signed = f"/v3/images/{image_id}/content?{LINKS.url_of(image_id).partition('?')[2]}"
    assert (await world.ask(signed)).status == 404
    assert world.asked_for == []
