"""/v3/manage: virtual keys and accounts.

Rule: nobody grants what he does not hold, and a secret is in the answer that makes it and in no
other one.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import urlencode

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from impasto.api.auth import caller_of
from impasto.api.body import read_body
from impasto.api.key_wire import account_body, key_body, parse_key_change, parse_new_key
from impasto.api.query import number_of
from impasto.catalogue.catalogue import Catalogue
from impasto.completions.ports import KeyRegister
from impasto.domain.key_records import KeyTerms, NewKey, check_may_grant
from impasto.domain.keys import VirtualKey

MAX_BODY_BYTES = 1 << 20
DEFAULT_LIMIT = 50
MAX_LIMIT = 200
MAX_OFFSET = 2**31 - 1


@dataclass(frozen=True, slots=True)
class Manage:
    """The register as a resource. `now` gives seconds since the epoch."""

    register: KeyRegister
    catalogue: Catalogue
    now: Callable[[], float]

    async def create(self, request: Request) -> Response:
        terms, account_id = parse_new_key(await self._body(request), self.catalogue, self.now())
        check_may_grant(caller_of(request.scope), terms)
        return _secret_answer(await self.register.create(terms, account_id), 201)

    async def list(self, request: Request) -> Response:
        limit, offset = _page(request)
        count, records = await self.register.records(limit=limit, offset=offset)
        return _list_answer(request, count, limit, offset, [key_body(record) for record in records])

    async def one(self, request: Request) -> Response:
        return _json(key_body(await self.register.record(_key_id(request))))

    async def change(self, request: Request) -> Response:
        given = parse_key_change(await self._body(request), self.catalogue, self.now())
        caller = caller_of(request.scope)

        def change(before: KeyTerms) -> KeyTerms:
            after = given.over(before)
            _check_may_add(caller, before, after)
            return after

        return _json(key_body(await self.register.change(_key_id(request), change)))

    async def rotate(self, request: Request) -> Response:
        caller = caller_of(request.scope)  # who gets the new secret can do what the key can
        made = await self.register.rotate(_key_id(request), lambda terms: check_may_grant(caller, terms))
        return _secret_answer(made, 200)

    async def revoke(self, request: Request) -> Response:
        return _json(key_body(await self.register.revoke(_key_id(request))))

    async def delete(self, request: Request) -> Response:
        await self.register.revoke(_key_id(request))
        return Response(status_code=204)

    async def accounts(self, request: Request) -> Response:
        limit, offset = _page(request)
        count, records = await self.register.accounts(limit=limit, offset=offset)
        return _list_answer(request, count, limit, offset, [account_body(record) for record in records])

    async def _body(self, request: Request) -> bytearray:
        return await read_body(request.scope, request.receive, MAX_BODY_BYTES)


def secret_body(made: NewKey) -> dict[str, object]:
    """A key with its secret, as `key`: the one time that it is shown."""
    return {"key": made.secret, **key_body(made.record)}


def _check_may_add(caller: VirtualKey, before: KeyTerms, after: KeyTerms) -> None:
    """Refuse what a change adds to a key; what it had already, it was granted by somebody else."""
    has_more = after.models != before.models and before.models is not None
    added = replace(
        after,
        scopes=after.scopes - before.scopes,
        models=after.models if has_more else frozenset(),
        sandbox=True,
    )
    check_may_grant(caller, added)


def _key_id(request: Request) -> str:
    return str(request.path_params["key_id"])


def _page(request: Request) -> tuple[int, int]:
    return (
        number_of(request.query_params, "limit", 1, MAX_LIMIT, DEFAULT_LIMIT),
        number_of(request.query_params, "offset", 0, MAX_OFFSET, 0),
    )


def _list_answer(request: Request, count: int, limit: int, offset: int, results: "list[dict[str, Any]]") -> Response:
    """A page as Eden's lists are; the addresses of its neighbours begin with the path, as no host is trusted."""
    path = request.scope["path"]

    def at(other: int) -> str:
        return f"{path}?{urlencode({'limit': limit, 'offset': other})}"

    following = at(offset + limit) if offset + limit < count else None
    previous = at(max(0, offset - limit)) if offset else None
    return _json({"count": count, "next": following, "previous": previous, "results": results})


def _secret_answer(made: NewKey, status: int) -> Response:
    answer = _json(secret_body(made), status)
    answer.headers["cache-control"] = "no-store"
    return answer


def _json(body: object, status: int = 200) -> Response:
    return Response(msgspec.json.encode(body), status_code=status, media_type="application/json")
