"""The route table: the declared scope decides, and nothing about the address does."""

import itertools
from dataclasses import replace
from typing import Any, get_args

import pytest

from impasto.api.routes import Resource, resources_of
from impasto.domain.keys import Scope
from tests.api.surface import IMAGES_KEY, KEY, MANAGERS_KEY, READERS_KEY, Surface, gateway_of, surface
from tests.fakes.answerers import FakeAnswerers
from tests.fakes.images import FakeImages

NOT_ASKED: Any = object()
"""A register of keys that nobody gets to."""
RESOURCES = resources_of(replace(gateway_of(FakeAnswerers(), FakeImages()), register=NOT_ASKED))
SCOPES_OF = {READERS_KEY: {"read"}, KEY: {"generate"}, MANAGERS_KEY: {"generate", "manage"}}
PAST_THE_GUARD = {"POST": 422, "/v3/generations/{generation_id}": 404}
"""What is answered to `{}` without anything there: 200 where nothing else is said."""
HAVE_THEIR_OWN_GUARD = ("/v3/images/{image_id}/content", "/metrics")
STRANGERS = [None, "", " ", "nobody's", KEY.upper(), KEY + "x", KEY[:-1], "null", "undefined"]
HOSTILE_KEYS = [
    "' OR '1'='1", '" OR ""="', "key'; DROP TABLE keys; --", "%", "_", "*", "..", "../first-key", "\\", "{}", "[]",
    "$ne", "${jndi:ldap://x}", "a\x00b", "\xff\xfe", "ü", "Bearer", f"{KEY},{KEY}", f"{KEY};", f'"{KEY}"', "0", "true",
]  # fmt: skip
HEADERS = [
    [],
    [("Host", "evil.test")],
    [("Host", "127.0.0.1"), ("Host", "evil.test")],
    [("X-Forwarded-For", "127.0.0.1"), ("X-Real-IP", "127.0.0.1"), ("Forwarded", "for=127.0.0.1")],
    [("X-Forwarded-Host", "localhost"), ("X-Forwarded-Proto", "https"), ("X-Forwarded-Prefix", "/health")],
    [("X-Original-URL", "/health/live"), ("X-Rewrite-URL", "/health/live"), ("X-HTTP-Method-Override", "GET")],
]
SAME = pytest.mark.parametrize("resource", RESOURCES, ids=lambda resource: f"{resource.method} {resource.path}")


async def status(at: Surface, resource: Resource, key: str | None, headers: list[tuple[str, str]]) -> int:
    path = resource.path.replace("{model_id:path}", "maker/brush").replace("_id}", "").replace("{", "")
    return (await at.ask(resource.method, path, b"{}", headers, key=key)).status


@SAME
@pytest.mark.parametrize("headers", HEADERS, ids=str)
async def test_the_declared_scope_decides(resource: Resource, headers: list[tuple[str, str]]) -> None:
    at = surface(register=NOT_ASKED)
    past = PAST_THE_GUARD.get(resource.path) or PAST_THE_GUARD.get(resource.method, 200)
    strangers = {await status(at, resource, key, headers) for key in STRANGERS}
    if resource.scope != "public":
        assert strangers == {401}
    elif resource.path not in HAVE_THEIR_OWN_GUARD:
        assert strangers == {past}
    for key, scopes in SCOPES_OF.items():
        if resource.scope not in {"public", *scopes}:
            assert await status(at, resource, key, headers) == 403
        elif _is_answered_by_fakes(resource):
            assert await status(at, resource, key, headers) == past
    assert at.answerers.calls == []


def _is_answered_by_fakes(resource: Resource) -> bool:
    administers = resource.path.startswith(("/v3/manage/keys", "/v3/manage/accounts"))
    return not administers and resource.path not in HAVE_THEIR_OWN_GUARD


def test_what_is_open_is_listed_here() -> None:
    open_to_all = {resource.path for resource in RESOURCES if resource.scope == "public"}
    assert {path.partition("/{model")[0] for path in open_to_all} == {
        "/", "/v3/models", "/v3/llm/models", "/v1/models", "/health/live", "/health/ready", *HAVE_THEIR_OWN_GUARD,
    }  # fmt: skip
    assert {resource.scope for resource in RESOURCES} <= set(get_args(Scope))


def test_only_completions_are_begun_for_a_key_as_it_was_a_moment_ago() -> None:
    # The ledger looks at the key again when it reserves; everything else has nobody behind it.
    remembered = {resource.path for resource in RESOURCES if resource.remembered}
    assert remembered == {"/v3/chat/completions", "/v3/llm/chat/completions", "/v1/chat/completions"}


@pytest.mark.parametrize("key", HOSTILE_KEYS)
@pytest.mark.parametrize("header", ["Authorization", "X-Api-Key"])
async def test_metacharacters_open_nothing(key: str, header: str) -> None:
    value = f"Bearer {key}" if header == "Authorization" else key
    answer = await surface().ask("POST", "/v3/chat/completions", b"{}", [(header, value)], key=None)
    assert answer.status == 401
    assert answer.json["error"]["code"] == "invalid_api_key"


PATHS = ["/v3/chat/completions", "/v3/models", "/health/ready", "/v1/models/maker/brush"]
DISGUISES = ["/{0}", "{0}//", "/.{0}", "/x/..{0}", "{0};x", "{0}%2f", "{0}\\", "{0}.json", "{0}%00", "{0}\x00", " {0}"]


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("disguise", DISGUISES)
async def test_an_address_in_disguise_is_no_address(path: str, disguise: str) -> None:
    at = surface()
    disguised = disguise.format(path)
    for method in ("GET", "POST"):
        with_key, without = [await at.ask(method, disguised, b"{}", key=key) for key in (KEY, None)]
        assert with_key.status == without.status
        assert with_key.status in (404, 405)
    assert at.answerers.calls == []


async def test_a_double_slash_or_a_closing_one_is_another_address() -> None:
    for path in ("//v3/chat/completions", "/v3//chat/completions", "/v3/chat/completions/", "/v3/chat"):
        assert (await surface().complete(path=path)).status == 404


def test_a_route_without_a_scope_cannot_be_written() -> None:
    with pytest.raises(TypeError):
        Resource("GET", "/open", endpoint=RESOURCES[0].endpoint)  # type: ignore[call-arg]


def test_no_address_stands_in_the_table_twice() -> None:
    addresses = [(resource.method, resource.path) for resource in RESOURCES]
    assert len(addresses) == len(set(addresses))


@pytest.mark.parametrize(
    ("path", "key", "shape"),
    [
        ("/v3/chat/completions", KEY, "content"),
        ("/v3/llm/chat/completions", KEY, "content"),
        ("/v1/chat/completions", KEY, "images"),
        ("/v3/chat/completions", IMAGES_KEY, "images"),
        ("/v3/llm/chat/completions", IMAGES_KEY, "images"),
    ],
)
async def test_the_path_and_the_key_choose_the_shape(path: str, key: str, shape: str) -> None:
    message = (await surface().complete(key=key, path=path)).message
    assert ("images" in message) == (shape == "images")
    assert message["content"].startswith("data:image/png") == (shape == "content")


@pytest.mark.parametrize(
    ("fields", "shape"),
    [
        ({"image_output": "content"}, "content"),
        ({"image_output": "images"}, "images"),
        ({"modalities": ["image", "text"]}, "images"),
        ({"modalities": ["image"], "image_output": "content"}, "content"),
    ],
)
async def test_the_request_chooses_the_shape_first(fields: dict[str, Any], shape: str) -> None:
    for path, key in itertools.product(("/v3/chat/completions", "/v1/chat/completions"), (KEY, IMAGES_KEY)):
        message = (await surface().complete(key=key, path=path, **fields)).message
        assert ("images" in message) == (shape == "images")


async def test_a_page_elsewhere_may_read_answers_and_errors() -> None:
    at = surface(cors_origins=("https://studio.test",))
    origin = [("Origin", "https://studio.test")]
    asked = [
        ("Access-Control-Request-Method", "POST"),
        ("Access-Control-Request-Headers", "authorization,x-stainless-os"),
    ]
    before = await at.ask("OPTIONS", "/v3/chat/completions", headers=[*origin, *asked], key=None)
    assert before.status == 200
    assert "x-stainless-os" in before.headers["access-control-allow-headers"]
    for path, key, expected in (
        ("/v3/models", None, 200),
        ("/v3/chat/completions", None, 401),
        ("/v3/chat/completions", KEY, 422),
        ("/nowhere", None, 404),
    ):
        answer = await at.ask("POST" if "chat" in path else "GET", path, b"{}", origin, key=key)
        assert answer.status == expected
        assert answer.headers["access-control-allow-origin"] == "https://studio.test"
        assert "x-request-id" in answer.headers["access-control-expose-headers"]
        assert "x-request-id" in answer.headers
    stranger = await at.ask("GET", "/v3/models", headers=[("Origin", "https://evil.test")])
    assert "access-control-allow-origin" not in stranger.headers


async def test_without_origins_nobody_elsewhere_reads() -> None:
    answer = await surface().ask("GET", "/v3/models", headers=[("Origin", "https://studio.test")])
    assert not [name for name in answer.headers if name.startswith("access-control")]
