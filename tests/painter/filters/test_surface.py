"""Surfaces have mean 0, deviation 1, and come from the seed alone."""

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from impasto.painter.filters.order import Order, Plane
from impasto.painter.filters.surface import clouds, grain, lit, paper, weave

SURFACES: dict[str, Callable[[tuple[int, int], float, np.random.Generator], Plane]] = {
    "clouds": clouds,
    "grain": grain,
    "paper": paper,
    "weave": weave,
}


def surface(name: str, shape: tuple[int, int], seed: int = 1) -> Plane:
    return SURFACES[name](shape, 5.0, Order(seed).chance(name))


@pytest.mark.parametrize("name", sorted(SURFACES))
def test_mean_and_deviation_are_known(name: str) -> None:
    plane = surface(name, (90, 130))
    assert plane.shape == (90, 130)
    assert plane.dtype == np.float32
    assert plane.mean() == pytest.approx(0, abs=1e-3)
    assert plane.std() == pytest.approx(1, abs=1e-3)


@pytest.mark.parametrize("name", sorted(SURFACES))
def test_the_seed_decides(name: str) -> None:
    assert np.array_equal(surface(name, (40, 40)), surface(name, (40, 40)))
    assert not np.array_equal(surface(name, (40, 40)), surface(name, (40, 40), seed=2))


@settings(max_examples=30, deadline=None)
@given(st.sampled_from(sorted(SURFACES)), st.integers(1, 30), st.integers(1, 30))
def test_any_shape_can_be_covered(name: str, height: int, width: int) -> None:
    assert np.isfinite(surface(name, (height, width))).all()


def test_a_flat_surface_is_not_shaded() -> None:
    assert not lit(np.ones((8, 8), np.float32), 1.0).any()
