"""A photograph and an instruction to a picture.

Rule: first the frame (join, crop, turn, fit to the dimensions asked for), then the hand
(every other verb, in the order it was asked for), last what surrounds the picture. A
picture that no verb has changed is never returned.
"""

from collections.abc import Callable, Sequence
from math import sqrt

import cv2
import numpy as np

from impasto.painter.filters import frame, ink, joining, light, pencil, printing, tone, weather
from impasto.painter.filters.border import border
from impasto.painter.filters.oil import oil
from impasto.painter.filters.order import Canvas, Filter, Order
from impasto.painter.filters.surface import grain
from impasto.painter.filters.watercolor import watercolor
from impasto.painter.instruction import Instruction, Step, parse_instruction
from impasto.painter.painting import CannotPaintError, Painting, Pixels
from impasto.painter.verbs import Kind

# Painted at no more than this and enlarged beyond it: a brush has no finer detail to give.
WORK_PIXELS = 2048 * 2048
# Painted at no less than this, by the long side, so that a brush has room; reduced afterwards.
LEAST_WORK_SIDE = 640
# The long side of a picture that keeps its photo's own dimensions, without and with enlarging.
OWN_SIDE = 2048
ENLARGED_SIDE = 4096

JOINS: dict[str, Callable[[Sequence[Pixels]], Pixels]] = {
    "side by side": joining.side_by_side,
    "stacked": joining.stacked,
    "collage": joining.collage,
    "blend": joining.blend,
}
SHAPES: dict[str, Callable[[Pixels, Order], Pixels]] = {
    "crop": frame.crop,
    "rotate": frame.rotate,
    "flip": frame.flip,
}
PAINTINGS: dict[str, Filter] = {
    "watercolor": watercolor,
    "oil": oil,
    "pencil": pencil.pencil,
    "coloured pencil": pencil.coloured_pencil,
    "charcoal": pencil.charcoal,
    "pastel": pencil.pastel,
    "ink": ink.ink,
    "cartoon": ink.cartoon,
}
FILTERS: dict[str, Filter] = PAINTINGS | {
    "pop art": printing.pop_art,
    "halftone": printing.halftone,
    "pixel art": printing.pixel_art,
    "noir": tone.noir,
    "sepia": tone.sepia,
    "vintage": tone.vintage,
    "night": light.night,
    "sunset": light.sunset,
    "snow": weather.snow,
    "rain": weather.rain,
    "fog": weather.fog,
    "grayscale": tone.grayscale,
    "invert": tone.invert,
    "blur": tone.blur,
    "sharpen": tone.sharpen,
    "smooth": tone.smooth,
    "brightness": tone.brightness,
    "contrast": tone.contrast,
    "saturation": tone.saturation,
    "warmth": tone.warmth,
    "hue": tone.hue,
    "tint": tone.tint,
    "vignette": tone.vignette,
    "enlarge": tone.enlarge,
    "border": border,
}


def edit(instruction: str, photos: Sequence[Pixels], *, width: int | None, height: int | None, seed: int) -> Painting:
    """The last photo, or the one that is named, as the instruction asks.

    With a width and a height the picture measures exactly that; without, it keeps the photo's own shape.
    Raises CannotPaintError when nothing of the instruction can be done, or nothing would change.
    """
    understood = parse_instruction(instruction)
    photo = _chosen(understood, photos)
    shaped = _shaped(understood, photo, seed)
    out_width, out_height = (width, height) if width and height else _own_dimensions(understood, shaped)
    canvas = _fitted(shaped, out_width, out_height, keep_composition=understood.keep_composition)
    before = frame.as_pixels(canvas)
    for step in _in_order(understood):
        canvas = np.clip(FILTERS[step.verb.name](canvas, _order(step, seed, bare=understood.bare)), 0.0, 1.0)
    reframed = shaped is not photo or _asks_for(understood, *JOINS)
    grown = _asks_for(understood, "enlarge") and out_width > photo.shape[1]
    if not (reframed or grown) and np.array_equal(before, frame.as_pixels(canvas)):
        raise CannotPaintError(f"Nothing in this photo would change: {_listed(understood)} leaves it as it is.")
    pixels = _finished(canvas, out_width, out_height, seed, painted=_asks_for(understood, *PAINTINGS))
    return Painting(pixels, _words(understood), _report(understood))


def _asks_for(understood: Instruction, *names: str) -> bool:
    return any(step.verb.name in names for step in understood.steps)


def _chosen(understood: Instruction, photos: Sequence[Pixels]) -> Pixels:
    if not photos:
        raise CannotPaintError("There is no photo to edit: send one with the instruction.")
    joins = [step.verb.name for step in understood.steps if step.verb.kind is Kind.JOIN]
    if joins and len(photos) < 2:
        raise CannotPaintError(f"For {joins[0]} the painter needs at least two photos; it was given one.")
    if joins:
        return JOINS[joins[0]](photos)
    index = -1 if understood.photo is None else understood.photo
    if index >= len(photos):
        raise CannotPaintError(f"The instruction names photo {index + 1}, and there are only {len(photos)}.")
    return photos[index]


def _shaped(understood: Instruction, photo: Pixels, seed: int) -> Pixels:
    """Cropped, turned and flipped; the photo itself where the frame stays as it is."""
    shaped = photo
    for step in understood.steps:
        if step.verb.kind is Kind.SHAPE:
            shaped = SHAPES[step.verb.name](shaped, _order(step, seed))
    return photo if np.array_equal(shaped, photo) else np.ascontiguousarray(shaped)


def _own_dimensions(understood: Instruction, photo: Pixels) -> tuple[int, int]:
    height, width = photo.shape[:2]
    factor = min(1.0, OWN_SIDE / max(height, width))
    if _asks_for(understood, "enlarge"):
        factor = min(2.0, ENLARGED_SIDE / max(height, width))
    return max(1, round(width * factor)), max(1, round(height * factor))


def _fitted(photo: Pixels, width: int, height: int, *, keep_composition: bool) -> Canvas:
    """The photo in the shape asked for, at the size it is painted at."""
    factor = min(1.0, sqrt(WORK_PIXELS / (width * height)))
    factor = max(factor, min(LEAST_WORK_SIDE / max(width, height), sqrt(WORK_PIXELS / (width * height))))
    work_width, work_height = max(1, round(width * factor)), max(1, round(height * factor))
    return frame.fitted(photo, work_width, work_height, keep_composition=keep_composition)


def _in_order(understood: Instruction) -> list[Step]:
    """The hand's verbs as they were asked for, and what surrounds the picture after them."""
    steps = [step for step in understood.steps if step.verb.name in FILTERS]
    return sorted(steps, key=lambda step: step.verb.kind is Kind.FRAME)


def _order(step: Step, seed: int, *, bare: bool = False) -> Order:
    return Order(seed, step.amount, "full" if bare and not step.option else step.option, step.number)


def _finished(canvas: Canvas, width: int, height: int, seed: int, *, painted: bool) -> Pixels:
    """Exactly these dimensions; a painting that grows gets a fine grain: paper and paint have no smooth places."""
    pixels = frame.as_pixels(canvas)
    if canvas.shape[:2] == (height, width):
        return pixels
    if width * height < canvas.shape[0] * canvas.shape[1]:
        return np.asarray(cv2.resize(pixels, (width, height), interpolation=cv2.INTER_AREA), dtype=np.uint8)
    large = frame.enlarged(pixels, width, height)
    if painted:
        fibre = grain((height, width), 2.0, Order(seed).chance("fibre")) * np.float32(2.6)
        for channel in range(3):
            large[:, :, channel] = np.clip(large[:, :, channel] + fibre, 0, 255)
    return large


def _listed(understood: Instruction) -> str:
    return ", then ".join(_name(step) for step in understood.steps)


def _name(step: Step) -> str:
    """`brightness up`, `rotate -90`, `tint blue`, `watercolor`."""
    direction = ("up" if step.amount > 0 else "down") if step.verb.sign else ""
    figure = f"{step.number:g}" if step.number is not None and step.verb.name in ("rotate", "hue") else step.option
    return f"{step.verb.name} {direction or figure}".strip()


def _words(understood: Instruction) -> str:
    kept = ", the composition kept" if understood.keep_composition else ""
    done = f"Edited by the built-in painter (procedural, not a generative model): {_listed(understood)}{kept}."
    if not understood.ignored:
        return done
    left_out = ", ".join(f"“{phrase}”" for phrase in understood.ignored)
    return f"{done} Left out, because the painter cannot do it: {left_out}."


def _report(understood: Instruction) -> dict[str, object]:
    return {
        "edits": [_name(step) for step in understood.steps],
        "ignored": list(understood.ignored),
        "keep_composition": understood.keep_composition,
    }
