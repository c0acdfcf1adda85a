"""Other forms of a kept picture: smaller, or in another format.

Rule: a form is never larger than its picture, and never made unless it is asked for. Whether one can be made
is judged by the header of the bytes, before a pixel is decoded.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from impasto.domain.containers import Reader
from impasto.domain.errors import Code, Failure
from impasto.domain.image import Dimensions, dimensions_of, media_type_of

FORMATS: Mapping[str, str] = {"png": "image/png", "jpeg": "image/jpeg", "webp": "image/webp", "avif": "image/avif"}
"""What a picture can be made into."""

CONVERTIBLE = (*FORMATS.values(), "image/gif")
"""What can be made into something else; of a moving picture, its first frame."""

MIN_WIDTH, MAX_WIDTH = 16, 4096
MAX_MEGAPIXELS = 100
MAX_FORM_MEGAPIXELS = 32
"""A 4K picture of any shape has 17; AVIF of 32 is seconds of work."""

_LONGEST_SIDE: Mapping[str, int] = {
    "image/png": 100_000,
    "image/jpeg": 65_535,
    "image/webp": 16_383,
    "image/avif": 16_384,
}
_HEAD_BYTES = 64
_MILLION = 1_000_000


@dataclass(frozen=True, slots=True)
class PictureForm:
    """What a picture is made into: `media_type`, and at most `width` pixels wide; `None` is as wide as it is."""

    media_type: str
    width: int | None = None

    @property
    def name(self) -> str:
        """Tells it from the other forms of a picture."""
        kind = self.media_type.removeprefix("image/")
        return kind if self.width is None else f"{kind}-w{self.width}"


def form_of(
    media_type: str, dimensions: Dimensions | None, *, width: int | None, wanted: str | None
) -> PictureForm | None:
    """The form to make of a picture of `media_type`; `None` where the picture is already what is wanted.

    What is in a format that cannot be written becomes a PNG, unless a format is `wanted`.
    """
    own = media_type if media_type in FORMATS.values() else FORMATS["png"]
    chosen = FORMATS[wanted] if wanted else own
    is_small_enough = width is None or (dimensions is not None and dimensions.width <= width)
    if chosen == media_type and is_small_enough:
        return None
    return PictureForm(chosen, None if is_small_enough else width)


def check_convertible(read: Reader, form: PictureForm) -> tuple[str, Dimensions]:
    """The media type and the dimensions of a picture, as its header says. Raises 400 where `form` cannot be made."""
    media_type = media_type_of(read(0, _HEAD_BYTES))
    if media_type not in CONVERTIBLE:
        raise Failure(
            Code.UNSUPPORTED,
            f"This picture is {media_type or 'of no type that is known here'}, and is not converted; PNG, JPEG, WebP, "
            "AVIF and GIF are. Without w and format its bytes come as they are.",
            param="format",
        )
    found = dimensions_of(read, media_type)
    if found is None:
        raise unreadable("no dimensions in the header")
    check_dimensions(found, form)
    return media_type, found


def check_dimensions(found: Dimensions, form: PictureForm) -> None:
    """Raises 400 where a picture of these dimensions, or its form, is larger than what is converted here."""
    if found.width * found.height > MAX_MEGAPIXELS * _MILLION:
        raise Failure(
            Code.UNSUPPORTED,
            f"This picture has {found.width}×{found.height} pixels; up to {MAX_MEGAPIXELS} megapixels are converted. "
            "Without w and format its bytes come as they are.",
            param="w" if form.width else "format",
        )
    width = min(found.width, form.width or found.width)
    check_made(Dimensions(width, max(1, round(found.height * width / found.width))), form)


def check_made(made: Dimensions, form: PictureForm) -> None:
    """Raises 400 where `form` would be larger than what is made here."""
    longest = _LONGEST_SIDE[form.media_type]
    if made.width * made.height > MAX_FORM_MEGAPIXELS * _MILLION or max(made.width, made.height) > longest:
        raise Failure(
            Code.INVALID_VALUE,
            f"As {form.media_type} this would have {made.width}×{made.height} pixels; up to {MAX_FORM_MEGAPIXELS} "
            f"megapixels and {longest} pixels a side are made. Ask for a smaller w, from {MIN_WIDTH} to {MAX_WIDTH}.",
            param="w",
        )


def unreadable(why: str) -> Failure:
    """The bytes of a picture cannot be decoded."""
    return Failure(
        Code.INVALID_IMAGE,
        "This picture cannot be converted: its bytes are damaged, or of a kind that is not read here. Without w and "
        "format they come as they are.",
        logged=f"not converted: {why}",
    )
