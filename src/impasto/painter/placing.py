"""Putting sprites into a scene: lit, fogged, with their shadow and their mirror image.

Rule: what stands on the ground darkens it; nothing floats by accident.
"""

from dataclasses import dataclass

import cv2
import numpy as np

from impasto.painter.canvas import Canvas, soften
from impasto.painter.colour import Array, linear, mix
from impasto.painter.daylight import Mood
from impasto.painter.sprites import Sprite, lit


@dataclass(frozen=True, slots=True)
class Surround:
    """The light that a scene sheds on what is put into it. `sun` points towards its source."""

    sun: Array
    sunlight: Array
    ambient: Array
    fog: Array

    @classmethod
    def of(cls, mood: Mood, sun: Array) -> "Surround":
        """Out of doors."""
        return cls(sun, mood.sunlight * np.float32(0.72), linear(mood.ambient) * np.float32(0.95), linear(mood.fog))


def put(
    canvas: Canvas,
    sprite: Sprite,
    left: float,
    foot: float,
    surround: Surround,
    fog: float = 0.0,
    blur: float = 0.0,
    glow: float = 0.0,
) -> None:
    """Lay a sprite with its lower edge on row `foot`, its left edge on column `left`; `fog` 0..1."""
    shown = lit(sprite, surround.sun, surround.sunlight, surround.ambient, glow)
    shown = mix(shown, surround.fog, fog)
    _over(canvas, shown, sprite.alpha, round(left), round(foot) - sprite.height, blur)


def _over(canvas: Canvas, colour: Array, alpha: Array, left: int, top: int, blur: float) -> None:
    if blur > 0.5:
        margin = int(3 * blur) + 1
        edge = ((margin, margin), (margin, margin))
        alpha = np.pad(alpha, edge)
        layer = soften(np.pad(colour, (*edge, (0, 0))) * alpha[..., None], blur)
        alpha = soften(alpha, blur)
        colour = layer / np.maximum(alpha[..., None], 1e-3)
        left, top = left - margin, top - margin
    height, width = canvas.depth.shape
    y0, y1 = max(0, top), min(height, top + alpha.shape[0])
    x0, x1 = max(0, left), min(width, left + alpha.shape[1])
    if y0 >= y1 or x0 >= x1:
        return
    part = (slice(y0 - top, y1 - top), slice(x0 - left, x1 - left))
    below = canvas.light[y0:y1, x0:x1]
    below[:] = mix(below, colour[part], alpha[part][..., None])


def _cut(canvas: Canvas, left: int, top: int, mask: Array) -> tuple[Array, Array] | None:
    """The part of the picture under a mask, and the part of the mask inside the picture."""
    height, width = canvas.depth.shape
    y0, y1 = max(0, top), min(height, top + mask.shape[0])
    x0, x1 = max(0, left), min(width, left + mask.shape[1])
    if y0 >= y1 or x0 >= x1:
        return None
    return canvas.light[y0:y1, x0:x1], mask[y0 - top : y1 - top, x0 - left : x1 - left]


def cast_shadow(
    canvas: Canvas, sprite: Sprite, left: float, foot: float, surround: Surround, strength: float = 0.55
) -> None:
    """A shadow along the ground, away from the sun, and a dark seam where the thing touches it."""
    height, width = sprite.alpha.shape
    reach = max(4, round(height * 0.36))
    slide = -float(surround.sun[0]) * reach
    # Behind us the sun throws the shadow up the picture, before us down it.
    ahead = bool(surround.sun[2] < 0)
    margin = round(abs(slide)) + 4
    # The foot stays, the head moves: three corners say where the outline goes.
    head, base = (4.0, reach + 4.0) if ahead else (reach + 4.0, 4.0)
    corners = np.array([[0, 0], [0, height], [width, height]], np.float32)
    goals = np.array([[margin + slide, head], [margin, base], [margin + width, base]], np.float32)
    area = (width + 2 * margin, reach + 8)
    mask = np.asarray(cv2.warpAffine(sprite.alpha, cv2.getAffineTransform(corners, goals), area, flags=cv2.INTER_AREA))
    mask = soften(mask, max(1.0, 0.016 * width)) * strength
    top = round(foot) - reach - 4 if ahead else round(foot) - 4
    found = _cut(canvas, round(left) - margin, top, mask)
    if found is not None:
        below, part = found
        below *= 1 - part[..., None] * np.array([1.0, 0.95, 0.85], np.float32)
    seam(canvas, sprite, left, foot)


def seam(canvas: Canvas, sprite: Sprite, left: float, foot: float, strength: float = 0.6) -> None:
    """A soft dark line where a thing touches the ground: as wide as its lowest part."""
    low = sprite.alpha[-max(2, sprite.height // 12) :].max(axis=0)
    tall = max(4, round(0.05 * sprite.height))
    margin = tall
    mask: Array = np.zeros((4 * tall, sprite.width + 2 * margin), np.float32)
    mask[tall : 2 * tall, margin:-margin] = low
    mask = soften(mask, tall * 0.55) * strength
    found = _cut(canvas, round(left) - margin, round(foot - 1.6 * tall), mask)
    if found is not None:
        below, part = found
        below *= 1 - part[..., None]


def mirror_in(
    canvas: Canvas, sprite: Sprite, left: float, foot: float, surround: Surround, strength: float, ripple: float
) -> None:
    """The thing's image in water or polish below its foot, fading with depth."""
    shown = lit(sprite, surround.sun, surround.sunlight, surround.ambient)[::-1]
    alpha = sprite.alpha[::-1] * np.linspace(strength, 0.12 * strength, sprite.height, dtype=np.float32)[:, None]
    if ripple > 0:
        rows = np.arange(sprite.height, dtype=np.float32)
        shift = np.sin(rows * 0.42) * np.linspace(0.3, 1, sprite.height) + 0.6 * np.sin(rows * 0.19 + 1.3)
        columns = np.arange(sprite.width, dtype=np.float32)[None, :] + (shift * ripple)[:, None]
        across, along = columns.astype(np.float32), np.repeat(rows[:, None], sprite.width, axis=1)
        shown = np.asarray(cv2.remap(shown, across, along, cv2.INTER_LINEAR))
        alpha = np.asarray(cv2.remap(alpha, across, along, cv2.INTER_LINEAR))
    _over(canvas, shown, alpha, round(left), round(foot), 0.0)
