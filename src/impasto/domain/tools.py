"""Functions of the caller's that a model may call, its calls, and what came of them.

Rule: nothing here is looked into. Schemas and arguments are JSON as it was written, and pass as they are.
"""

from dataclasses import dataclass
from typing import Literal

MAX_SIGNATURE_CHARACTERS = 64 << 10
"""A call's signature travels with the caller, who has to carry it back: a larger one would be a burden."""


@dataclass(frozen=True, slots=True)
class Tool:
    """A function that the model may call. `parameters` is a JSON Schema; empty where none was given."""

    name: str
    description: str = ""
    parameters: bytes = b""


@dataclass(frozen=True, slots=True)
class ToolChoice:
    """Whether the model has to call a function; `name` is the only one it may call, if there is but one."""

    mode: Literal["auto", "none", "required"] = "auto"
    name: str = ""


AUTO = ToolChoice()


@dataclass(frozen=True, slots=True)
class ToolCall:
    """A model calls a function. `arguments` is a JSON object; `signature`, in base64, is what its provider
    wants back with the call."""

    id: str
    name: str
    arguments: str
    signature: str = ""


@dataclass(frozen=True, slots=True)
class ToolResult:
    """What came of the call `call_id` of the function `name`."""

    call_id: str
    name: str
    text: str


@dataclass(frozen=True, slots=True)
class ResponseFormat:
    """An answer that is one JSON value: by a JSON Schema, or any where `schema` is empty."""

    schema: bytes = b""
