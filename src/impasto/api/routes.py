"""Every address of the gateway, and what it asks of a key.

Rule: a route without a scope does not exist; the scope is declared here, and every
endpoint is put behind the guard for it.
"""

import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from starlette.middleware.cors import CORSMiddleware
from starlette.routing import Route, Router, request_response
from starlette.types import ASGIApp, Lifespan

from impasto.api.access import Access
from impasto.api.admission import Admission
from impasto.api.auth import Guarded
from impasto.api.chat import ChatCompletions
from impasto.api.chat_answer import LinkOf
from impasto.api.conversion_wire import Converter
from impasto.api.deletion import Deletion, Deletions
from impasto.api.estimate import Estimates, ReadBudget
from impasto.api.failures import FailuresAnswered
from impasto.api.generations import Generations
from impasto.api.health import Health
from impasto.api.image_content import ImageContent
from impasto.api.image_list import ImageList
from impasto.api.lineage_wire import Lineage
from impasto.api.links import Links
from impasto.api.manage import Manage
from impasto.api.metrics import Metrics, ReadTotals
from impasto.api.models import ModelList
from impasto.api.page import page
from impasto.api.provenance import Provenance
from impasto.api.rate_limits import Limited, RateLimits
from impasto.api.upload import UploadedFiles, Uploads
from impasto.api.usage import ReadSpending, Usages
from impasto.catalogue.catalogue import Catalogue
from impasto.completions.create import Completions
from impasto.completions.ports import KeyRegister, KeyStore
from impasto.domain.keys import Scope
from impasto.domain.stored_image import StoredImage

EXPOSED_HEADERS = (
    "x-request-id", "x-impasto-generation-id", "x-impasto-cost", "x-impasto-image-ids", "x-should-retry",
    "idempotent-replayed", "Retry-After", "Sunset", "ETag", "x-ratelimit-limit-requests",
    "x-ratelimit-remaining-requests", "x-ratelimit-reset-requests", "RateLimit", "RateLimit-Policy", "Content-Range",
    "x-impasto-converted",
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
    limits: RateLimits
    admission: Admission
    max_body_bytes: int
    cors_origins: tuple[str, ...]
    new_id: Callable[[], str]
    is_ready: Callable[[], bool]
    find_image: Callable[[str], Awaitable[StoredImage | None]]
    budget_of: ReadBudget
    spending_of: ReadSpending
    totals_of: ReadTotals
    links: Links
    makes_links: bool = False
    finishes: bool = True
    spaces_seconds: float = 0
    register: KeyRegister | None = None
    converter: Converter | None = None
    uploads: Uploads | None = None
    lineage: Lineage | None = None
    deletion: Deletion | None = None
    now: Callable[[], float] = time.time

    @property
    def link_of(self) -> LinkOf | None:
        """Gives signed links, where the address that they begin with is known."""
        return self.links.url_of if self.makes_links else None


def resources_of(gateway: Gateway) -> tuple[Resource, ...]:
    """The route table."""

    def chat(default_shape: str) -> ASGIApp:
        endpoint = ChatCompletions(
            gateway.completions, gateway.admission, gateway.max_body_bytes, default_shape, gateway.link_of,
            gateway.finishes, gateway.spaces_seconds,
        )  # fmt: skip
        return Limited(endpoint, gateway.limits)

    estimates = Estimates(
        gateway.catalogue, gateway.admission, gateway.max_body_bytes, gateway.budget_of, gateway.completions.recall
    )
    usages = Usages(gateway.spending_of)
    generations = Generations(gateway.completions, gateway.link_of, gateway.lineage)
    content = ImageContent(
        gateway.find_image, gateway.completions.store, gateway.links, gateway.keys, gateway.converter
    )
    models = ModelList(gateway.catalogue, gateway.available)
    health = Health(gateway.is_ready)
    metrics = Metrics(gateway.totals_of, gateway.keys)
    return (
        Resource("POST", "/v3/chat/completions", "generate", chat("content"), remembered=True),
        Resource("POST", "/v3/llm/chat/completions", "generate", chat("content"), remembered=True),
        Resource("POST", "/v1/chat/completions", "generate", chat("images"), remembered=True),
        Resource("POST", "/v3/estimate", "generate", estimates),
        Resource("GET", "/v3/generations/{generation_id}", "generate", generations),
        Resource("GET", "/v3/usage", "read", request_response(usages.read)),
        Resource("GET", "/v3/manage/usage", "manage", request_response(usages.read)),
        Resource("GET", "/v3/images/{image_id}/content", "public", content),
        Resource("GET", "/v3/models", "public", request_response(models.list)),
        Resource("GET", "/v3/llm/models", "public", request_response(models.list)),
        Resource("GET", "/v1/models", "public", request_response(models.list)),
        Resource("GET", "/v3/models/{model_id:path}", "public", request_response(models.one)),
        Resource("GET", "/v1/models/{model_id:path}", "public", request_response(models.one)),
        Resource("GET", "/health/live", "public", request_response(health.live)),
        Resource("GET", "/health/ready", "public", request_response(health.ready)),
        Resource("GET", "/metrics", "public", request_response(metrics.read)),
        Resource("GET", "/", "public", request_response(page)),
        *_lineage(gateway),
        *_files(gateway),
        *_deletions(gateway),
        *_administration(gateway),
    )


def _lineage(gateway: Gateway) -> tuple[Resource, ...]:
    if gateway.lineage is None:
        return ()
    pictures = ImageList(gateway.lineage, gateway.link_of)
    provenance = Provenance(gateway.lineage, gateway.keys, gateway.link_of)
    return (
        Resource("GET", "/v3/images", "generate", request_response(pictures.list)),
        Resource("GET", "/v3/images/{image_id}", "generate", request_response(pictures.one)),
        Resource("GET", "/v3/provenance/{sha256}", "public", request_response(provenance.read)),
    )


def _files(gateway: Gateway) -> tuple[Resource, ...]:
    if gateway.uploads is None:
        return ()
    files = UploadedFiles(
        gateway.uploads, gateway.completions.store, gateway.admission, gateway.max_body_bytes, gateway.new_id,
        gateway.now,
    )  # fmt: skip
    return (
        Resource("POST", "/v3/upload", "generate", Limited(request_response(files.create), gateway.limits)),
        Resource("GET", "/v3/upload", "generate", request_response(files.list)),
        Resource("DELETE", "/v3/upload", "generate", request_response(files.delete_all)),
        Resource("POST", "/v3/upload/delete", "generate", request_response(files.delete_some)),
    )


def _deletions(gateway: Gateway) -> tuple[Resource, ...]:
    if gateway.deletion is None:
        return ()
    deletions = Deletions(gateway.deletion)
    return (
        Resource("DELETE", "/v3/images", "generate", request_response(deletions.own)),
        Resource("DELETE", "/v3/images/{image_id}", "generate", request_response(deletions.image)),
        Resource("DELETE", "/v3/generations/{generation_id}", "generate", request_response(deletions.generation)),
        Resource("DELETE", "/v3/manage/content", "manage", request_response(deletions.managed)),
    )


def _administration(gateway: Gateway) -> tuple[Resource, ...]:
    if gateway.register is None:
        return ()
    manage = Manage(gateway.register, gateway.catalogue, gateway.now)
    key = "/v3/manage/keys/{key_id}"
    return (
        Resource("POST", "/v3/manage/keys", "manage", request_response(manage.create)),
        Resource("GET", "/v3/manage/keys", "manage", request_response(manage.list)),
        Resource("GET", key, "manage", request_response(manage.one)),
        Resource("PATCH", key, "manage", request_response(manage.change)),
        Resource("DELETE", key, "manage", request_response(manage.delete)),
        Resource("POST", f"{key}/rotate", "manage", request_response(manage.rotate)),
        Resource("POST", f"{key}/revoke", "manage", request_response(manage.revoke)),
        Resource("GET", "/v3/manage/accounts", "manage", request_response(manage.accounts)),
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
            allow_methods=["GET", "POST", "PATCH", "DELETE"],
            allow_headers=["*"],
            expose_headers=EXPOSED_HEADERS,
        )
    return Access(app, gateway.new_id)


def _route(resource: Resource, keys: KeyStore) -> Route:
    guarded = Guarded(resource.endpoint, resource.scope, keys, resource.remembered)
    return Route(resource.path, guarded, methods=[resource.method])
