"""A studio: a seamless backdrop, a soft key light, a glossy floor. And the abstract, for when nothing was asked for.

Rule: the backdrop never competes with what stands before it.
"""

import numpy as np

from impasto.painter.canvas import Canvas, soften
from impasto.painter.colour import Array, linear, mix, smoothstep
from impasto.painter.noise import chance_of, sample, tile
from impasto.painter.placing import Surround

BACKDROPS = (
    ("#c9d6df", "#52616b"),
    ("#f2d0b8", "#a8604a"),
    ("#b8d8c8", "#3f6a5c"),
    ("#d8cfe8", "#5a4a80"),
    ("#f0dca8", "#b0843a"),
    ("#bcd4f0", "#2f5690"),
)

STUDIO_LIGHT = Surround(
    np.array([-0.55, 0.66, -0.5], np.float32),
    linear("#fff4e6") * np.float32(0.95),
    linear("#aab4c8") * np.float32(0.75),
    linear("#c0c0c0"),
)

FLOOR = 0.66
"""Where the floor meets the wall, as a share of the height."""


def paint_studio(height: int, width: int, seed: int, colour: str | None) -> Canvas:
    """A backdrop that curves into the floor, lit from the upper left."""
    canvas = Canvas.blank(height, width)
    chance = chance_of(seed, "studio")
    pale, deep = (linear(tone) for tone in BACKDROPS[int(chance.integers(len(BACKDROPS)))])
    if colour is not None:
        pale, deep = mix(linear(colour), linear("#ffffff"), 0.35), linear(colour) * np.float32(0.45)
    rows, columns = np.mgrid[0:height, 0:width].astype(np.float32)
    across, down = (columns - width * 0.42) / max(width, height), (rows - height * 0.40) / max(width, height)
    pool = np.exp(-(across**2 * 5 + down**2 * 7))
    wall = mix(deep, pale, np.clip(pool, 0, 1)[..., None])
    floor = smoothstep(FLOOR - 0.10, FLOOR + 0.16, rows / height)
    ground = mix(
        deep,
        pale,
        np.clip(0.30 + 0.75 * np.exp(-(across**2 * 5)) * smoothstep(1.25, FLOOR, rows / height), 0, 1)[..., None],
    ) * np.float32(0.95)
    canvas.light[:] = mix(wall, ground, floor[..., None])
    return canvas


_INKS = (
    ("#0b132b", "#1c7293", "#f2c14e", "#f78154"),
    ("#2b061e", "#875053", "#f4d58d", "#bf0603"),
    ("#10252b", "#2a9d8f", "#e9c46a", "#e76f51"),
    ("#1a1040", "#7b2cbf", "#ff9e00", "#f72585"),
    ("#0d1b1e", "#588157", "#dad7cd", "#bc6c25"),
)


def paint_abstract(height: int, width: int, seed: int, colour: str | None) -> Canvas:
    """Folded sheets of colour: noise bent by noise, lit like silk."""
    canvas = Canvas.blank(height, width)
    chance = chance_of(seed, "abstract")
    inks = [linear(tone) for tone in _INKS[int(chance.integers(len(_INKS)))]]
    if colour is not None:
        inks[1], inks[2] = linear(colour), mix(linear(colour), linear("#ffffff"), 0.5)
    rows, columns = np.mgrid[0:height, 0:width].astype(np.float32) / float(np.sqrt(height * width))
    smooth = tile(seed, "silk", 2, 4)
    first = sample(smooth, columns * 0.17, rows * 0.17)
    second = sample(smooth, columns * 0.17 + 0.5, rows * 0.17 + 0.3)
    third = sample(smooth, columns * 0.26 + first * 0.10, rows * 0.26 + second * 0.10)
    phase = 2.6 * third + 1.3 * first + columns * 1.5 - rows * 0.8
    folds = np.sin(phase * 2.2) * 0.5 + 0.18 * np.sin(phase * 5.1 + second)
    slope_y, slope_x = np.gradient(folds.astype(np.float32))
    lean = np.tanh((slope_x * 0.8 + slope_y) * float(np.sqrt(height * width)) * 0.14)
    shine = np.clip(0.52 - 0.48 * lean, 0, 1.4)
    paint = _blend(inks, np.clip(0.5 + 0.20 * third + 0.16 * np.sin(phase), 0, 1))
    gloss = smoothstep(0.80, 1.0, shine) ** 2
    canvas.light[:] = paint * (0.10 + 1.15 * shine**1.3)[..., None]
    canvas.light[:] += gloss[..., None] * linear("#fff6e8") * np.float32(0.30)
    canvas.light[:] = mix(canvas.light, soften(canvas.light, canvas.short * 0.05), 0.12)
    return canvas


def _blend(inks: list[Array], place: Array) -> Array:
    stops = np.linspace(0, 1, len(inks))
    return np.stack([np.interp(place, stops, [ink[channel] for ink in inks]) for channel in range(3)], axis=-1).astype(
        np.float32
    )
