"""GET /v3/images/{image_id}/content: the bytes of a picture, for the key that made it or by a signed link.

Rule: who may not have a picture does not learn whether there is one. The bytes are those of the
provider, unchanged, and a browser does nothing with them but show them.
"""

import re
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass

from starlette.datastructures import Headers, QueryParams
from starlette.types import Receive, Scope, Send

from impasto.api.access import note
from impasto.api.auth import authenticate
from impasto.api.conditional import has_already
from impasto.api.links import Links
from impasto.completions.ports import Blob, BlobStore, KeyStore
from impasto.domain.errors import Code, Failure
from impasto.domain.stored_image import StoredImage

PIECE_BYTES = 256 << 10
FRESH_SECONDS = 3600
"""How long a browser that has the key shows a picture without asking again."""

_ID = re.compile(r"[A-Za-z0-9_-]{1,80}", re.ASCII)


@dataclass(frozen=True, slots=True)
class ImageContent:
    """The resource, an ASGI app on a public route: it looks at link and key by itself."""

    find_image: Callable[[str], Awaitable[StoredImage | None]]
    store: BlobStore
    links: Links
    keys: KeyStore

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        image, max_age_seconds = await self._allowed(scope)
        headers = _headers_of(image, max_age_seconds)
        if has_already(Headers(scope=scope).get("if-none-match", ""), headers["etag"]):
            await _start(304, headers, send)
            await send({"type": "http.response.body", "body": b""})
            return
        blob = await self.store.reader(image.sha256)
        try:
            headers |= {"content-type": image.media_type, "content-length": str(blob.byte_count)}
            await _start(200, headers, send)
            for piece in () if scope["method"] == "HEAD" else _pieces_of(blob):
                await send({"type": "http.response.body", "body": piece, "more_body": True})
            await send({"type": "http.response.body", "body": b""})
        finally:
            blob.close()

    async def _allowed(self, scope: Scope) -> tuple[StoredImage, int]:
        """The picture that was asked for, and for how many seconds it may be shown again. Raises 401, 403, 404."""
        image_id = scope["path_params"]["image_id"]
        query, headers = QueryParams(scope["query_string"]), Headers(scope=scope)
        expires, signature = query.get("expires", ""), query.get("signature", "")
        if self.links.is_signed(image_id, expires, signature):
            seconds_left = self.links.seconds_left(expires)
            return await self._found(image_id), seconds_left
        if signature and not {"authorization", "x-api-key"} & {*headers.keys()}:
            raise _not_here()
        key = await authenticate(headers, self.keys, "public", now=True)
        note(scope, key=key.name)
        image = await self._found(image_id)
        if image.key_id != key.id:
            raise _not_here()
        return image, FRESH_SECONDS

    async def _found(self, image_id: str) -> StoredImage:
        image = await self.find_image(image_id) if _ID.fullmatch(image_id) else None
        if image is None:
            raise _not_here()
        return image


def _headers_of(image: StoredImage, max_age_seconds: int) -> dict[str, str]:
    """What goes with every answer, 304 included."""
    kind = image.media_type.partition("/")[2]
    return {
        "etag": f'"{image.sha256}"',
        "cache-control": f"private, max-age={max_age_seconds}",
        "vary": "authorization, x-api-key",
        "content-disposition": f'inline; filename="{image.id}.{kind}"',
        "content-security-policy": "default-src 'none'; sandbox",
        "x-content-type-options": "nosniff",
    }


def _pieces_of(blob: Blob) -> Iterator[bytes]:
    for offset in range(0, blob.byte_count, PIECE_BYTES):
        yield blob.read(offset, PIECE_BYTES)


async def _start(status: int, headers: dict[str, str], send: Send) -> None:
    raw = [(name.encode(), value.encode()) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": status, "headers": raw})


def _not_here() -> Failure:
    return Failure(
        Code.NOT_FOUND,
        "There is no such picture, or this key or link is not for it. A picture is there for the key that made it, "
        "and by the whole link that its answer gave.",
    )
