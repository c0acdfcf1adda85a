"""Curves move tones the way their names say, and leave black and white where they are."""

import numpy as np
import pytest

from impasto.painter.filters import tone
from impasto.painter.filters.order import Canvas, Order


def wheel() -> Canvas:
    return np.random.default_rng(5).random((48, 48, 3), dtype=np.float32)


def colourfulness(canvas: Canvas) -> float:
    return float((canvas.max(axis=2) - canvas.min(axis=2)).mean())


@pytest.mark.parametrize("amount", [-1.0, 0.5, 2.0])
def test_brightness_keeps_black_and_white(amount: float) -> None:
    ends = np.array([[[0.0] * 3, [1.0] * 3]], dtype=np.float32)
    assert np.array_equal(tone.brightness(ends, Order(amount=amount)), ends)
    assert (tone.brightness(wheel(), Order(amount=amount)).mean() > wheel().mean()) == (amount > 0)


@pytest.mark.parametrize("amount", [-1.0, 1.0])
def test_contrast_and_saturation_go_both_ways(amount: float) -> None:
    assert (tone.contrast(wheel(), Order(amount=amount)).std() > wheel().std()) == (amount > 0)
    assert (colourfulness(tone.saturation(wheel(), Order(amount=amount))) > colourfulness(wheel())) == (amount > 0)


@pytest.mark.parametrize("amount", [-1.0, 1.0])
def test_warmth_moves_red_against_blue(amount: float) -> None:
    red, _, blue = tone.warmth(np.full((4, 4, 3), 0.5, np.float32), Order(amount=amount))[0, 0]
    assert (red > blue) == (amount > 0)


def test_a_full_turn_of_the_hue_is_no_turn() -> None:
    assert np.allclose(tone.hue(wheel(), Order(number=360.0)), wheel(), atol=1e-3)


@pytest.mark.parametrize("colour", sorted(tone.INKS))
def test_a_tint_leans_toward_its_colour(colour: str) -> None:
    ink = np.array(tone.INKS[colour])
    tinted = tone.tint(np.full((4, 4, 3), 0.5, np.float32), Order(option=colour))[0, 0]
    assert np.corrcoef(tinted, ink)[0, 1] > 0.9


def test_smoothing_keeps_edges_and_loses_noise() -> None:
    canvas = np.zeros((64, 64, 3), np.float32)
    canvas[:, 32:] = 0.8
    noisy = canvas + np.random.default_rng(1).normal(0, 0.02, canvas.shape).astype(np.float32)
    calm = tone.smooth(noisy, Order(amount=10.0))
    assert calm[:, 4:24].std() < 0.6 * noisy[:, 4:24].std()
    assert calm[:, 36].mean() - calm[:, 27].mean() > 0.7
