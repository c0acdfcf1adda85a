"""Flat pictures of things, lit anew: the packaged emoji, cut out and given a shape.

Rule: a sprite knows its colours, its outline and which way it faces; what falls on it
is decided by the scene it is put into.
"""

from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files

import cv2
import numpy as np

from impasto.painter.canvas import soften
from impasto.painter.colour import Array, from_srgb, linear, luminance, mix


@dataclass(frozen=True, slots=True)
class Sprite:
    """`colour` rows x columns x 3, linear; `alpha` 0..1; `normal` unit vectors, x right, y up, z towards the eye."""

    colour: Array
    alpha: Array
    normal: Array

    @property
    def height(self) -> int:
        """Rows."""
        return int(self.alpha.shape[0])

    @property
    def width(self) -> int:
        """Columns."""
        return int(self.alpha.shape[1])

    def flipped(self) -> "Sprite":
        """Seen in a mirror."""
        normal = self.normal[:, ::-1].copy()
        normal[..., 0] *= -1
        return Sprite(self.colour[:, ::-1], self.alpha[:, ::-1], normal)


@lru_cache(maxsize=24)
def _packaged(code: str) -> Array:
    """The packaged picture, as bytes BGRA."""
    data = (files("impasto.painter") / "assets" / "pictures" / f"{code}.webp").read_bytes()
    decoded = np.asarray(cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED))
    decoded.setflags(write=False)
    return decoded


def emoji(code: str, height: int, tint: str | None = None) -> Sprite:
    """A packaged picture at a height in pixels, recoloured where a tint is given."""
    source = _packaged(code).astype(np.float32) / 255
    alpha = source[..., 3:]
    light = np.concatenate([from_srgb(source[..., 2::-1]) * alpha, alpha], axis=-1)
    width = max(2, round(height * light.shape[1] / light.shape[0]))
    way = cv2.INTER_AREA if height < light.shape[0] else cv2.INTER_CUBIC
    light = np.asarray(cv2.resize(light, (width, max(2, height)), interpolation=way))
    alpha = np.clip(light[..., 3], 0, 1)
    colour = np.clip(light[..., :3] / np.maximum(alpha[..., None], 1e-3), 0, 1)
    if height > source.shape[0]:
        alpha = np.clip((alpha - 0.5) * min(2.0, height / source.shape[0]) + 0.5, 0, 1)
    if tint is not None:
        colour = _tinted(colour, alpha, linear(tint))
    return Sprite(colour.astype(np.float32), alpha.astype(np.float32), rounded(alpha))


def _tinted(colour: Array, alpha: Array, tint: Array) -> Array:
    """The main colour replaced, eyes and highlights kept: saturated or middling parts take the tint."""
    grey = luminance(colour)
    middle = float(np.median(grey[alpha > 0.5])) if (alpha > 0.5).any() else 0.3
    share = np.clip((grey / max(middle, 1e-3) - 0.12) * 3, 0, 1)
    relative = np.clip(grey / max(middle, 1e-3), 0, 2.2)[..., None]
    gloss = np.clip(relative - 1.5, 0, 0.7)
    return mix(colour, np.clip(tint * np.minimum(relative, 1.5) + gloss * 0.25, 0, 1), (share * 0.88)[..., None])


def rounded(alpha: Array) -> Array:
    """Normals as if the outline were inflated: flat in the middle, turning away at the rim."""
    size = max(alpha.shape)
    height = 0.6 * soften(alpha, size * 0.05) + 0.4 * soften(alpha, size * 0.015)
    slope_y, slope_x = np.gradient(height)
    normal = np.stack([-slope_x * size * 0.16, slope_y * size * 0.16, np.ones_like(height)], axis=-1)
    return np.asarray(normal / np.linalg.norm(normal, axis=-1, keepdims=True), np.float32)


def lit(sprite: Sprite, sun: Array, sunlight: Array, ambient: Array, glow: float = 0.0) -> Array:
    """The sprite's colours under a scene's light; `sun` points towards it in the scene's axes (z away from the eye)."""
    towards = sun * np.array([1, 1, -1], np.float32)
    falls = np.clip(0.42 + 0.58 * (sprite.normal @ towards), 0, 1)[..., None]
    above = (0.65 + 0.35 * sprite.normal[..., 1])[..., None]
    rim = np.clip(1 - sprite.normal[..., 2], 0, 1)[..., None] ** 2 * max(float(sun[2]), 0) * 1.6
    shown = sprite.colour * (ambient * above + sunlight * (falls * 0.95 + rim))
    return np.asarray(shown + sprite.colour * glow, np.float32)
