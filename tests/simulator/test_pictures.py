"""Pictures: what every decoder makes of them."""

import io

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from impasto.domain.image import Dimensions, dimensions_of, media_type_of
from impasto.simulator.models import MODELS
from impasto.simulator.pictures import ENCODERS, colours_of, picture

SHAPES = sorted(
    {
        (model.media_type, model.dimensions(ratio, size))
        for model in MODELS
        for ratio in model.dimensions_1k
        for size in model.image_tokens
        if size != "4K"
    }
)


def read_by_us(data: bytes) -> tuple[str | None, Dimensions | None]:
    media_type = media_type_of(data[:64])
    return media_type, dimensions_of(lambda offset, count: data[offset : offset + count], media_type or "")


@pytest.mark.parametrize(("media_type", "shape"), SHAPES)
def test_every_shape_is_made_exactly(media_type: str, shape: tuple[int, int]) -> None:
    assert read_by_us(picture(media_type, "a cat", *shape)) == (media_type, Dimensions(*shape))


@pytest.mark.parametrize("media_type", ENCODERS)
@pytest.mark.parametrize("shape", [(1, 1), (1024, 1024), (792, 336), (352, 2928), (5504, 3072)])
@pytest.mark.parametrize("pad_to", [0, 1_000_003])
def test_opencv_reads_colours_and_dimensions(media_type: str, shape: tuple[int, int], pad_to: int) -> None:
    cv2 = pytest.importorskip("cv2")
    numpy = pytest.importorskip("numpy")
    width, height = shape

    pixels = cv2.imdecode(numpy.frombuffer(picture(media_type, "a cat", width, height, pad_to), numpy.uint8), 1)

    assert pixels.shape == (height, width, 3)
    top, bottom = colours_of("a cat")
    assert [int(channel) for channel in pixels[0, -1, ::-1]] == pytest.approx(list(top), abs=3)
    if height > 1:
        assert [int(channel) for channel in pixels[-1, 0, ::-1]] == pytest.approx(list(bottom), abs=3)


@pytest.mark.parametrize("media_type", ENCODERS)
@settings(max_examples=40, deadline=None)
@given(words=st.text(max_size=20), width=st.integers(1, 90), height=st.integers(1, 90), pad_to=st.integers(0, 200_000))
def test_pillow_reads_any_picture(media_type: str, words: str, width: int, height: int, pad_to: int) -> None:
    pillow = pytest.importorskip("PIL.Image")
    with pillow.open(io.BytesIO(picture(media_type, words, width, height, pad_to))) as image:
        image.load()
        assert (image.get_format_mimetype(), image.size) == (media_type, (width, height))


@pytest.mark.parametrize("media_type", ENCODERS)
@pytest.mark.parametrize("pad_to", [20_000, 65_536 * 3, 27_000_000])
def test_padding_reaches_the_asked_length(media_type: str, pad_to: int) -> None:
    assert len(picture(media_type, "a cat", 64, 64, pad_to)) == pad_to


@pytest.mark.parametrize("media_type", ENCODERS)
def test_padding_never_shortens(media_type: str) -> None:
    assert picture(media_type, "a cat", 64, 64, 10) == picture(media_type, "a cat", 64, 64)


def test_other_words_make_another_picture() -> None:
    assert picture("image/png", "a cat", 64, 64) != picture("image/png", "a dog", 64, 64)
