"""Who is calling, and may they?

Rule: the decision takes the key that was sent and the route's own scope, and nothing from
the address. Every route stands behind its guard; an endpoint cannot forget it.
"""

from dataclasses import dataclass
from functools import partial

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Send
from starlette.types import Scope as Connection

from impasto.api.access import note
from impasto.completions.ports import KeyStore
from impasto.domain.errors import Code, Failure
from impasto.domain.keys import PREFIX, Scope, VirtualKey, is_well_formed


@dataclass(frozen=True, slots=True)
class Guarded:
    """ASGI middleware around one endpoint: nobody without a key for `scope` comes past it.

    `remembered`: the key may be one that was seen a moment ago, because the endpoint reserves in the ledger, which
    says so where the key has changed; then `caller_now` is who it is.
    """

    endpoint: ASGIApp
    scope: Scope
    keys: KeyStore
    remembered: bool = False

    async def __call__(self, connection: Connection, receive: Receive, send: Send) -> None:
        if self.scope != "public":
            headers = Headers(scope=connection)
            key = await authenticate(headers, self.keys, self.scope, now=not self.remembered)
            connection["impasto.key"] = key
            connection["impasto.key_now"] = partial(authenticate, headers, self.keys, self.scope, now=True)
            note(connection, key=key.name)
        await self.endpoint(connection, receive, send)


def caller_of(connection: Connection) -> VirtualKey:
    """The key that came past the guard."""
    key: VirtualKey = connection["impasto.key"]
    return key


async def caller_now(connection: Connection) -> VirtualKey:
    """The key whose secret was sent, as it is this moment. Raises 401 where it was revoked or got another secret."""
    key: VirtualKey = await connection["impasto.key_now"]()
    connection["impasto.key"] = key
    return key


async def authenticate(headers: Headers, keys: KeyStore, scope: Scope, *, now: bool) -> VirtualKey:
    """The key that the request carries. Raises 401 without a good one, 403 where it may not do this.

    `now` is that of `KeyStore.find`.
    """
    secret = _secret(headers)
    if not secret:
        raise Failure(
            Code.INVALID_API_KEY, "No key was sent. Send this gateway's key as the header Authorization: Bearer <key>."
        )
    key = await keys.find(secret, now=now)
    if key is None:
        raise Failure(Code.INVALID_API_KEY, _why_unknown(secret))
    if not key.may(scope):
        raise Failure(Code.NOT_ALLOWED, f'The key "{key.name}" may not do this: it lacks the scope {scope}.')
    return key


def _why_unknown(secret: str) -> str:
    """A revoked key is as unknown as one that never was."""
    if secret.startswith(PREFIX) and not is_well_formed(secret):
        return "This key has a typing error: its checksum does not fit. Copy it once more, from end to end."
    return "This key is not one of this gateway's keys."


def _secret(headers: Headers) -> str:
    kind, _, secret = headers.get("authorization", "").partition(" ")
    if kind.lower() == "bearer" and secret.strip():
        return secret.strip()
    return headers.get("x-api-key", "").strip()
