"""What an answer is made of, in the order in which it arrives.

Rule: one sequence of events serves whole and streamed answers, remote providers and
engines in this process. Pieces of a picture are unescaped base64; each piece is a
multiple of four characters, so that it can be decoded on its own.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from impasto.domain.tools import ToolCall
from impasto.domain.usage import Usage


class FinishReason(StrEnum):
    """Why an answer ended, in OpenAI's words."""

    STOP = "stop"
    LENGTH = "length"
    CONTENT_FILTER = "content_filter"
    TOOL_CALLS = "tool_calls"


@dataclass(frozen=True, slots=True)
class Text:
    """Words of the model, in order; pieces join to its text."""

    text: str


@dataclass(frozen=True, slots=True)
class ImageStarted:
    """A picture begins.

    `media_type` is what the provider claims (`""`: nothing yet); the bytes decide. `thought`: it is
    known already to be no result.
    """

    media_type: str
    thought: bool = False


@dataclass(frozen=True, slots=True)
class ImageData:
    """The next piece of the picture: base64, its length a multiple of four."""

    data: bytes


@dataclass(frozen=True, slots=True)
class ImageEnded:
    """The picture is complete. `thought` marks one that the model only made on the way: never a result."""

    thought: bool = False


@dataclass(frozen=True, slots=True)
class Signature:
    """A piece of what the provider wants back with its own part: it belongs to the next `Text`, `ImageEnded` or
    `ToolCall`, which holds a small one itself."""

    data: bytes


@dataclass(frozen=True, slots=True)
class UsageSeen:
    """Token counts so far. In a stream every event may bring them; the last one is the bill."""

    usage: Usage


@dataclass(frozen=True, slots=True)
class Finished:
    """The answer is complete: `native` is the provider's own reason, `explanation` its words about it."""

    reason: FinishReason
    native: str
    explanation: str = ""


@dataclass(frozen=True, slots=True)
class Report:
    """What an engine tells of its own work, e.g. the painter's scene and the words that it did not understand."""

    facts: Mapping[str, object]


Event = Text | ImageStarted | ImageData | ImageEnded | ToolCall | Signature | UsageSeen | Report | Finished
