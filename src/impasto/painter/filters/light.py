"""The hour of the day: a photograph of noon regraded to night or to the last sun.

Rule: light is not one number; the sky (high, bright, smooth, not green) answers
differently from the ground beneath it.
"""

from typing import cast

import cv2
import numpy as np

from impasto.painter.filters.order import Canvas, Order, Plane
from impasto.painter.filters.raster import blurred, grid_of, guided, luminance, mixed, ramp, saturated, unit_of
from impasto.painter.filters.surface import clouds

MOON = np.array([0.40, 0.56, 1.0], dtype=np.float32)
LAMP = np.array([1.0, 0.72, 0.36], dtype=np.float32)
HORIZON = np.array([1.0, 0.56, 0.26], dtype=np.float32)
ZENITH = np.array([0.42, 0.36, 0.66], dtype=np.float32)


def sky_of(canvas: Canvas) -> Plane:
    """How likely each place is open sky, 0 to 1: bright or blue, smooth, and joined to the top edge."""
    unit = unit_of(canvas)
    soft = blurred(canvas, 2 * unit)
    grey = luminance(soft)
    texture = blurred(np.abs(luminance(canvas) - grey), 4 * unit)
    blueness = soft[:, :, 2] - np.maximum(soft[:, :, 0], 0.9 * soft[:, :, 1])
    light = np.maximum(
        ramp(grey, 0.5, 0.75) * ramp(soft[:, :, 2] - soft[:, :, 0], -0.10, 0.0), ramp(blueness, 0.02, 0.1)
    )
    candidate = light * (1.0 - ramp(texture, 0.012, 0.03))
    rows, _ = grid_of(canvas)
    high = 1.0 - ramp(cast("Plane", rows / np.float32(canvas.shape[0])), 0.55, 0.8)
    found = _from_the_top(cast("Plane", candidate * high))
    # Texture was measured over some pixels, so the mask stops short of edges: grown, then drawn back to them.
    grown = cv2.dilate(found, np.ones((3, 3), np.uint8), iterations=max(1, round(9 * unit)))
    return np.clip(guided(cast("Plane", grown) * high, luminance(canvas), 10 * unit, 0.002), 0, 1)


def _clouds_in(sky: Plane, grey: Plane, scale: float) -> Plane:
    """Local contrast of the sky against the sky alone, so that a dark roof throws no halo."""
    mean = blurred(grey * sky, scale) / (blurred(sky, scale) + np.float32(0.02))
    return cast("Plane", np.clip(grey - mean, -0.15, 0.2) * sky)


def _from_the_top(candidate: Plane) -> Plane:
    """What is joined to the upper edge; a white cup in the middle of a table is not sky."""
    inside = (candidate > 0.4).astype(np.uint8)
    _, labels = cv2.connectedComponents(inside)
    reach = max(1, candidate.shape[0] // 50)
    joined = np.unique(labels[:reach][inside[:reach] > 0])
    return cast("Plane", np.where(np.isin(labels, joined[joined > 0]), candidate, 0).astype(np.float32))


def night(canvas: Canvas, order: Order) -> Canvas:
    """Moonlight: dark, blue, drained of colour; a deep sky with stars; what was brightest below glows like lamps."""
    unit = unit_of(canvas)
    grey, sky = luminance(canvas), sky_of(canvas)
    drained = saturated(canvas, 0.45)
    lit = (drained**1.6) * (MOON * 0.68) + np.array([0.008, 0.014, 0.04], dtype=np.float32)
    rows, _ = grid_of(canvas)
    height = rows / np.float32(canvas.shape[0])
    deep = (
        np.array([0.03, 0.055, 0.15], dtype=np.float32) + np.array([0.09, 0.15, 0.24], np.float32) * height[:, :, None]
    )
    structure = _clouds_in(sky, grey, 16 * unit)[:, :, None] * np.float32(0.25)
    scene = mixed(lit, deep + structure + _stars(canvas.shape[:2], unit, order)[:, :, None], sky * 0.95)
    lamps = ramp(grey, 0.78, 0.98) * (1.0 - ramp(sky, 0.05, 0.3)) * ramp(grey - blurred(grey, 20 * unit), 0.08, 0.3)
    glow = lamps * 0.6 + blurred(lamps, 6 * unit) * 0.5 + blurred(lamps, 26 * unit) * 0.7
    return cast("Canvas", 1.0 - (1.0 - np.clip(scene, 0, 1)) * (1.0 - np.clip(glow[:, :, None] * LAMP, 0, 0.95)))


def _stars(shape: tuple[int, int], unit: float, order: Order) -> Plane:
    height, width = shape
    chance = order.chance("stars")
    field = np.zeros(shape, dtype=np.float32)
    count = round(height * width / unit**2 / 5200)
    rows, columns = chance.integers(0, height, count), chance.integers(0, width, count)
    field[rows, columns] = chance.random(count, dtype=np.float32) ** 4
    return blurred(field, 0.6 * unit) * np.float32(3.4 * unit**2) + blurred(field, 2.2 * unit) * np.float32(5 * unit**2)


def sunset(canvas: Canvas, order: Order) -> Canvas:
    """The last sun: a sky from violet to orange, a low warm light, long cool shadows, a haze at the horizon."""
    unit = unit_of(canvas)
    grey, sky = luminance(canvas), sky_of(canvas)
    rows, columns = grid_of(canvas)
    horizon = _horizon_of(sky)
    down = np.clip((rows / np.float32(canvas.shape[0])) / horizon, 0, 1).astype(np.float32)
    aglow = ZENITH + (HORIZON - ZENITH) * ramp(down, 0.1, 0.95)[:, :, None]
    drift = clouds(canvas.shape[:2], 240 * unit, order.chance("clouds"), 4) * 0.05 * (1 - down * 0.5)
    clouded = aglow + (_clouds_in(sky, grey, 40 * unit) + drift)[:, :, None] * np.array([0.9, 0.5, 0.4], np.float32)
    shade = (1.0 - grey)[:, :, None] ** 2
    light = np.array([1.10, 0.80, 0.52], np.float32) * (1 - shade) + np.array([0.62, 0.56, 0.80], np.float32) * shade
    ground = (canvas**1.25) * light
    scene = mixed(ground, clouded, sky * 0.85)
    sun = np.exp(-((columns / canvas.shape[1] - 0.7) ** 2 / 0.10 + (rows / canvas.shape[0] - horizon) ** 2 / 0.05))
    haze = np.clip(sun * 0.42, 0, 1)[:, :, None] * np.array([1.0, 0.62, 0.25], np.float32)
    return cast("Canvas", (1.0 - (1.0 - np.clip(scene, 0, 1)) * (1.0 - haze)).astype(np.float32))


def _horizon_of(sky: Plane) -> float:
    """How far down the sky reaches, as a share of the height; a third where there is none."""
    share = sky.mean(axis=1) > 0.25
    return float(np.clip((np.nonzero(share)[0].max() + 1) / sky.shape[0], 0.3, 0.7)) if share.any() else 0.35
