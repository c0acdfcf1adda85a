"""Oil: opaque strokes of a loaded brush, coarse ones first, thick enough to catch the light.

Rule: every stroke follows the form it describes and has one colour. Small brushes are
taken up only where the large ones left something unsaid.
Source of the order of work: Hertzmann 1998; strokes here are traced all at once.
"""

from typing import cast

import cv2
import numpy as np
from numpy.typing import NDArray

from impasto.painter.filters.detail import detail_of
from impasto.painter.filters.flow import Flow, along, flow_of
from impasto.painter.filters.order import Canvas, Order, Plane
from impasto.painter.filters.raster import blurred, luminance, mixed, ramp, resized, saturated, unit_of
from impasto.painter.filters.surface import clouds, grain, lit, normalised, weave

PAINT_SIDE = 1536
# Width of a brush, length of its strokes in widths, the error it is taken up for: in units, large to small.
BRUSHES = ((28.0, 4.5, 0.0), (14.0, 5.0, 0.06), (7.0, 6.0, 0.075), (3.6, 7.0, 0.09))
GROUND = np.array([0.50, 0.40, 0.30], dtype=np.float32)

Points = NDArray[np.float32]
"""Strokes x points x 2: columns and rows in pixels."""


def oil(canvas: Canvas, order: Order) -> Canvas:
    """The canvas as an oil painting; option `swirling` lets the brush wander in curls where the photo is calm."""
    height, width = canvas.shape[:2]
    factor = min(1.0, PAINT_SIDE / max(height, width))
    model = resized(canvas, max(1, round(width * factor)), max(1, round(height * factor)))
    unit = unit_of(model)
    rich = np.clip(saturated(_keyed(model), 1.22), 0, 1).astype(np.float32)
    flow = _brush_flow(rich, unit, order)
    painted, relief = _painted(rich, flow, unit, order)
    painted, relief = resized(painted, width, height), resized(relief, width, height)
    return _varnished(painted, relief, order)


def _keyed(canvas: Canvas) -> Canvas:
    """A little more contrast than the photograph, nothing quite black."""
    return cast("Canvas", 0.03 + 0.97 * (canvas * canvas * (3 - 2 * canvas) * 0.35 + canvas * 0.65)).astype(np.float32)


def _brush_flow(canvas: Canvas, unit: float, order: Order) -> Flow:
    """The structure where there is any; elsewhere a hand's slow sweep."""
    found = flow_of(canvas, 5.0 * unit)
    shape = canvas.shape[:2]
    cell, strength = (150 * unit, 2.2) if order.option == "swirling" else (340 * unit, 0.9)
    sweep = clouds(shape, cell, order.chance("sweep"), 2) * np.float32(strength) + np.float32(0.6)
    trust = ramp(found.sureness, 0.15, 0.55) * (0.55 if order.option == "swirling" else 1.0)
    # Directions are averaged as doubled angles, because a line and its reverse are one.
    double = 2 * np.arctan2(found.down, found.right)
    right = np.cos(double) * trust + np.cos(2 * sweep) * (1 - trust)
    down = np.sin(double) * trust + np.sin(2 * sweep) * (1 - trust)
    angle = (0.5 * np.arctan2(down, right)).astype(np.float32)
    return Flow(np.cos(angle), np.sin(angle), found.sureness)


def _painted(model: Canvas, flow: Flow, unit: float, order: Order) -> tuple[Canvas, Plane]:
    """Colours and height of the paint after every brush has had its turn."""
    care = detail_of(model)
    sheet = np.clip(np.broadcast_to(GROUND, model.shape) * 255, 0, 255).astype(np.uint8).copy()
    height = np.full(model.shape[:2], 96, dtype=np.uint8)
    for number, (width, length, error) in enumerate(BRUSHES):
        size = max(width * unit, 1.5)
        chance = order.chance(f"brush {number}")
        target = blurred(model, size * 0.32)
        wrong = np.linalg.norm(blurred(_as_canvas(sheet) - target, size * 0.35), axis=2)
        starts = _starts(model.shape[:2], size, chance)
        columns, rows = starts[:, 0].astype(int), starts[:, 1].astype(int)
        needed = wrong[rows, columns] > error * (1.2 - 0.9 * care[rows, columns])
        starts = starts[needed]
        shrink = 1.0 - 0.6 * care[rows, columns][needed]
        strokes = _traced(starts, flow, size * length * shrink, steps=5)
        _laid(sheet, height, strokes, _mixed_colours(target, starts, chance), size, chance)
    bristles = normalised(along(grain(model.shape[:2], 1.2 * unit, order.chance("bristles")), flow, 11 * unit))
    fine = mixed(_as_canvas(sheet), blurred(model, 0.7 * unit), np.float32(0.85) * ramp(care, 0.3, 0.8))
    relief = (height.astype(np.float32) / np.float32(72) + bristles * np.float32(0.30)) * (
        1 - np.float32(0.8) * ramp(care, 0.25, 0.8)
    )
    return cast("Canvas", fine * (1 + bristles * np.float32(0.022))[:, :, None]), relief


def _as_canvas(sheet: NDArray[np.uint8]) -> Canvas:
    return sheet.astype(np.float32) * np.float32(1 / 255)


def _starts(shape: tuple[int, int], size: float, chance: np.random.Generator) -> Points:
    """A jittered grid, in random order: later strokes lie on earlier ones."""
    spacing = max(size * 0.8, 1.5)
    rows, columns = np.mgrid[0 : shape[0] : spacing, 0 : shape[1] : spacing]
    places = np.stack([columns.ravel(), rows.ravel()], axis=1)
    places += chance.uniform(-0.5, 0.5, places.shape) * spacing
    return chance.permutation(np.clip(places, 0, (shape[1] - 1, shape[0] - 1))).astype(np.float32)


def _traced(starts: Points, flow: Flow, lengths: Plane, steps: int) -> Points:
    """Curves along the flow through each start, half of their length to either side."""
    halves = []
    rows_most, columns_most = flow.right.shape[0] - 1, flow.right.shape[1] - 1
    step = (lengths / (2 * steps))[:, None].astype(np.float32)
    for sense in (1.0, -1.0):
        place, last = starts, np.zeros_like(starts)
        half = []
        for number in range(steps):
            columns = np.clip(place[:, 0], 0, columns_most).astype(int)
            rows = np.clip(place[:, 1], 0, rows_most).astype(int)
            heading = np.stack([flow.right[rows, columns], flow.down[rows, columns]], axis=1)
            against = (heading * last).sum(axis=1, keepdims=True) < 0
            turn = np.float32(sense) if number == 0 else np.where(against, np.float32(-1), np.float32(1))
            last = cast("Points", heading * turn)
            place = place + last * step
            half.append(place)
        halves.append(half)
    return np.stack([*halves[1][::-1], starts, *halves[0]], axis=1).astype(np.float32)


def _mixed_colours(target: Canvas, starts: Points, chance: np.random.Generator) -> NDArray[np.uint8]:
    """The model's colour at each start, never mixed twice quite the same."""
    colours = target[starts[:, 1].astype(int), starts[:, 0].astype(int)]
    value = chance.normal(0, 0.022, (len(starts), 1)) + chance.normal(0, 0.012, colours.shape)
    return cast("NDArray[np.uint8]", (np.clip(colours + value, 0, 1) * 255).astype(np.uint8))


def _laid(
    sheet: NDArray[np.uint8],
    height: NDArray[np.uint8],
    strokes: Points,
    colours: NDArray[np.uint8],
    size: float,
    chance: np.random.Generator,
) -> None:
    """Draws strokes into the sheet and their thickness into the height map, in place."""
    points = (strokes * 16).astype(np.int32)
    thickness = np.maximum(1, (size * chance.uniform(0.7, 1.1, len(strokes)))).astype(int).tolist()
    loads = chance.integers(60, 200, len(strokes)).tolist()
    for line, colour, wide, load in zip(points, colours.tolist(), thickness, loads, strict=True):
        cv2.polylines(sheet, [line], False, colour, wide, cv2.LINE_AA, 4)
        cv2.polylines(height, [line], False, load, wide, cv2.LINE_AA, 4)


def _varnished(painted: Canvas, relief: Plane, order: Order) -> Canvas:
    """Light raking over the paint, the cloth showing where paint is thin, a gloss on the ridges."""
    unit = unit_of(painted)
    cloth = weave(relief.shape, 3.4 * unit, order.chance("cloth"))
    thick = blurred(relief, 0.7 * unit) + cloth * np.float32(0.10)
    shade = lit(thick, 2.2 * unit)
    shaded = painted * (1 + shade * np.float32(0.17))[:, :, None]
    gloss = np.clip(shade - 0.45, 0, 1) ** 2 * (0.25 + luminance(painted)) * np.float32(0.35)
    return cast("Canvas", shaded + gloss[:, :, None])
