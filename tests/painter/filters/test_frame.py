"""Never stretched, cropped around the subject, continued beyond the edge."""

import numpy as np
import pytest

from impasto.painter.filters.frame import as_canvas, continued, cropped_to, fitted, rotate
from impasto.painter.filters.order import Order
from impasto.painter.painting import Pixels


def subject_at(column: int) -> Pixels:
    """A busy bright square on plain grey."""
    picture = np.full((60, 180, 3), 110, np.uint8)
    picture[15:45, column : column + 30] = np.random.default_rng(1).integers(0, 256, (30, 30, 1), dtype=np.uint8)
    picture[15:45, column : column + 30, 0] = 230
    return picture


@pytest.mark.parametrize("column", [5, 75, 145])
def test_a_crop_keeps_the_subject(column: int) -> None:
    window = cropped_to(subject_at(column), 60, 60)
    assert window.shape == (60, 60, 3)
    assert (window[:, :, 0] == 230).sum() >= 800


def test_a_fitted_circle_stays_round() -> None:
    rows, columns = np.mgrid[0:100, 0:140]
    disc = ((rows - 50) ** 2 + (columns - 70) ** 2 < 30**2)[:, :, None] * np.uint8(255)
    photo = np.repeat(disc, 3, axis=2).astype(np.uint8)
    inside = fitted(photo, 200, 200, keep_composition=True)[:, :, 0] > 0.5
    height, width = np.ptp(np.nonzero(inside.any(axis=1))[0]), np.ptp(np.nonzero(inside.any(axis=0))[0])
    assert height == pytest.approx(width, abs=2)


def test_what_is_continued_keeps_the_middle_as_it_was() -> None:
    canvas = as_canvas(subject_at(75))
    wide = continued(canvas, 180, 120)
    assert np.allclose(wide[30:90], canvas, atol=1e-3)
    assert np.allclose(wide[0], 110 / 255, atol=0.02)


def test_quarter_turns_keep_every_pixel() -> None:
    photo = subject_at(5)
    assert np.array_equal(rotate(photo, Order(number=90.0)), np.rot90(photo, -1))
    assert np.array_equal(rotate(photo, Order(number=90.0, option="-90")), np.rot90(photo, 1))
    assert np.array_equal(rotate(photo, Order(option="180")), photo[::-1, ::-1])


def test_other_angles_leave_no_empty_corner() -> None:
    turned = rotate(np.full((80, 120, 3), 200, np.uint8), Order(number=17.0))
    assert turned.shape[0] < 80
    assert set(np.unique(turned)) == {200}
