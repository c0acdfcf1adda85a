"""Light out of doors: what each time of day and weather does to sky, sun and distance.

Rule: a mood is data. Scenes ask for one and never choose colours of light themselves.
"""

from dataclasses import dataclass, replace

from impasto.painter.colour import Array, linear, mix
from impasto.painter.prompt import Brief


@dataclass(frozen=True, slots=True)
class Mood:
    """Sky colours from the horizon up; the sun's height above the horizon (share of the sky, below 0: unseen), colour
    and strength; what shadows receive; what distance fades to; how much cloud; stars and their like."""

    sky: tuple[tuple[float, str], ...]
    sun_up: float
    sun: str
    strength: float
    ambient: str
    fog: str
    cloud_light: str
    cloud_shade: str
    cover: float = 0.35
    haze: float = 1.0
    stars: float = 0.0
    moon: bool = False
    exposure: float = 0.0

    @property
    def sunlight(self) -> Array:
        """The sun's light on a white surface that faces it."""
        return linear(self.sun) * self.strength


TIMES = {
    "day": Mood(
        ((0.0, "#cfe4f2"), (0.25, "#9cc8ec"), (0.7, "#4f93d8"), (1.0, "#2f6fbe")),
        0.78,
        "#fff2dc",
        1.5,
        "#9db8d8",
        "#c3d8ea",
        "#ffffff",
        "#a9b8cc",
        cover=0.42,
    ),
    "dawn": Mood(
        ((0.0, "#ffd9b0"), (0.18, "#f8bba0"), (0.5, "#b9a4cc"), (1.0, "#5d7fb8")),
        0.10,
        "#ffcf9a",
        1.25,
        "#a8a4c8",
        "#efc8b4",
        "#ffd7c0",
        "#a58cae",
        cover=0.45,
        haze=1.5,
    ),
    "sunset": Mood(
        ((0.0, "#ffb45c"), (0.12, "#ff8f4a"), (0.34, "#e0606a"), (0.65, "#7a4a8e"), (1.0, "#33306e")),
        0.09,
        "#ffa050",
        1.5,
        "#9a84b4",
        "#e8946a",
        "#ffb27a",
        "#7c4a72",
        cover=0.5,
        haze=1.3,
    ),
    "dusk": Mood(
        ((0.0, "#e8a58c"), (0.12, "#b48aa6"), (0.4, "#5a68a4"), (1.0, "#1b2450")),
        -0.1,
        "#c89ab0",
        0.45,
        "#56649a",
        "#8c86aa",
        "#c9a0b4",
        "#454a7c",
        cover=0.42,
        haze=1.4,
        stars=0.3,
    ),
    "night": Mood(
        ((0.0, "#2a4268"), (0.3, "#152a50"), (1.0, "#070d24")),
        0.62,
        "#b9cdf4",
        0.95,
        "#48649c",
        "#223a60",
        "#54709c",
        "#14223f",
        cover=0.3,
        stars=1.0,
        moon=True,
        exposure=0.25,
    ),
}


def time_of(brief: Brief, fallback: str) -> str:
    """The time of day asked for, or the one its lights need, or the scene's own."""
    needs_dark = brief.sky & {"stars", "moon", "aurora", "fireworks"} or brief.light == "neon"
    if brief.time is None and "storm" in brief.weather:
        return "night" if needs_dark else "dusk"
    return brief.time or ("night" if needs_dark else fallback)


def mood_of(brief: Brief, fallback: str) -> Mood:
    """The mood for a brief: its time of day under its weather."""
    mood = TIMES[time_of(brief, fallback)]
    if brief.weather & {"cloudy", "rain", "storm", "snow", "fog"}:
        dark = 0.45 if "storm" in brief.weather else 0.25
        mood = _grey(mood, dark)
    if "fog" in brief.weather:
        mood = replace(mood, haze=mood.haze * 4)
    if "rain" in brief.weather or "snow" in brief.weather:
        mood = replace(mood, haze=mood.haze * 1.8)
    if "moon" in brief.sky:
        mood = replace(mood, moon=True)
    if "sun" in brief.sky and mood.sun_up > 0.3:
        mood = replace(mood, sun_up=0.6)
    return mood


def _grey(mood: Mood, dark: float) -> Mood:
    """The same under a closed sky."""
    clouded = tuple((place, _dulled(colour, dark)) for place, colour in mood.sky)
    return replace(
        mood,
        sky=clouded,
        strength=mood.strength * 0.4,
        cover=0.85,
        cloud_light=_dulled(mood.cloud_light, dark),
        cloud_shade=_dulled(mood.cloud_shade, dark + 0.2),
        fog=_dulled(mood.fog, dark),
        stars=0.0,
    )


def _dulled(colour: str, dark: float) -> str:
    """A colour on its way to a dark grey, as hexadecimal."""
    channels = [int(colour[index : index + 2], 16) for index in (1, 3, 5)]
    grey = sum(channels) / 3
    return "#" + "".join(f"{round((0.45 * channel + 0.55 * grey) * (1 - 0.6 * dark)):02x}" for channel in channels)


def faded(light: Array, fog: Array, distance: Array | float) -> Array:
    """Light seen through `distance` (1: two thirds are lost to the air)."""
    import numpy as np

    share = 1 - np.exp(-np.asarray(distance, np.float32))
    return mix(light, fog, share[..., None] if share.ndim else float(share))
