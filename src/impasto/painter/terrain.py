"""Land seen in perspective: hills, mountains and dunes from a height function.

Rule: land is a function of the plane; nothing is drawn that the eye could not see. Each
column of the picture walks away from the eye and keeps the highest row reached so far
(the wave surfing algorithm, as in NovaLogic's Comanche, 1992), for all columns at once.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from impasto.painter.camera import Camera
from impasto.painter.colour import Array

Heights = Callable[[Array, Array], Array]
"""Points of the plane (x and z, of one shape) to heights."""


@dataclass(frozen=True, slots=True)
class Seen:
    """What of the land each pixel shows: `cover` 0..1, and where (x, y, z; meaningless where `cover` is 0)."""

    cover: Array
    x: Array
    y: Array
    z: Array


def look_at_land(heights: Heights, camera: Camera, near: float, far: float, slices: int = 520) -> Seen:
    """The land between two distances, as the camera sees it."""
    depths = np.geomspace(near, far, slices).astype(np.float32)
    columns = (np.arange(camera.width, dtype=np.float32) + 0.5 - camera.centre) / camera.focal
    land = heights(depths[:, None] * columns[None, :], np.broadcast_to(depths[:, None], (slices, camera.width)))
    rows = camera.horizon - camera.focal * (land - camera.height) / depths[:, None]
    rows[0] = np.minimum(rows[0], camera.rows + 1.0)
    highest = np.minimum.accumulate(rows, axis=0)
    rising = np.ones_like(rows, bool)
    rising[1:] = rows[1:] < highest[:-1]
    first = np.full((camera.rows + 1, camera.width), slices - 1, np.int32)
    slice_at, column_at = np.nonzero(rising & (rows < camera.rows))
    row_at = np.clip(np.ceil(rows[slice_at, column_at] - 0.5), 0, camera.rows).astype(np.int32)
    np.minimum.at(first, (row_at, column_at), slice_at.astype(np.int32))
    first = np.minimum.accumulate(first, axis=0)[: camera.rows]
    across = np.broadcast_to(np.arange(camera.width), first.shape)
    pixel = np.arange(camera.rows, dtype=np.float32)[:, None] + 0.5
    depth = _between(rows, depths, first, across, pixel)
    cover = np.clip(pixel + 0.5 - highest[-1][None, :], 0, 1)
    return Seen(
        cover.astype(np.float32),
        depth * columns[None, :],
        camera.height - (pixel - camera.horizon) * depth / camera.focal,
        depth,
    )


def _between(rows: Array, depths: Array, first: Array, across: Array, pixel: Array) -> Array:
    """Depth between the slice that covers a pixel and the one before it, where the land runs on smoothly."""
    before = np.maximum(first - 1, 0)
    upper, lower = rows[first, across], rows[before, across]
    share = np.clip((lower - pixel) / np.maximum(lower - upper, 1e-3), 0, 1)
    # Over a ridge the slice before lies in a hollow behind it: there the land does not run on.
    share = np.where(lower > upper, share, 1)
    return np.asarray(depths[before] + (depths[first] - depths[before]) * share, np.float32)


def slopes(heights: Heights, seen: Seen) -> Array:
    """Unit normals of the land, looked at as finely as a pixel can show."""
    step = np.maximum(seen.z * 0.004, 0.02)
    here = heights(seen.x, seen.z)
    lean_x = (heights(seen.x + step, seen.z) - here) / step
    lean_z = (heights(seen.x, seen.z + step) - here) / step
    normal = np.stack([-lean_x, np.ones_like(here), -lean_z], axis=-1)
    return np.asarray(normal / np.linalg.norm(normal, axis=-1, keepdims=True), np.float32)


def sunlit(heights: Heights, seen: Seen, sun: Array, reach: float, steps: int = 7) -> Array:
    """How much sun gets past the land between, 0..1."""
    lit = np.ones_like(seen.z)
    for step in range(1, steps + 1):
        out = reach * (step / steps) ** 2
        above = (
            seen.y
            + out * sun[1] / max(float(np.hypot(sun[0], sun[2])), 0.1)
            - heights(seen.x + out * sun[0], seen.z + out * sun[2])
        )
        lit = np.minimum(lit, np.clip(above / (0.05 * out) + 0.6, 0, 1))
    return np.asarray(lit, np.float32)
