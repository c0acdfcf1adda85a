"""The bytes of a picture: who gets them, with which headers, and what everybody else hears."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import msgspec
import pytest
from starlette.routing import Route, Router
from starlette.types import Message

from impasto.api.access import Access
from impasto.api.failures import AnswerBrokeOffError, FailuresAnswered
from impasto.api.image_content import PIECE_BYTES, ImageContent
from impasto.api.links import Links
from impasto.completions.ports import Blob
from impasto.domain.errors import Code, Failure
from impasto.domain.image import Dimensions
from impasto.domain.keys import VirtualKey
from impasto.domain.picture_form import PictureForm
from impasto.domain.stored_image import StoredImage
from tests.api.surface import KEY, surface
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
class Letters:
    """Converts a picture into the name of its form, four times over, or fails. It begins when it is `let`."""

    failure: Failure | None = None
    let: asyncio.Event = field(default_factory=asyncio.Event)
    has_begun: asyncio.Event = field(default_factory=asyncio.Event)
    forms: list[PictureForm] = field(default_factory=list)

    async def convert(self, source: Blob, target: Blob, form: PictureForm) -> None:
        self.has_begun.set()
        await self.let.wait()
        self.forms.append(form)
        if self.failure:
            raise self.failure
        target.write(form.name.encode() + source.read(0, 4))


@dataclass(slots=True)
class World:
    """The resource over fakes; `asked_for` are the ids that the database was asked for."""

    image: StoredImage
    store: MemoryStore
    keys: Keys = field(default_factory=Keys)
    links: Links = LINKS
    asked_for: list[str] = field(default_factory=list)
    breaks_after: int | None = None
    converter: "Letters | None" = None
    leaves: asyncio.Event = field(default_factory=asyncio.Event)

    async def find_image(self, image_id: str) -> StoredImage | None:
        self.asked_for.append(image_id)
        return self.image if image_id == self.image.id else None

    async def ask(
        self, url: str = URL, headers: Mapping[str, str] | Sequence[tuple[str, str]] = (), method: str = "GET"
    ) -> Answer:
        content = ImageContent(self.find_image, self.store, self.links, self.keys, self.converter)
        routes = [Route("/v3/images/{image_id}/content", content, methods=["GET"])]
        app = Access(FailuresAnswered(Router(routes)), lambda: "id")
        path, _, query = url.partition("?")
        answer = Answer()

        request: list[Message] = [{"type": "http.request", "body": b"", "more_body": False}]

        async def receive() -> Message:
            if request:
                return request.pop()
            await self.leaves.wait()
            return {"type": "http.disconnect"}

        async def send(message: Message) -> None:
            if message["type"] == "http.response.start":
                answer.status = message["status"]
                answer.headers = {name.decode(): value.decode() for name, value in message["headers"]}
            else:
                if len(answer.pieces) == self.breaks_after:
                    raise OSError("the caller left")
                answer.pieces.append(message.get("body", b""))

        lines = headers.items() if isinstance(headers, Mapping) else headers
        raw = [(name.encode(), value.encode()) for name, value in lines]
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
        "cross-origin-resource-policy": "cross-origin",
        "referrer-policy": "no-referrer",
        "accept-ranges": "bytes",
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


async def test_a_picture_that_was_let_go_is_gone_whatever_the_store_has(world: World) -> None:
    world.image = replace(world.image, gone_ms=2)
    tag = {**OWNER, "if-none-match": f'"{world.image.sha256}"'}
    for url, headers in ((URL, OWNER), (URL, tag), (LINKS.url_of("img-1"), {}), (f"{URL}?w=320", OWNER)):
        answer = await world.ask(url, headers)
        assert (answer.status, answer.error["code"]) == (410, "answer_gone")
    assert (await world.ask(headers=STRANGER)).status == 404


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


# --- parts ---

TOTAL = len(PICTURE)


@pytest.mark.parametrize(
    ("asked", "first", "last"),
    [
        ("bytes=0-0", 0, 0),
        ("bytes=0-", 0, TOTAL - 1),
        (f"bytes={PIECE_BYTES - 3}-{PIECE_BYTES + 3}", PIECE_BYTES - 3, PIECE_BYTES + 3),
        ("bytes=-7", TOTAL - 7, TOTAL - 1),
        (f"bytes=100-{10**12}", 100, TOTAL - 1),
    ],
)
async def test_a_part_is_those_bytes(asked: str, first: int, last: int, world: World) -> None:
    answer = await world.ask(headers={**OWNER, "range": asked})
    assert (answer.status, answer.body) == (206, PICTURE[first : last + 1])
    assert answer.headers["content-range"] == f"bytes {first}-{last}/{TOTAL}"
    assert answer.headers["content-length"] == str(last - first + 1)
    assert answer.headers["etag"] == f'"{world.image.sha256}"'
    assert answer.headers["content-type"] == "image/png"


async def test_a_link_gives_parts_as_well(world: World) -> None:
    answer = await world.ask(LINKS.url_of("img-1"), {"range": "bytes=1-2"})
    assert (answer.status, answer.body) == (206, PICTURE[1:3])


@pytest.mark.parametrize("asked", [f"bytes={TOTAL}-", "bytes=-0", f"bytes={10**30}-"])
async def test_a_part_beyond_the_end_is_refused_with_the_length(asked: str, world: World) -> None:
    answer = await world.ask(headers={**OWNER, "range": asked})
    assert (answer.status, answer.error["code"], answer.error["param"]) == (416, "range_not_satisfiable", "Range")
    assert answer.headers["content-range"] == f"bytes */{TOTAL}"
    assert f"{TOTAL} bytes" in answer.error["message"]


@pytest.mark.parametrize("asked", ["bytes=0-1,4-5", "lines=0-1", "bytes=5-4", "bytes=x", ""])
async def test_several_parts_and_none_are_the_whole(asked: str, world: World) -> None:
    answer = await world.ask(headers={**OWNER, "range": asked})
    assert (answer.status, answer.body) == (200, PICTURE)
    assert "content-range" not in answer.headers


async def test_two_lines_of_ranges_are_several_parts(world: World) -> None:
    lines = [*OWNER.items(), ("range", "bytes=0-1"), ("range", "bytes=4-5")]
    assert (await world.ask(headers=lines)).status == 200


async def test_a_part_is_sent_only_of_what_the_caller_has_begun(world: World) -> None:
    asked = {**OWNER, "range": "bytes=0-1"}
    tag = f'"{world.image.sha256}"'
    assert (await world.ask(headers={**asked, "if-range": tag})).status == 206
    for other in ('"other"', f"W/{tag}", "Wed, 21 Jan 2026 13:53:20 GMT"):
        answer = await world.ask(headers={**asked, "if-range": other})
        assert (answer.status, answer.body) == (200, PICTURE)


async def test_head_knows_no_parts_and_a_304_comes_before_them(world: World) -> None:
    head = await world.ask(headers={**OWNER, "range": "bytes=0-1"}, method="HEAD")
    assert (head.status, head.headers["content-length"], head.body) == (200, str(TOTAL), b"")
    tag = f'"{world.image.sha256}"'
    assert (await world.ask(headers={**OWNER, "range": f"bytes={TOTAL}-", "if-none-match": tag})).status == 304


async def test_between_pieces_others_have_their_turn(world: World) -> None:
    turns = 0

    async def another() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    task = asyncio.create_task(another())
    answer = await world.ask(headers=OWNER)
    task.cancel()
    assert turns >= len([piece for piece in answer.pieces if piece]) == 3


# --- files ---


@pytest.mark.parametrize(
    ("media_type", "suffix"), [("image/png", "png"), ("image/jpeg", "jpg"), ("image/webp", "webp")]
)
async def test_a_download_has_the_suffix_of_its_bytes(media_type: str, suffix: str, world: World) -> None:
    world.image = replace(world.image, media_type=media_type)
    for query, disposition in (("", "inline"), ("?download=0", "inline"), ("?download=1", "attachment")):
        answer = await world.ask(URL + query, OWNER)
        assert answer.headers["content-disposition"] == f'{disposition}; filename="img-1.{suffix}"'
    refused = await world.ask(f"{URL}?download=yes", OWNER)
    assert (refused.status, refused.error["param"]) == (400, "download")


# --- other forms ---


@pytest.fixture
def letters(world: World) -> Letters:
    world.image = replace(world.image, dimensions=Dimensions(1024, 768))
    world.converter = Letters()
    world.converter.let.set()
    return world.converter


async def test_a_form_is_made_when_it_is_asked_for(world: World, letters: Letters) -> None:
    answer = await world.ask(f"{URL}?w=320&format=webp", OWNER)
    assert (answer.status, answer.body) == (200, b"webp-w320" + PICTURE[:4])
    assert letters.forms == [PictureForm("image/webp", 320)]
    whole = await world.ask(headers=OWNER)
    changed = {name: value for name, value in answer.headers.items() if whole.headers.get(name) != value}
    assert changed == {
        "content-type": "image/webp",
        "content-length": "13",
        "content-disposition": 'inline; filename="img-1-w320.webp"',
        "etag": f'W/"{world.image.sha256}-webp-w320"',
        "accept-ranges": "none",
        "x-impasto-converted": "true",
    }
    assert "x-impasto-converted" not in whole.headers


async def test_the_holder_of_a_link_may_ask_for_another_form(world: World, letters: Letters) -> None:
    answer = await world.ask(f"{LINKS.url_of('img-1')}&w=16&download=1", {})
    assert (answer.status, answer.headers["content-type"]) == (200, "image/png")
    assert answer.headers["cache-control"] == "private, max-age=3600"
    assert answer.headers["content-disposition"] == 'attachment; filename="img-1-w16.png"'
    assert letters.forms == [PictureForm("image/png", 16)]


@pytest.mark.parametrize("query", ["w=1024", "w=4096", "format=png", "w=2000&format=png", "width=3", "utm_source=a"])
async def test_what_it_is_already_comes_as_it_is(query: str, world: World, letters: Letters) -> None:
    answer = await world.ask(f"{URL}?{query}", OWNER)
    assert (answer.body, answer.headers["etag"]) == (PICTURE, f'"{world.image.sha256}"')
    assert letters.forms == []


@pytest.mark.parametrize(
    ("query", "param", "choices"),
    [
        ("w=15", "w", "16 to 4096"),
        ("w=4097", "w", "16 to 4096"),
        ("w=-320", "w", "16 to 4096"),
        ("w=320.0", "w", "16 to 4096"),
        ("w=%D9%A3%D9%A2%D9%A0", "w", "16 to 4096"),
        ("w=", "w", "16 to 4096"),
        (f"w={'9' * 6000}", "w", "16 to 4096"),
        ("w=0320", "w", "16 to 4096"),
        ("format=gif", "format", "png, jpeg, webp and avif"),
        ("format=", "format", "png, jpeg, webp and avif"),
        ("format=PNG", "format", "png, jpeg, webp and avif"),
        (f"format={'x' * 6000}", "format", "png, jpeg, webp and avif"),
    ],
)
async def test_a_form_that_is_none_is_refused_with_the_choices(
    query: str, param: str, choices: str, world: World, letters: Letters
) -> None:
    answer = await world.ask(f"{URL}?{query}", OWNER)
    assert (answer.status, answer.error["code"], answer.error["param"]) == (400, "invalid_value", param)
    assert f"It takes {choices}" in answer.error["message"]
    assert len(answer.error["message"]) < 200
    assert letters.forms == []


@pytest.mark.parametrize(("query", "param"), [("w=320", "w"), ("format=webp", "format")])
async def test_without_the_library_it_is_said_what_to_install(query: str, param: str, world: World) -> None:
    world.image = replace(world.image, dimensions=None)
    answer = await world.ask(f"{URL}?{query}", OWNER)
    assert (answer.status, answer.error["code"], answer.error["param"]) == (400, "unsupported", param)
    assert "pip install 'impasto[thumbnails]'" in answer.error["message"]


async def test_who_has_a_form_already_has_nothing_made(world: World, letters: Letters) -> None:
    tag = f'W/"{world.image.sha256}-webp-w320"'
    assert (await world.ask(f"{URL}?w=320&format=webp", {**OWNER, "if-none-match": tag})).status == 304
    assert letters.forms == []
    assert (await world.ask(f"{URL}?w=160&format=webp", {**OWNER, "if-none-match": tag})).status == 200
    assert (await world.ask(URL, {**OWNER, "if-none-match": tag})).status == 200


async def test_a_form_comes_whole(world: World, letters: Letters) -> None:
    answer = await world.ask(f"{URL}?w=320", {**OWNER, "range": "bytes=0-1"})
    assert (answer.status, answer.body) == (200, b"png-w320" + PICTURE[:4])


async def test_head_makes_no_form(world: World, letters: Letters) -> None:
    answer = await world.ask(f"{URL}?w=320", OWNER, "HEAD")
    assert (answer.status, answer.body, letters.forms) == (200, b"", [])
    assert answer.headers["etag"] == f'W/"{world.image.sha256}-png-w320"'
    assert "content-length" not in answer.headers


async def test_what_cannot_be_made_is_an_ordinary_error(world: World, letters: Letters) -> None:
    letters.failure = Failure(Code.OVERLOADED, "Too many.", retry_helps=True, retry_after_seconds=5)
    answer = await world.ask(f"{URL}?w=320", OWNER)
    assert (answer.status, answer.error["code"]) == (503, "overloaded")
    assert answer.headers["retry-after"] == "5"
    assert "etag" not in answer.headers


async def test_a_form_of_what_is_no_longer_kept_is_gone(world: World, letters: Letters) -> None:
    world.store.kept.clear()
    for method in ("GET", "HEAD"):
        answer = await world.ask(f"{URL}?w=320", OWNER, method)
        assert (answer.status, answer.error["code"]) == (410, "answer_gone")
    assert letters.forms == []


async def test_nothing_is_made_for_who_has_left(world: World, letters: Letters) -> None:
    letters.let.clear()
    asking = asyncio.create_task(world.ask(f"{URL}?w=320", OWNER))
    await letters.has_begun.wait()
    world.leaves.set()
    answer = await asking
    assert (answer.status, letters.forms) == (0, [])


async def test_nothing_is_made_for_who_may_not_have_the_picture(world: World, letters: Letters) -> None:
    assert (await world.ask(f"{URL}?w=320", STRANGER)).status == 404
    assert (await world.ask(f"{URL}?w=1", {})).status == 401
    assert letters.forms == []


# --- the route ---


async def test_the_gateway_has_the_route_with_its_converter(world: World, letters: Letters) -> None:
    world.image = replace(world.image, key_id="key-1")
    here = surface(store=world.store, find_image=world.find_image, converter=letters)
    assert (await here.ask("GET", URL, query="w=320")).body == b"png-w320" + PICTURE[:4]
    head = await here.ask("HEAD", URL, headers=[("range", "bytes=0-1")])
    assert (head.status, head.body, head.headers["accept-ranges"]) == (200, b"", "bytes")
    part = await here.ask("GET", URL, headers=[("range", "bytes=0-1"), ("x-api-key", KEY)], key=None)
    assert (part.status, part.body) == (206, PICTURE[:2])
