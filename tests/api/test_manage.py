"""/v3/manage: keys are made, shown, changed and ended by those who may, and nobody grants more than he holds."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any

import pytest

from impasto.api.routes import asgi_app
from impasto.domain.keys import Scope, VirtualKey, is_well_formed, secret_from
from impasto.storage.database import Database
from impasto.storage.key_register import SqlKeyRegister
from impasto.storage.keys import EVERY_RIGHT, SqlKeys, ensure_operator
from impasto.storage.tables import balances
from tests.api.surface import Answer, Surface, gateway_of
from tests.fakes.answerers import FakeAnswerers
from tests.fakes.images import FakeImages

NOW = 1_790_000_000.0  # 2026-09-21 14:13:20, a Monday
KEYS = "/v3/manage/keys"
OPERATOR, MANAGER, BOUND, SANDBOXED, CALLER = "operator's", "manager's", "bound", "sandboxed", "caller's"
MANAGES: frozenset[Scope] = frozenset({"manage"})


@dataclass(slots=True)
class Managed:
    """A gateway with a register. `seconds` is its time."""

    database: Database
    seconds: float = NOW
    surface: Surface = field(init=False)

    def __post_init__(self) -> None:
        fixed = {
            OPERATOR: EVERY_RIGHT,
            MANAGER: VirtualKey("manager", MANAGES, id="m"),
            BOUND: VirtualKey("bound", MANAGES | {"read"}, id="b", models=frozenset({"maker/brush"})),
            SANDBOXED: VirtualKey("toy", MANAGES | {"read"}, id="s", sandbox=True),
            CALLER: VirtualKey("caller", frozenset({"generate", "read"}), id="c"),
        }
        secrets = (secret_from(number.to_bytes(32)) for number in range(1, 1000))
        ids = map(str, range(1, 1000))
        keys = SqlKeys(self.database, b"hashing", fixed, self.now)
        register = SqlKeyRegister(
            self.database, b"hashing", self.now, lambda: next(secrets), lambda: next(ids), keys.forget
        )
        answerers, images = FakeAnswerers(), FakeImages()
        gateway = replace(gateway_of(answerers, images), keys=keys, register=register, now=self.now)
        self.surface = Surface(asgi_app(gateway), answerers, images)

    def now(self) -> float:
        return self.seconds

    async def ask(self, method: str, path: str, *, key: str | None = OPERATOR, **fields: Any) -> Answer:
        return await self.surface.ask(method, path, json.dumps(fields).encode(), key=key)

    async def make(self, name: str = "studio", *, key: str = OPERATOR, **fields: Any) -> Any:
        answer = await self.ask("POST", KEYS, key=key, name=name, **fields)
        assert answer.status == 201, answer.body
        return answer.json

    async def whoami(self, secret: str) -> int:
        """The status of a request that every living key with the scope `manage` may make."""
        return (await self.ask("GET", KEYS, key=secret)).status


@pytest.fixture
def at(database: Database) -> Managed:
    return Managed(database)


def said(answer: Answer) -> tuple[int, str, str | None, str]:
    error = answer.json["error"]
    return answer.status, error["code"], error["param"], error["message"]


async def test_a_key_is_made_and_its_secret_is_shown_once(at: Managed) -> None:
    answer = await at.ask("POST", KEYS, name="studio")
    assert answer.status == 201
    assert answer.headers["cache-control"] == "no-store"
    made = answer.json
    assert is_well_formed(made["key"])
    shown = (await at.ask("GET", f"{KEYS}/{made['id']}")).json
    assert {name: value for name, value in made.items() if name != "key"} == shown
    assert shown == {
        "object": "key", "id": "key_1", "name": "studio", "account_id": "acct_2",
        "masked": f"impasto_…{made['key'][-4:]}", "scopes": ["generate", "read"], "sandbox": False, "budget": None,
        "period": "none",
        "current_period": {"name": "all", "ends_at": None, "spent": 0, "held": 0, "unknown": 0, "left": None},
        "rpm": None, "concurrent": None, "models": None, "image_output": None, "image_delivery": None,
        "retention": "all", "default_tags": {}, "created_at": "2026-09-21T14:13:20.000Z", "expires_at": None,
        "revoked": False, "revoked_at": None, "version": 0, "token_type": "api_token", "active_balance": False,
        "balance": None, "balance_reset_period": "none", "expire_time": None,
    }  # fmt: skip
    assert made["key"] not in (await at.ask("GET", KEYS)).body.decode()


async def test_every_term_is_kept(at: Managed) -> None:
    terms: dict[str, Any] = {
        "budget": Decimal("12.5"), "period": "weekly", "rpm": 30, "concurrent": 4, "models": ["maker/brush"],
        "scopes": ["generate"], "image_output": "both", "image_delivery": "url", "retention": "pictures",
        "expires_at": "2027-01-31T00:00:00.000Z", "default_tags": {"client": "acme"}, "sandbox": True,
    }  # fmt: skip
    made = await at.make("studio", **(terms | {"budget": "12.50", "models": ["brush"], "expires_at": "2027-01-31"}))
    assert {name: made[name] for name in terms} == terms
    assert made["current_period"]["name"] == "2026-W39"
    assert made["current_period"]["ends_at"] == "2026-09-28T00:00:00.000Z"
    assert (made["token_type"], made["active_balance"], made["balance"]) == ("sandbox_api_token", True, "12.5")


async def test_edens_own_example_is_understood(at: Managed) -> None:
    made = await at.make("prod", balance="25", balance_reset_period="monthly", balance_reset_amount="25")
    assert (made["budget"], made["period"], made["balance"]) == (25, "monthly", "25")
    other = await at.make("b", balance=0.1, expire_time="2027-01-31T01:00:00+01:00", token_type="sandbox_api_token")
    assert (other["budget"], other["sandbox"]) == (Decimal("0.1"), True)
    assert other["expires_at"] == "2027-01-31T00:00:00.000Z"


@pytest.mark.parametrize(
    ("fields", "code", "param", "message"),
    [
        ({}, "invalid_body", "name", "name is missing: say what the key is for."),
        ({"name": " "}, "invalid_value", "name", "1 to 200 printable characters"),
        ({"name": "a\x00b"}, "invalid_value", "name", "1 to 200 printable characters"),
        ({"name": "\ud800"}, "invalid_json", None, "valid JSON"),
        ({"name": "x" * 201}, "invalid_value", "name", "1 to 200 printable characters"),
        ({"name": 7}, "invalid_body", "name", "name: Expected string, got integer."),
        ({"budget": "ten"}, "invalid_body", "budget", "budget: Expected a number, such as 0.05."),
        ({"budget": -1}, "invalid_value", "budget", '"-1" is no sum of US dollars from 0 to 1000000000.'),
        ({"budget": "NaN"}, "invalid_value", "budget", '"NaN" is no sum'),
        ({"budget": "1e999999"}, "invalid_value", "budget", '"1E+999999" is no sum'),
        ({"budget": True}, "invalid_body", "budget", "budget: Expected"),
        ({"balance": "x"}, "invalid_body", "balance", "balance: Expected a number"),
        ({"period": "yearly"}, "invalid_value", "period", '"yearly" is not possible. It takes none, daily, weekly and'),
        ({"period": None}, "invalid_body", "period", "period: Expected string, got null."),
        ({"rpm": 0}, "invalid_body", "rpm", "rpm: Expected integer >= 1"),
        ({"rpm": 2**40}, "invalid_body", "rpm", "rpm: Expected integer <= 2147483647"),
        ({"concurrent": 1.5}, "invalid_body", "concurrent", "concurrent: Expected integer"),
        ({"models": ["brushh"]}, "invalid_value", "models[0]", 'there is no model "brushh". Did you mean'),
        ({"models": "brush"}, "invalid_body", "models", "models: Expected array"),
        ({"models": ["brush"] * 201}, "invalid_value", "models", "It takes at most 200"),
        ({"scopes": ["read", "root"]}, "invalid_value", "scopes[1]", '"root" is no scope. It takes generate, read and'),
        ({"scopes": ["public"]}, "invalid_value", "scopes[0]", '"public" is no scope'),
        ({"image_output": "png"}, "invalid_value", "image_output", '"png" is not possible. It takes content, images'),
        ({"image_delivery": "mail"}, "invalid_value", "image_delivery", "It takes inline and url."),
        (
            {"retention": "some"},
            "invalid_value",
            "retention",
            "It takes all, pictures and none.",
        ),
        ({"retention": 0}, "invalid_body", "retention", "Expected"),
        ({"expires_at": "tomorrow"}, "invalid_value", "expires_at", '"tomorrow" is no time. It takes ISO 8601'),
        ({"expires_at": "2026-09-21T14:13:20Z"}, "invalid_value", "expires_at", "has passed"),
        ({"expires_at": "0001-01-01T00:00:00+14:00"}, "invalid_value", "expires_at", "0001-01-01"),
        ({"default_tags": {"Client": "x"}}, "invalid_value", "default_tags", '"Client" is no name of a tag'),
        ({"default_tags": {"client": 1}}, "invalid_body", "default_tags[...]", "Expected string, got integer"),
        ({"budget": 1, "balance": 1}, "invalid_value", "balance", "budget says the same. Send one of the two."),
        ({"balance": 1, "balance_reset_amount": 2}, "invalid_value", "balance_reset_amount", "the same sum as balance"),
        ({"token_type": "mgmt"}, "invalid_value", "token_type", "It takes api_token and sandbox_api_token."),
        ({"budgett": 1}, "invalid_body", "budgett", 'There is no field "budgett". Did you mean budget?'),
        ({"zzz": 1}, "invalid_body", "zzz", "A key takes name, budget,"),
        ({"account_id": "acct_9"}, "not_found", None, 'There is no account "acct_9".'),
        ({"account_id": "' OR '1'='1"}, "not_found", None, "There is no account of this id"),
        ({"account_id": "a", "budget": 1}, "invalid_value", "account_id", "Leave out budget and period."),
    ],
)
async def test_what_cannot_be_asked_for_is_named(
    at: Managed, fields: dict[str, Any], code: str, param: str | None, message: str
) -> None:
    body = fields if not fields or "name" in fields else {"name": "studio"} | fields
    answer = await at.ask("POST", KEYS, **body)
    assert answer.status in (400, 404, 422)
    assert said(answer)[1:3] == (code, param)
    assert message in said(answer)[3]
    assert (await at.ask("GET", KEYS)).json["count"] == 0


@pytest.mark.parametrize("body", [b"", b"[]", b"null", b"{", b"\xff", b'{"name": "\xff"}', b"[" * 100_000])
async def test_what_is_no_object_is_refused(at: Managed, body: bytes) -> None:
    for method, path in (("POST", KEYS), ("PATCH", f"{KEYS}/key_1")):
        assert (await at.surface.ask(method, path, body, key=OPERATOR)).status in (400, 422)


async def test_two_keys_share_the_budget_of_one_account(at: Managed) -> None:
    one = await at.make("one", budget=5)
    two = await at.make("two", account_id=one["account_id"])
    assert (two["account_id"], two["budget"]) == (one["account_id"], 5)
    await at.ask("PATCH", f"{KEYS}/{two['id']}", budget=7, period="daily")
    assert (await at.ask("GET", f"{KEYS}/{one['id']}")).json["budget"] == 7
    accounts = (await at.ask("GET", "/v3/manage/accounts")).json
    (account,) = accounts["results"]
    assert (account["id"], account["keys"]) == (one["account_id"], [one["id"], two["id"]])
    assert (account["budget"], account["period"], accounts["count"]) == (7, "daily", 1)
    await at.ask("DELETE", f"{KEYS}/{one['id']}")
    assert (await at.ask("GET", "/v3/manage/accounts")).json["results"][0]["keys"] == [two["id"]]


async def test_what_was_spent_in_the_running_period_is_shown(at: Managed) -> None:
    made = await at.make(budget=1, period="monthly")
    rows = [("2026-08", 0, 0, 999), ("2026-09", 200_000_000, 50_000_000, 67_229_500), ("all", 1, 1, 1)]
    columns = ("period", "held", "unknown", "spent")
    values = [dict(zip(columns, row, strict=True), account_id=made["account_id"]) for row in rows]
    await at.database.write(lambda connection: connection.execute(balances.insert(), values))
    shown = (await at.ask("GET", f"{KEYS}/{made['id']}")).json
    assert shown["current_period"] == {
        "name": "2026-09", "ends_at": "2026-10-01T00:00:00.000Z", "spent": Decimal("0.0672295"),
        "held": Decimal("0.2"), "unknown": Decimal("0.05"), "left": Decimal("0.6827705"),
    }  # fmt: skip
    assert shown["balance"] == "0.6827705"
    at.seconds += 30 * 86400
    assert (await at.ask("GET", KEYS)).json["results"][0]["current_period"]["left"] == 1


async def test_the_list_is_paged(at: Managed) -> None:
    await ensure_operator(at.database, NOW - 1)
    for number in range(4):
        at.seconds = NOW + number
        await at.make(f"key {number}")
    seen: list[str] = []
    path: str | None = f"{KEYS}?limit=2"
    pages = 0
    while path:
        page = await _get(at, path)
        seen += [key["name"] for key in page["results"]]
        assert page["count"] == 5
        path, pages = page["next"], pages + 1
    assert (seen, pages) == (["operator", "key 0", "key 1", "key 2", "key 3"], 3)
    assert (await _get(at, f"{KEYS}?limit=2&offset=3"))["previous"] == f"{KEYS}?limit=2&offset=1"
    assert (await _get(at, f"{KEYS}?offset=9"))["results"] == []


@pytest.mark.parametrize("query", ["limit=0", "limit=201", "limit=x", "limit=", "limit=-1", "offset=-1", "offset=²"])
async def test_a_page_that_cannot_be_is_refused(at: Managed, query: str) -> None:
    answer = await _ask(at, f"{KEYS}?{query}")
    assert said(answer)[:3] == (400, "invalid_value", query.partition("=")[0])


async def test_a_change_takes_what_it_names_and_leaves_the_rest(at: Managed) -> None:
    made = await at.make("one", budget=5, rpm=3, models=["brush"], default_tags={"a": "b"})
    answer = await at.ask("PATCH", f"{KEYS}/{made['id']}", name="two", rpm=None, concurrent=2, period="daily")
    changed = {"name": "two", "rpm": None, "concurrent": 2, "period": "daily", "version": 1}
    kept = {
        name: made[name] for name in ("id", "account_id", "budget", "models", "default_tags", "masked", "created_at")
    }
    assert answer.json == answer.json | changed | kept
    assert answer.json == (await at.ask("GET", f"{KEYS}/{made['id']}")).json
    cleared = await at.ask(
        "PATCH", f"{KEYS}/{made['id']}", budget=None, models=None, default_tags=None, expires_at=None
    )
    assert [cleared.json[name] for name in ("budget", "models", "default_tags")] == [None, None, {}]


@pytest.mark.parametrize(
    ("fields", "param"),
    [({}, None), ({"sandbox": True}, "sandbox"), ({"account_id": "operator"}, "account_id"), ({"id": "x"}, "id"),
     ({"token_type": "api_token"}, "token_type"), ({"balance_reset_amount": 3}, "balance_reset_amount")],
)  # fmt: skip
async def test_what_cannot_change_stays(at: Managed, fields: dict[str, Any], param: str | None) -> None:
    made = await at.make()
    answer = await at.ask("PATCH", f"{KEYS}/{made['id']}", **fields)
    assert answer.status in (400, 422)
    assert said(answer)[2] == param


async def test_rotation_ends_the_old_secret_at_once(at: Managed) -> None:
    made = await at.make(scopes=["manage"], budget=3)
    assert await at.whoami(made["key"]) == 200
    answer = await at.ask("POST", f"{KEYS}/{made['id']}/rotate")
    assert (answer.status, answer.headers["cache-control"]) == (200, "no-store")
    again = answer.json
    assert await at.whoami(made["key"]) == 401
    assert await at.whoami(again["key"]) == 200
    changed = {"key": again["key"], "masked": f"impasto_…{again['key'][-4:]}", "version": 1}
    assert again == made | changed


@pytest.mark.parametrize(("method", "end", "status"), [("POST", "/revoke", 200), ("DELETE", "", 204)])
async def test_revocation_is_at_once_and_for_good(at: Managed, method: str, end: str, status: int) -> None:
    made = await at.make(scopes=["manage"])
    path = f"{KEYS}/{made['id']}"
    for seconds in (0, 60):  # doing it again changes nothing
        at.seconds = NOW + seconds
        answer = await at.ask(method, path + end)
        assert answer.status == status
        assert bool(answer.body) == (status == 200)
    shown = (await at.ask("GET", path)).json
    assert (shown["revoked"], shown["revoked_at"], shown["version"]) == (True, "2026-09-21T14:13:20.000Z", 1)
    revoked = await at.ask("GET", KEYS, key=made["key"])
    unknown = await at.ask("GET", KEYS, key=secret_from(bytes(32)))
    assert (
        said(revoked) == said(unknown) == (401, "invalid_api_key", None, "This key is not one of this gateway's keys.")
    )
    for change in (at.ask("POST", f"{path}/rotate"), at.ask("PATCH", path, name="again")):
        assert said(await change)[3] == f"The key {made['id']} was revoked and stays so. Make another one."


async def test_an_expired_key_says_when(at: Managed) -> None:
    made = await at.make(scopes=["manage"], expires_at="2026-09-21T14:14:00")
    assert await at.whoami(made["key"]) == 200
    at.seconds += 60
    answer = await at.ask("GET", KEYS, key=made["key"])
    assert said(answer)[::3] == (401, "This key expired on 2026-09-21 14:14 UTC.")


@pytest.mark.parametrize("key", [CALLER, None, "nobody's"])
async def test_only_those_who_manage_may(at: Managed, key: str | None) -> None:
    made = await at.make()
    path = f"{KEYS}/{made['id']}"
    for method, address in (
        ("POST", KEYS), ("GET", KEYS), ("GET", path), ("PATCH", path), ("DELETE", path), ("POST", f"{path}/rotate"),
        ("POST", f"{path}/revoke"), ("GET", "/v3/manage/accounts"),
    ):  # fmt: skip
        answer = await at.ask(method, address, key=key, name="mine")
        assert answer.status == (403 if key == CALLER else 401)
    assert (await at.ask("GET", path)).json == {name: value for name, value in made.items() if name != "key"}


@pytest.mark.parametrize(
    ("key", "fields", "param"),
    [
        (MANAGER, {}, "scopes"),
        (MANAGER, {"scopes": ["manage", "read"]}, "scopes"),
        (BOUND, {"scopes": ["read"]}, "models"),
        (BOUND, {"scopes": ["read"], "models": ["brush", "maker/gift"]}, "models"),
        (SANDBOXED, {"scopes": ["read"]}, "sandbox"),
    ],
)
async def test_nobody_makes_a_key_that_may_more_than_he(
    at: Managed, key: str, fields: dict[str, Any], param: str
) -> None:
    answer = await at.ask("POST", KEYS, key=key, name="mine", **fields)
    assert said(answer)[:3] == (403, "not_allowed", param)
    assert (await at.ask("GET", KEYS)).json["count"] == 0


async def test_who_grants_what_he_holds_may(at: Managed) -> None:
    await at.make(key=MANAGER, scopes=["manage"])
    await at.make(key=BOUND, scopes=["read"], models=["brush"])
    await at.make(key=SANDBOXED, scopes=["read"], sandbox=True)


async def test_nobody_lifts_a_key_above_himself_or_takes_one_that_is(at: Managed) -> None:
    strong = await at.make("strong")
    weak = await at.make("weak", scopes=["manage"], models=["brush"])
    mine = f"{KEYS}/{weak['id']}"
    lifts: list[dict[str, Any]] = [
        {"scopes": ["manage", "generate"]}, {"models": None}, {"models": ["brush", "maker/gift"]},
    ]  # fmt: skip
    for lift in lifts:
        assert (await at.ask("PATCH", mine, key=weak["key"], **lift)).status == 403
    assert (await at.ask("POST", f"{KEYS}/{strong['id']}/rotate", key=weak["key"])).status == 403
    assert (await at.ask("GET", mine)).json["version"] == 0
    # What neither adds a right nor shows a secret, an administrator may.
    others: list[dict[str, Any]] = [{"rpm": 3}, {"scopes": ["read"]}, {"models": []}]
    for other in others:
        assert (await at.ask("PATCH", f"{KEYS}/{strong['id']}", key=weak["key"], **other)).status == 200


async def test_the_operators_key_is_shown_and_stays(at: Managed) -> None:
    await ensure_operator(at.database, NOW)
    path = f"{KEYS}/operator"
    shown = (await at.ask("GET", path)).json
    assert (shown["masked"], shown["scopes"]) == (None, ["generate", "read", "manage"])
    for change in (
        at.ask("PATCH", path, rpm=1), at.ask("DELETE", path), at.ask("POST", f"{path}/rotate"),
        at.ask("POST", f"{path}/revoke"),
    ):  # fmt: skip
        assert "The operator's key is a setting" in said(await change)[3]
    assert (await at.ask("GET", path)).json == shown


STRANGE = ["'", "' OR '1'='1", "key_1'; DROP TABLE keys; --", "%", "_", "key\x00", "ü", "\udcff", "key_9", "x" * 300]


@pytest.mark.parametrize("asked", STRANGE)
async def test_a_key_that_is_not_there_is_not_found_whatever_its_name(at: Managed, asked: str) -> None:
    await at.make()
    path = f"{KEYS}/{asked}"
    asking: list[Callable[[], Any]] = [
        lambda: _ask(at, path), lambda: _ask(at, path, "DELETE"), lambda: _ask(at, f"{path}/rotate", "POST"),
        lambda: _ask(at, f"{path}/revoke", "POST"), lambda: _ask(at, path, "PATCH", b'{"rpm": 1}'),
    ]  # fmt: skip
    for ask in asking:
        answer = await ask()
        assert said(answer)[:2] == (404, "not_found")
    assert (await at.ask("GET", KEYS)).json["count"] == 1


@pytest.mark.parametrize("text", ["'; DROP TABLE keys; --", '" OR ""="', "%s %(x)s :name $1 ?", "\\'", "Zoë's “key”"])
async def test_a_name_is_kept_as_it_is(at: Managed, text: str) -> None:
    made = await at.make(text)
    assert made["name"] == text
    renamed = await at.ask("PATCH", f"{KEYS}/{made['id']}", name=text + text)
    assert renamed.json["name"] == text + text
    assert (await at.ask("GET", KEYS)).json["count"] == 1


async def test_a_secret_is_shown_by_nothing_else(at: Managed) -> None:
    made = await at.make(scopes=["manage"])
    bodies = [
        (await at.ask(method, path, key=made["key"], name="x", scopes=["manage"])).body.decode()
        for method, path in (("GET", KEYS), ("PATCH", f"{KEYS}/{made['id']}"), ("GET", "/v3/manage/accounts"))
    ]
    assert not [body for body in bodies if made["key"] in body or '"key":' in body]


async def _ask(at: Managed, address: str, method: str = "GET", body: bytes = b"") -> Answer:
    path, _, query = address.partition("?")
    return await at.surface.ask(method, path, body, key=OPERATOR, query=query)


async def _get(at: Managed, address: str) -> Any:
    return (await _ask(at, address)).json
