"""Who will answer: the model that was asked for and, should its provider have retired it, its replacement.

Rule: a candidate on a route can do the whole request; what cannot be done is said
before anything is sent.
"""

from dataclasses import dataclass

from impasto.catalogue.catalogue import Catalogue
from impasto.domain.chat import ChatRequest
from impasto.domain.errors import Code, Failure, listed
from impasto.domain.limits import check_request
from impasto.domain.model import Model


@dataclass(frozen=True, slots=True)
class Route:
    """`model` answers; `replacement` does if the provider no longer knows it, and may be absent."""

    model: Model
    replacement: Model | None = None

    def retired(self, logged: str = "") -> Failure:
        """What the caller hears when the provider no longer knows the model and nothing stands in for it."""
        replaced_by = self.model.lifecycle.replaced_by
        advice = f" Ask for {replaced_by} instead." if replaced_by else " GET /v3/models lists what lives."
        return Failure(
            Code.MODEL_RETIRED,
            f"{self.model.provider.name} no longer serves {self.model.id}.{advice}",
            param="model",
            logged=logged,
        )


def route_of(request: ChatRequest, catalogue: Catalogue) -> Route:
    """Resolve `request.model`. Raises 404 for an unknown name and 400 for what the model cannot do."""
    model = catalogue.find(request.model)
    if model is None:
        raise _unknown(request.model, catalogue)
    check_request(model, request)
    return Route(model, _replacement_of(model, request, catalogue))


def _unknown(name: str, catalogue: Catalogue) -> Failure:
    nearest = catalogue.nearest(name)
    advice = f" Did you mean {listed(nearest)}?" if nearest else ""
    return Failure(
        Code.MODEL_NOT_FOUND,
        f'There is no model "{name[:100]}".{advice} GET /v3/models lists all of them.',
        param="model",
    )


def _replacement_of(model: Model, request: ChatRequest, catalogue: Catalogue) -> Model | None:
    lifecycle = model.lifecycle
    if lifecycle.on_retired != "serve" or lifecycle.replaced_by is None:
        return None
    replacement = catalogue.find(lifecycle.replaced_by)
    if replacement is None or _is_same(replacement, model):
        return None
    try:
        check_request(replacement, request)
    except Failure:
        return None
    return replacement


def _is_same(one: Model, other: Model) -> bool:
    """Whether both are sent to the same provider under the same name."""
    return (one.provider.id, one.wire_name) == (other.provider.id, other.wire_name)
