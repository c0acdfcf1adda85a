"""The HTTP surface over fakes, and a caller who speaks ASGI to it."""

import asyncio
import itertools
import json
import struct
from base64 import b64encode
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from decimal import Decimal
from typing import Any

from starlette.types import Message

from impasto.api.access import Access
from impasto.api.admission import Admission
from impasto.api.links import Links
from impasto.api.rate_limits import RateLimits
from impasto.api.routes import Gateway, asgi_app
from impasto.catalogue.catalogue import Catalogue
from impasto.completions.create import Completions
from impasto.completions.recall import Recall
from impasto.domain.events import Event, Finished, FinishReason, ImageData, ImageEnded, ImageStarted, Text, UsageSeen
from impasto.domain.keys import VirtualKey
from impasto.domain.model import ImageLimits, Model, Provider
from impasto.domain.pricing import Price
from impasto.domain.spending import Group, Question, Totals
from impasto.domain.usage import Usage
from impasto.storage.keys import FixedKeys
from tests.fakes.answerers import FakeAnswerers, Script
from tests.fakes.blobs import MemoryStore
from tests.fakes.gallery import MemoryGallery
from tests.fakes.images import FakeImages
from tests.fakes.ledger import MemoryLedger

KEY = "key-that-may-generate"
READERS_KEY = "key-that-may-only-read"
IMAGES_KEY = "key-with-a-shape-of-its-own"
MANAGERS_KEY = "key-that-may-also-manage"
SANDBOX_KEY = "key-that-no-provider-is-asked-for"
MAX_BODY_BYTES = 1 << 20

MAKER = Provider("maker", "Maker", "wire", "https://maker.test", "MAKER_BASE_URL", ("MAKER_KEY",), "x-key")
PRICE = Price(Decimal("0.50"), Decimal("3.00"), Decimal("60.00"), date(2026, 7, 22), "https://maker.test/prices")
LIMITS = ImageLimits(("1:1", "16:9"), ("1K", "2K"), "1K", tokens_per_image={"1K": 1120, "2K": 1680})
SAMPLING = ("temperature", "top_p", "max_tokens", "seed", "stop", "presence_penalty", "frequency_penalty")
BRUSH = Model("maker/brush", MAKER, "brush", ("text", "image"), ("text", "image"), LIMITS, PRICE, parameters=SAMPLING)
DRAFTER = Model(
    "maker/drafter", MAKER, "drafter", ("text", "image"), ("text", "image"),
    ImageLimits(("1:1",), ("1K",), "1K", drafts=True, max_images_per_call=3), PRICE,
)  # fmt: skip
GIFT = Model("maker/gift", MAKER, "gift", ("text", "image"), ("text", "image"), LIMITS)
WRITER = Model("maker/writer", MAKER, "writer", ("text",), ("text",), None, PRICE, parameters=SAMPLING)
MODELS = (BRUSH, DRAFTER, GIFT, WRITER)
CATALOGUE = Catalogue({MAKER.id: MAKER}, {model.id: model for model in MODELS}, {"brush": BRUSH.id})


def png(byte_count: int, width: int = 4, height: int = 3) -> bytes:
    """Bytes that begin as a PNG of these dimensions does."""
    header = b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR" + struct.pack(">II", width, height)
    filler = bytes(number * 89 % 251 for number in range(byte_count - len(header)))
    return header + filler


def data_url(picture: bytes, media_type: str = "image/png") -> str:
    return f"data:{media_type};base64,{b64encode(picture).decode()}"


def picture_events(picture: bytes, *, thought: bool = False) -> list[Event]:
    return [ImageStarted("image/png"), ImageData(b64encode(picture)), ImageEnded(thought)]


USAGE = Usage(input_text_tokens=5, output_text_tokens=2, output_image_tokens=1120, thought_tokens=7)
STOP = Finished(FinishReason.STOP, "STOP")
PICTURE = png(100)
WHOLE_ANSWER: list[Event] = [Text("Here: "), *picture_events(PICTURE), UsageSeen(USAGE), STOP]


@dataclass(slots=True)
class Answer:
    """What came back; `complete` says whether the answer was ended."""

    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    complete: bool = False

    @property
    def json(self) -> Any:
        return json.loads(self.body, parse_float=Decimal)

    @property
    def message(self) -> Any:
        return self.json["choices"][0]["message"]


@dataclass(slots=True)
class Surface:
    """The gateway's HTTP surface. `answerers` and `images` are the world behind it, `ledger` and `store` its books."""

    app: Access
    answerers: FakeAnswerers
    images: FakeImages
    ledger: MemoryLedger = field(default_factory=MemoryLedger)
    store: MemoryStore = field(default_factory=MemoryStore)
    completions: Completions | None = None

    async def ask(
        self,
        method: str,
        path: str,
        body: bytes | Iterable[bytes] = b"",
        headers: Sequence[tuple[str, str]] = (),
        key: str | None = KEY,
        *,
        leaves: bool | asyncio.Event = False,
        query: str = "",
    ) -> Answer:
        """One request; a body in pieces comes without a length. With `leaves`, the caller hangs up after it; with an
        event, once that is set."""
        sent = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in headers]
        if key is not None:
            sent.append((b"authorization", f"Bearer {key}".encode()))
        if isinstance(body, bytes):
            sent.append((b"content-length", str(len(body)).encode()))
        scope = {
            "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": method, "scheme": "http",
            "path": path, "raw_path": path.encode("utf-8", "surrogateescape"),
            "query_string": query.encode(), "root_path": "", "headers": sent,
            "client": ("127.0.0.1", 1), "server": ("127.0.0.1", 8080),
        }  # fmt: skip
        pieces = [body] if isinstance(body, bytes) else list(body)
        messages: list[Message] = [
            {"type": "http.request", "body": piece, "more_body": index + 1 < len(pieces)}
            for index, piece in enumerate(pieces)
        ]
        answer = Answer()

        async def receive() -> Message:
            if not messages and leaves is not True:
                # Without an event the caller stays on the line until the answer is here.
                await (leaves or asyncio.Event()).wait()
            return messages.pop(0) if messages else {"type": "http.disconnect"}

        async def send(message: Message) -> None:
            if message["type"] == "http.response.start":
                assert not answer.status
                answer.status = message["status"]
                answer.headers = {name.decode(): value.decode() for name, value in message["headers"]}
            else:
                assert not answer.complete
                answer.body += message.get("body", b"")
                answer.complete = not message.get("more_body", False)

        await self.app(scope, receive, send)
        return answer

    async def complete(
        self,
        key: str | None = KEY,
        path: str = "/v3/chat/completions",
        headers: Mapping[str, str] | None = None,
        leaves: bool | asyncio.Event = False,
        **fields: object,
    ) -> Answer:
        """Ask for a chat completion."""
        body = json.dumps(request_body(**fields)).encode()
        return await self.ask("POST", path, body, tuple((headers or {}).items()), key, leaves=leaves)


def request_body(**fields: object) -> dict[str, object]:
    """An ordinary request, with `fields` in place of its own; `...` leaves one out."""
    body: dict[str, object] = {"model": "maker/brush", "messages": [{"role": "user", "content": "a cat"}]} | fields
    return {name: value for name, value in body.items() if value is not ...}


def gateway_of(
    answerers: FakeAnswerers,
    images: FakeImages,
    cors_origins: tuple[str, ...] = (),
    *,
    ready: bool = True,
    ledger: MemoryLedger | None = None,
    store: MemoryStore | None = None,
    gallery: MemoryGallery | None = None,
    first_id: int = 1,
) -> Gateway:
    ledger, store = ledger or MemoryLedger(), store or MemoryStore()
    links = Links("https://gateway.test", b"secret", 3600, lambda: 1_769_000_000.5)
    ids = (f"{number:032x}" for number in itertools.count(100 * first_id))
    image_ids = (f"{number:032x}" for number in itertools.count(first_id))
    keys = {
        KEY: VirtualKey("generator", frozenset({"generate"}), id="key-1"),
        READERS_KEY: VirtualKey("reader", frozenset({"read"}), id="key-2"),
        IMAGES_KEY: VirtualKey("openrouter's", frozenset({"generate"}), id="key-3", image_output="images"),
        MANAGERS_KEY: VirtualKey("manager", frozenset({"generate", "manage"}), id="key-4"),
        SANDBOX_KEY: VirtualKey("rehearsal", frozenset({"generate"}), id="key-5", sandbox=True),
    }

    async def no_image(image_id: str) -> None:
        return None

    async def no_budget(account_id: str) -> None:
        return None

    async def no_totals() -> Totals:
        return Totals(67_200_000, 0, 5, 1, 2)

    async def nothing_spent(question: Question) -> list[Group]:
        return []

    return Gateway(
        completions=Completions(
            catalogue=CATALOGUE,
            answerers=answerers,
            sandbox=answerers,
            images=images,
            store=store,
            ledger=ledger,
            recall=Recall(gallery or MemoryGallery(), ledger, store, links.read),
            now=lambda: 1_769_000_000.5,
            new_id=lambda: next(image_ids),
            deadline_seconds=5.0,
        ),
        catalogue=CATALOGUE,
        available={MAKER.id: False},
        keys=FixedKeys(keys),
        limits=RateLimits(lambda: 1_769_000_000.5),
        admission=Admission(64 << 20, 1.0),
        max_body_bytes=MAX_BODY_BYTES,
        cors_origins=cors_origins,
        new_id=lambda: next(ids),
        is_ready=lambda: ready,
        find_image=no_image,
        budget_of=no_budget,
        spending_of=nothing_spent,
        totals_of=no_totals,
        links=links,
        makes_links=True,
    )


def surface(
    script: Script = tuple(WHOLE_ANSWER),
    cors_origins: tuple[str, ...] = (),
    *,
    ledger: MemoryLedger | None = None,
    store: MemoryStore | None = None,
    gallery: MemoryGallery | None = None,
    **changes: Any,
) -> Surface:
    """A surface whose every model answers with `script`. Others before it may have had the same `ledger` and `store`.

    `changes` are those of its `Gateway`, or of its completions where they are `deadline_seconds` or `catalogue`.
    """
    answerers, images = FakeAnswerers(script), FakeImages()
    ledger, store = ledger or MemoryLedger(), store or MemoryStore()
    gateway = gateway_of(
        answerers,
        images,
        cors_origins,
        ledger=ledger,
        store=store,
        gallery=gallery,
        first_id=1 + len(ledger.openings),
    )
    inner = {name: changes.pop(name) for name in ("deadline_seconds", "catalogue") if name in changes}
    gateway = replace(gateway, completions=replace(gateway.completions, **inner), **changes)
    return Surface(asgi_app(gateway), answerers, images, ledger, store, gateway.completions)
