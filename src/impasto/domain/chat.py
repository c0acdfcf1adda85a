"""A request for one chat completion: as it was asked, and as a model is called.

Rule: the types tell how far a request has come. A `ChatRequest` may hold an `ImageLink` that nobody
has fetched and a `Handle` that nobody has looked up; a `ModelCall` holds only parts with bytes.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal, Protocol

import pybase64

from impasto.domain.image import Dimensions, ImageConfig
from impasto.domain.model import Modality, Model
from impasto.domain.signatures import CarriedSignature
from impasto.domain.tools import AUTO, ResponseFormat, Tool, ToolCall, ToolChoice, ToolResult

Role = Literal["system", "user", "assistant", "tool"]
Buffer = bytes | memoryview
READ_BYTES = 192 << 10
"""What is read of stored bytes at a time; a multiple of three, so that pieces of base64 join."""


class Readable(Protocol):
    """Bytes that can be read without waiting for anything but the page cache."""

    def read(self, offset: int, count: int) -> bytes: ...

    @property
    def byte_count(self) -> int: ...


@dataclass(frozen=True, slots=True)
class Stored:
    """A text of a request that is read from the store while it is sent, and never held whole: the bytes of `source`,
    `encoded` in base64 or as they lie."""

    source: Readable
    encoded: bool = True

    def __len__(self) -> int:
        count = self.source.byte_count
        return (count + 2) // 3 * 4 if self.encoded else count

    def __bytes__(self) -> bytes:
        return b"".join(self)

    def __iter__(self) -> Iterator[bytes]:
        for offset in range(0, self.source.byte_count, READ_BYTES):
            data = self.source.read(offset, min(READ_BYTES, self.source.byte_count - offset))
            yield pybase64.b64encode(data) if self.encoded else data


Characters = Buffer | Stored
"""A long text that is passed on and never looked into."""


@dataclass(frozen=True, slots=True)
class TextPart:
    """Words in a message. `signature`, in base64, is what the provider that said them wants back with them."""

    text: str
    signature: Characters | None = None


@dataclass(frozen=True, slots=True)
class ImagePart:
    """A picture in a message: `base64` is a view of the request's own bytes where it came inline.

    `media_type` and `dimensions` were read from the bytes, never from what the caller said.
    `where` names its place in the request, for errors. `signature` is as that of `TextPart`.
    """

    base64: Characters
    media_type: str
    dimensions: Dimensions | None
    where: str
    signature: Characters | None = None

    def decoded(self) -> bytes:
        """Its bytes, for who needs all of them at once."""
        if isinstance(self.base64, Stored):
            return self.base64.source.read(0, self.base64.source.byte_count)
        return pybase64.b64decode(self.base64)


@dataclass(frozen=True, slots=True)
class Kept:
    """Bytes that the store keeps under this hash, not opened yet."""

    sha256: str
    byte_count: int


@dataclass(frozen=True, slots=True)
class KeptText:
    """Words of an earlier answer whose signature the store keeps."""

    text: str
    signature: Kept


@dataclass(frozen=True, slots=True)
class KeptImage:
    """A picture that was cited, or recognised: its bytes are `image` in the store, or `inline` where the request
    brought them. `is_photo`: it was uploaded, and not made here."""

    image: Kept
    media_type: str
    dimensions: Dimensions | None
    where: str
    inline: ImagePart | None = None
    signature: Kept | None = None
    is_photo: bool = False


@dataclass(frozen=True, slots=True)
class Handle:
    """A picture that is cited by its id: one that was made here (`image`, or `previous` for the last one), or an
    upload (`file`)."""

    kind: Literal["image", "previous", "file"]
    id: str
    where: str


@dataclass(frozen=True, slots=True)
class ImageLink:
    """An image named by URL, not fetched yet."""

    url: str
    where: str


TurnPart = TextPart | ImagePart | ToolCall | ToolResult
MessagePart = TurnPart | KeptText | KeptImage | ImageLink | Handle


@dataclass(frozen=True, slots=True)
class Message:
    """One turn as the caller sent it, or as it was recognised: then `made_by` is the provider that made it, and
    `signature_tokens` the most that its signatures can be counted as. `carried` are signatures that came with it, of
    parts that are still to be told."""

    role: Role
    parts: tuple[MessagePart, ...]
    made_by: str = ""
    signature_tokens: int = 0
    carried: tuple[CarriedSignature, ...] = ()


@dataclass(frozen=True, slots=True)
class Turn:
    """One turn with every picture at hand. `made_by` is the provider whose own words and pictures it holds, with their
    signatures; empty where nobody knows."""

    role: Role
    parts: tuple[TurnPart, ...]
    made_by: str = ""


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
        """Whether pictures have to be fetched, or read from the store, first."""
        waiting = (ImageLink, KeptText, KeptImage)
        return any(isinstance(part, waiting) for message in self.messages for part in message.parts)


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
