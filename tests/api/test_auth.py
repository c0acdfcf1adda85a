"""The guard: which key comes past, for which scope, and from which header it is read."""

import itertools
from dataclasses import dataclass, field
from typing import get_args

import pytest
from starlette.datastructures import Headers
from starlette.types import Receive, Send
from starlette.types import Scope as Connection

from impasto.api.auth import Guarded, authenticate, caller_now, caller_of
from impasto.completions.ports import KeyStore
from impasto.domain.errors import Code, Failure
from impasto.domain.keys import Scope, VirtualKey, secret_from
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
async def test_a_key_is_read_from_either_header(headers: list[tuple[str, str]]) -> None:
    key = await authenticate(asking(*headers), KEYS, "read", now=True)
    assert key.name == "read's key"


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
        ([("authorization", f"Bearer {secret_from(bytes(32))}")], "not one of"),
        ([("authorization", f"Bearer {secret_from(bytes(32))[:-1]}x")], "has a typing error: its checksum does not"),
        ([("x-api-key", "impasto_read")], "has a typing error: its checksum does not fit"),
    ],
)
async def test_a_missing_key_and_a_bad_one_are_told_apart(headers: list[tuple[str, str]], said: str) -> None:
    with pytest.raises(Failure, match=said) as refused:
        await authenticate(asking(*headers), KEYS, "read", now=True)
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


@dataclass(slots=True)
class ChangingKeys:
    """Knows `key` under every secret, and how it was asked."""

    key: VirtualKey | None
    asked: list[bool] = field(default_factory=list)

    async def find(self, secret: str, *, now: bool) -> VirtualKey | None:
        self.asked.append(now)
        return self.key


@pytest.mark.parametrize("remembered", [False, True])
async def test_a_route_says_whether_a_key_from_memory_will_do(remembered: bool) -> None:
    keys = ChangingKeys(VirtualKey("one", frozenset({"read"})))
    connection = await guarded_connection(keys, remembered=remembered)
    assert keys.asked == [not remembered]
    keys.key = VirtualKey("another", frozenset({"read"}))
    assert (await caller_now(connection)).name == "another"
    assert caller_of(connection).name == "another"
    assert keys.asked == [not remembered, True]


@pytest.mark.parametrize(
    ("key", "code"), [(None, Code.INVALID_API_KEY), (VirtualKey("one", frozenset({"manage"})), Code.NOT_ALLOWED)]
)
async def test_who_is_asked_for_again_may_be_gone(key: VirtualKey | None, code: Code) -> None:
    keys = ChangingKeys(VirtualKey("one", frozenset({"read"})))
    connection = await guarded_connection(keys, remembered=True)
    keys.key = key
    with pytest.raises(Failure) as refused:
        await caller_now(connection)
    assert refused.value.code is code


async def guarded_connection(keys: KeyStore, *, remembered: bool) -> Connection:
    """A connection that came past the guard for `read`."""

    async def endpoint(connection: Connection, receive: Receive, send: Send) -> None:
        pass

    async def receive() -> dict[str, object]:
        raise AssertionError

    async def send(_: object) -> None:
        raise AssertionError

    connection: Connection = {"type": "http", "headers": [(b"x-api-key", b"any")], "impasto.facts": {}}
    await Guarded(endpoint, "read", keys, remembered)(connection, receive, send)
    return connection
