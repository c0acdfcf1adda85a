"""Watercolor: transparent pigment, laid in washes that dry with dark rims, on white rough paper.

Rule: light comes from the paper. Nothing is painted white; a light place is paper left
dry, and colour is what pigment takes away (Beer and Lambert's law).
Source of the order of work: Curtis et al. 1997 (what watercolor does), Bousseau et al.
2006 (doing it to a photograph).
"""

from typing import cast

import numpy as np

from impasto.painter.filters.detail import busy_of, detail_of
from impasto.painter.filters.flow import flow_of, lines
from impasto.painter.filters.order import Canvas, Order, Plane
from impasto.painter.filters.raster import blurred, grid_of, luminance, mixed, moved, ramp, resized, saturated, unit_of
from impasto.painter.filters.surface import clouds, grain, lit, paper
from impasto.painter.filters.wash import flattened

PAPER_WHITE = np.array([0.988, 0.978, 0.952], dtype=np.float32)
# The darkest a wash gets: indigo and sepia, never black ink.
DARKEST = 2.15
# Per channel: darks take less of the blue and more of the red, which makes them indigo.
DARK_HUE = np.array([1.06, 1.02, 0.90], dtype=np.float32)
WASH_SIDE = 1024
GLAZES = 6.0


def watercolor(canvas: Canvas, order: Order) -> Canvas:
    """The canvas as a watercolor on white paper; option `full` paints to the edge of the sheet."""
    height, width = canvas.shape[:2]
    unit = unit_of(canvas)
    sheet = paper((height, width), 4.2 * unit, order.chance("paper"))
    care = detail_of(canvas)
    washes = _washes(canvas, care, order)
    pigment = _pigment(washes, canvas, care, sheet, order)
    if order.option != "full":
        pigment *= _left_dry(sheet, unit, order)[:, :, None]
    relief = lit(sheet, 0.16 / unit**0.5) * 0.045
    return cast("Canvas", PAPER_WHITE * (1.0 + relief[:, :, None]) * np.exp(-pigment))


def _washes(canvas: Canvas, care: Plane, order: Order) -> Canvas:
    """The picture simplified into washes, with a hand's wobble; fine where care is due."""
    height, width = canvas.shape[:2]
    factor = min(1.0, WASH_SIDE / max(height, width))
    small = resized(canvas, max(1, round(width * factor)), max(1, round(height * factor)))
    unit = unit_of(small)
    care = resized(care, small.shape[1], small.shape[0])
    keyed = _keyed(small)
    broad = flattened(flattened(keyed, 8 * unit), 5 * unit)
    middle = flattened(flattened(keyed, 2.2 * unit), 3.5 * unit)
    fine = flattened(keyed, 1.8 * unit)
    washes = mixed(broad, middle, np.maximum(ramp(care, 0.05, 0.4), 0.85 * busy_of(small)))
    washes = mixed(washes, fine, ramp(care, 0.35, 0.85))
    loose = 1.0 - 0.85 * care
    shape = small.shape[:2]
    right = clouds(shape, 26 * unit, order.chance("wobble right"), 3) * loose * np.float32(1.7 * unit)
    down = clouds(shape, 26 * unit, order.chance("wobble down"), 3) * loose * np.float32(1.7 * unit)
    return resized(moved(washes, right, down), width, height)


def _keyed(canvas: Canvas) -> Canvas:
    """Tones as a watercolorist mixes them: high key, clear colour, shadows leaning cool, lights leaning warm."""
    grey = luminance(canvas)
    low, high = np.percentile(grey, (0.5, 99.0))
    stretched = np.clip((canvas - low) / max(high - low, 0.15), 0.0, 1.0).astype(np.float32)
    lifted = 1.0 - (1.0 - stretched**0.85) * 0.94
    lively = saturated(lifted.astype(np.float32), 1.3)
    tone = luminance(lively)[:, :, None]
    cool = np.array([-0.02, -0.005, 0.045], dtype=np.float32) * (1.0 - tone) ** 2
    warm = np.array([0.018, 0.008, -0.02], dtype=np.float32) * tone**2
    return np.clip(lively + cool + warm, 0.02, 1.0).astype(np.float32)


def _pigment(washes: Canvas, canvas: Canvas, care: Plane, sheet: Plane, order: Order) -> Canvas:
    """Absorption per channel: glazes, rims, blooms, granulation, and the last dark touches."""
    unit = unit_of(canvas)
    shape = canvas.shape[:2]
    absorbed = -np.log(np.clip(washes, 0.02, 1.0))
    density = (DARKEST * np.tanh(absorbed / DARKEST) * DARK_HUE ** (absorbed / DARKEST)).astype(np.float32)
    tone = density.mean(axis=2)
    # Lights dry to bare paper.
    wet = ramp(tone + sheet * 0.006, 0.035, 0.12)
    glazed = _glazed(tone, clouds(shape, 60 * unit, order.chance("glaze"), 3))
    density *= (wet * glazed / (tone + 1e-3))[:, :, None]
    strength = _rims(glazed * wet, unit) + _flow_of_water(shape, unit, care, order)
    strength += sheet * np.float32(-0.085) * ramp(glazed, 0.05, 0.5)
    strength += grain(shape, 1.6 * unit, order.chance("granulation")) * np.float32(0.05) * ramp(glazed, 0.2, 1.0)
    density *= np.clip(1.0 + strength, 0.25, 2.2)[:, :, None]
    return density + _touches(canvas, care, unit)


def _glazed(tone: Plane, drift: Plane) -> Plane:
    """Tone in soft steps, one for each glaze laid over the last."""
    level = tone * np.float32(2.0 * GLAZES / DARKEST) + drift * np.float32(0.08)
    step = np.floor(level)
    part = level - step
    soft = (step + 0.5 + 0.5 * np.tanh((part - 0.5) * 5.0)).astype(np.float32)
    return mixed(level, soft, 0.6) * np.float32(DARKEST / GLAZES / 2.0)


def _rims(tone: Plane, unit: float) -> Plane:
    """Pigment carried to the border of a wash while it dries: a dark line just inside, paler behind it."""
    near = tone - blurred(tone, 1.6 * unit)
    far = tone - blurred(tone, 7.0 * unit)
    return cast("Plane", np.clip(near * 2.6, -0.06, 0.65) + np.clip(far * 0.7, -0.22, 0.3)).astype(np.float32)


def _flow_of_water(shape: tuple[int, int], unit: float, care: Plane, order: Order) -> Plane:
    """Uneven water: pools, and blooms whose edges crawl like cauliflower where a wash was wetted again."""
    pools = clouds(shape, 210 * unit, order.chance("pools"), 5)
    bloom = clouds(shape, 120 * unit, order.chance("bloom"), 5)
    inside = ramp(bloom, 0.9, 1.35)
    edge = np.exp(-(((bloom - 0.9) / 0.07) ** 2))
    loose = 1.0 - 0.8 * care
    return cast("Plane", (pools * 0.16 + (edge * 0.12 - inside * 0.2)) * loose).astype(np.float32)


def _touches(canvas: Canvas, care: Plane, unit: float) -> Canvas:
    """The last touches with a small brush: dark accents in the photograph's own colour, and a faint drawing."""
    grey = luminance(canvas)
    dark = np.clip(blurred(grey, 5.0 * unit) - blurred(grey, 0.8 * unit) - 0.02, 0.0, 0.4)
    own = -np.log(np.clip(blurred(canvas, 1.0 * unit), 0.06, 1.0))
    own /= own.mean(axis=2, keepdims=True) + 1e-3
    accents = own * (dark * (0.8 + 2.4 * care))[:, :, None]
    drawing = 1.0 - lines(canvas, 0.8 * unit, flow=flow_of(canvas, 2.5 * unit), sharpness=22.0, threshold=-0.004)
    pencil = np.array([0.30, 0.33, 0.34], dtype=np.float32)
    return cast("Canvas", accents + pencil * (drawing * (0.25 + 0.5 * care))[:, :, None]).astype(np.float32)


def _left_dry(sheet: Plane, unit: float, order: Order) -> Plane:
    """1 where the sheet was painted, 0 on its dry margin; the border is a brush's, broken by the paper's tooth."""
    height, width = sheet.shape
    rows, columns = grid_of(sheet)
    inset = np.minimum(np.minimum(rows, height - 1 - rows), np.minimum(columns, width - 1 - columns))
    edge = clouds((height, width), 90 * unit, order.chance("edge"), 3) * np.float32(5.5 * unit)
    depth = inset + edge + sheet * np.float32(1.1 * unit) - np.float32(24 * unit)
    painted = ramp(depth, -0.9 * unit, 0.9 * unit)
    rim = np.exp(-((np.maximum(depth, 0.0) / (2.6 * unit)) ** 2)) * 0.45
    return cast("Plane", painted * (1.0 + rim)).astype(np.float32)
