"""The most a call can cost, before it is made.

Rule: an upper bound or nothing; a guess that may be too low is worse than none.
"""

from decimal import Decimal
from typing import assert_never

from impasto.completions.settle import tokens_per_picture
from impasto.domain.chat import ChatRequest, ImageLink, ImagePart, TextPart
from impasto.domain.image import ImageConfig
from impasto.domain.model import Model
from impasto.domain.pricing import cost_of
from impasto.domain.tools import Tool, ToolCall, ToolResult
from impasto.domain.usage import Usage

MOST_TOKENS_PER_INPUT_IMAGE = 1120
"""Vertex AI's page on Gemini 3.1 Flash Image; other models of the family take less per picture."""

MOST_TOKENS_AROUND_A_PART = 16
"""What a provider adds for roles and separators, and what an adapter adds to tell of earlier turns."""

MOST_TOKENS_AROUND_TOOLS = 1024
"""An allowance for what a provider tells its model of functions and formats as such; none says what that is."""


def most_it_can_cost(model: Model, request: ChatRequest, sent: ImageConfig) -> Decimal | None:
    """US dollars that one call can come to at most; `None` where a price or a bound is unknown.

    No tokenizer makes more tokens than there are bytes. A picture call is bounded by the pictures
    it can bring and the catalogue's allowance for words and thoughts; a text call by `max_tokens`
    or the model's own output limit.
    """
    output_text, output_image = _most_output(model, request, sent)
    if output_text is None or output_image is None:
        return None
    parts = [part for message in request.messages for part in message.parts]
    pictures = sum(isinstance(part, ImagePart | ImageLink) for part in parts)
    said = [*parts, *request.tools]
    usage = Usage(
        input_text_tokens=sum(map(_text_bytes, said)) + len(said) * MOST_TOKENS_AROUND_A_PART + _structure(request),
        input_image_tokens=pictures * MOST_TOKENS_PER_INPUT_IMAGE,
        output_text_tokens=output_text,
        output_image_tokens=output_image,
    )
    return cost_of(usage, model.price)


def _text_bytes(part: TextPart | ImagePart | ImageLink | ToolCall | ToolResult | Tool) -> int:
    match part:
        case TextPart(text):
            return len(text.encode())
        case ToolCall(_, name, arguments, signature):
            return len(name) + len(arguments.encode()) + len(signature)
        case ToolResult(_, name, text):
            return len(name) + len(text.encode())
        case Tool(name, description, parameters):
            return len(name) + len(description.encode()) + len(parameters)
        case ImagePart() | ImageLink():
            return 0
    assert_never(part)


def _structure(request: ChatRequest) -> int:
    if not request.tools and request.response_format is None:
        return 0
    return MOST_TOKENS_AROUND_TOOLS + len(request.response_format.schema if request.response_format else b"")


def _most_output(model: Model, request: ChatRequest, sent: ImageConfig) -> tuple[int | None, int | None]:
    """Tokens of words and of pictures; `None` for what has no bound."""
    if model.images is None:
        return request.sampling.max_tokens or model.max_output_tokens, 0
    per_picture = tokens_per_picture(model, sent)
    if per_picture is None:
        return model.images.reserve_other_tokens, None
    return model.images.reserve_other_tokens, per_picture * model.images.max_images_per_call
