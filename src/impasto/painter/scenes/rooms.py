"""The rooms around a table, far out of focus, and the light they shed on it.

Rule: a room is what stands behind, what shines, and what mirrors see; the three agree.
"""

import numpy as np

from impasto.painter.canvas import Canvas, lens_blur, soften
from impasto.painter.colour import Array, linear, mix, ramp, smoothstep
from impasto.painter.noise import Chance, chance_of, sample, tile
from impasto.painter.placing import Surround
from impasto.painter.shading import Lamp, Lighting
from impasto.painter.shapes import vector

CANDLE_SURROUND = Surround(
    vector(-0.5, 0.68, -0.54),
    linear("#ffe0b4") * np.float32(0.62),
    linear("#c89a74") * np.float32(0.30),
    linear("#1a0d06"),
)
WINDOW_SURROUND = Surround(
    vector(-0.62, 0.62, -0.40),
    linear("#fff6e6") * np.float32(0.80),
    linear("#c8d4e4") * np.float32(0.62),
    linear("#e8e4da"),
)


def window_lighting(middle: Array) -> Lighting:
    """A large window to the left behind, the room's pale walls before."""
    lamps = [
        Lamp(middle + vector(-4.2, 3.6, 3.2), linear("#fff4e0") * np.float32(24.0), 1.3),
        Lamp(middle + vector(2.6, 3.4, -3.0), linear("#e4ecff") * np.float32(4.5), 1.8, casts=False),
    ]
    return Lighting(lamps, linear("#c4ccd8") * np.float32(0.62), linear("#a88a6a") * np.float32(0.5), window_light)


def window_light(directions: Array, roughness: float) -> Array:
    """What mirrors see: a bright window and pale walls."""
    light = ramp(directions[:, 1], [(-1.0, "#8a7458"), (0.0, "#b8ae9e"), (1.0, "#cfd2d4")])
    unit = np.array([-0.68, 0.42, 0.60], np.float32)
    narrow = 9.0 / (1 + 12 * roughness * roughness)
    window = np.exp(narrow * (directions @ unit - 1))[:, None] * linear("#fffaf0") * np.float32(2.0)
    return np.asarray(light * np.float32(0.55) + window, np.float32)


def paint_window(canvas: Canvas, edge: float, seed: int) -> None:
    """A bright room out of focus: a window onto green, a wall, a curtain."""
    height, width = canvas.depth.shape
    chance = chance_of(seed, "window")
    short = canvas.short
    canvas.light[:] = linear("#d9cfbe") * np.float32(0.75)
    left = 0.10 * width if chance.random() < 0.5 else 0.42 * width
    right = left + min(0.50 * width, 1.0 * short)
    top = max(0.0, edge - 0.62 * short)
    rows, columns = np.mgrid[0:height, 0:width].astype(np.float32)
    inside = (
        smoothstep(left, left + 4, columns)
        * smoothstep(right, right - 4, columns)
        * smoothstep(top, top + 4, rows)
        * smoothstep(edge - 0.05 * short, edge - 0.06 * short, rows)
    )
    green = sample(tile(seed, "garden", 4, 8), columns / short * 0.5, rows / short * 0.5)
    garden = ramp(
        np.clip((edge - rows) / short * 1.5 + 0.18 * green, 0, 1),
        [(0.0, "#5d8a3a"), (0.35, "#8fb858"), (0.62, "#cfe6d0"), (1.0, "#f4fbff")],
    )
    bars = (np.abs(columns - (left + right) / 2) < 0.010 * short) | (
        np.abs(rows - (top + 0.22 * short)) < 0.008 * short
    )
    view = np.where(bars[..., None], linear("#f0ece2"), garden * np.float32(1.9))
    canvas.light[:] = mix(canvas.light, view, inside[..., None])
    canvas.light[:] = lens_blur(canvas.light, short * 0.022)
    for _ in range(int(9 * width / short)):
        canvas.disc(
            chance.uniform(left, right),
            chance.uniform(top, edge - 0.12 * short),
            short * chance.uniform(0.012, 0.034),
            linear("#eaffd8") * np.float32(0.16),
        )


def candle_lighting(candles: list[Array], middle: Array) -> Lighting:
    """Candles, a warm lamp above and behind, a cool breath from the front."""
    lamps = [Lamp(at + vector(0, 1.15, 0), linear("#ff9a45") * np.float32(0.62), 0.12, casts=False) for at in candles]
    lamps.append(Lamp(middle + vector(-1.6, 3.6, 2.4), linear("#ffd9a6") * np.float32(9.0), 0.7))
    lamps.append(Lamp(middle + vector(-2.2, 2.6, -2.2), linear("#ffe6c6") * np.float32(8.5), 0.8))
    lamps.append(Lamp(middle + vector(2.4, 3.2, -3.2), linear("#b9c8ff") * np.float32(1.2), 1.6, casts=False))
    return Lighting(lamps, linear("#6a5848") * np.float32(1.0), linear("#4a2a14") * np.float32(0.8), restaurant_light)


_LOBES = (
    (vector(-0.45, 0.75, 0.55), 26.0, "#ffdfae", 3.0),
    (vector(0.7, 0.45, 0.6), 90.0, "#ffb060", 4.0),
    (vector(-0.75, 0.3, 0.5), 120.0, "#ffa850", 3.5),
    (vector(0.35, 0.5, -0.8), 14.0, "#c2d0ff", 0.5),
    (vector(-0.42, 0.30, -0.85), 420.0, "#fff0d8", 9.0),
    (vector(0.55, 0.42, -0.72), 300.0, "#ffe0b8", 5.0),
    (vector(0.05, 0.95, -0.1), 6.0, "#ffe8c8", 0.8),
)


def restaurant_light(directions: Array, roughness: float) -> Array:
    """What mirrors see: a dark warm room with lamps."""
    light = ramp(directions[:, 1], [(-1.0, "#2a1a0e"), (0.0, "#3a2413"), (0.25, "#24160c"), (1.0, "#120b07")])
    for towards, sharpness, colour, strength in _LOBES:
        unit = towards / np.linalg.norm(towards)
        narrow = sharpness / (1 + 25 * roughness * roughness)
        lobe = np.exp(narrow * (directions @ unit - 1)) * strength * (narrow / sharpness) ** 0.7
        light = light + lobe[:, None] * linear(colour)
    return light


def paint_room(canvas: Canvas, edge: float, seed: int) -> None:
    """The room behind, far out of focus: walls, a window at dusk, lamps as discs of light."""
    height, width = canvas.depth.shape
    chance = chance_of(seed, "room")
    short = canvas.short
    up = (edge - np.arange(height, dtype=np.float32)) / max(edge, short * 0.3)
    wall = ramp(up, [(0.0, "#2a1509"), (0.35, "#24130a"), (0.8, "#150b07"), (1.0, "#0c0706")])
    canvas.light[:] = wall[:, None, :]
    for _ in range(3 + width // short):
        _panel(canvas, chance, edge)
    canvas.light[:] = soften(canvas.light, short * 0.03)
    for _ in range(2 + width // short):
        column, row = chance.uniform(0, width), edge - short * chance.uniform(0.1, 0.5)
        canvas.glow(
            column, row, short * chance.uniform(0.35, 0.7), linear("#ff8a35") * np.float32(chance.uniform(0.06, 0.16))
        )
    _lights(canvas, chance, edge)


def _panel(canvas: Canvas, chance: Chance, edge: float) -> None:
    """An upright darker or lighter shape: a curtain, a doorway, a window at dusk."""
    width = canvas.depth.shape[1]
    left = int(chance.uniform(-0.1, 1) * width)
    across = int(canvas.short * chance.uniform(0.08, 0.3))
    tint = [("#3a1d0c", 1.0), ("#0a0605", 1.0), ("#16233a", 1.1), ("#4a220e", 0.8)][int(chance.integers(4))]
    rows = slice(int(max(0, edge - canvas.short * chance.uniform(0.5, 1.6))), int(max(1, edge)))
    columns = slice(max(0, left), max(0, min(width, left + across)))
    canvas.light[rows, columns] = linear(tint[0]) * np.float32(tint[1])


_LIGHT_COLOURS = ("#ffb257", "#ff9a3c", "#ffd08a", "#ff7e36", "#ffe0b0", "#ffc070", "#8fb4ff", "#ff5a3a")


def _lights(canvas: Canvas, chance: Chance, edge: float) -> None:
    """Lamps and candles of other tables, each a disc; in clusters, as rooms have them."""
    height, width = canvas.depth.shape
    short = canvas.short
    area = width * max(edge, 0.2 * height) / (short * short)
    for _ in range(int(7 + 7 * area)):
        centre = chance.uniform(-0.05, 1.05) * width
        level = edge - short * (0.02 + 0.95 * max(edge / short, 0.4) * chance.beta(1.2, 1.6))
        colour = linear(_LIGHT_COLOURS[int(chance.choice(8, p=[0.24, 0.2, 0.18, 0.1, 0.12, 0.1, 0.04, 0.02]))])
        for _ in range(int(chance.integers(1, 6))):
            radius = short * chance.uniform(0.018, 0.062)
            strength = 0.16 * (0.045 * short / radius) ** 1.2 * float(np.exp(chance.normal(0.3, 0.7)))
            canvas.disc(
                centre + chance.normal(0, 0.08) * short,
                level + chance.normal(0, 0.06) * short,
                radius,
                colour * np.float32(min(strength, 1.6)),
            )
