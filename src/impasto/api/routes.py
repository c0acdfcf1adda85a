"""Every address of the gateway, and what it asks of a key.

Rule: a route without a scope does not exist; the scope is declared here, and every
endpoint is put behind the guard for it.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from starlette.middleware.cors import CORSMiddleware
from starlette.routing import Route, Router, request_response
from starlette.types import ASGIApp, Lifespan

from impasto.api.access import Access
from impasto.api.admission import Admission
from impasto.api.auth import Guarded
from impasto.api.chat import ChatCompletions
from impasto.api.failures import FailuresAnswered
from impasto.api.health import Health
from impasto.api.models import ModelList
from impasto.api.page import page
from impasto.catalogue.catalogue import Catalogue
from impasto.completions.create import Completions
from impasto.completions.ports import KeyStore
from impasto.domain.keys import Scope

EXPOSED_HEADERS = (
    "x-request-id", "x-impasto-generation-id", "x-impasto-cost", "x-should-retry", "Retry-After", "Sunset",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Resource:
    """One address, what may be done there, and who may: `endpoint` answers those that come past the guard.

    `remembered` is that of `Guarded`.
    """

    method: str
    path: str
    scope: Scope
    endpoint: ASGIApp
    remembered: bool = False


@dataclass(frozen=True, slots=True)
class Gateway:
    """What the HTTP surface stands on."""

    completions: Completions
    catalogue: Catalogue
    available: dict[str, bool]
    keys: KeyStore
    admission: Admission
    max_body_bytes: int
    cors_origins: tuple[str, ...]
    new_id: Callable[[], str]
    is_ready: Callable[[], bool]


def resources_of(gateway: Gateway) -> tuple[Resource, ...]:
    """The route table."""

    def chat(default_shape: str) -> ChatCompletions:
        return ChatCompletions(gateway.completions, gateway.admission, gateway.max_body_bytes, default_shape)

    models = ModelList(gateway.catalogue, gateway.available)
    health = Health(gateway.is_ready)
    return (
        Resource("POST", "/v3/chat/completions", "generate", chat("content"), remembered=True),
        Resource("POST", "/v3/llm/chat/completions", "generate", chat("content"), remembered=True),
        Resource("POST", "/v1/chat/completions", "generate", chat("images"), remembered=True),
        Resource("GET", "/v3/models", "public", request_response(models.list)),
        Resource("GET", "/v3/llm/models", "public", request_response(models.list)),
        Resource("GET", "/v1/models", "public", request_response(models.list)),
        Resource("GET", "/v3/models/{model_id:path}", "public", request_response(models.one)),
        Resource("GET", "/v1/models/{model_id:path}", "public", request_response(models.one)),
        Resource("GET", "/health/live", "public", request_response(health.live)),
        Resource("GET", "/health/ready", "public", request_response(health.ready)),
        Resource("GET", "/", "public", request_response(page)),
    )


def asgi_app(gateway: Gateway, lifespan: Lifespan[Any] | None = None) -> Access:
    """The whole surface as one ASGI app."""
    routes = [_route(resource, gateway.keys) for resource in resources_of(gateway)]
    # A redirect of a POST loses its body in some clients: a trailing slash is simply another address.
    app: ASGIApp = FailuresAnswered(Router(routes, redirect_slashes=False, lifespan=lifespan))
    if gateway.cors_origins:
        # Around the failures too: a page may read an error only if it carries these headers.
        app = CORSMiddleware(
            app,
            allow_origins=gateway.cors_origins,
            allow_methods=["GET", "POST"],
            allow_headers=["*"],
            expose_headers=EXPOSED_HEADERS,
        )
    return Access(app, gateway.new_id)


def _route(resource: Resource, keys: KeyStore) -> Route:
    guarded = Guarded(resource.endpoint, resource.scope, keys, resource.remembered)
    return Route(resource.path, guarded, methods=[resource.method])
