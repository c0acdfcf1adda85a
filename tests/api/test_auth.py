"""The guard: which key comes past, for which scope, and from which header it is read."""

import itertools
from typing import get_args

import pytest
from starlette.datastructures import Headers
from starlette.types import Receive, Send
from starlette.types import Scope as Connection

from impasto.api.auth import Guarded, authenticate, caller_of
from impasto.domain.errors import Code, Failure
from impasto.domain.keys import Scope, VirtualKey
from impasto.storage.keys import FixedKeys

SCOPES: tuple[Scope, ...] = get_args(Scope)
KEYS = FixedKeys({scope: VirtualKey(f"{scope}'s key", frozenset({scope})) for scope in SCOPES})


def asking(*headers: tuple[str, str]) -> Headers:
    return Headers(raw=[(name.encode(), value.encode("latin-1")) for name, value in headers])


@pytest.mark.parametrize(
    "headers",
    [
        [("authorization", "Bearer read")],
        [("authorization", "bearer read")],
        [("authorization", "BEARER   read  ")],
        [("x-api-key", "read")],
        [("x-api-key", " read ")],
        [("authorization", "Basic dXNlcjpwYXNz"), ("x-api-key", "read")],
        [("authorization", "Bearer "), ("x-api-key", "read")],
    ],
)
def test_a_key_is_read_from_either_header(headers: list[tuple[str, str]]) -> None:
    assert authenticate(asking(*headers), KEYS, "read").name == "read's key"


@pytest.mark.parametrize(
    ("headers", "said"),
    [
        ([], "No key was sent"),
        ([("authorization", "read")], "No key was sent"),
        ([("authorization", "Basic read")], "No key was sent"),
        ([("authorization", "Bearer")], "No key was sent"),
        ([("cookie", "key=read")], "No key was sent"),
        ([("authorization", "Bearer other")], "not one of"),
        ([("authorization", "Bearer other"), ("x-api-key", "read")], "not one of"),
        ([("authorization", "Bearer read read")], "not one of"),
    ],
)
def test_a_missing_key_and_a_bad_one_are_told_apart(headers: list[tuple[str, str]], said: str) -> None:
    with pytest.raises(Failure, match=said) as refused:
        authenticate(asking(*headers), KEYS, "read")
    assert refused.value.code is Code.INVALID_API_KEY
    assert not refused.value.retry_helps
    assert "other" not in refused.value.message


@pytest.mark.parametrize(("held", "asked"), list(itertools.product(SCOPES, SCOPES)))
async def test_a_guard_lets_past_whom_its_scope_allows(held: Scope, asked: Scope) -> None:
    came: list[Connection] = []

    async def endpoint(connection: Connection, _: Receive, __: Send) -> None:
        came.append(connection)

    async def receive() -> dict[str, object]:
        raise AssertionError

    async def send(_: object) -> None:
        raise AssertionError

    connection = {"type": "http", "headers": [(b"x-api-key", held.encode())], "impasto.facts": {}}
    guarded = Guarded(endpoint, asked, KEYS)
    if asked in ("public", held):
        await guarded(connection, receive, send)
        assert came == [connection]
    else:
        with pytest.raises(Failure) as refused:
            await guarded(connection, receive, send)
        assert refused.value.code is Code.NOT_ALLOWED
        assert asked in refused.value.message
        assert came == []
    if came and asked != "public":
        assert caller_of(connection).name == f"{held}'s key"
        assert connection["impasto.facts"] == {"key": f"{held}'s key"}
