"""The closed list of what the painter can do to a photograph, and the words that ask for it.

Rule: one entry a verb, as data. A pattern matches whole words of a lower-cased sentence;
what no pattern matches is never guessed at.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum


class Kind(Enum):
    """When a verb works, and how much of the picture it means."""

    JOIN = "several photos to one"
    SHAPE = "the frame and its direction, before anything is painted"
    STYLE = "the whole picture in another hand; other words beside it do no harm"
    TONE = "the whole picture; with a part named beside it (`the sky`) it is not what was asked"
    FRAME = "around the finished picture"


@dataclass(frozen=True, slots=True)
class Verb:
    """One thing the painter can do: `name` for reports and the table of filters, `pattern` for reading.

    `options` maps words found near it to what the filter is told; `option` is what it is told without
    such a word. A verb with a `sign` goes up (+1) or down (-1), and "less" turns it round.
    """

    name: str
    kind: Kind
    pattern: re.Pattern[str]
    options: Mapping[str, str]
    option: str
    sign: int


COLOURS = {
    "red": "red",
    "crimson": "red",
    "orange": "orange",
    "amber": "orange",
    "yellow": "yellow",
    "gold": "yellow",
    "golden": "yellow",
    "green": "green",
    "teal": "teal",
    "turquoise": "teal",
    "cyan": "teal",
    "blue": "blue",
    "indigo": "indigo",
    "purple": "purple",
    "violet": "purple",
    "magenta": "magenta",
    "pink": "pink",
    "brown": "brown",
}
FRAME_COLOURS = COLOURS | {"white": "white", "black": "black", "grey": "grey", "gray": "grey", "wooden": "brown"}
PLACES = {
    "left": "left",
    "right": "right",
    "top": "top",
    "upper": "top",
    "bottom": "bottom",
    "lower": "bottom",
    "centre": "centre",
    "center": "centre",
    "middle": "centre",
    "square": "1:1",
}
AXES = {
    "vertically": "vertical",
    "vertical": "vertical",
    "upside": "vertical",
    "horizontally": "horizontal",
    "horizontal": "horizontal",
}
TURNS = {"left": "-90", "counterclockwise": "-90", "anticlockwise": "-90", "right": "90", "clockwise": "90"}

_LIKE = (
    "(?: (?:painting|painted|paint|style|styled|look|effect|art|artwork|sketch|drawing|illustration|filter|version))*"
)


def _verb(
    name: str, kind: Kind, words: str, *, options: Mapping[str, str] | None = None, option: str = "", sign: int = 0
) -> Verb:
    return Verb(name, kind, re.compile(rf"(?:{words})(?!\S)"), options or {}, option, sign)


VERBS: tuple[Verb, ...] = (
    _verb("side by side", Kind.JOIN, "side by side|next to each other|diptych|triptych"),
    _verb("stacked", Kind.JOIN, "stack(?:ed)?|on top of each other|one above the other"),
    _verb("collage", Kind.JOIN, "(?:photo )?(?:collage|montage|grid)|contact sheet"),
    _verb("blend", Kind.JOIN, "blend(?:ed|ing)?|double exposure|superimposed?|overlay(?: them)?|merged?|combined?"),
    _verb("crop", Kind.SHAPE, "crop(?:ped|ping)?|trim(?:med)?|zoom(?:ed)? in", options=PLACES),
    _verb(
        "rotate",
        Kind.SHAPE,
        r"rotat(?:e|ed|ing|ion)|turn(?: (?:it|this|the|photo|image|picture))*(?= (?:by )?-?\d+ (?:degrees?|°))",
        options=TURNS,
        option="90",
    ),
    _verb("rotate", Kind.SHAPE, "(?:turn(?:ed)? |rotated? )?upside down", option="180"),
    _verb("flip", Kind.SHAPE, "flip(?:ped|ping)?(?: upside down)?", options=AXES, option="horizontal"),
    _verb("flip", Kind.SHAPE, "mirror(?:ed|ing)?(?: image)?", options=AXES, option="horizontal"),
    _verb("watercolor", Kind.STYLE, f"(?:water ?colou?rs?|aquarelles?|aquarell|gouache){_LIKE}"),
    _verb(
        "oil",
        Kind.STYLE,
        f"oils?(?: on canvas| painting| painted| paints?| style)+{_LIKE}|in oils?"
        f"|(?:impasto|impressionis[mt](?:ic)?){_LIKE}",
    ),
    _verb("oil", Kind.STYLE, f"(?:vincent )?van gogh(?: s)?{_LIKE}", option="swirling"),
    _verb("coloured pencil", Kind.STYLE, f"colou?red pencils?{_LIKE}|colou?r pencils?{_LIKE}|crayons?{_LIKE}"),
    _verb("pencil", Kind.STYLE, f"(?:graphite )?pencils?{_LIKE}|graphite{_LIKE}|(?:hand drawn )?sketch(?:ed)?{_LIKE}"),
    _verb("charcoal", Kind.STYLE, f"charcoals?{_LIKE}"),
    _verb(
        "ink",
        Kind.STYLE,
        f"(?:pen and )?ink (?:drawing|sketch|illustration|style|art|painting){_LIKE}"
        f"|(?:(?:pen and|black|india|in) ink|line (?:art|drawing)|engraving|etching){_LIKE}",
    ),
    _verb("cartoon", Kind.STYLE, f"(?:cartoon(?:s|ish|ify)?|comics?(?: book)?|anime|cel shad(?:ed|ing)){_LIKE}"),
    _verb("pastel", Kind.STYLE, f"(?:soft |chalk |oil )?pastels?{_LIKE}|chalk{_LIKE}"),
    _verb("pop art", Kind.STYLE, f"pop ?art{_LIKE}|(?:andy )?warhol(?: s)?{_LIKE}"),
    _verb("halftone", Kind.STYLE, f"half ?tones?{_LIKE}|newsprint{_LIKE}"),
    _verb("pixel art", Kind.STYLE, f"pixel(?:ated?|lated?|ize|ise|ized|ised)?{_LIKE}|8 ?bit{_LIKE}|retro game{_LIKE}"),
    _verb("noir", Kind.STYLE, f"(?:film )?noir{_LIKE}"),
    _verb("sepia", Kind.STYLE, f"sepia(?: toned?)?{_LIKE}"),
    _verb(
        "vintage", Kind.STYLE, f"(?:vintage|retro|old fashioned|polaroid)(?: (?:photo|film|postcard|poster))*{_LIKE}"
    ),
    _verb(
        "night",
        Kind.STYLE,
        "(?:at|by|into|to|as) (?:the )?night(?: ?time)?|night ?time|night (?:scene|version)|moonli(?:t|ght)"
        "|day to night",
    ),
    _verb("sunset", Kind.STYLE, "sun ?(?:set|rise)|golden hour|at (?:dusk|dawn)|dusk|dawn|evening light"),
    _verb("snow", Kind.STYLE, "snow(?:y|ing|fall|flakes|storm)?|blizzard|winter(?:y| scene)?"),
    _verb("rain", Kind.STYLE, "rain(?:y|ing|fall|drops|storm)?"),
    _verb("fog", Kind.STYLE, "(?:fog(?:gy)?|mist(?:y)?|haz[ey])"),
    _verb(
        "grayscale",
        Kind.TONE,
        "black (?:and|&) white|b & w|bw|gr[ae]y ?scale|mono ?chrome"
        "|(?:remove|without|drop) (?:the |all |any )*colou?rs?"
        "|(?:fully |completely )desaturated?",
    ),
    _verb("invert", Kind.TONE, "invert(?:ed)?(?: (?:the )?colou?rs)?|(?:photo )?negative"),
    _verb("blur", Kind.TONE, "blur(?:red|ry|rier)?|out of focus|softer"),
    _verb("sharpen", Kind.TONE, "sharp(?:en|ened|er|ness)?|crisper|clearer"),
    _verb("smooth", Kind.TONE, "denoised?|(?:remove|reduce) (?:the |all )*(?:noise|grain)|smooth(?:en|er|ed)?"),
    _verb("brightness", Kind.TONE, "bright(?:er|en|ened|ness)?(?: up)?|lighten|lighter|exposure", sign=1),
    _verb("brightness", Kind.TONE, "dark(?:er|en|ened|ness)?|dim(?:mer|med)?", sign=-1),
    _verb("contrast", Kind.TONE, "contrast(?:y|ier)?|punch(?:y|ier)", sign=1),
    _verb("contrast", Kind.TONE, "flat(?:ter|ten)", sign=-1),
    _verb("saturation", Kind.TONE, "saturat(?:e|ed|ion)|vivid(?:er)?|vibran(?:t|ce)|colou?rful|more colou?r", sign=1),
    _verb("saturation", Kind.TONE, "de ?saturat(?:e|ed|ion)|muted?|washed out|less colou?r(?:ful)?", sign=-1),
    _verb("warmth", Kind.TONE, "warm(?:er|th)?(?: (?:up|tones?|light|colou?rs))*", sign=1),
    _verb("warmth", Kind.TONE, "cool(?:er)?(?: (?:down|tones?|light|colou?rs))*|cold(?:er)?", sign=-1),
    _verb("hue", Kind.TONE, "(?:shift|rotate|change) (?:the )?(?:hues?|colou?rs)|hue shift|hue"),
    _verb("tint", Kind.TONE, "tint(?:ed)?|colou?r (?:cast|wash)|duotone", options=COLOURS, option="blue"),
    _verb("vignette", Kind.TONE, "vignett(?:e|ed|ing)|dark(?:er|en)? (?:the )?(?:edges|corners)"),
    _verb("enlarge", Kind.TONE, "up ?scal(?:e|ed|ing)|enlarged?|bigger|larger|higher resolution|super resolution"),
    _verb(
        "border", Kind.FRAME, "borders?|frame[ds]?|framing|passepartout|matte", options=FRAME_COLOURS, option="white"
    ),
)

CAN_DO = (
    "It can repaint a photo (watercolor, oil painting, pencil or coloured pencil, charcoal, ink drawing, cartoon, "
    "pastel, pop art, halftone, pixel art), change its mood (noir, sepia, vintage, night, sunset, snow, rain, fog), "
    "its light and colour (brighter or darker, contrast, saturation, warmer or cooler, hue, a colour tint, grayscale, "
    "invert, vignette), its focus (blur, sharpen, smooth, upscale) and its frame (crop, rotate, flip, border), and "
    "join several photos (side by side, stacked, collage, blend)."
)
