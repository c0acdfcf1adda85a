"""Every verb changes pixels, dimensions are exact, and the same order gives the same picture."""

import cv2
import numpy as np
import pytest

from impasto.painter.edit import FILTERS, JOINS, SHAPES, edit
from impasto.painter.painting import CannotPaintError, Painting, Pixels
from impasto.painter.verbs import VERBS

WORDS = {
    "crop": "crop to the square",
    "oil": "oil painting",
    "ink": "ink drawing",
    "night": "at night",
    "sunset": "at sunset",
    "tint": "make it teal",
    "enlarge": "upscale",
    "stacked": "stack them",
    "brightness": "brighter",
    "warmth": "warmer",
}


def landscape(width: int = 96, height: int = 64, turn: int = 0) -> Pixels:
    """A sky over a hill with a house and a sun, off balance so that every flip shows."""
    rows = np.linspace(0, 1, height)[:, None, None]
    picture = (np.array([120, 170, 230]) * (1 - rows) + np.array([210, 225, 240]) * rows) * np.ones((height, width, 1))
    picture = picture.astype(np.uint8)
    cv2.ellipse(picture, (width // 3, height), (width // 2, height // 3), 0, 0, 360, (70, 120, 60), -1)
    cv2.rectangle(picture, (width // 5, height // 2), (width // 3, height * 4 // 5), (170, 70, 50), -1)
    cv2.circle(picture, (width * 4 // 5, height // 4), max(2, height // 10), (250, 230, 150), -1)
    return np.ascontiguousarray(np.roll(picture, turn, axis=2))


def painted(
    words: str, *photos: Pixels, width: int | None = None, height: int | None = None, seed: int = 7
) -> Painting:
    return edit(words, photos or (landscape(),), width=width, height=height, seed=seed)


def test_every_verb_of_the_list_has_something_that_does_it() -> None:
    assert {verb.name for verb in VERBS} == set(FILTERS) | set(SHAPES) | set(JOINS)


@pytest.mark.parametrize("name", sorted(set(FILTERS) | set(SHAPES)))
def test_every_verb_changes_pixels(name: str) -> None:
    photo = landscape()
    painting = painted(WORDS.get(name, name), photo)
    assert painting.report["edits"][0].startswith(name)
    assert painting.pixels.dtype == np.uint8
    assert painting.pixels.shape != photo.shape or (painting.pixels != photo).mean() > 0.05


@pytest.mark.parametrize("name", sorted(JOINS))
def test_joining_takes_all_photos(name: str) -> None:
    words = WORDS.get(name, name)
    first = painted(words, landscape(), landscape(turn=1), width=80, height=80).pixels
    second = painted(words, landscape(turn=2), landscape(turn=1), width=80, height=80).pixels
    assert first.shape == (80, 80, 3)
    assert (first != second).any()
    with pytest.raises(CannotPaintError, match="at least two"):
        painted(words)


@pytest.mark.parametrize(("width", "height"), [(128, 128), (200, 40), (40, 200), (96, 64), (33, 47)])
@pytest.mark.parametrize("words", ["grayscale", "grayscale, keep the composition"])
def test_dimensions_are_exactly_those_asked_for(words: str, width: int, height: int) -> None:
    assert painted(words, width=width, height=height).pixels.shape == (height, width, 3)


def test_without_dimensions_the_photo_keeps_its_own_shape() -> None:
    assert painted("sepia", landscape(90, 70)).pixels.shape == (70, 90, 3)
    assert painted("rotate 90 degrees", landscape(90, 70)).pixels.shape == (90, 70, 3)
    assert painted("sepia", landscape(2600, 1300)).pixels.shape == (1024, 2048, 3)


def test_keeping_the_composition_loses_nothing() -> None:
    """A mark at each end of a wide photo is still there in a square picture."""
    photo = landscape(160, 80)
    photo[30:50, :10] = photo[30:50, -10:] = (255, 0, 255)
    kept = painted("a bit brighter, keep the composition", photo, width=160, height=160).pixels.astype(int)
    purple = (kept[:, :, 0] > 180) & (kept[:, :, 1] < 90) & (kept[:, :, 2] > 180)
    assert purple[:, :12].any()
    assert purple[:, -12:].any()


def test_a_picture_larger_than_the_painting_is_enlarged() -> None:
    painting = painted("watercolor", width=2304, height=2304)
    assert painting.pixels.shape == (2304, 2304, 3)


@pytest.mark.parametrize("words", ["watercolor", "oil painting", "add snow"])
def test_the_same_order_gives_the_same_picture_and_another_seed_another(words: str) -> None:
    assert np.array_equal(painted(words).pixels, painted(words).pixels)
    assert not np.array_equal(painted(words).pixels, painted(words, seed=8).pixels)


@pytest.mark.parametrize("seed", [0, -1, 2**70])
def test_any_seed_will_do(seed: int) -> None:
    assert painted("add rain", seed=seed).pixels.shape == (64, 96, 3)


def test_the_last_photo_is_meant_unless_another_is_named() -> None:
    first, last = landscape(), landscape(turn=1)
    assert np.array_equal(painted("invert", first, last).pixels, painted("invert", last).pixels)
    assert np.array_equal(painted("invert the first photo", first, last).pixels, painted("invert", first).pixels)
    with pytest.raises(CannotPaintError, match="photo 3"):
        painted("invert the third photo", first, last)


def test_an_edit_that_would_change_nothing_is_refused() -> None:
    grey = np.full((32, 32, 3), 128, np.uint8)
    with pytest.raises(CannotPaintError, match="Nothing in this photo would change"):
        painted("grayscale", grey)
    with pytest.raises(CannotPaintError, match="Nothing in this photo would change"):
        painted("mirror it", grey)


def test_without_a_photo_there_is_nothing_to_edit() -> None:
    with pytest.raises(CannotPaintError, match="no photo"):
        edit("watercolor", [], width=None, height=None, seed=1)


def test_words_and_report_tell_what_was_left_out() -> None:
    painting = painted("sepia, then flip it, and add a dragon")
    assert painting.report["edits"] == ["sepia", "flip horizontal"]
    assert painting.report["ignored"] == ["add a dragon"]
    assert "“add a dragon”" in painting.words


@pytest.mark.parametrize(("width", "height"), [(1, 1), (1, 40), (40, 1), (2, 3)])
def test_the_smallest_photos_are_edited_too(width: int, height: int) -> None:
    photo = np.random.default_rng(3).integers(0, 256, (height, width, 3), dtype=np.uint8)
    for words in ("watercolor", "invert and rotate 30 degrees", "pop art", "crop to 16:9 and invert"):
        assert painted(words, photo, width=24, height=24).pixels.shape == (24, 24, 3)
