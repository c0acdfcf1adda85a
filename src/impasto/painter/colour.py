"""Colours in linear light.

Rule: scenes are painted in linear light, where light adds up; only the grade turns
them into what a screen shows.
"""

from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

Array: TypeAlias = NDArray[Any]
"""float32 unless said otherwise; pictures are height x width x 3 in linear light."""

LUMA = np.array([0.2126, 0.7152, 0.0722], np.float32)  # ITU-R BT.709


def linear(colour: str) -> Array:
    """`"#e0a030"` as three linear values."""
    encoded = np.array([int(colour[index : index + 2], 16) for index in (1, 3, 5)], np.float32) / 255
    return from_srgb(encoded)


def from_srgb(encoded: Array) -> Array:
    """Screen values 0..1 to linear light (IEC 61966-2-1)."""
    return np.where(encoded <= 0.04045, encoded / 12.92, ((encoded + 0.055) / 1.055) ** 2.4).astype(np.float32)


def to_srgb(light: Array) -> Array:
    """Linear light, clipped to 0..1, to screen values 0..1."""
    light = np.clip(light, 0, 1)
    return np.where(light <= 0.0031308, light * 12.92, 1.055 * light ** (1 / 2.4) - 0.055).astype(np.float32)


def luminance(picture: Array) -> Array:
    """How bright each pixel is: one value less in the last axis."""
    return np.asarray(picture @ LUMA, np.float32)


def length(vectors: Array) -> Array:
    """Lengths of vectors n x 3: n values."""
    return np.asarray(np.sqrt(np.einsum("ij,ij->i", vectors, vectors)), np.float32)


def mix(first: Array, second: Array, share: Array | float) -> Array:
    """`first` where `share` is 0, `second` where it is 1."""
    return np.asarray(first + (second - first) * share, np.float32)


def smoothstep(low: float, high: float, value: Array) -> Array:
    """0 below `low`, 1 above `high`, an S in between; `low` may exceed `high`."""
    share = np.clip((value - low) / (high - low), 0, 1)
    return np.asarray(share * share * (3 - 2 * share), np.float32)


def ramp(value: Array, stops: list[tuple[float, str]]) -> Array:
    """Colours along a scale: `value` (any shape) to linear colours (that shape x 3)."""
    places = [place for place, _ in stops]
    colours = np.stack([linear(colour) for _, colour in stops])
    channels = [np.interp(value, places, colours[:, channel]) for channel in range(3)]
    return np.stack(channels, axis=-1).astype(np.float32)
