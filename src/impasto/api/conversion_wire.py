"""Smaller and other forms of a picture, as its address asks for them: `?w=320&format=webp`.

Rule: nothing is converted unless it is asked for; without the library that does it, that is refused.
"""

import re
from typing import Protocol

from starlette.datastructures import QueryParams

from impasto.completions.ports import Blob
from impasto.domain.errors import Code, Failure, listed
from impasto.domain.picture_form import FORMATS, MAX_WIDTH, MIN_WIDTH, PictureForm, form_of
from impasto.domain.stored_image import StoredImage

_WIDTH = re.compile(r"[1-9][0-9]{0,4}", re.ASCII)


class Converter(Protocol):
    """Makes forms of pictures."""

    async def convert(self, source: Blob, target: Blob, form: PictureForm) -> None:
        """Write `form` of `source` into `target`. It ends when both are no longer in use, also when cancelled.

        Raises `unsupported`, `invalid_value` and `invalid_image` where it cannot be made, `overloaded` where too many
        wait, `deadline_exceeded`, and what reading and writing raise.
        """


def parse_form(query: QueryParams, image: StoredImage, *, can_convert: bool) -> PictureForm | None:
    """The form that is asked for; `None` is the picture itself. Raises 400 naming the parameter and what it takes."""
    width, wanted = query.get("w"), query.get("format")
    if width is None and wanted is None:
        return None
    if width is not None and not (_WIDTH.fullmatch(width) and MIN_WIDTH <= int(width) <= MAX_WIDTH):
        raise _refused("w", f'w "{width[:40]}" is not possible. It takes {MIN_WIDTH} to {MAX_WIDTH}, in pixels.')
    if wanted is not None and wanted not in FORMATS:
        choices = listed(tuple(FORMATS))
        raise _refused("format", f'format "{wanted[:40]}" is not possible. It takes {choices}.')
    form = form_of(image.media_type, image.dimensions, width=None if width is None else int(width), wanted=wanted)
    if form is not None and not can_convert:
        raise Failure(
            Code.UNSUPPORTED,
            "This gateway gives pictures as they are: nothing is installed that makes smaller or other ones. Leave out "
            "w and format, or ask its operator to run: pip install 'impasto[thumbnails]'.",
            param="format" if width is None else "w",
        )
    return form


def _refused(param: str, message: str) -> Failure:
    return Failure(Code.INVALID_VALUE, message, param=param)
