"""Who is calling, and may they?

Rule: the decision takes the bearer token and the route's own scope, and nothing from
the address.
"""

from starlette.datastructures import Headers

from impasto.completions.ports import KeyStore
from impasto.domain.errors import Code, Failure
from impasto.domain.keys import Scope, VirtualKey


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
