"""Models, calls and requests to test with; each takes what the test is about and leaves the rest ordinary."""

from collections.abc import Mapping, Sequence
from datetime import date
from decimal import Decimal
from typing import Any

from impasto.catalogue.catalogue import Catalogue
from impasto.domain.chat import ChatRequest, Message, ModelCall, TextPart, Turn
from impasto.domain.model import ImageLimits, Lifecycle, Model, Provider
from impasto.domain.pricing import Price

GOOGLE = Provider(
    id="google",
    name="Google",
    adapter="gemini",
    base_url="https://generativelanguage.googleapis.com",
    base_url_env="GOOGLE_GEMINI_BASE_URL",
    key_env=("GEMINI_API_KEY",),
    key_header="x-goog-api-key",
)

LIMITS = ImageLimits(
    aspect_ratios=("1:1", "16:9", "9:16"),
    image_sizes=("1K", "2K"),
    default_image_size="1K",
    reserve_other_tokens=2048,
    dimensions={
        "1K": {"1:1": (1024, 1024), "16:9": (1376, 768), "9:16": (768, 1376)},
        "2K": {"1:1": (2048, 2048), "16:9": (2752, 1536), "9:16": (1536, 2752)},
    },
    tokens_per_image={"1K": 1120, "2K": 1680},
)


def a_price(input: str = "0.50", text: str | None = "3.00", image: str | None = "60.00", **changes: Any) -> Price:  # noqa: A002
    """US dollars per million tokens; those of Gemini 3.1 Flash Image if nothing is said."""
    return Price(
        Decimal(input),
        None if text is None else Decimal(text),
        None if image is None else Decimal(image),
        checked=date(2026, 11, 22),
        source="https://example.com/prices",
        **changes,
    )


def a_model(name: str = "painting-model", **changes: Any) -> Model:
    """A model for pictures; `lifecycle` and the like are given as the model's own fields."""
    fields: dict[str, Any] = {
        "id": f"google/{name}",
        "provider": GOOGLE,
        "wire_name": name,
        "input": ("text", "image"),
        "output": ("text", "image"),
        "images": LIMITS,
        "price": a_price(),
        "parameters": ("temperature", "top_p", "max_tokens", "seed", "stop"),
        "input_media_types": ("image/png", "image/jpeg"),
        "max_input_images": 3,
    }
    return Model(**fields | changes)


def a_text_model(name: str = "talking-model", **changes: Any) -> Model:
    """A model that reads pictures and answers in words."""
    return a_model(name, **{"output": ("text",), "images": None, "max_output_tokens": 65536} | changes)


def retiring(replaced_by: str, *, serve: bool = True) -> Lifecycle:
    """The last days of a model."""
    return Lifecycle(replaced_by=replaced_by, on_retired="serve" if serve else "refuse")


def a_call(model: Model | None = None, turns: Sequence[Turn] | str = "a banana", **changes: Any) -> ModelCall:
    """A call of `model`; words alone are one turn of the user."""
    if isinstance(turns, str):
        turns = (Turn("user", (TextPart(turns),)),)
    return ModelCall(model or a_model(), turns, **changes)


def a_request(model: str = "google/painting-model", *messages: Message, **changes: Any) -> ChatRequest:
    """A request; without messages, for a banana."""
    return ChatRequest(model, messages or (Message("user", (TextPart("a banana"),)),), **changes)


def a_catalogue(*models: Model, aliases: Mapping[str, str] | None = None) -> Catalogue:
    """A catalogue of `models` alone."""
    return Catalogue(
        {model.provider.id: model.provider for model in models},
        {model.id: model for model in models},
        dict(aliases or {}),
    )
