"""GET /v3/models: what can be asked for, and how.

Rule: public, and made from the catalogue alone; a model without its provider's key is
listed as not available, with the variable to set.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from impasto.api.money import json_number
from impasto.catalogue.catalogue import Catalogue
from impasto.catalogue.image_config_schema import image_config_schema
from impasto.domain.errors import Code, Failure, listed
from impasto.domain.model import Lifecycle, Model
from impasto.domain.pricing import Price


@dataclass(frozen=True, slots=True)
class ModelList:
    """The catalogue as a resource. `available[provider_id]`: a call could be made now."""

    catalogue: Catalogue
    available: Mapping[str, bool]

    async def list(self, request: Request) -> Response:
        models = [self._body(model) for model in self.catalogue.models.values()]
        return _json({"object": "list", "data": models})

    async def one(self, request: Request) -> Response:
        name = request.path_params["model_id"]
        model = self.catalogue.find(name)
        if model is None:
            nearest = self.catalogue.nearest(name)
            advice = f" Did you mean {listed(nearest)}?" if nearest else ""
            raise Failure(Code.MODEL_NOT_FOUND, f'There is no model "{name[:100]}".{advice}')
        return _json(self._body(model))

    def _body(self, model: Model) -> dict[str, object]:
        provider = model.provider
        available = self.available[provider.id]
        body: dict[str, object] = {
            "id": model.id,
            "object": "model",
            "created": _seconds(model.lifecycle.released),
            "owned_by": provider.id,
            "model_name": model.wire_name,
            "description": model.description,
            "context_length": model.max_input_tokens,
            "max_output_tokens": model.max_output_tokens,
            "available": available,
            "capabilities": {
                "input_modalities": model.input,
                "output_modalities": model.output,
                "parameters": model.parameters,
                "reasoning_effort": model.thinking_levels,
                "max_input_images": model.max_input_images or None,
            },
            "image_config": image_config_schema(model) if model.makes_images else None,
            "pricing": _pricing(model.price),
            "lifecycle": _lifecycle(model.lifecycle),
            "known_by": model.known_by,
            "aliases": model.aliases,
        }
        if not available and provider.key_env:
            body["needs"] = provider.key_env[0]
        return body


def _pricing(price: Price | None) -> dict[str, object] | None:
    """Per million tokens, as the catalogue says it, and per token, as Eden does."""
    if price is None:
        return None
    million = 1_000_000
    return {
        "unit": "US dollars per million tokens",
        "input": json_number(price.input),
        "input_image": json_number(price.input if price.input_image is None else price.input_image),
        "output_text": json_number(price.output_text),
        "output_image": json_number(price.output_image),
        "input_cost_per_token": json_number(price.input / million),
        "output_cost_per_token": json_number(None if price.output_text is None else price.output_text / million),
        "checked": price.checked,
        "source": price.source,
    }


def _lifecycle(lifecycle: Lifecycle) -> dict[str, object]:
    return {
        "deprecated": lifecycle.deprecated,
        "retired": lifecycle.retired,
        "replaced_by": lifecycle.replaced_by,
        "on_retired": lifecycle.on_retired,
        "note": lifecycle.note or None,
    }


def _seconds(day: date | None) -> int:
    return int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp()) if day else 0


def _json(body: object) -> Response:
    return Response(msgspec.json.encode(body), media_type="application/json")
