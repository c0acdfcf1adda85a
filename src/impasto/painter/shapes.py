"""The shapes that models are built from, as distances.

Rule: each function returns a distance function over points n x 3; bending and tapering
may promise slightly too much, which the tracer allows for. The round ones follow Inigo
Quilez's catalogue of distance functions (https://iquilezles.org/articles/distfunctions/).
"""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from impasto.painter.colour import Array, length
from impasto.painter.solids import Distance


def vector(x: float, y: float, z: float) -> Array:
    """A point or a direction."""
    return np.array([x, y, z], np.float32)


def turned(about_y: float, about_x: float = 0.0, about_z: float = 0.0) -> Array:
    """A rotation (radians): first about z, then x, then y."""
    (cy, sy), (cx, sx), (cz, sz) = ((np.cos(a), np.sin(a)) for a in (about_y, about_x, about_z))
    yaw = np.array([[cy, 0, sy], [0, 1, 0], [-sy, 0, cy]])
    pitch = np.array([[1, 0, 0], [0, cx, -sx], [0, sx, cx]])
    roll = np.array([[cz, -sz, 0], [sz, cz, 0], [0, 0, 1]])
    return np.asarray(yaw @ pitch @ roll, np.float32)


def placed(shape: Distance, at: Array, turn: Array | None = None) -> Distance:
    """The shape moved to `at` and turned there."""
    if turn is None:
        return lambda points: shape(points - at)
    return lambda points: shape((points - at) @ turn)


def ball(radius: float) -> Distance:
    """A sphere around the origin."""
    return lambda points: np.asarray(length(points) - radius, np.float32)


def balls(centres: Array, radius: float) -> Distance:
    """Many spheres of one size; `centres` is k x 3."""
    reach = np.einsum("ij,ij->i", centres, centres)

    def distance(points: Array) -> Array:
        squares = reach[None, :] - 2 * (points @ centres.T)
        nearest = squares.min(axis=1) + np.einsum("ij,ij->i", points, points)
        return np.asarray(np.sqrt(np.maximum(nearest, 0)) - radius, np.float32)

    return distance


def ellipsoid(radii: Array) -> Distance:
    """A stretched ball around the origin (the distance is a good estimate, not exact)."""

    def distance(points: Array) -> Array:
        scaled = length(points / radii)
        slope = length(points / (radii * radii))
        return np.asarray(scaled * (scaled - 1) / np.maximum(slope, 1e-6), np.float32)

    return distance


def rod(start: Array, end: Array, first: float, last: float | None = None) -> Distance:
    """A round-ended rod whose thickness may change from `first` to `last`."""
    axis = end - start
    last = first if last is None else last

    def distance(points: Array) -> Array:
        offset = points - start
        share = np.clip(offset @ axis / (axis @ axis), 0, 1)
        gap = length(offset - share[:, None] * axis)
        return np.asarray(gap - (first + (last - first) * share), np.float32)

    return distance


def box(half: Array, rounding: float) -> Distance:
    """A box around the origin with rounded edges."""

    def distance(points: Array) -> Array:
        gap = np.abs(points) - (half - rounding)
        outside = length(np.maximum(gap, 0))
        return np.asarray(outside + np.minimum(gap.max(axis=1), 0) - rounding, np.float32)

    return distance


def lathe(profile: Sequence[tuple[float, float]], thickness: float) -> Distance:
    """A wall of the given thickness along a line of (radius, height), turned about the y axis."""
    line = np.array(profile, np.float32)

    def distance(points: Array) -> Array:
        flat = np.stack([np.hypot(points[:, 0], points[:, 2]), points[:, 1]], axis=1)
        best = np.full(points.shape[0], np.inf, np.float32)
        for start, end in pairwise(line):
            axis = end - start
            offset = flat - start
            share = np.clip(offset @ axis / max(float(axis @ axis), 1e-9), 0, 1)
            gap = offset - share[:, None] * axis
            best = np.minimum(best, np.einsum("ij,ij->i", gap, gap))
        return np.asarray(np.sqrt(best) - thickness / 2, np.float32)

    return distance


def turnery(profile: Sequence[tuple[float, float]]) -> Distance:
    """A full body turned about the y axis: radius as a function of height, from the lowest point to the highest."""
    radii = np.array([radius for radius, _ in profile], np.float32)
    heights = np.array([height for _, height in profile], np.float32)
    steepest = float(np.max(np.abs(np.diff(radii) / np.maximum(np.diff(heights), 1e-4))))
    # A slope stretches the promised distance; beyond a slope of 3 the ends stand in for it.
    honest = 1 / np.sqrt(1 + min(steepest, 3.0) ** 2)

    def distance(points: Array) -> Array:
        out = np.hypot(points[:, 0], points[:, 2]) - np.interp(points[:, 1], heights, radii)
        beyond = np.maximum(heights[0] - points[:, 1], points[:, 1] - heights[-1])
        outside = np.hypot(np.maximum(out, 0), np.maximum(beyond, 0))
        inside = np.minimum(np.maximum(out, beyond), 0)
        return np.asarray((outside + inside) * honest, np.float32)

    return distance


def smoothed(profile: Sequence[tuple[float, float]], rounds: int = 3) -> list[tuple[float, float]]:
    """The same line with its corners cut (Chaikin, 1974), its ends kept."""
    line = np.array(profile)
    for _ in range(rounds):
        first, second = 0.75 * line[:-1] + 0.25 * line[1:], 0.25 * line[:-1] + 0.75 * line[1:]
        between = np.stack([first, second], axis=1).reshape(-1, 2)
        line = np.concatenate([line[:1], between, line[-1:]])
    return [(float(radius), float(height)) for radius, height in line]


def together(*shapes: Distance) -> Distance:
    """All of them as one."""

    def distance(points: Array) -> Array:
        return np.asarray(np.minimum.reduce([shape(points) for shape in shapes]), np.float32)

    return distance


def melted(first: Distance, second: Distance, width: float) -> Distance:
    """Two shapes that flow into each other over `width`."""

    def distance(points: Array) -> Array:
        one, other = first(points), second(points)
        share = np.clip(0.5 + 0.5 * (other - one) / width, 0, 1)
        return np.asarray(other + (one - other) * share - width * share * (1 - share), np.float32)

    return distance
