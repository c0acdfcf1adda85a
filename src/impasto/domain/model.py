"""A model is data: what it takes, what it makes, what it costs, how long it lives.

Rule: a request that a model cannot do is refused here, before anything is sent, with
the field, the value, the model and the values it takes.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Literal

from impasto.domain.pricing import Price

Modality = Literal["text", "image"]
KnownBy = Literal["live", "recording", "documentation", "third party"]
"""How a fact is known: we called the model, a recording of a real answer shows it, its maker's
documentation says so, or somebody else's table does."""


@dataclass(frozen=True, slots=True)
class Provider:
    """Where to talk and as whom.

    `adapter` names the wire format. `key_env` are the environment variables that may hold the
    key, first wins; `base_url_env` the one that names another address. `key_header` is how a
    call is signed. `max_request_mb` is the most that a request may weigh, in 2**20 bytes. An engine in this process has
    no address and no key.
    """

    id: str
    name: str
    adapter: str
    base_url: str = ""
    base_url_env: str = ""
    key_env: tuple[str, ...] = ()
    key_header: str = ""
    key_prefix: str = ""
    max_request_mb: int | None = None

    @property
    def is_local(self) -> bool:
        return not self.base_url


@dataclass(frozen=True, slots=True)
class ImageLimits:
    """What pictures a model can make.

    `dimensions[size][ratio]` is (width, height) in pixels, as documented or measured: a hint,
    the bytes decide. `tokens_per_image[size]` is what one picture is billed. `default_image_size`
    is what the model makes when none is asked for. `sends_image_size` is false where the model
    makes one size and its wire has no field for it. `drafts`: it makes several pictures on the
    way to one, and the last is the result.
    """

    aspect_ratios: tuple[str, ...]
    image_sizes: tuple[str, ...]
    default_image_size: str
    sends_image_size: bool = True
    drafts: bool = False
    max_images_per_call: int = 1
    reserve_other_tokens: int = 0
    dimensions: Mapping[str, Mapping[str, tuple[int, int]]] = field(default_factory=dict)
    tokens_per_image: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Lifecycle:
    """When a model came and goes. Dates only warn: what counts is the provider's own answer."""

    released: date | None = None
    deprecated: date | None = None
    retired: date | None = None
    replaced_by: str | None = None
    on_retired: Literal["refuse", "serve"] = "refuse"
    note: str = ""


@dataclass(frozen=True, slots=True)
class Model:
    """One entry of the catalogue. `id` is `provider/name`; `wire_name` is what its provider calls it.

    `parameters` are the fields it takes of sampling, `tools` and `response_format`, in the names of the chat API.
    `thinking_levels` are the values of `reasoning_effort` it takes. `signatures`: its provider
    demands its own parts back signed. `system_messages`: it takes instructions apart from turns.
    `max_input_images` is 0 where no limit is known.
    """

    id: str
    provider: Provider
    wire_name: str
    input: tuple[Modality, ...]
    output: tuple[Modality, ...]
    images: ImageLimits | None = None
    price: Price | None = None
    lifecycle: Lifecycle = Lifecycle()
    parameters: tuple[str, ...] = ()
    thinking_levels: tuple[str, ...] = ()
    signatures: bool = False
    system_messages: bool = True
    max_input_images: int = 0
    input_media_types: tuple[str, ...] = ()
    max_input_tokens: int | None = None
    max_output_tokens: int | None = None
    description: str = ""
    known_by: KnownBy = "documentation"
    aliases: tuple[str, ...] = ()

    @property
    def makes_images(self) -> bool:
        return self.images is not None
