"""The picture while it is being painted: light and depth, layer upon layer.

Rule: a layer hides what is further away and leaves what is nearer; soft edges are laid
over what is already there, so the far is painted first.
"""

from dataclasses import dataclass

import cv2
import numpy as np

from impasto.painter.colour import Array, mix
from impasto.painter.solids import Hits


@dataclass(frozen=True, slots=True)
class Canvas:
    """`light`: rows x columns x 3, linear; `depth`: distance from the eye, infinite where there is only background."""

    light: Array
    depth: Array

    @classmethod
    def blank(cls, height: int, width: int) -> "Canvas":
        """Darkness."""
        return cls(np.zeros((height, width, 3), np.float32), np.full((height, width), np.inf, np.float32))

    @property
    def short(self) -> int:
        """The short side in pixels: what sizes are relative to."""
        return int(min(self.depth.shape))

    def lay(self, hits: Hits, colours: Array) -> None:
        """Lay a traced solid with its shaded colours (one for each of its points)."""
        top, bottom, left, right = hits.frame
        seen = hits.cover > 0
        layer = np.zeros((*hits.cover.shape, 3), np.float32)
        layer[seen] = colours
        depth = self.depth[top:bottom, left:right]
        cover = np.where(hits.depth <= depth, hits.cover, 0)
        light = self.light[top:bottom, left:right]
        light[:] = mix(light, layer, cover[..., None])
        depth[:] = np.where(cover > 0.5, hits.depth, depth)

    def glow(self, column: float, row: float, radius: float, colour: Array, sharpness: float = 2.0) -> None:
        """Add a round glow that fades outward: `colour` in its centre, nothing from `radius` on."""
        height, width = self.depth.shape
        top, bottom = max(0, int(row - radius)), min(height, int(row + radius) + 1)
        left, right = max(0, int(column - radius)), min(width, int(column + radius) + 1)
        if top >= bottom or left >= right:
            return
        rows, columns = np.ogrid[top:bottom, left:right]
        away = np.hypot(rows - row, columns - column).astype(np.float32) / max(radius, 1e-6)
        self.light[top:bottom, left:right] += (np.clip(1 - away, 0, 1) ** sharpness)[..., None] * colour

    def disc(self, column: float, row: float, radius: float, colour: Array) -> None:
        """Add a light that is out of focus: an even disc with a slightly brighter rim, as a lens draws it."""
        height, width = self.depth.shape
        reach = radius + 2
        top, bottom = max(0, int(row - reach)), min(height, int(row + reach) + 1)
        left, right = max(0, int(column - reach)), min(width, int(column + reach) + 1)
        if top >= bottom or left >= right:
            return
        rows, columns = np.ogrid[top:bottom, left:right]
        away = np.hypot(rows - row, columns - column).astype(np.float32) / max(radius, 1e-6)
        soft = max(1.5 / max(radius, 1e-6), 0.05)
        body = np.clip((1 - away) / soft, 0, 1) * (0.78 + 0.22 * np.clip(away, 0, 1) ** 4)
        self.light[top:bottom, left:right] += body[..., None] * colour

    def defocus(self, blur: Array) -> None:
        """Blur by a radius in pixels for each pixel: between four prepared strengths."""
        widest = float(blur.max())
        if widest < 0.6:
            return
        levels = [0.0, widest / 8, widest / 3, widest]
        blurred = [self.light.copy(), *(lens_blur(self.light, radius) for radius in levels[1:])]
        self.light[:] = blurred[0]
        for nearer, wider, before, after in zip(levels[:-1], levels[1:], blurred[:-1], blurred[1:], strict=True):
            within = (blur > nearer) & (blur <= wider)
            share = ((blur - nearer) / (wider - nearer))[..., None]
            np.copyto(self.light, mix(before, after, share), where=within[..., None])


def lens_blur(light: Array, radius: float) -> Array:
    """Blur with a disc, as a lens does. A wide one is done on a smaller picture."""
    shrink = max(1, int(radius / 6))
    height, width = light.shape[:2]
    small = light
    if shrink > 1:
        size = (max(1, width // shrink), max(1, height // shrink))
        small = np.asarray(cv2.resize(light, size, interpolation=cv2.INTER_AREA))
    reach = max(1, int(np.ceil(radius / shrink)))
    span = np.arange(-reach, reach + 1)
    kernel = np.clip(radius / shrink + 0.5 - np.hypot(span[:, None], span[None, :]), 0, 1).astype(np.float32)
    small = np.asarray(cv2.filter2D(small, -1, kernel / kernel.sum(), borderType=cv2.BORDER_REFLECT))
    if shrink > 1:
        small = np.asarray(cv2.resize(small, (width, height), interpolation=cv2.INTER_CUBIC))
    return np.maximum(small, 0).astype(np.float32)


def soften(picture: Array, radius: float) -> Array:
    """Gaussian blur; a wide one is done on a smaller picture."""
    shrink = max(1, int(radius / 4))
    height, width = picture.shape[:2]
    small = picture
    if shrink > 1:
        size = (max(1, width // shrink), max(1, height // shrink))
        small = np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_AREA))
    small = np.asarray(cv2.GaussianBlur(small, (0, 0), max(radius / shrink, 0.1), borderType=cv2.BORDER_REFLECT))
    if shrink > 1:
        small = np.asarray(cv2.resize(small, (width, height), interpolation=cv2.INTER_LINEAR))
    return np.asarray(small, np.float32)
