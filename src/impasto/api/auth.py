"""Who is calling, and may they?

Rule: the decision takes the key that was sent and the route's own scope, and nothing from
the address. Every route stands behind its guard; an endpoint cannot forget it.
"""

from dataclasses import dataclass

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Send
from starlette.types import Scope as Connection

from impasto.api.access import note
from impasto.completions.ports import KeyStore
from impasto.domain.errors import Code, Failure
from impasto.domain.keys import Scope, VirtualKey


@dataclass(frozen=True, slots=True)
class Guarded:
    """ASGI middleware around one endpoint: nobody without a key for `scope` comes past it."""

    endpoint: ASGIApp
    scope: Scope
    keys: KeyStore

    async def __call__(self, connection: Connection, receive: Receive, send: Send) -> None:
        if self.scope != "public":
            key = authenticate(Headers(scope=connection), self.keys, self.scope)
            connection["impasto.key"] = key
            note(connection, key=key.name)
        await self.endpoint(connection, receive, send)


def caller_of(connection: Connection) -> VirtualKey:
    """The key that came past the guard."""
    key: VirtualKey = connection["impasto.key"]
    return key


def authenticate(headers: Headers, keys: KeyStore, scope: Scope) -> VirtualKey:
    """The key that the request carries. Raises 401 without a good one, 403 where it may not do this."""
    secret = _secret(headers)
    if not secret:
        raise Failure(
            Code.INVALID_API_KEY, "No key was sent. Send this gateway's key as the header Authorization: Bearer <key>."
        )
    key = keys.find(secret)
    if key is None:
        raise Failure(Code.INVALID_API_KEY, "This key is not one of this gateway's keys.")
    if not key.may(scope):
        raise Failure(Code.NOT_ALLOWED, f'The key "{key.name}" may not do this: it lacks the scope {scope}.')
    return key


def _secret(headers: Headers) -> str:
    kind, _, secret = headers.get("authorization", "").partition(" ")
    if kind.lower() == "bearer" and secret.strip():
        return secret.strip()
    return headers.get("x-api-key", "").strip()
