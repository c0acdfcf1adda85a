"""What each hand leaves behind: few colours, two inks, thick paint, white paper."""

import cv2
import numpy as np
import pytest

from impasto.painter.filters import ink, light, pencil, printing, weather
from impasto.painter.filters.oil import oil
from impasto.painter.filters.order import Canvas, Filter, Order
from impasto.painter.filters.raster import luminance


def scene() -> Canvas:
    """A blue sky above green ground with a dark red disc."""
    picture = np.empty((192, 192, 3), np.uint8)
    picture[:110], picture[110:] = (150, 190, 240), (70, 110, 50)
    cv2.circle(picture, (96, 110), 36, (130, 30, 30), -1)
    return picture.astype(np.float32) / np.float32(255)


@pytest.mark.parametrize("drawn", [pencil.pencil, pencil.charcoal, ink.ink])
def test_monochrome_hands_use_no_colour(drawn: Filter) -> None:
    canvas = drawn(scene(), Order(1))
    assert (canvas.max(axis=2) - canvas.min(axis=2)).max() < 0.1
    disc, sky = luminance(canvas)[90:130, 76:116].mean(), luminance(canvas)[10:40].mean()
    assert disc < sky - 0.2


@pytest.mark.parametrize("painted", [oil, pencil.pastel, pencil.coloured_pencil, ink.cartoon])
def test_colour_hands_keep_the_colours_of_places(painted: Filter) -> None:
    canvas = painted(scene(), Order(1))
    sky, ground, disc = canvas[10:60].mean((0, 1)), canvas[165:].mean((0, 1)), canvas[95:125, 80:112].mean((0, 1))
    assert sky.argmax() == 2
    assert ground.argmax() == 1
    assert disc.argmax() == 0


def test_oil_paint_has_thickness() -> None:
    canvas = oil(np.full((128, 128, 3), 0.5, np.float32), Order(1))
    assert luminance(canvas).std() > 0.01


def test_pixel_art_has_few_colours_in_square_pixels() -> None:
    canvas = printing.pixel_art(cv2.resize(scene(), (512, 512)).astype(np.float32), Order(1))
    assert len(np.unique(canvas.reshape(-1, 3), axis=0)) <= printing.PIXEL_COLOURS
    assert np.array_equal(canvas[::4], canvas[1::4])


def test_pop_art_is_four_different_prints() -> None:
    canvas = printing.pop_art(scene(), Order(1))
    quarters = [canvas[top : top + 96, left : left + 96].mean((0, 1)) for top in (0, 96) for left in (0, 96)]
    assert all(np.abs(a - b).max() > 0.05 for i, a in enumerate(quarters) for b in quarters[:i])


def test_the_sky_is_found_and_answers_to_the_hour() -> None:
    sky = light.sky_of(scene())
    assert sky[:80].mean() > 0.8
    assert sky[150:].mean() < 0.1
    assert light.night(scene(), Order(1)).mean() < 0.5 * scene().mean()
    evening = light.sunset(scene(), Order(1))
    assert evening[60:90, :20, 0].mean() > evening[60:90, :20, 2].mean()


def test_a_bright_thing_amid_the_picture_is_no_sky() -> None:
    canvas = np.full((160, 160, 3), 0.2, np.float32)
    canvas[40:120, 40:120] = 0.95
    assert light.sky_of(canvas).max() < 0.2


@pytest.mark.parametrize("fallen", [weather.snow, weather.rain, weather.fog])
def test_weather_pales_the_picture_and_follows_the_seed(fallen: Filter) -> None:
    first, second = fallen(scene(), Order(1)), fallen(scene(), Order(2))
    assert not np.array_equal(first, second)
    assert (first.max(axis=2) - first.min(axis=2)).mean() < (scene().max(axis=2) - scene().min(axis=2)).mean()
