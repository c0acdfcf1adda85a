"""Ink: lines that swell and thin, solid blacks, and what is printed from them.

Rule: a line is drawn where a form turns, not where a texture is; flat colour stays
inside it.
"""

from typing import cast

import numpy as np

from impasto.painter.filters.detail import detail_of
from impasto.painter.filters.flow import Flow, flow_of, lines
from impasto.painter.filters.order import Canvas, Order, Plane
from impasto.painter.filters.raster import blurred, grid_of, mixed, ramp, saturated, unit_of
from impasto.painter.filters.surface import clouds, paper
from impasto.painter.filters.tone import opened_tones
from impasto.painter.filters.wash import flattened

INK = np.array([0.07, 0.07, 0.10], dtype=np.float32)
INK_PAPER = np.array([0.985, 0.975, 0.945], dtype=np.float32)
# Direction in degrees and tone (0 white, 1 black) from which each set of lines is drawn.
CROSSINGS = ((45.0, 0.34), (-45.0, 0.54), (8.0, 0.70), (88.0, 0.82))
TONES = 7


def ink(canvas: Canvas, order: Order) -> Canvas:
    """Pen and ink: contours, crossing hatches that widen with the dark, solid black at the end."""
    unit = unit_of(canvas)
    grey = opened_tones(canvas) ** np.float32(0.85)
    flow = flow_of(canvas, 3.0 * unit)
    dark = 1.0 - _outline(canvas, flow, unit)
    wander = clouds(grey.shape, 70 * unit, order.chance("hand"), 3) * np.float32(1.5 * unit)
    tone = 1.0 - blurred(grey, 1.2 * unit)
    for degrees, start in CROSSINGS:
        dark = np.maximum(dark, _hatch(tone, wander, degrees, start, unit))
    dark = np.maximum(dark, ramp(tone, 0.90, 0.95))
    sheet = paper(grey.shape, 2.6 * unit, order.chance("paper"))
    uneven = np.clip(dark * (0.96 - 0.05 * sheet), 0, 1)[:, :, None]
    return cast("Canvas", INK_PAPER * (1 + sheet[:, :, None] * np.float32(0.008)) * (1 - uneven) + INK * uneven)


def _hatch(tone: Plane, wander: Plane, degrees: float, start: float, unit: float) -> Plane:
    """Parallel lines that begin at a tone and widen with the dark."""
    rows, columns = grid_of(tone)
    angle, spacing = np.radians(degrees), 6.2 * unit
    across = (columns * np.float32(np.sin(angle)) - rows * np.float32(np.cos(angle)) + wander) / np.float32(spacing)
    distance = np.abs(across - np.round(across)) * np.float32(spacing)
    half = ramp(tone, start - 0.02, start + 0.5) * np.float32(1.9 * unit)
    present = ramp(tone, start - 0.02, start + 0.03)
    return cast("Plane", np.clip((half + 0.45 * unit - distance) / max(0.9 * unit, 0.7), 0, 1) * present).astype(
        np.float32
    )


def _outline(canvas: Canvas, flow: Flow, unit: float) -> Plane:
    """0 on a line, 1 elsewhere: bold where forms meet, fine where care is due."""
    care = detail_of(canvas)
    calm = flattened(canvas, 2.2 * unit)
    bold = lines(calm, 1.9 * unit, flow=flow, sharpness=70.0, threshold=-0.006)
    fine = lines(canvas, 0.8 * unit, flow=flow, sharpness=60.0, threshold=-0.008)
    return cast("Plane", np.minimum(bold, 1.0 - (1.0 - fine) * ramp(care, 0.2, 0.6)))


def cartoon(canvas: Canvas, order: Order) -> Canvas:
    """Cel shading: clear flat colours in few tones, ink outlines around them."""
    unit = unit_of(canvas)
    care = detail_of(canvas)
    flat = mixed(flattened(flattened(canvas, 5 * unit), 4 * unit), flattened(canvas, 1.8 * unit), ramp(care, 0.1, 0.5))
    toned = _stepped(np.clip(saturated(flat, 1.45), 0, 1).astype(np.float32), care)
    bright = np.clip(toned * 1.06 + 0.02, 0, 1)
    outline = _outline(canvas, flow_of(canvas, 3.0 * unit), unit)[:, :, None]
    return cast("Canvas", INK + (bright - INK) * outline).astype(np.float32)


def _stepped(canvas: Canvas, care: Plane) -> Canvas:
    """Brightness in few steps with short ramps between; hue and saturation stay."""
    value = canvas.max(axis=2)
    level = value * TONES
    step = np.floor(level)
    smooth = ((step + 0.5 + 0.5 * np.tanh((level - step - 0.5) * 9)) / TONES).astype(np.float32)
    wanted = mixed(smooth, value, 0.4 * care)
    return cast("Canvas", canvas * (wanted / (value + 1e-4))[:, :, None]).astype(np.float32)
