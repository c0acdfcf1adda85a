"""/v3/upload over fakes: what comes is kept before it has an id, and let go of whatever happens."""

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.requests import Request
from starlette.types import Message

from impasto.api.admission import Admission
from impasto.api.body import CallerLeftError
from impasto.api.upload import UploadedFiles
from impasto.domain.image import Dimensions
from impasto.domain.keys import VirtualKey
from impasto.domain.retention import Keeps
from impasto.domain.stored_image import Upload
from impasto.storage.keys import FixedKeys
from tests.api.surface import MAX_BODY_BYTES, Answer, Surface, png, surface
from tests.fakes.blobs import MemoryStore
from tests.fakes.forms import CONTENT_TYPE, File, form
from tests.fakes.uploads import MemoryUploads

ADA, BOB, MANAGER, FORGETFUL, READER = "ada's", "bob's", "manager's", "forgetful", "reader's"
PICTURE = png(5000, 40, 30)
NOW = 1_769_000_000.5
DAY = 24 * 3600
KEYS = {
    ADA: VirtualKey("ada", frozenset({"generate"}), id="a"),
    BOB: VirtualKey("bob", frozenset({"generate"}), id="b", retention=Keeps.PICTURES),
    MANAGER: VirtualKey("manager", frozenset({"generate", "manage"}), id="m"),
    FORGETFUL: VirtualKey("forgetful", frozenset({"generate"}), id="f", retention=Keeps.NONE),
    READER: VirtualKey("reader", frozenset({"read"}), id="r"),
}


@dataclass(slots=True)
class Cabinet:
    """A gateway that takes uploads. `seconds` is its time."""

    seconds: float = NOW
    store: MemoryStore = field(default_factory=MemoryStore)
    uploads: MemoryUploads = field(init=False)
    surface: Surface = field(init=False)

    def __post_init__(self) -> None:
        self.uploads = MemoryUploads(self.now)
        self.surface = surface(store=self.store, uploads=self.uploads, keys=FixedKeys(KEYS), now=self.now)

    def now(self) -> float:
        return self.seconds

    async def post(self, body: bytes | Iterable[bytes], key: str = ADA) -> Answer:
        return await self.surface.ask("POST", "/v3/upload", body, [("Content-Type", CONTENT_TYPE)], key)

    async def upload(self, data: bytes = PICTURE, key: str = ADA, name: str = "cat.png", **fields: str) -> Any:
        answer = await self.post(form(("file", File(data, name)), *fields.items()), key)
        assert answer.status == 200, answer.body
        return answer.json

    async def listed(self, query: str = "", key: str = ADA) -> Any:
        answer = await self.surface.ask("GET", "/v3/upload", key=key, query=query)
        assert answer.status == 200, answer.body
        return answer.json

    async def deleted(self, ids: list[str] | None = None, key: str = ADA) -> Any:
        if ids is None:
            answer = await self.surface.ask("DELETE", "/v3/upload", key=key)
        else:
            answer = await self.surface.ask(
                "POST", "/v3/upload/delete", json.dumps({"file_ids": ids}).encode(), key=key
            )
        assert answer.status == 200, answer.body
        return answer.json


@pytest.fixture
def cabinet() -> Cabinet:
    return Cabinet()


def nothing_is_left(cabinet: Cabinet) -> bool:
    return not (cabinet.store.kept or cabinet.store.open_blobs or cabinet.uploads.all)


async def test_an_upload_is_kept_and_answered_with_its_id(cabinet: Cabinet) -> None:
    shown = await cabinet.upload(purpose="vision", expires_in_days="7", user="zoe")
    (upload,) = cabinet.uploads.all
    (sha256,) = cabinet.store.kept
    assert cabinet.store.kept[sha256] == PICTURE
    assert upload == Upload(
        shown["file_id"], "a", sha256, "cat.png", "image/png", 5000, Dimensions(40, 30), "vision",
        int(NOW * 1000), int((NOW + 7 * DAY) * 1000), "zoe",
    )  # fmt: skip
    assert shown == {
        "file_id": "00000000-0000-4000-8000-000000000065",
        "file_name": "cat.png",
        "file_size": 5000,
        "file_mimetype": "image/png",
        "purpose": "vision",
        "metadata": {},
        "created_at": "2026-01-21T12:53:20.500Z",
        "expires_at": "2026-01-28T12:53:20.500Z",
    }
    assert not cabinet.store.open_blobs


async def test_what_is_not_said_has_its_default(cabinet: Cabinet) -> None:
    await cabinet.upload()
    (upload,) = cabinet.uploads.all
    assert (upload.purpose, upload.expires_ms - upload.created_ms, upload.end_user) == (
        "general",
        30 * DAY * 1000,
        None,
    )


@pytest.mark.parametrize(
    ("data", "media_type"),
    [
        (b"\xff\xd8\xff\xe0\x00\x10JFIF", "image/jpeg"),
        (b"GIF89a\x02\x00\x03\x00", "image/gif"),
        (b"RIFF\x1a\x00\x00\x00WEBPVP8L", "image/webp"),
        (b"\x00\x00\x00\x18ftypavif\x00\x00\x00\x00", "image/avif"),
        (b"\x00\x00\x00\x18ftypheic\x00\x00\x00\x00", "image/heic"),
        (b"\x00\x00\x00\x18ftypmif1\x00\x00\x00\x00", "image/heif"),
    ],
)
async def test_its_bytes_say_what_it_is(data: bytes, media_type: str, cabinet: Cabinet) -> None:
    shown = await cabinet.upload(data, name="cat.png")
    assert shown["file_mimetype"] == media_type


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "image/svg+xml"),
        (b"<?xml version='1.0'?><!-- " + b"x" * 3000 + b"--><svg/>", "image/svg+xml"),
        (b"II*\x00" + bytes(20), "image/tiff"),
        (b"%PDF-1.7", "no picture"),
        (b"PK\x03\x04" + bytes(100_000), "no picture"),
        (b"a cat", "no picture"),
    ],
)
async def test_what_is_no_picture_is_refused(data: bytes, said: str, cabinet: Cabinet) -> None:
    answer = await cabinet.post(form(("file", File(data, "cat.png", "image/png"))))
    assert answer.status == 415
    assert answer.json["error"]["param"] == "file"
    assert said in answer.json["error"]["message"]
    assert "PNG, JPEG, WebP, GIF, AVIF and HEIC" in answer.json["error"]["message"]
    assert nothing_is_left(cabinet)


async def test_what_is_no_picture_is_refused_as_soon_as_it_shows(cabinet: Cabinet) -> None:
    body = form(("file", File(b"a cat" + bytes(5000))))
    answer = await cabinet.post([body[:4500], b"not looked at: \xff"])
    assert answer.status == 415
    assert nothing_is_left(cabinet)


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ([], "file is missing"),
        ([("purpose", "general")], "file is missing"),
        ([("file", "cat.png")], "an @ stands before the path"),
        ([("file", File(b""))], "file is empty"),
        ([("file", File(PICTURE)), ("file", File(PICTURE))], "file is given twice"),
        ([("file", File(PICTURE)), ("mask", File(PICTURE))], "mask: this form has one file"),
        ([("file", File(PICTURE)), ("expires_in_days", "31")], "1 to 30"),
        ([("expires_in_days", "x"), ("file", File(PICTURE))], "1 to 30"),
        ([("file", File(PICTURE)), ("colour", "red")], "colour is no field here"),
    ],
)
async def test_a_wrong_form_is_refused(fields: list[tuple[str, str | File]], why: str, cabinet: Cabinet) -> None:
    answer = await cabinet.post(form(*fields))
    assert (answer.status, answer.json["error"]["code"]) == (422, "invalid_body")
    assert why in answer.json["error"]["message"]
    assert answer.headers["x-should-retry"] == "false"
    assert nothing_is_left(cabinet)


WHOLE = form(("purpose", "vision"), ("file", File(png(300))))


@given(st.integers(0, len(WHOLE) - 4), st.lists(st.integers(0, len(WHOLE)), max_size=4))
async def test_a_form_that_is_cut_off_leaves_nothing(end: int, places: list[int]) -> None:
    cabinet = Cabinet()
    body = WHOLE[:end]
    bounds = [0, *sorted(min(place, end) for place in places), end]
    answer = await cabinet.post([body[start:stop] for start, stop in pairwise(bounds)])
    assert answer.status == 422
    assert nothing_is_left(cabinet)


@given(st.integers(0, len(WHOLE)), st.binary(max_size=30), st.integers(0, 60))
async def test_a_spoiled_form_breaks_nothing(at: int, noise: bytes, skipped: int) -> None:
    cabinet = Cabinet()
    answer = await cabinet.post(WHOLE[:at] + noise + WHOLE[at + skipped :])
    assert answer.status in (200, 415, 422)
    assert not cabinet.store.open_blobs
    assert len(cabinet.uploads.all) == len(cabinet.store.kept) == (answer.status == 200)


async def test_a_caller_who_leaves_leaves_nothing(cabinet: Cabinet) -> None:
    messages: list[Message] = [
        {"type": "http.request", "body": WHOLE[:200], "more_body": True},
        {"type": "http.request", "body": WHOLE[200:300], "more_body": True},
        {"type": "http.disconnect"},
    ]

    async def receive() -> Message:
        return messages.pop(0)

    scope = {"type": "http", "headers": [(b"content-type", CONTENT_TYPE.encode())], "impasto.key": KEYS[ADA]}
    files = UploadedFiles(
        cabinet.uploads, cabinet.store, Admission(1 << 20, 1.0), MAX_BODY_BYTES, lambda: "", cabinet.now
    )
    with pytest.raises(CallerLeftError):
        await files.create(Request(scope, receive))
    assert nothing_is_left(cabinet)


@pytest.mark.parametrize("in_pieces", [False, True])
async def test_what_is_too_large_is_refused(in_pieces: bool, cabinet: Cabinet) -> None:
    body = form(("file", File(png(4096) + bytes(MAX_BODY_BYTES))))
    pieces = [body[start : start + 65536] for start in range(0, len(body), 65536)]
    answer = await cabinet.post(pieces if in_pieces else body)
    assert (answer.status, answer.json["error"]["code"]) == (413, "body_too_large")
    assert nothing_is_left(cabinet)


async def test_without_room_nothing_is_written(cabinet: Cabinet) -> None:
    cabinet.store.room = 1000
    answer = await cabinet.post(form(("file", File(PICTURE))))
    assert answer.status == 503
    assert nothing_is_left(cabinet)


async def test_without_its_row_there_is_no_upload(cabinet: Cabinet) -> None:
    cabinet.uploads.down = True
    answer = await cabinet.post(form(("file", File(PICTURE))))
    assert (answer.status, answer.json["error"]["code"]) == (503, "ledger_unavailable")
    assert not cabinet.uploads.all
    assert not cabinet.store.open_blobs


async def test_bytes_that_somebody_deletes_before_there_is_a_row_are_kept_again(cabinet: Cabinet) -> None:
    cabinet.uploads.on_add = lambda upload: cabinet.store.kept.clear()
    shown = await cabinet.upload()
    assert list(cabinet.store.kept.values()) == [PICTURE]
    assert [upload.id for upload in cabinet.uploads.all] == [shown["file_id"]]


async def test_an_upload_whose_bytes_cannot_be_kept_again_is_taken_back(cabinet: Cabinet) -> None:
    def fill(_: Upload) -> None:
        for blob in cabinet.store.open_blobs:
            blob.is_full = True

    cabinet.uploads.on_add = fill
    answer = await cabinet.post(form(("file", File(PICTURE))))
    assert answer.status == 503
    assert not cabinet.uploads.all


async def test_a_key_that_keeps_nothing_uploads_nothing(cabinet: Cabinet) -> None:
    answer = await cabinet.post(form(("file", File(PICTURE))), FORGETFUL)
    assert (answer.status, answer.json["error"]["code"]) == (403, "not_allowed")
    assert "data URL" in answer.json["error"]["message"]
    assert nothing_is_left(cabinet)


@pytest.mark.parametrize(
    ("method", "path"),
    [("POST", "/v3/upload"), ("GET", "/v3/upload"), ("DELETE", "/v3/upload"), ("POST", "/v3/upload/delete")],
)
async def test_it_takes_the_scope_generate(method: str, path: str, cabinet: Cabinet) -> None:
    assert (await cabinet.surface.ask(method, path, key=READER)).status == 403
    assert (await cabinet.surface.ask(method, path, key=None)).status == 401


# --- the list ---


async def test_the_list_shows_the_newest_first_in_pages(cabinet: Cabinet) -> None:
    ids = [(await cabinet.upload())["file_id"] for _ in range(5)]
    page = await cabinet.listed("limit=2&page=2")
    assert [item["file_id"] for item in page["items"]] == [ids[2], ids[1]]
    assert {name: page[name] for name in ("total", "page", "limit", "total_pages")} == {
        "total": 5, "page": 2, "limit": 2, "total_pages": 3,
    }  # fmt: skip
    assert (await cabinet.listed("limit=2&page=9"))["items"] == []


async def test_an_empty_list_has_no_pages(cabinet: Cabinet) -> None:
    assert await cabinet.listed() == {"items": [], "total": 0, "page": 1, "limit": 100, "total_pages": 0}


async def test_the_list_is_the_keys_own_and_of_a_purpose_where_one_is_asked_for(cabinet: Cabinet) -> None:
    mine = await cabinet.upload(purpose="vision")
    await cabinet.upload()
    await cabinet.upload(key=BOB, purpose="vision")
    assert (await cabinet.listed("purpose=vision"))["items"] == [mine]
    assert (await cabinet.listed())["total"] == 2
    assert (await cabinet.listed(key=MANAGER))["total"] == 0


async def test_what_has_expired_is_not_shown(cabinet: Cabinet) -> None:
    await cabinet.upload(expires_in_days="1")
    cabinet.seconds += DAY - 1
    assert (await cabinet.listed())["total"] == 1
    cabinet.seconds += 1
    assert (await cabinet.listed())["total"] == 0


@pytest.mark.parametrize(
    ("query", "param"),
    [
        ("limit=0", "limit"),
        ("limit=1001", "limit"),
        ("limit=x", "limit"),
        ("page=0", "page"),
        ("page=-1", "page"),
        ("page=99999999999999999999", "page"),
        ("purpose=%00", "purpose"),
    ],
)
async def test_an_impossible_list_is_refused(query: str, param: str, cabinet: Cabinet) -> None:
    answer = await cabinet.surface.ask("GET", "/v3/upload", key=ADA, query=query)
    assert (answer.status, answer.json["error"]["param"]) == (400, param)


# --- deleting ---


async def test_all_of_a_keys_uploads_are_deleted_and_no_others(cabinet: Cabinet) -> None:
    await cabinet.upload()
    await cabinet.upload()
    await cabinet.upload(key=BOB)
    assert await cabinet.deleted() == {"deleted_count": 2}
    assert await cabinet.deleted() == {"deleted_count": 0}
    assert (await cabinet.listed(key=BOB))["total"] == 1


async def test_a_manager_who_deletes_all_deletes_his_own(cabinet: Cabinet) -> None:
    await cabinet.upload(key=BOB)
    assert await cabinet.deleted(key=MANAGER) == {"deleted_count": 0}
    assert (await cabinet.listed(key=BOB))["total"] == 1


async def test_some_are_deleted_and_unknown_ids_are_ignored(cabinet: Cabinet) -> None:
    first, second = (await cabinet.upload())["file_id"], (await cabinet.upload())["file_id"]
    others = (await cabinet.upload(key=BOB))["file_id"]
    unknown = ["550e8400-e29b-41d4-a716-446655440000", "no id", "", "\0", "é" * 300]
    assert await cabinet.deleted([first.upper(), first, others, *unknown]) == {"deleted_count": 1}
    assert [upload.id for upload in cabinet.uploads.all] == [second, others]


async def test_a_manager_deletes_anybodys_by_id(cabinet: Cabinet) -> None:
    others = (await cabinet.upload(key=BOB))["file_id"]
    assert await cabinet.deleted([others], MANAGER) == {"deleted_count": 1}


@pytest.mark.parametrize("body", [b'{"file_ids": []}', b'{"file_ids": "x"}', b"{}"])
async def test_a_wrong_list_of_ids_is_refused(body: bytes, cabinet: Cabinet) -> None:
    answer = await cabinet.surface.ask("POST", "/v3/upload/delete", body, key=ADA)
    assert answer.status == 422
