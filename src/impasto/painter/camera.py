"""A camera with a shifted lens: uprights stay upright, and the horizon is where we want it.

Rule: x points right, y up, z away; lengths are the scene's own units, angles never appear.
"""

from dataclasses import dataclass

import numpy as np

from impasto.painter.colour import Array


@dataclass(frozen=True, slots=True)
class Camera:
    """Looks along z from `height` above the ground; `focal` and the rest in pixels."""

    width: int
    rows: int
    focal: float
    centre: float
    horizon: float
    height: float

    @property
    def eye(self) -> Array:
        """Where it stands."""
        return np.array([0, self.height, 0], np.float32)

    def project(self, x: float, y: float, z: float) -> tuple[float, float]:
        """The column and row of a point."""
        return self.centre + self.focal * x / z, self.horizon - self.focal * (y - self.height) / z

    def rays(self, top: int, bottom: int, left: int, right: int) -> Array:
        """Unit directions through the pixels of a rectangle: rows x columns x 3."""
        columns = (np.arange(left, right, dtype=np.float32) + 0.5 - self.centre) / self.focal
        rows = (self.horizon - np.arange(top, bottom, dtype=np.float32) - 0.5) / self.focal
        rays = np.ones((bottom - top, right - left, 3), np.float32)
        rays[..., 0] = columns[None, :]
        rays[..., 1] = rows[:, None]
        rays /= np.linalg.norm(rays, axis=-1, keepdims=True)
        return rays

    def frame(self, centre: Array, radius: float) -> tuple[int, int, int, int] | None:
        """The rectangle (top, bottom, left, right) that a ball covers, or nothing where it is out of sight."""
        near = float(centre[2]) - radius
        if near <= 0.01:
            return None
        column, row = self.project(float(centre[0]), float(centre[1]), float(centre[2]))
        # An oblique ball reaches further than one on the axis.
        slant = float(np.hypot(np.hypot(column - self.centre, row - self.horizon), self.focal)) / self.focal
        reach = self.focal * radius / near * slant + 2
        top, bottom = max(0, int(row - reach)), min(self.rows, int(row + reach) + 1)
        left, right = max(0, int(column - reach)), min(self.width, int(column + reach) + 1)
        return (top, bottom, left, right) if top < bottom and left < right else None
