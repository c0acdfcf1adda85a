"""Light and colour of the whole picture: what a darkroom does.

Rule: tones move along curves that leave black and white where they are, so that
nothing is clipped that was not asked to be.
"""

from typing import cast

import cv2
import numpy as np

from impasto.painter.filters.order import Canvas, Order, Plane
from impasto.painter.filters.raster import blurred, grid_of, guided, luminance, mixed, ramp, saturated, unit_of
from impasto.painter.filters.surface import grain

INKS: dict[str, tuple[float, float, float]] = {
    "red": (0.86, 0.16, 0.14),
    "orange": (0.95, 0.52, 0.12),
    "yellow": (0.95, 0.80, 0.20),
    "green": (0.22, 0.62, 0.27),
    "teal": (0.10, 0.60, 0.62),
    "blue": (0.14, 0.36, 0.86),
    "indigo": (0.25, 0.22, 0.66),
    "purple": (0.52, 0.22, 0.74),
    "magenta": (0.82, 0.16, 0.60),
    "pink": (0.95, 0.50, 0.66),
    "brown": (0.50, 0.32, 0.20),
}


def brightness(canvas: Canvas, order: Order) -> Canvas:
    return canvas ** np.float32(0.62**order.amount)


def contrast(canvas: Canvas, order: Order) -> Canvas:
    """Up: an S-curve around the picture's own middle. Down: everything drawn toward it."""
    middle = np.float32(np.clip(np.median(luminance(canvas)), 0.25, 0.75))
    if order.amount < 0:
        return mixed(canvas, np.full_like(canvas, middle), float(min(0.42 * -order.amount, 0.8)))
    steepness = np.float32(1.0 + 3.6 * order.amount)
    low, high = np.tanh(-middle * steepness), np.tanh((1 - middle) * steepness)
    return cast("Canvas", (np.tanh((canvas - middle) * steepness) - low) / (high - low))


def saturation(canvas: Canvas, order: Order) -> Canvas:
    """Up: pale colours gain more than rich ones. Down: toward grey."""
    if order.amount < 0:
        return saturated(canvas, max(0.0, 1.0 + 0.62 * order.amount))
    spread = (canvas.max(axis=2) - canvas.min(axis=2))[:, :, None]
    grey = luminance(canvas)[:, :, None]
    return cast("Canvas", grey + (canvas - grey) * (1.0 + np.float32(order.amount) * (0.75 - 0.45 * spread)))


def warmth(canvas: Canvas, order: Order) -> Canvas:
    gain = np.array([1.14, 1.02, 0.80], dtype=np.float32) ** np.float32(order.amount)
    warmed = canvas * gain
    return cast("Canvas", warmed * (luminance(canvas) / (luminance(warmed) + 1e-4))[:, :, None])


def grayscale(canvas: Canvas, order: Order) -> Canvas:
    return _grey(luminance(canvas))


def invert(canvas: Canvas, order: Order) -> Canvas:
    return 1.0 - canvas


def hue(canvas: Canvas, order: Order) -> Canvas:
    """All hues turned by the order's number of degrees (120 where it has none), lightness kept."""
    degrees = 120.0 * order.amount if order.number is None else order.number
    colours = cv2.cvtColor(np.clip(canvas, 0, 1), cv2.COLOR_RGB2HLS)
    colours[:, :, 0] = (colours[:, :, 0] + np.float32(degrees)) % 360
    return cast("Canvas", cv2.cvtColor(colours, cv2.COLOR_HLS2RGB))


def tint(canvas: Canvas, order: Order) -> Canvas:
    """Toward one colour (option), lights and shadows kept: shadows in its deep shade, lights in its pale one."""
    ink = np.array(INKS.get(order.option, INKS["blue"]), dtype=np.float32)
    return mixed(
        canvas, toned(luminance(canvas), ink * 0.22, ink, 0.25 * ink + 0.75), float(min(0.7 * order.amount, 1))
    )


def toned(grey: Plane, dark: Canvas, middle: Canvas, light: Canvas) -> Canvas:
    """Three colours along the tones of a picture."""
    place = grey[:, :, None]
    lower = dark + (middle - dark) * (place * 2)
    upper = middle + (light - middle) * (place * 2 - 1)
    return cast("Canvas", np.where(place < 0.5, lower, upper).astype(np.float32))


def sepia(canvas: Canvas, order: Order) -> Canvas:
    grey = luminance(contrast(canvas, Order(amount=0.25)))
    dark, middle, light = (0.13, 0.08, 0.05), (0.58, 0.44, 0.30), (0.99, 0.94, 0.82)
    return toned(grey, *(np.array(colour, dtype=np.float32) for colour in (dark, middle, light)))


def noir(canvas: Canvas, order: Order) -> Canvas:
    """Film noir: deep blacks, hard light on the subject, silver grain."""
    unit = unit_of(canvas)
    # Red light on black and white film: skies darken, skin glows.
    grey = canvas @ np.array([0.55, 0.35, 0.10], dtype=np.float32)
    local = grey + (grey - blurred(grey, 30 * unit)) * np.float32(0.5)
    hard = contrast(_grey(np.clip(local, 0, 1)), Order(amount=0.7 * order.amount))
    dark = vignette(hard, Order(amount=1.3))
    silver = grain(grey.shape, 1.6 * unit, order.chance("silver")) * np.float32(0.035)
    return cast("Canvas", dark + (silver * (1.0 - np.abs(2 * grey - 1)))[:, :, None])


def vintage(canvas: Canvas, order: Order) -> Canvas:
    """An old colour print: faded blacks, yellowed lights, soft edges, a leak of light, grain."""
    unit = unit_of(canvas)
    soft = mixed(canvas, blurred(canvas, 1.2 * unit), 0.6)
    faded = saturated(contrast(soft, Order(amount=0.2)), 0.68)
    low = np.array([0.13, 0.09, 0.10], dtype=np.float32)
    high = np.array([0.98, 0.92, 0.76], dtype=np.float32)
    printed = low + faded * (high - low)
    rows, columns = grid_of(canvas)
    height, width = canvas.shape[:2]
    leak = np.exp(-(((columns / width - 1.02) / 0.22) ** 2 + ((rows / height - 0.25) / 0.6) ** 2))
    warm = np.array([0.30, 0.12, 0.02], dtype=np.float32) * leak.astype(np.float32)[:, :, None]
    speck = grain(canvas.shape[:2], 1.5 * unit, order.chance("film")) * np.float32(0.022)
    return vignette(1.0 - (1.0 - printed) * (1.0 - warm), Order(amount=0.6)) + speck[:, :, None]


def vignette(canvas: Canvas, order: Order) -> Canvas:
    rows, columns = grid_of(canvas)
    height, width = canvas.shape[:2]
    off = ((rows + 0.5) / height - 0.5) ** 2 + ((columns + 0.5) / width - 0.5) ** 2
    shade = 1.0 - ramp(cast("Plane", np.sqrt(off)), 0.28, 0.78) * np.float32(min(0.62 * order.amount, 0.95))
    return cast("Canvas", canvas * shade[:, :, None]).astype(np.float32)


def blur(canvas: Canvas, order: Order) -> Canvas:
    return blurred(canvas, 7.0 * order.amount * unit_of(canvas))


def sharpen(canvas: Canvas, order: Order) -> Canvas:
    """A mask of fine contrast, held back where it would only lift noise."""
    unit = unit_of(canvas)
    grey = luminance(canvas)
    fine, broad = grey - blurred(grey, 1.1 * unit), grey - blurred(grey, 3.0 * unit)
    lift = np.clip(fine * 1.3 + broad * 0.5, -0.25, 0.25) * np.float32(order.amount)
    return cast("Canvas", canvas + (lift * ramp(np.abs(lift), 0.002, 0.02))[:, :, None])


def smooth(canvas: Canvas, order: Order) -> Canvas:
    """Noise averaged away on both sides of an edge, never across it."""
    radius = 3.0 * order.amount * unit_of(canvas)
    return np.dstack([guided(channel, channel, radius, 0.004) for channel in np.moveaxis(canvas, 2, 0)])


def enlarge(canvas: Canvas, order: Order) -> Canvas:
    """The pixels are added by the frame; here what was soft is made a little firmer."""
    return sharpen(canvas, Order(amount=0.6 * order.amount))


def opened_tones(canvas: Canvas) -> Plane:
    """Luminance with the whole range used and local contrast raised: what a draughtsman looks for."""
    grey = luminance(canvas)
    local = grey + (grey - blurred(grey, 24 * unit_of(canvas))) * np.float32(0.45)
    low, high = np.percentile(local, (1, 97))
    return cast("Plane", np.clip((local - low) / max(float(high - low), 0.1), 0, 1).astype(np.float32))


def _grey(plane: Plane) -> Canvas:
    return cast("Canvas", np.repeat(plane[:, :, None], 3, axis=2))
