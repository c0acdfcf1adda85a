"""A request for one chat completion: as it was asked, and as a model is called.

Rule: the types tell how far a request has come. A `ChatRequest` may hold an
`ImageLink` that nobody has fetched; a `ModelCall` holds only parts with bytes.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

from impasto.domain.image import Dimensions, ImageConfig
from impasto.domain.model import Modality, Model
from impasto.domain.tools import AUTO, ResponseFormat, Tool, ToolCall, ToolChoice, ToolResult

Role = Literal["system", "user", "assistant", "tool"]
Buffer = bytes | memoryview


@dataclass(frozen=True, slots=True)
class TextPart:
    """Words in a message."""

    text: str


@dataclass(frozen=True, slots=True)
class ImagePart:
    """A picture in a message: `base64` is a view of the request's own bytes where it came inline.

    `media_type` and `dimensions` were read from the bytes, never from what the caller said.
    `where` names its place in the request, for errors.
    """

    base64: Buffer
    media_type: str
    dimensions: Dimensions | None
    where: str


@dataclass(frozen=True, slots=True)
class ImageLink:
    """An image named by URL, not fetched yet."""

    url: str
    where: str


@dataclass(frozen=True, slots=True)
class Message:
    """One turn as the caller sent it."""

    role: Role
    parts: tuple[TextPart | ImagePart | ImageLink | ToolCall | ToolResult, ...]


@dataclass(frozen=True, slots=True)
class Turn:
    """One turn with every picture at hand."""

    role: Role
    parts: tuple[TextPart | ImagePart | ToolCall | ToolResult, ...]


@dataclass(frozen=True, slots=True)
class Sampling:
    """The ordinary sampling fields; `None` was not asked for."""

    temperature: float | None = None
    top_p: float | None = None
    max_tokens: int | None = None
    seed: int | None = None
    stop: tuple[str, ...] | None = None
    presence_penalty: float | None = None
    frequency_penalty: float | None = None
    reasoning_effort: str | None = None

    def asked(self) -> dict[str, object]:
        """The fields that were asked for, by name."""
        return {name: value for name in self.__slots__ if (value := getattr(self, name)) is not None}


@dataclass(frozen=True, slots=True)
class ChatRequest:
    """What a caller wants. `modalities` is empty where the caller left the choice to the model;
    `max_cost` is the most it may come to, in US dollars."""

    model: str
    messages: tuple[Message, ...]
    image_config: ImageConfig = ImageConfig()
    sampling: Sampling = Sampling()
    modalities: tuple[Modality, ...] = ()
    max_cost: Decimal | None = None
    tools: tuple[Tool, ...] = ()
    tool_choice: ToolChoice = AUTO
    response_format: ResponseFormat | None = None

    @property
    def has_links(self) -> bool:
        """Whether pictures have to be fetched first."""
        return any(isinstance(part, ImageLink) for message in self.messages for part in message.parts)


@dataclass(frozen=True, slots=True)
class ModelCall:
    """What is asked of one model: everything an adapter or an engine needs, and nothing to fetch.

    `image_config` is what is *sent*; `model.wire_name` says to whom. `streamed`: the answer is wanted
    as it is made, where the provider can.
    """

    model: Model
    turns: Sequence[Turn]
    image_config: ImageConfig = ImageConfig()
    sampling: Sampling = Sampling()
    modalities: tuple[Modality, ...] = ()
    streamed: bool = False
    tools: tuple[Tool, ...] = ()
    tool_choice: ToolChoice = AUTO
    response_format: ResponseFormat | None = None
