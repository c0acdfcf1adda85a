"""Bring every picture of a request to hand: links are fetched, all of them at once.

Rule: what leaves here holds bytes only, and their type is the one they really have.
"""

import asyncio

import pybase64

from impasto.completions.ports import ImageSource
from impasto.domain.chat import ChatRequest, ImageLink, ImagePart, Turn
from impasto.domain.errors import Code, Failure
from impasto.domain.image import base64_reader, dimensions_of, media_type_of


async def inline(request: ChatRequest, images: ImageSource) -> tuple[Turn, ...]:
    """The turns of `request` with every link fetched. Raises `Failure` naming the picture's place."""
    links = [part for message in request.messages for part in message.parts if isinstance(part, ImageLink)]
    if not links:
        return tuple(Turn(message.role, message.parts) for message in request.messages)  # type: ignore[arg-type]
    urls = {link.url: link.where for link in reversed(links)}
    try:
        async with asyncio.TaskGroup() as group:
            tasks = {url: group.create_task(images.fetch(url, where=where)) for url, where in urls.items()}
    except ExceptionGroup as errors:
        raise errors.exceptions[0] from None
    fetched = {url: pybase64.b64encode(task.result()) for url, task in tasks.items()}
    return tuple(
        Turn(
            message.role,
            tuple(
                picture_part(fetched[part.url], part.where) if isinstance(part, ImageLink) else part  # type: ignore[misc]
                for part in message.parts
            ),
        )
        for message in request.messages
    )


def picture_part(base64: bytes | memoryview, where: str) -> ImagePart:
    """The part for a picture given as canonical base64. Raises 415 for what is no picture, naming `where`."""
    read = base64_reader(base64)
    media_type = media_type_of(read(0, 256))
    if media_type is None:
        raise Failure(
            Code.UNSUPPORTED_MEDIA_TYPE,
            f"{where} holds no picture that is known here: its first bytes are those of no PNG, JPEG, WebP, GIF, "
            "AVIF or HEIC file.",
            param=where,
        )
    if media_type == "image/svg+xml":
        raise Failure(
            Code.UNSUPPORTED_MEDIA_TYPE,
            f"{where} is an SVG drawing. Models read pixels: send it as PNG or JPEG.",
            param=where,
        )
    return ImagePart(base64, media_type, dimensions_of(read, media_type), where)
