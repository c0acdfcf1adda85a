"""What makes it watercolor: paper at the margin and in the lights, flat washes, pigment that never turns black."""

import numpy as np

from impasto.painter.filters.order import Canvas, Order
from impasto.painter.filters.raster import luminance
from impasto.painter.filters.watercolor import watercolor


def flat(grey: float, side: int = 256) -> Canvas:
    canvas = np.full((side, side, 3), grey, dtype=np.float32)
    canvas[: side // 8] = 1.0
    canvas[side // 8 : side // 4] = 0.0
    return canvas


def test_the_margin_is_dry_paper() -> None:
    painted = watercolor(flat(0.3), Order(1))
    assert luminance(painted)[:2].min() > 0.85


def test_without_a_margin_the_sheet_is_painted_to_its_edge() -> None:
    painted = watercolor(flat(0.3), Order(1, option="full"))
    assert luminance(painted)[-4:].max() < 0.8


def test_white_stays_paper_and_black_stays_pigment() -> None:
    painted = watercolor(flat(0.5), Order(1, option="full"))
    assert luminance(painted)[8:24].mean() > 0.9
    assert 0.03 < luminance(painted)[40:56].mean() < 0.3


def test_washes_are_flatter_than_the_photograph() -> None:
    noisy = np.clip(flat(0.5) + np.random.default_rng(2).normal(0, 0.15, (256, 256, 1)), 0, 1).astype(np.float32)
    painted = watercolor(noisy, Order(1, option="full"))
    assert luminance(painted)[100:].std() < 0.6 * luminance(noisy)[100:].std()
