"""What the simulator knows about models: a table of its own, so that it can contradict the catalogue.

Rule: facts only, as rows. Dimensions are kept for 1K and doubled or halved; where a measured picture
disagrees with that, the measured one is written out.
https://ai.google.dev/gemini-api/docs/image-generation#aspect_ratios
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

Size = tuple[int, int]
"""Width and height in pixels."""

_TIMES_1K = {"512": 0.5, "1K": 1, "2K": 2, "4K": 4}

_FLASH_25 = {
    "1:1": (1024, 1024), "2:3": (832, 1248), "3:2": (1248, 832), "3:4": (864, 1184), "4:3": (1184, 864),
    "4:5": (896, 1152), "5:4": (1152, 896), "9:16": (768, 1344), "16:9": (1344, 768), "21:9": (1536, 672),
}  # fmt: skip
_TEN_RATIOS = {
    "1:1": (1024, 1024), "2:3": (848, 1264), "3:2": (1264, 848), "3:4": (896, 1200), "4:3": (1200, 896),
    "4:5": (928, 1152), "5:4": (1152, 928), "9:16": (768, 1376), "16:9": (1376, 768), "21:9": (1584, 672),
}  # fmt: skip
_FOURTEEN_RATIOS = {
    **_TEN_RATIOS, "1:4": (512, 2064), "4:1": (2064, 512), "1:8": (352, 2928), "8:1": (2928, 352),
}  # fmt: skip
# The smallest pictures of the longest shapes are no half of those at 1K.
_LONG_SHAPES_512 = {"1:4": (256, 1024), "4:1": (1024, 256), "1:8": (192, 1536), "8:1": (1536, 192)}


@dataclass(frozen=True, slots=True)
class SimulatedModel:
    """One model as Google would serve it.

    `dimensions_1k` by aspect ratio and `image_tokens` by image size are empty for a model that only
    writes. `unasked` is the picture made when no aspect ratio is named. `signs`: its parts carry a
    signature and must come back with it; `signs_calls`: so must the first call of functions in a turn, and
    calls have ids. `thought_tokens` by thinking level ("" for none asked) is empty
    where levels are an error. `hidden_tokens` are billed as text without a text to show for them.
    """

    name: str
    also: tuple[str, ...] = ()
    dimensions_1k: Mapping[str, Size] = field(default_factory=dict)
    image_tokens: Mapping[str, int] = field(default_factory=dict)
    media_type: str = ""
    unasked: Size = (1024, 1024)
    thinks: bool = False
    thought_tokens: Mapping[str, int] = field(default_factory=dict)
    hidden_tokens: int = 0
    signs: bool = False
    signs_calls: bool = False
    searches: bool = False
    input_image_tokens: int = 258
    max_output_tokens: int = 32768

    @property
    def makes_images(self) -> bool:
        return bool(self.image_tokens)

    def dimensions(self, aspect_ratio: str | None, image_size: str | None) -> Size:
        """The pixels of a picture that was asked for so; raises `KeyError` for a shape the model has not."""
        size = image_size or "1K"
        if size == "512" and aspect_ratio in _LONG_SHAPES_512:
            return _LONG_SHAPES_512[aspect_ratio]
        width, height = self.dimensions_1k[aspect_ratio] if aspect_ratio else self.unasked
        return int(width * _TIMES_1K[size]), int(height * _TIMES_1K[size])


MODELS = (
    SimulatedModel(
        name="gemini-2.5-flash-image",
        also=("gemini-2.5-flash-image-preview",),
        dimensions_1k=_FLASH_25,
        image_tokens={"1K": 1290},
        media_type="image/png",
    ),
    SimulatedModel(
        name="gemini-3-pro-image",
        also=("gemini-3-pro-image-preview", "nano-banana-pro-preview"),
        dimensions_1k=_TEN_RATIOS,
        image_tokens={"1K": 1120, "2K": 1120, "4K": 2000},
        media_type="image/jpeg",
        unasked=(1408, 768),
        thinks=True,
        thought_tokens={"": 179, "minimal": 179, "low": 179, "medium": 179, "high": 179},
        hidden_tokens=96,
        signs=True,
        searches=True,
        input_image_tokens=560,
    ),
    SimulatedModel(
        name="gemini-3.1-flash-image",
        also=("gemini-3.1-flash-image-preview",),
        dimensions_1k=_FOURTEEN_RATIOS,
        image_tokens={"512": 747, "1K": 1120, "2K": 1680, "4K": 2520},
        media_type="image/jpeg",
        thinks=True,
        thought_tokens={"": 0, "minimal": 0, "high": 740},
        hidden_tokens=420,
        signs=True,
        searches=True,
        input_image_tokens=1120,
    ),
    SimulatedModel(
        name="gemini-3.1-flash-lite-image",
        dimensions_1k=_FOURTEEN_RATIOS,
        image_tokens={"1K": 1120},
        media_type="image/jpeg",
        thinks=True,
        thought_tokens={"": 0, "minimal": 0, "high": 740},
        hidden_tokens=420,
        signs=True,
        input_image_tokens=1120,
        max_output_tokens=4096,
    ),
    SimulatedModel(
        name="gemini-nano-banana-2.1",
        dimensions_1k=_FOURTEEN_RATIOS,
        image_tokens={"1K": 1120, "2K": 1680, "4K": 3780},
        media_type="image/jpeg",
        unasked=(1376, 768),
        thinks=True,
        thought_tokens={"": 250, "minimal": 0, "medium": 250, "high": 740},
        hidden_tokens=110,
        signs=True,
        searches=True,
        input_image_tokens=1120,
    ),
    SimulatedModel(
        name="gemini-3.8-flash",
        thinks=True,
        thought_tokens={"": 60, "low": 20, "medium": 60, "high": 240},
        signs_calls=True,
        searches=True,
        max_output_tokens=65536,
    ),
    SimulatedModel(
        name="gemini-3.5-flash",
        also=("gemini-3.5-flash-lite", "gemini-3.1-flash-lite"),
        thinks=True,
        thought_tokens={"": 60, "minimal": 0, "low": 20, "medium": 60, "high": 240},
        signs_calls=True,
        searches=True,
        max_output_tokens=65536,
    ),
    # These think as well, but with a budget in place of a level.
    SimulatedModel(
        name="gemini-2.5-flash",
        also=("gemini-2.5-flash-lite", "gemini-2.5-pro"),
        thinks=True,
        searches=True,
        max_output_tokens=65536,
    ),
)

RETIRED = frozenset(
    {
        "gemini-2.5-flash-image-preview",
        "gemini-3-pro-image-preview",
        "gemini-3.1-flash-image-preview",
    }
)
"""Names that Google has shut down. https://ai.google.dev/gemini-api/docs/changelog"""


def by_name(models: Iterable[SimulatedModel], retired: Iterable[str] = ()) -> Mapping[str, SimulatedModel]:
    """Every name that is answered, with its model."""
    gone = frozenset(retired)
    named = {name: model for model in models for name in (model.name, *model.also) if name not in gone}
    return MappingProxyType(named)
