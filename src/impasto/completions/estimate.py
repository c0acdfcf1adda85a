"""The least and the most that a request can cost, before it is made.

Rule: a bound or nothing; a guess that may be too low for a most, or too high for a least, is worse
than none.
"""

from dataclasses import dataclass, fields, replace
from decimal import Decimal
from typing import assert_never

from impasto.completions.route import Route
from impasto.completions.settle import tokens_per_picture
from impasto.domain.chat import ChatRequest, Handle, ImageLink, ImagePart, KeptImage, KeptText, MessagePart, TextPart
from impasto.domain.image import ImageConfig
from impasto.domain.limits import image_config_to_send
from impasto.domain.model import Model
from impasto.domain.pricing import Line, Price, cost_of, lines_of
from impasto.domain.tools import Tool, ToolCall, ToolResult
from impasto.domain.usage import Usage

MOST_TOKENS_PER_INPUT_IMAGE = 1120
"""Vertex AI's page on Gemini 3.1 Flash Image; other models of the family take less per picture."""

MOST_TOKENS_AROUND_A_PART = 16
"""What a provider adds for roles and separators, and what an adapter adds to tell of earlier turns."""

MOST_TOKENS_AROUND_TOOLS = 1024
"""An allowance for what a provider tells its model of functions and formats as such; none says what that is."""


@dataclass(frozen=True, slots=True)
class Bound:
    """Tokens, and what they cost in US dollars at `price`: `None` where a price or one of the bounds is unknown,
    and then `usage` holds the tokens that are known."""

    usage: Usage
    cost: Decimal | None
    price: Price | None = None

    @property
    def lines(self) -> tuple[Line, ...]:
        """By kind of token."""
        return lines_of(self.usage, self.price)

    def times(self, count: int) -> "Bound":
        """That of `count` answers."""
        counts = {name: getattr(self.usage, name) * count for name in _COUNTS}
        return replace(self, usage=Usage(**counts), cost=None if self.cost is None else self.cost * count)


@dataclass(frozen=True, slots=True)
class Estimate:
    """What one answer costs at least, if it brings what was asked for, and at most."""

    least: Bound
    most: Bound

    def times(self, count: int) -> "Estimate":
        """That of `count` answers."""
        return Estimate(self.least.times(count), self.most.times(count))


_COUNTS = tuple(field.name for field in fields(Usage) if field.name != "estimated")


def estimate_for(route: Route, request: ChatRequest) -> Estimate:
    """What one answer to `request` costs, whichever model of `route` gives it: the lesser least and the larger most."""
    models = [model for model in (route.model, route.replacement) if model is not None]
    each = [estimate_of(model, request, image_config_to_send(model, request.image_config)) for model in models]
    least = min((estimate.least for estimate in each), key=lambda bound: _or(bound.cost, Decimal("-Infinity")))
    most = max((estimate.most for estimate in each), key=lambda bound: _or(bound.cost, Decimal("Infinity")))
    return Estimate(least, most)


def estimate_of(model: Model, request: ChatRequest, sent: ImageConfig) -> Estimate:
    """What one call of `model` costs, of which `sent` is what it is asked for.

    The most is bounded so: no tokenizer makes more tokens than there are bytes; a picture in the input takes at most
    `MOST_TOKENS_PER_INPUT_IMAGE`; a picture call brings at most the pictures that the catalogue says it can, at the
    asked size, and its allowance for words and thoughts; a text call at most `max_tokens` or the model's own limit.

    The least is that of a call that succeeds: a token of input where there are words, and one picture of the asked
    size, or one token of words. What providers count for pictures in the input has no lower bound, and is left out.
    A refusal can cost less.
    """
    return Estimate(_least(model, request, sent), _most(model, request, sent))


def most_it_can_cost(model: Model, request: ChatRequest, sent: ImageConfig) -> Decimal | None:
    """US dollars that one call can come to at most; `None` where a price or a bound is unknown."""
    return _most(model, request, sent).cost


def _least(model: Model, request: ChatRequest, sent: ImageConfig) -> Bound:
    parts = [part for message in request.messages for part in message.parts]
    input_text = 1 if any(map(_text_bytes, parts)) else 0
    if model.images is None:
        return _bound(model, Usage(input_text_tokens=input_text, output_text_tokens=1))
    per_picture = tokens_per_picture(model, sent)
    usage = Usage(input_text_tokens=input_text, output_image_tokens=per_picture or 0)
    return _bound(model, usage, is_whole=per_picture is not None)


def _most(model: Model, request: ChatRequest, sent: ImageConfig) -> Bound:
    output_text, output_image = _most_output(model, request, sent)
    parts = [part for message in request.messages for part in message.parts]
    pictures = sum(isinstance(part, ImagePart | KeptImage | ImageLink | Handle) for part in parts)
    said = [*parts, *request.tools]
    signatures = sum(message.signature_tokens for message in request.messages)
    around = len(said) * MOST_TOKENS_AROUND_A_PART + signatures + _structure(request)
    usage = Usage(
        input_text_tokens=sum(map(_text_bytes, said)) + around,
        input_image_tokens=pictures * MOST_TOKENS_PER_INPUT_IMAGE,
        output_text_tokens=output_text or 0,
        output_image_tokens=output_image or 0,
    )
    return _bound(model, usage, is_whole=output_text is not None and output_image is not None)


def _bound(model: Model, usage: Usage, *, is_whole: bool = True) -> Bound:
    return Bound(usage, cost_of(usage, model.price) if is_whole else None, model.price)


def _or(cost: Decimal | None, otherwise: Decimal) -> Decimal:
    return otherwise if cost is None else cost


def _text_bytes(part: MessagePart | Tool) -> int:
    match part:
        case TextPart(text) | KeptText(text):
            return len(text.encode())
        case ToolCall(_, name, arguments, signature):
            return len(name) + len(arguments.encode()) + len(signature)
        case ToolResult(_, name, text):
            return len(name) + len(text.encode())
        case Tool(name, description, parameters):
            return len(name) + len(description.encode()) + len(parameters)
        case ImagePart() | KeptImage() | ImageLink() | Handle():
            return 0
    assert_never(part)


def _structure(request: ChatRequest) -> int:
    if not request.tools and request.response_format is None:
        return 0
    return MOST_TOKENS_AROUND_TOOLS + len(request.response_format.schema if request.response_format else b"")


def _most_output(model: Model, request: ChatRequest, sent: ImageConfig) -> tuple[int | None, int | None]:
    """Tokens of words and of pictures; `None` for what has no bound."""
    if model.images is None:
        bounds = (request.sampling.max_tokens, model.max_output_tokens)
        return min((bound for bound in bounds if bound is not None), default=None), 0
    per_picture = tokens_per_picture(model, sent)
    if per_picture is None:
        return model.images.reserve_other_tokens, None
    return model.images.reserve_other_tokens, per_picture * model.images.max_images_per_call
