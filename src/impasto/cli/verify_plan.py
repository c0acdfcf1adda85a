"""What `impasto verify` asks: the first requests of the documentation, then one of every model, cheapest first.

Rule: no check without an upper bound of its cost, found by the code that the gateway itself uses; and what
was started never adds up to more than was allowed.
"""

import base64
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from enum import StrEnum
from functools import cache
from typing import Any

from impasto.api.chat_wire import parse_chat_body
from impasto.catalogue.catalogue import Catalogue
from impasto.cli.verify_photo import photo
from impasto.completions.estimate import estimate_of, most_it_can_cost
from impasto.completions.route import route_of
from impasto.domain.chat import ChatRequest
from impasto.domain.errors import Failure
from impasto.domain.image import ImageConfig
from impasto.domain.limits import image_config_to_send
from impasto.domain.model import ImageLimits, Model

SEED = "google/gemini-3.1-flash-image-preview"
SEED_PROMPT = "A nano banana dish in a fancy restaurant, cinematic lighting"
SEED_EDIT = "Turn this photo into a watercolor painting, keep the composition"
PICTURE_PROMPT = "A yellow banana on a blue plate, on a white table"
SECOND_PROMPT = "Keep everything as it is, and make the plate green"
WORDS_PROMPT = "Which yellow, curved fruit do monkeys like? Answer in one word."

_WORDS_TOKENS = 1024
"""Enough for one word after some thoughts, which count."""

_FIRST_CHOICE = "4:3"
"""Many models have it, and no picture of another ratio is taken for it."""


class Kind(StrEnum):
    """What a check is about."""

    SEED_PICTURE = "first picture"
    SEED_EDIT = "first edit"
    PICTURE = "picture"
    SECOND_TURN = "second turn"
    WORDS = "words"


@dataclass(frozen=True, slots=True)
class Check:
    """One request of `model`. `most`: US dollars that it can come to, whoever answers; `None` where nobody knows.

    `why_not` says why it cannot be asked, or is empty.
    """

    kind: Kind
    model: Model
    config: ImageConfig
    most: Decimal | None
    why_not: str = ""

    @property
    def asked(self) -> str:
        shape = ", ".join(filter(None, (self.config.aspect_ratio, self.config.image_size)))
        return f"{self.kind}, {shape}" if shape else str(self.kind)

    def body(self, earlier: str = "") -> dict[str, Any]:
        """The request; `earlier` is the data URL of the picture that a second turn goes on from."""
        body = _body(self.kind, self.model, self.config, earlier)
        return body if self.most is None else body | {"max_cost": float(self.most)}


@dataclass(slots=True)
class Purse:
    """What may be spent. `reserved` adds up the upper bounds of what was started."""

    max_cost: Decimal
    reserved: Decimal = Decimal(0)

    def why_not(self, check: Check) -> str:
        """Why `check` is not started, or nothing."""
        most = check.most
        if check.why_not:
            return check.why_not
        if most is None:
            return "What it can cost at most is unknown: the catalogue lacks a price, or a bound of its output."
        if self.reserved + most > self.max_cost:
            return (
                f"It can cost up to {dollars(most)}, and what came before up to {dollars(self.reserved)}: together "
                f"more than --max-cost ${self.max_cost:f}."
            )
        return ""

    def reserve(self, check: Check) -> None:
        """Hold the most that `check` can cost."""
        self.reserved += check.most or Decimal(0)

    def correct(self, check: Check, cost: Decimal | None) -> None:
        """Count what `check` cost beyond its bound, should a bound ever be too low."""
        self.reserved += max(Decimal(0), (cost or Decimal(0)) - (check.most or Decimal(0)))


def dollars(amount: Decimal) -> str:
    """`$0.1021`, with more digits where there would be none."""
    return f"${amount:.6f}" if 0 < amount < Decimal("0.001") else f"${amount:.4f}"


def plan_of(catalogue: Catalogue, available: Mapping[str, bool], only: Iterable[str] = ()) -> tuple[Check, ...]:
    """The checks in order. `available`: by provider, whether a key is set; `only`: ids of models, or none for all."""
    wanted = set(only) or set(catalogue.models)
    models = [model for model in catalogue.models.values() if model.id in wanted and not model.provider.is_local]
    ready = [model for model in models if available[model.provider.id]]
    checks = [check for model in ready for check in _checks_of(model, catalogue)]
    checks.sort(key=lambda check: (check.most is None, check.most or Decimal(0)))
    return (*_seeds(catalogue, available, wanted), *checks)


def _seeds(catalogue: Catalogue, available: Mapping[str, bool], wanted: set[str]) -> Iterator[Check]:
    model = catalogue.find(SEED)
    if model is None or model.id not in wanted:
        return
    for kind, ratio in ((Kind.SEED_PICTURE, "16:9"), (Kind.SEED_EDIT, "1:1")):
        if available[model.provider.id]:
            yield _check(kind, model, ImageConfig(ratio, "2K"), catalogue)
        else:
            why_not = f"No key for {model.provider.name} is set: {' or '.join(model.provider.key_env)}."
            yield Check(kind, model, ImageConfig(ratio, "2K"), None, why_not)


def _checks_of(model: Model, catalogue: Catalogue) -> Iterator[Check]:
    if model.images is None:
        yield _check(Kind.WORDS, model, ImageConfig(), catalogue)
        return
    config = cheapest_config(model.images)
    yield _check(Kind.PICTURE, model, config, catalogue)
    if model.signatures:
        yield _check(Kind.SECOND_TURN, model, config, catalogue)


def cheapest_config(images: ImageLimits) -> ImageConfig:
    """The size that takes the fewest tokens, in a ratio other than 1:1 where there is one, best of known pixels."""
    tokens = images.tokens_per_image
    size = min(images.image_sizes, key=lambda size: tokens.get(size, max(tokens.values(), default=0) + 1))
    others = [ratio for ratio in images.aspect_ratios if ratio != "1:1"] or list(images.aspect_ratios)
    known = images.dimensions.get(size, {})
    others.sort(key=lambda ratio: (ratio not in known, ratio != _FIRST_CHOICE))
    return ImageConfig(others[0] if others else None, size)


def _check(kind: Kind, model: Model, config: ImageConfig, catalogue: Catalogue) -> Check:
    # What is sent back in a second turn is bounded by its count, not by its pixels: any picture stands for it.
    body = _body(kind, model, config, _photo_url())
    try:
        request = parse_chat_body(json.dumps(body).encode()).request
        route = route_of(request, catalogue)
        request = _with_memory(request, route.model)
    except Failure as failure:
        return Check(kind, model, config, None, failure.message)
    return Check(kind, model, config, _most(request, route.model, route.replacement))


def _with_memory(request: ChatRequest, model: Model) -> ChatRequest:
    """The request with an allowance for what the gateway remembers of an earlier answer: its words and signatures,
    each at most as many tokens as that answer could have."""
    first = ChatRequest(request.model, request.messages[:1], request.image_config)
    usage = estimate_of(model, first, image_config_to_send(model, first.image_config)).most.usage
    messages = (
        replace(message, signature_tokens=2 * usage.completion_tokens) if message.role == "assistant" else message
        for message in request.messages
    )
    return replace(request, messages=tuple(messages))


def _most(request: ChatRequest, model: Model, replacement: Model | None) -> Decimal | None:
    """The bound of whoever may answer."""
    bounds = [
        most_it_can_cost(one, request, image_config_to_send(one, request.image_config))
        for one in (model, replacement)
        if one is not None
    ]
    known = [bound for bound in bounds if bound is not None]
    return max(known) if len(known) == len(bounds) else None


def _body(kind: Kind, model: Model, config: ImageConfig, earlier: str) -> dict[str, Any]:
    body: dict[str, Any] = {"model": model.id, "messages": _messages(kind, earlier), "image_output": "content"}
    if kind is not Kind.WORDS:
        pairs = (("aspect_ratio", config.aspect_ratio), ("image_size", config.image_size))
        return body | {"image_config": {name: value for name, value in pairs if value}}
    if "max_tokens" in model.parameters:
        body["max_tokens"] = min(_WORDS_TOKENS, model.max_output_tokens or _WORDS_TOKENS)
    if model.thinking_levels:
        body["reasoning_effort"] = model.thinking_levels[0]
    return body


def _messages(kind: Kind, earlier: str) -> list[dict[str, Any]]:
    match kind:
        case Kind.SEED_PICTURE:
            return [_said(SEED_PROMPT)]
        case Kind.SEED_EDIT:
            picture = {"type": "image_url", "image_url": {"url": _photo_url()}}
            return [_said([{"type": "text", "text": SEED_EDIT}, picture])]
        case Kind.PICTURE:
            return [_said(PICTURE_PROMPT)]
        case Kind.SECOND_TURN:
            return [_said(PICTURE_PROMPT), {"role": "assistant", "content": earlier}, _said(SECOND_PROMPT)]
        case Kind.WORDS:
            return [_said(WORDS_PROMPT)]


def _said(content: object) -> dict[str, Any]:
    return {"role": "user", "content": content}


@cache
def _photo_url() -> str:
    return f"data:image/png;base64,{base64.b64encode(photo()).decode()}"
