"""Forms of pictures: which one is made, and which is refused by the header alone."""

import pytest

from impasto.domain.errors import Code, Failure
from impasto.domain.image import Dimensions
from impasto.domain.picture_form import PictureForm, check_dimensions, check_made, form_of

WIDE = Dimensions(1920, 1080)


@pytest.mark.parametrize(
    ("media_type", "width", "wanted", "form"),
    [
        ("image/png", 320, None, PictureForm("image/png", 320)),
        ("image/png", 320, "webp", PictureForm("image/webp", 320)),
        ("image/png", None, "webp", PictureForm("image/webp")),
        ("image/png", 1919, None, PictureForm("image/png", 1919)),
        ("image/png", 4096, "avif", PictureForm("image/avif")),
        ("image/gif", 320, None, PictureForm("image/png", 320)),
        ("image/gif", None, "jpeg", PictureForm("image/jpeg")),
        ("image/png", None, "png", None),
        ("image/png", 1920, None, None),
        ("image/jpeg", 4096, "jpeg", None),
    ],
)
def test_what_is_wanted_already_is_not_made(
    media_type: str, width: int | None, wanted: str | None, form: PictureForm | None
) -> None:
    assert form_of(media_type, WIDE, width=width, wanted=wanted) == form


def test_a_picture_of_unknown_dimensions_may_be_too_large() -> None:
    assert form_of("image/png", None, width=4096, wanted=None) == PictureForm("image/png", 4096)


def test_every_form_has_a_name_of_its_own() -> None:
    forms = [PictureForm(media_type, width) for media_type in ("image/png", "image/webp") for width in (None, 16, 160)]
    assert [form.name for form in forms] == ["png", "png-w16", "png-w160", "webp", "webp-w16", "webp-w160"]


@pytest.mark.parametrize(
    ("width", "height", "form"),
    [
        (10_000, 10_000, PictureForm("image/webp", 4096)),
        (6336, 2688, PictureForm("image/avif")),
        (100_000, 1000, PictureForm("image/png", 16)),
    ],
)
def test_large_pictures_are_converted(width: int, height: int, form: PictureForm) -> None:
    check_dimensions(Dimensions(width, height), form)


@pytest.mark.parametrize(
    ("width", "height", "form", "code", "param"),
    [
        (50_000, 50_000, PictureForm("image/webp", 16), Code.UNSUPPORTED, "w"),
        (10_001, 10_000, PictureForm("image/webp"), Code.UNSUPPORTED, "format"),
        (1 << 32, 1 << 32, PictureForm("image/webp"), Code.UNSUPPORTED, "format"),
        (10_000, 10_000, PictureForm("image/webp"), Code.INVALID_VALUE, "w"),
        (16_384, 100, PictureForm("image/webp"), Code.INVALID_VALUE, "w"),
        (100, 70_000, PictureForm("image/jpeg", 4096), Code.INVALID_VALUE, "w"),
    ],
)
def test_too_large_is_told_in_pixels(width: int, height: int, form: PictureForm, code: Code, param: str) -> None:
    with pytest.raises(Failure, match=f"{width}×{height} pixels") as refused:
        check_dimensions(Dimensions(width, height), form)
    assert (refused.value.code, refused.value.param) == (code, param)


def test_what_was_made_is_judged_as_it_is() -> None:
    check_made(Dimensions(4096, 4096), PictureForm("image/webp", 4096))
    with pytest.raises(Failure, match="As image/webp this would have 4096×20000 pixels") as refused:
        check_made(Dimensions(4096, 20_000), PictureForm("image/webp", 4096))
    assert refused.value.code is Code.INVALID_VALUE
