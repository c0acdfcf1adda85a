"""From linear light to what a screen shows: bloom, film curve, tint, vignette.

Rule: the grade is the last thing done at working size; grain comes after enlarging, so
that it is as fine as the pixels.
"""

from dataclasses import dataclass

import cv2
import numpy as np

from impasto.painter.canvas import soften
from impasto.painter.colour import Array, luminance, mix, to_srgb


@dataclass(frozen=True, slots=True)
class Grade:
    """`exposure` in stops; `bloom`, `vignette` and `tint` as shares; `saturation` 1 leaves colours alone."""

    exposure: float = 0.0
    bloom: float = 0.10
    contrast: float = 1.0
    saturation: float = 1.05
    vignette: float = 0.25
    shadows: tuple[float, float, float] = (1.0, 1.0, 1.0)
    highlights: tuple[float, float, float] = (1.0, 1.0, 1.0)


CINEMATIC = Grade(
    exposure=0.22,
    bloom=0.14,
    contrast=1.06,
    saturation=1.08,
    vignette=0.5,
    shadows=(0.93, 1.0, 1.08),
    highlights=(1.04, 1.0, 0.94),
)


def develop(light: Array, grade: Grade) -> Array:
    """A picture in linear light to screen values 0..1."""
    light = light * np.float32(2.0**grade.exposure)
    short = min(light.shape[:2])
    if grade.bloom:
        bright = np.minimum(light, 12)
        halo = (soften(bright, short * 0.008) + soften(bright, short * 0.03) + soften(bright, short * 0.09)) / 3
        light = mix(light, halo, grade.bloom)
    light = light * _vignette(light.shape[0], light.shape[1], grade.vignette)[..., None]
    shown = to_srgb(_film(light))
    grey = luminance(shown)[..., None]
    shown = mix(grey, shown, grade.saturation)
    tint = mix(np.array(grade.shadows, np.float32), np.array(grade.highlights, np.float32), np.clip(grey * 1.3, 0, 1))
    shown = shown * tint
    if grade.contrast != 1.0:
        shown = 0.42 + (shown - 0.42) * grade.contrast
    return np.clip(shown, 0, 1).astype(np.float32)


def _film(light: Array) -> Array:
    """Krzysztof Narkowicz's fit of the ACES film curve, 2015."""
    light = np.maximum(light, 0) * np.float32(0.8)
    return np.asarray(light * (2.51 * light + 0.03) / (light * (2.43 * light + 0.59) + 0.14), np.float32)


def _vignette(height: int, width: int, strength: float) -> Array:
    """Darker corners; on very long pictures the ends, not the long edges."""
    rows = (np.arange(height, dtype=np.float32) + 0.5) / height * 2 - 1
    columns = (np.arange(width, dtype=np.float32) + 0.5) / width * 2 - 1
    away = np.clip(np.hypot(rows[:, None] * 0.85, columns[None, :]) - 0.35, 0, None)
    return np.asarray(1 - strength * np.clip(away, 0, 1.2) ** 1.6, np.float32)


def to_bytes(shown: Array, width: int, height: int, grain: float, seed: int, *, blocks: bool = False) -> Array:
    """Screen values at working size to the finished size: enlarged, sharpened, with fresh grain. uint8, RGB."""
    rows, columns = shown.shape[:2]
    wide = np.round(shown * 65535).astype(np.uint16)
    way = cv2.INTER_NEAREST if blocks else cv2.INTER_LANCZOS4 if height >= rows else cv2.INTER_AREA
    if (rows, columns) != (height, width):
        wide = np.asarray(cv2.resize(wide, (width, height), interpolation=way))
    scale = float(np.sqrt(height * width / (rows * columns)))
    return _finish(wide, grain, 1.0 if blocks else scale, seed)


def _finish(wide: Array, grain: float, scale: float, seed: int) -> Array:
    """Strips of rows, so that the largest pictures need no second copy in floating point."""
    finished = np.empty(wide.shape, np.uint8)
    chance = np.random.default_rng([seed & 0xFFFFFFFF, 977])
    pattern = chance.standard_normal((1024, 1024), np.float32)
    pattern = 0.6 * pattern + np.asarray(cv2.GaussianBlur(pattern, (0, 0), 0.8, borderType=cv2.BORDER_REFLECT101)) * 0.8
    height, width = wide.shape[:2]
    margin = 8
    for top in range(0, height, 512):
        start, end = max(0, top - margin), min(height, top + 512 + margin)
        strip = wide[start:end].astype(np.float32) / 65535
        if scale > 1.05:
            strip += (strip - np.asarray(cv2.GaussianBlur(strip, (0, 0), 0.55 * scale))) * 0.4
        noise = np.tile(np.roll(pattern, 131 * (top // 512), axis=1), (1, -(-width // 1024)))
        noise = noise[: end - start, :width] if end - start <= 1024 else noise[:1, :width]
        grey = strip @ np.array([0.3, 0.6, 0.1], np.float32)
        strip += (noise * grain * (0.35 + 2.2 * grey * (1 - grey)))[..., None]
        kept = strip[top - start : top - start + min(512, height - top)]
        finished[top : top + 512] = np.clip(kept * 255 + 0.5, 0, 255).astype(np.uint8)
    return finished
