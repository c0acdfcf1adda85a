"""GET /metrics: what the ledger comes to, for Prometheus.

Rule: it names no key, no account and no model. It is open to this machine alone; everybody else,
and whatever came through a proxy, needs a key that may read.
"""

import ipaddress
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import Response

from impasto.api.access import note
from impasto.api.auth import authenticate
from impasto.completions.ports import KeyStore
from impasto.domain.money import dollars_of
from impasto.domain.spending import Totals

ReadTotals = Callable[[], Awaitable[Totals]]
_PROXIED = ("forwarded", "x-forwarded-for", "x-real-ip", "via")


@dataclass(frozen=True, slots=True)
class Metrics:
    """The resource, on a public route: it looks at address and key by itself."""

    totals_of: ReadTotals
    keys: KeyStore

    async def read(self, request: Request) -> Response:
        if not _is_from_here(request):
            key = await authenticate(request.headers, self.keys, "read", now=True)
            note(request.scope, key=key.name)
        content_type, text = metrics_of(await self.totals_of())
        return Response(text, media_type=content_type)


def metrics_of(totals: Totals) -> tuple[str, bytes]:
    """`totals` as Prometheus reads them, with their media type. They are sums of the ledger, so they stand for all
    processes at once."""
    # It brings a web server of its own along: most gateways are never asked.
    from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Gauge, generate_latest

    registry = CollectorRegistry()
    for name, help_text, value in (
        ("impasto_spent_dollars", "Settled, US dollars.", float(dollars_of(totals.spent_nano))),
        ("impasto_held_dollars", "Held for calls in flight, US dollars.", float(dollars_of(totals.held_nano))),
        (
            "impasto_unknown_dollars",
            "Held at the upper bound for calls of unknown outcome, US dollars.",
            float(dollars_of(totals.unknown_nano)),
        ),
        ("impasto_overruns", "Calls that settled above what was held for them.", totals.overruns),
        ("impasto_overrun_dollars", "By how much they did, US dollars.", float(dollars_of(totals.overrun_nano))),
    ):
        Gauge(name, help_text, registry=registry).set(value)
    return CONTENT_TYPE_LATEST, generate_latest(registry)


def _is_from_here(request: Request) -> bool:
    headers: Headers = request.headers
    if request.client is None or any(name in headers for name in _PROXIED):
        return False
    try:
        return ipaddress.ip_address(request.client.host).is_loopback
    except ValueError:
        return False
