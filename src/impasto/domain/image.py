"""What a picture is, as far as a gateway has to know: its type, its dimensions, its data URL.

Rule: labels are never believed; the first bytes decide.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Dimensions:
    """Width and height in pixels, read from the bytes."""

    width: int
    height: int


@dataclass(frozen=True, slots=True)
class ImageConfig:
    """The shape that was asked for; `None` leaves the choice to the model."""

    aspect_ratio: str | None = None
    image_size: str | None = None
