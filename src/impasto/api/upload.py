"""/v3/upload: pictures to be used by their `file_id`, as Eden's API has it.

Rule: a file goes into the store as it comes, and is let go of whatever happens on the way. Its bytes
are kept before there is an id for them. Uploads are there for the key that sent them.
"""

from collections.abc import Callable, Collection
from contextlib import closing
from dataclasses import dataclass
from typing import Protocol
from uuid import UUID

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from impasto.api.access import note
from impasto.api.admission import ANSWER_BYTES, Admission
from impasto.api.auth import caller_of
from impasto.api.body import read_body
from impasto.api.multipart import read_form
from impasto.api.query import number_of
from impasto.api.upload_wire import IncomingFile, UploadForm, parse_file_ids, parse_form, upload_body
from impasto.completions.ports import BlobStore
from impasto.domain.errors import Code, Failure
from impasto.domain.keys import VirtualKey
from impasto.domain.retention import Keeps
from impasto.domain.stored_image import Upload

HELD_BYTES = ANSWER_BYTES
"""What an upload holds in memory at most, whatever it weighs."""
MAX_JSON_BYTES = 64 << 10
DEFAULT_LIMIT = 100
MAX_LIMIT = 1000
MAX_PAGE = 2**31 - 1
DAY_MS = 24 * 3600 * 1000


class Uploads(Protocol):
    """What is written of uploads. Raises `ledger_unavailable`, and `store_unavailable` where bytes cannot go."""

    async def add(self, upload: Upload) -> None:
        """Its bytes are kept already."""

    async def page(self, key_id: str, purpose: str | None, *, limit: int, offset: int) -> tuple[int, list[Upload]]:
        """How many uploads of a key have not expired, of one purpose or of all, and `limit` of them from `offset` on,
        the newest first."""

    async def delete(self, key_id: str | None, ids: Collection[str] | None) -> int:
        """Delete uploads, with their bytes: those of a key or of all keys, with these ids or all. How many had not
        expired."""


@dataclass(frozen=True, slots=True)
class UploadedFiles:
    """The resource. `new_id` gives 32 hexadecimal digits of chance, `now` seconds since the epoch."""

    uploads: Uploads
    store: BlobStore
    admission: Admission
    max_body_bytes: int
    new_id: Callable[[], str]
    now: Callable[[], float]

    async def create(self, request: Request) -> Response:
        key = caller_of(request.scope)
        _check_keeps(key)
        async with self.admission.held(HELD_BYTES):
            with closing(self.store.open()) as blob:
                file = IncomingFile(blob)
                texts = await read_form(request.scope, request.receive, self.max_body_bytes, file.take)
                upload = await self._kept(key, parse_form(texts), file)
        note(request.scope, upload=upload.id)
        return _json(upload_body(upload))

    async def list(self, request: Request) -> Response:
        said = request.query_params
        limit = number_of(said, "limit", 1, MAX_LIMIT, DEFAULT_LIMIT)
        page = number_of(said, "page", 1, MAX_PAGE, 1)
        purpose = said.get("purpose")
        if purpose is not None and not purpose.isprintable():
            raise Failure(Code.INVALID_VALUE, "purpose takes printable characters.", param="purpose")
        key = caller_of(request.scope)
        total, found = await self.uploads.page(key.id, purpose, limit=limit, offset=(page - 1) * limit)
        return _json({
            "items": [upload_body(upload) for upload in found],
            "total": total,
            "page": page,
            "limit": limit,
            "total_pages": -(-total // limit),
        })  # fmt: skip

    async def delete_all(self, request: Request) -> Response:
        return _json({"deleted_count": await self.uploads.delete(caller_of(request.scope).id, None)})

    async def delete_some(self, request: Request) -> Response:
        ids = parse_file_ids(await read_body(request.scope, request.receive, MAX_JSON_BYTES))
        possible = {id_ for id_ in map(_normal, ids) if id_ is not None}
        key = caller_of(request.scope)
        count = await self.uploads.delete(None if key.may("manage") else key.id, possible) if possible else 0
        return _json({"deleted_count": count})

    async def _kept(self, key: VirtualKey, form: UploadForm, file: IncomingFile) -> Upload:
        found, sha256 = file.found(), await self.store.keep(file.blob)
        now_ms = int(self.now() * 1000)
        upload = Upload(
            id=str(UUID(hex=self.new_id(), version=4)),
            key_id=key.id,
            sha256=sha256,
            file_name=found.name,
            media_type=found.media_type,
            byte_count=found.byte_count,
            dimensions=found.dimensions,
            purpose=form.purpose,
            created_ms=now_ms,
            expires_ms=now_ms + form.days * DAY_MS,
            end_user=form.end_user,
        )
        await self.uploads.add(upload)
        try:
            # Who deleted the same picture while there was no row yet may have taken these bytes for his.
            await self.store.keep(file.blob)
        except Failure:
            await self.uploads.delete(key.id, [upload.id])
            raise
        return upload


def _check_keeps(key: VirtualKey) -> None:
    if key.retention is Keeps.NONE:
        raise Failure(
            Code.NOT_ALLOWED,
            f'The key "{key.name}" keeps nothing (retention none), and an upload is kept. Send the picture in the '
            "request itself, as a data URL.",
        )


def _normal(file_id: str) -> str | None:
    """An id as it is kept; `None` for what can be none."""
    try:
        return str(UUID(file_id))
    except ValueError:
        return None


def _json(body: object) -> Response:
    return Response(msgspec.json.encode(body), media_type="application/json")
