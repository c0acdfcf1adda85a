"""The sandbox: what keys for trying out are answered with, without a provider and for nothing.

Rule: every model is answered in its own shape, with a small real picture in the ratio that was
asked for or with a sentence; the same call is answered with the same bytes, unless they are signed.
"""

import asyncio
import hashlib
import struct
import zlib
from collections.abc import AsyncGenerator

import pybase64

from impasto.domain.chat import ModelCall, TextPart
from impasto.domain.events import (
    Event,
    Finished,
    FinishReason,
    ImageData,
    ImageEnded,
    ImageStarted,
    Text,
    UsageSeen,
)
from impasto.domain.image import Dimensions
from impasto.domain.provenance import ALGORITHMIC_MEDIA
from impasto.domain.usage import Usage
from impasto.engines.credentials import Credentials, SigningError
from impasto.engines.stamp import png_chunk, stamped

LONGEST_SIDE = 64
FRAME = 2
"""Pixels of frame around a picture, where it is large enough for one."""

PICTURE_WORDS = "A picture from the sandbox: no model was called, and nothing was spent."
WORDS = "This is an answer from the sandbox: no model was called, and nothing was spent."
JSON_WORDS = '{"sandbox": true}'

Colour = tuple[int, int, int]


class Sandbox:
    """Answers any call of any model; with `credentials` its pictures are signed."""

    def __init__(self, credentials: Credentials | None = None) -> None:
        self._credentials = credentials

    def check_ready(self, call: ModelCall) -> None:
        """There is nothing that could be missing."""

    async def answer(self, call: ModelCall) -> AsyncGenerator[Event, None]:
        wants_picture = call.model.makes_images and "image" in (call.modalities or call.model.output)
        if wants_picture:
            if "text" in (call.modalities or call.model.output):
                yield Text(PICTURE_WORDS)
            yield ImageStarted("image/png")
            yield ImageData(pybase64.b64encode(await self._picture(call)))
            yield ImageEnded()
        else:
            yield Text(JSON_WORDS if call.response_format else WORDS)
        yield UsageSeen(Usage())
        yield Finished(FinishReason.STOP, "sandbox")

    async def _picture(self, call: ModelCall) -> bytes:
        picture = stamped(picture_of(call), ALGORITHMIC_MEDIA, "sandbox")
        if self._credentials is None:
            return picture
        try:
            return await asyncio.to_thread(self._credentials.signed, picture, ALGORITHMIC_MEDIA)
        except SigningError as error:
            raise error.as_failure() from error


def picture_of(call: ModelCall) -> bytes:
    """A PNG whose colours come of the words, and its shape of the aspect ratio."""
    words = "\n".join(part.text for turn in call.turns for part in turn.parts if isinstance(part, TextPart))
    digest = hashlib.sha256(f"{call.sampling.seed}\n{words}".encode("utf-8", "surrogatepass")).digest()
    colours = [(digest[at], digest[at + 1], digest[at + 2]) for at in (0, 3, 6)]
    return _png(dimensions_of(call.image_config.aspect_ratio or "1:1"), *colours)


def dimensions_of(aspect_ratio: str) -> Dimensions:
    """The largest picture of this ratio whose longest side is `LONGEST_SIDE`; a square where it is no ratio."""
    across, _, down = aspect_ratio.partition(":")
    if not (across.isdecimal() and down.isdecimal() and int(across) and int(down)):
        return Dimensions(LONGEST_SIDE, LONGEST_SIDE)
    longest = max(int(across), int(down))
    return Dimensions(max(1, LONGEST_SIDE * int(across) // longest), max(1, LONGEST_SIDE * int(down) // longest))


def _png(size: Dimensions, top: Colour, bottom: Colour, frame: Colour) -> bytes:
    """An RGB PNG: one colour that turns into another from top to bottom, in a frame (https://www.w3.org/TR/png-3/)."""
    width = FRAME if min(size.width, size.height) > 4 * FRAME else 0
    border = bytes(frame) * size.width
    rows = []
    for row in range(size.height):
        if not width <= row < size.height - width:
            rows.append(b"\0" + border)
            continue
        side = bytes(frame) * width
        rows.append(b"\0" + side + bytes(_between(top, bottom, row, size.height)) * (size.width - 2 * width) + side)
    header = struct.pack(">IIBBBBB", size.width, size.height, 8, 2, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(b"".join(rows), 9)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(png_chunk(kind, data) for kind, data in chunks)


def _between(one: Colour, other: Colour, step: int, steps: int) -> Colour:
    red, green, blue = (a + (b - a) * step // max(1, steps - 1) for a, b in zip(one, other, strict=True))
    return red, green, blue
