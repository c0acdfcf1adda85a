"""GET /v3/images/{image_id}/content: the bytes of a picture, for the key that made it or by a signed link.

Rule: who may not have a picture does not learn whether there is one. The bytes are those of the
provider, unchanged, unless another form is asked for; a browser does nothing with them but show them.
"""

import asyncio
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from starlette.datastructures import Headers, QueryParams
from starlette.types import Receive, Scope, Send

from impasto.api.access import note, send_along
from impasto.api.auth import authenticate
from impasto.api.body import Line
from impasto.api.conditional import has_already
from impasto.api.conversion_wire import Converter, parse_form
from impasto.api.links import Links
from impasto.api.ranges import ByteRange, UnsatisfiableRangeError, applies, parse_range
from impasto.completions.ports import Blob, BlobStore, KeyStore
from impasto.domain.errors import Code, Failure, listed
from impasto.domain.picture_form import PictureForm
from impasto.domain.stored_image import StoredImage

PIECE_BYTES = 256 << 10
FRESH_SECONDS = 3600
"""How long a browser that has the key shows a picture without asking again."""

_ID = re.compile(r"[A-Za-z0-9_-]{1,80}", re.ASCII)
_DISPOSITIONS = {"0": "inline", "1": "attachment"}
_SUFFIXES = {"image/jpeg": "jpg"}


@dataclass(frozen=True, slots=True)
class ImageContent:
    """The resource, an ASGI app on a public route: it looks at link and key by itself.

    Without a `converter` pictures come only as they are.
    """

    find_image: Callable[[str], Awaitable[StoredImage | None]]
    store: BlobStore
    links: Links
    keys: KeyStore
    converter: Converter | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        image, max_age_seconds = await self._allowed(scope)
        if image.gone_ms is not None:
            raise _gone()
        query = QueryParams(scope["query_string"])
        form = parse_form(query, image, can_convert=self.converter is not None)
        headers = _headers_of(image, form, _disposition(query), max_age_seconds)
        # One list may come in several lines.
        if has_already(", ".join(Headers(scope=scope).getlist("if-none-match")), headers["etag"]):
            await _start(304, headers, send)
            await send({"type": "http.response.body", "body": b""})
            return
        blob = await self.store.reader(image.sha256)
        try:
            if form is None:
                await _send_as_it_is(blob, image.media_type, headers, scope, send)
            else:
                await self._send_converted(blob, form, headers, scope, receive, send)
        finally:
            blob.close()

    async def _send_converted(
        self, blob: Blob, form: PictureForm, headers: dict[str, str], scope: Scope, receive: Receive, send: Send
    ) -> None:
        headers = headers | {"content-type": form.media_type}
        if scope["method"] == "HEAD" or self.converter is None:
            await _start(200, headers, send)  # its length is not known before it is made (RFC 9110, 9.3.2)
            await send({"type": "http.response.body", "body": b""})
            return
        note(scope, converted=form.name)
        while (await receive()).get("more_body", False):
            pass
        line, made = Line(scope, receive), self.store.spool()
        try:
            await line.unless_lost(self.converter.convert(blob, made, form))
            await _start(200, headers | {"content-length": str(made.byte_count)}, send)
            await _send_part(made, 0, made.byte_count, send)
        finally:
            line.close()
            made.close()

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


def _headers_of(image: StoredImage, form: PictureForm | None, disposition: str, max_age_seconds: int) -> dict[str, str]:
    """What goes with every answer, 304 included."""
    headers = {
        "cache-control": f"private, max-age={max_age_seconds}",
        "vary": "authorization, x-api-key",
        "content-security-policy": "default-src 'none'; sandbox",
        "x-content-type-options": "nosniff",
        # Links are there to be shown in pages of others, also in such as let in only what agrees to it. Nobody is
        # robbed by that: no cookie opens a picture, so a page can show only what it has the whole link of.
        "cross-origin-resource-policy": "cross-origin",
        "referrer-policy": "no-referrer",
    }
    if form is None:
        name = f"{image.id}.{_suffix_of(image.media_type)}"
        headers |= {"etag": f'"{image.sha256}"', "accept-ranges": "bytes"}
    else:
        name = f"{image.id}{f'-w{form.width}' if form.width else ''}.{_suffix_of(form.media_type)}"
        # Weak, and without ranges: made anew each time, by another library tomorrow, it may be other bytes.
        headers |= {"etag": f'W/"{image.sha256}-{form.name}"', "accept-ranges": "none", "x-impasto-converted": "true"}
    return headers | {"content-disposition": f'{disposition}; filename="{name}"'}


def _suffix_of(media_type: str) -> str:
    return _SUFFIXES.get(media_type) or media_type.partition("/")[2]


def _disposition(query: QueryParams) -> str:
    download = query.get("download", "0")
    if download not in _DISPOSITIONS:
        message = f'download "{download[:40]}" is not possible. It takes {listed(tuple(_DISPOSITIONS))}.'
        raise Failure(Code.INVALID_VALUE, message, param="download")
    return _DISPOSITIONS[download]


async def _send_as_it_is(blob: Blob, media_type: str, headers: dict[str, str], scope: Scope, send: Send) -> None:
    part = _part_asked_for(scope, headers["etag"], blob.byte_count)
    first, count = (part.first, part.byte_count) if part else (0, blob.byte_count)
    headers = headers | {"content-type": media_type, "content-length": str(count)}
    if part:
        headers["content-range"] = part.content_range
    await _start(206 if part else 200, headers, send)
    await _send_part(blob, first, 0 if scope["method"] == "HEAD" else count, send)


def _part_asked_for(scope: Scope, etag: str, byte_count: int) -> ByteRange | None:
    """Raises 416, with the length."""
    headers = Headers(scope=scope)
    if scope["method"] != "GET" or not applies(headers.get("if-range", ""), etag):
        return None
    try:
        return parse_range(", ".join(headers.getlist("range")), byte_count)
    except UnsatisfiableRangeError:
        send_along(scope, {"content-range": f"bytes */{byte_count}"})
        raise Failure(
            Code.RANGE_NOT_SATISFIABLE,
            f"This picture has {byte_count} bytes, and none of them is in the Range that was asked for.",
            param="Range",
        ) from None


async def _send_part(blob: Blob, first: int, count: int, send: Send) -> None:
    end = first + count
    for offset in range(first, end, PIECE_BYTES):
        await send({
            "type": "http.response.body", "body": blob.read(offset, min(PIECE_BYTES, end - offset)), "more_body": True
        })  # fmt: skip
        await asyncio.sleep(0)  # a line that takes everything at once must not keep the others waiting
    await send({"type": "http.response.body", "body": b""})


async def _start(status: int, headers: dict[str, str], send: Send) -> None:
    raw = [(name.encode(), value.encode()) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": status, "headers": raw})


def _not_here() -> Failure:
    return Failure(
        Code.NOT_FOUND,
        "There is no such picture, or this key or link is not for it. A picture is there for the key that made it, "
        "and by the whole link that its answer gave.",
    )


def _gone() -> Failure:
    return Failure(
        Code.ANSWER_GONE,
        "The picture was made and charged, and is no longer kept: this gateway lets the oldest go after the time and "
        "the space that IMPASTO_RETENTION gives them. A new request makes, and charges, a new one.",
    )
