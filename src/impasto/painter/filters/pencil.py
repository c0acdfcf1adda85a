"""Dry drawing: graphite, coloured pencil, charcoal, pastel. Pigment rubbed off on the tooth of a paper.

Rule: tone is made of strokes. Dark is many strokes and hard pressure; paper shows
through wherever the tooth is deeper than the pressure.
"""

from typing import cast

import cv2
import numpy as np

from impasto.painter.filters.detail import detail_of
from impasto.painter.filters.flow import along, flow_of, lines
from impasto.painter.filters.order import Canvas, Order, Plane
from impasto.painter.filters.raster import blurred, mixed, ramp, saturated, unit_of
from impasto.painter.filters.surface import clouds, grain, lit, normalised, paper
from impasto.painter.filters.tone import opened_tones
from impasto.painter.filters.wash import flattened

DRAWING_PAPER = np.array([0.975, 0.965, 0.94], dtype=np.float32)
GRAPHITE = np.array([0.17, 0.17, 0.19], dtype=np.float32)
COAL = np.array([0.07, 0.065, 0.06], dtype=np.float32)
PASTEL_PAPER = np.array([0.42, 0.40, 0.42], dtype=np.float32)
# Direction of the hatching in degrees, and the tone (0 white, 1 black) from which each layer is drawn.
HATCHES = ((-52.0, 0.16), (-38.0, 0.42), (48.0, 0.62), (4.0, 0.80))


def pencil(canvas: Canvas, order: Order) -> Canvas:
    """A graphite drawing: outlines, then hatching in four directions, darker where layers meet."""
    unit = unit_of(canvas)
    grey = opened_tones(canvas)
    tooth = paper(grey.shape, 2.2 * unit, order.chance("tooth"))
    dark = _hatched(1.0 - grey, tooth, unit, order) + _contours(canvas, unit, order) * np.float32(0.85)
    dark += _modelling(grey, unit) * (0.8 + 0.2 * tooth)
    pressed = np.clip(dark * (1 - 0.16 * tooth) * np.float32(min(order.amount, 1.3)), 0, 0.96)
    return _on_paper(pressed, tooth, GRAPHITE, unit)


def charcoal(canvas: Canvas, order: Order) -> Canvas:
    """Broad, smudged and very dark: soft tone, heavy contours, coarse tooth."""
    unit = unit_of(canvas)
    grey = opened_tones(canvas)
    tooth = paper(grey.shape, 3.6 * unit, order.chance("tooth"))
    care = detail_of(canvas)
    soft = mixed(blurred(grey, 3.0 * unit), blurred(grey, 0.8 * unit), ramp(care, 0.2, 0.7))
    tone = ramp(cast("Plane", 1.0 - soft), 0.02, 1.05)
    strokes = _strokes(grey.shape, 38.0, 2.6 * unit, 34 * unit, order.chance("side of the stick"))
    # The tooth shows most in the middle tones: lights are hardly touched, darks are filled.
    rubbed = tone + tone * (1 - tone) * (0.45 * strokes - 0.55 * tooth) - 0.06 * tooth * tone
    smudge = blurred(tone, 9 * unit) * np.float32(0.22)
    outline = 1.0 - lines(canvas, 1.7 * unit, flow=flow_of(canvas, 4 * unit), sharpness=30.0, threshold=-0.002)
    broken = outline * ramp(1.2 - tooth * 0.5, 0.3, 0.9)
    return _on_paper(np.clip(np.maximum(rubbed * 0.92 + smudge, broken * 0.95), 0, 0.97), tooth, COAL, unit)


def coloured_pencil(canvas: Canvas, order: Order) -> Canvas:
    """Layers of coloured strokes that follow the form, white paper between them."""
    unit = unit_of(canvas)
    shape = canvas.shape[:2]
    tooth = paper(shape, 2.4 * unit, order.chance("tooth"))
    flow = flow_of(canvas, 7 * unit)
    care = detail_of(canvas)
    colour = np.clip(saturated(flattened(canvas, 2.0 * unit), 1.4), 0.03, 1)
    colour = mixed(colour.astype(np.float32), canvas, 0.6 * care)
    absorbed = -np.log(np.clip(colour, 0.03, 1.0))
    with_form = normalised(along(grain(shape, 1.7 * unit, order.chance("form")), flow, 16 * unit))
    slanted = _strokes(shape, -50.0, 1.7 * unit, 26 * unit, order.chance("slant"))
    sure = ramp(flow.sureness, 0.3, 0.8)
    strokes = with_form * sure + slanted * (1 - sure)
    tone = np.clip(absorbed.mean(axis=2), 0, 2)
    pressure = np.clip(0.62 + 0.34 * strokes - 0.24 * tooth + 0.16 * (tone - 0.6), 0.12, 1.35)
    pressure = mixed(pressure.astype(np.float32), np.ones(shape, np.float32), np.float32(0.4) * care)
    drawn = DRAWING_PAPER * np.exp(-absorbed * pressure[:, :, None] * np.float32(1.02))
    edge = _contours(canvas, unit, order)[:, :, None] * np.float32(0.55)
    own = np.clip(colour * 0.35, 0, 1)
    return cast("Canvas", drawn * (1 - edge) + own * edge).astype(np.float32)


def pastel(canvas: Canvas, order: Order) -> Canvas:
    """Soft chalk on toned paper: broad powdery strokes, light over dark, the paper's grey in the gaps."""
    unit = unit_of(canvas)
    shape = canvas.shape[:2]
    tooth = paper(shape, 3.2 * unit, order.chance("tooth"))
    flow = flow_of(canvas, 9 * unit)
    care = detail_of(canvas)
    broad = flattened(flattened(canvas, 6 * unit), 4 * unit)
    washes = mixed(broad, flattened(canvas, 1.8 * unit), ramp(care, 0.1, 0.6))
    chalk = np.clip(saturated(0.06 + 0.94 * washes**0.9, 1.35), 0, 1).astype(np.float32)
    strokes = normalised(along(grain(shape, 3.4 * unit, order.chance("chalk")), flow, 24 * unit))
    slanted = _strokes(shape, 35.0, 3.4 * unit, 40 * unit, order.chance("slant"))
    sure = ramp(flow.sureness, 0.35, 0.85)
    grip = strokes * sure + slanted * (1 - sure)
    cover = ramp(1.05 + 0.22 * grip - 0.34 * tooth + 0.7 * care, 0.0, 1.3)
    toned_paper = mixed(np.broadcast_to(PASTEL_PAPER, canvas.shape), chalk * np.float32(0.72), 0.6)
    varied = chalk * (1 + (0.07 * grip * (1 - 0.6 * care)).astype(np.float32)[:, :, None])
    drawn = mixed(toned_paper, varied, cover)
    dark = _contours(canvas, 1.3 * unit, order)[:, :, None] * np.float32(0.35)
    return cast("Canvas", drawn * (1 - dark) * (1 + lit(tooth, 0.1)[:, :, None] * np.float32(0.04)))


def _strokes(shape: tuple[int, int], degrees: float, width: float, length: float, chance: np.random.Generator) -> Plane:
    """Parallel strokes as a plane of mean 0 and deviation 1, a little bowed as a wrist bows them."""
    height, across = shape
    noise = grain(shape, max(width, 1.0), chance)
    angle = np.radians(degrees) + clouds(shape, 420 * width, chance) * np.float32(0.10)
    total = np.zeros(shape, dtype=np.float32)
    rows = np.arange(height, dtype=np.float32)[:, None]
    columns = np.arange(across, dtype=np.float32)[None, :]
    right, down = np.cos(angle).astype(np.float32), np.sin(angle).astype(np.float32)
    reach = max(2, round(length / max(width, 1.0)))
    for place in np.linspace(-0.5, 0.5, min(reach * 2, 25)):
        step = np.float32(place * length)
        total += cv2.remap(
            noise, columns + right * step, rows + down * step, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT_101
        )
    return normalised(total)


def _hatched(dark: Plane, tooth: Plane, unit: float, order: Order) -> Plane:
    total = np.zeros_like(dark)
    for number, (degrees, start) in enumerate(HATCHES):
        strokes = _strokes(dark.shape, degrees, 1.5 * unit, 30 * unit, order.chance(f"hatch {number}"))
        need = ramp(dark, start - 0.06, start + 0.40)
        marks = ramp(
            strokes * np.float32(0.5) - tooth * np.float32(0.12) + (need * 1.5 - 0.85).astype(np.float32), -0.1, 0.6
        )
        total += marks * need * np.float32(0.40)
    return total


def _modelling(grey: Plane, unit: float) -> Plane:
    """Fine dark detail against its surroundings (lashes, pupils, lettering), drawn with the point."""
    around = blurred(grey, 7 * unit) + np.float32(1e-3)
    darker = np.clip(1.0 - blurred(grey, 0.5 * unit) / around, 0, 1).astype(np.float32)
    return darker ** np.float32(1.1) * np.float32(0.9)


def _contours(canvas: Canvas, unit: float, order: Order) -> Plane:
    """Outlines with a living pressure, 0 to 1."""
    outline = 1.0 - lines(canvas, 1.0 * unit, flow=flow_of(canvas, 3 * unit), sharpness=30.0, threshold=-0.003)
    pressure = 0.75 + 0.2 * clouds(canvas.shape[:2], 40 * unit, order.chance("pressure"), 2)
    return np.clip(outline * pressure, 0, 1).astype(np.float32)


def _on_paper(dark: Plane, tooth: Plane, pigment: Canvas, unit: float) -> Canvas:
    shade = (1 + lit(tooth, 0.12 / max(unit, 1) ** 0.5) * np.float32(0.025))[:, :, None]
    share = dark[:, :, None]
    return cast("Canvas", DRAWING_PAPER * shade * (1 - share) + pigment * share).astype(np.float32)
