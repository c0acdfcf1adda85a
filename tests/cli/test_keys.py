"""`impasto keys`: on the database itself and through a gateway, readable and as JSON, each secret once."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from impasto.domain.keys import VirtualKey, is_well_formed
from impasto.storage.database import database_at
from impasto.storage.keys import SqlKeys, hashing_key_of
from impasto.storage.secret import load_secret
from tests.cli.conftest import Impasto
from tests.cli.test_gateway import server_that_says

SECRET = "a secret of at least thirty-two characters"


def found(url: str, secret: str, hashing_secret: bytes) -> VirtualKey | None:
    """Who a server on this database takes the caller for."""

    async def find() -> VirtualKey | None:
        database = database_at(url)
        key = await SqlKeys(database, hashing_key_of(hashing_secret), {}, lambda: 0.0).find(secret, now=True)
        await database.close()
        return key

    return asyncio.run(find())


def made(impasto: Impasto, *arguments: str, **environment: str) -> Any:
    result = impasto("keys", "create", *arguments, "--json", **environment)
    assert result.exit_code == 0, result.stderr
    return json.loads(result.stdout)


def refused(impasto: Impasto, *arguments: str, **environment: str) -> str:
    result = impasto("keys", *arguments, **environment)
    assert result.exit_code == 1
    assert result.stdout == ""
    return result.stderr


def test_a_secret_stands_alone_on_standard_output(impasto: Impasto, folder: Path) -> None:
    result = impasto("keys", "create", "studio")
    assert is_well_formed(result.stdout.removesuffix("\n"))
    assert 'The key "studio" (key_' in result.stderr
    assert "is shown this once" in result.stderr
    data = folder / "impasto-data"
    key = found(f"sqlite:///{data}/impasto.db", result.stdout.strip(), load_secret(data, None))
    assert key is not None
    assert key.name == "studio"
    assert key.scopes == {"generate", "read"}
    assert result.stdout.strip() not in impasto("keys", "list", "--json").stdout


def test_every_option_is_a_term_of_the_key(impasto: Impasto, empty_database_url: str) -> None:
    environment = {"IMPASTO_DATABASE_URL": empty_database_url, "IMPASTO_SECRET": SECRET}
    key = made(
        impasto, "studio", "--sandbox", "--budget", "12.50", "--period", "weekly", "--rpm", "30", "--concurrent", "4",
        "--model", "local/painter", "--model", "google/gemini-3.1-flash-image", "--image-output", "both",
        "--image-delivery", "url", "--retention", "pictures", "--expires", "2199-01-31",
        "--scope", "generate", "--tag", "client=acme", "--tag", "env=prod", **environment,
    )  # fmt: skip
    terms = {
        "name": "studio", "sandbox": True, "budget": 12.5, "period": "weekly", "rpm": 30, "concurrent": 4,
        "models": ["google/gemini-3.1-flash-image", "local/painter"], "image_output": "both", "image_delivery": "url",
        "retention": "pictures",
        "expires_at": "2199-01-31T00:00:00.000Z", "scopes": ["generate"],
        "default_tags": {"client": "acme", "env": "prod"},
    }  # fmt: skip
    assert {name: key[name] for name in terms} == terms
    other = made(impasto, "second", "--account", key["account_id"], **environment)
    assert (other["account_id"], other["budget"]) == (key["account_id"], 12.5)
    assert found(empty_database_url, key["key"], SECRET.encode()) is not None


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--budget", "ten"], "budget: Expected a number, such as 0.05."),
        (["--model", "local/paint"], 'models[0]: there is no model "local/paint". Did you mean local/painter'),
        (["--expires", "2001-01-01"], 'expires_at: "2001-01-01" has passed.'),
        (["--rpm", "0"], "rpm: Expected integer >= 1"),
        (["--tag", "client"], '--tag "client": it takes a name and a value, as client=acme.'),
        (["--tag", "a=1", "--tag", "a=2"], "a is said twice."),
        (["--tag", "A=1"], '"A" is no name of a tag.'),
        (["--account", "acct_9"], 'There is no account "acct_9".'),
        (["--account", "acct_9", "--budget", "1"], "Leave out budget and period."),
    ],
)
def test_what_cannot_be_is_one_sentence(impasto: Impasto, arguments: list[str], said: str) -> None:
    assert said in refused(impasto, "create", "studio", *arguments)
    assert [key["id"] for key in json.loads(impasto("keys", "list", "--json").stdout)] in ([], ["operator"])


def test_a_choice_that_is_none_is_a_wrong_call(impasto: Impasto) -> None:
    for option in ("--period", "--scope", "--image-output", "--image-delivery", "--retention"):
        assert impasto("keys", "create", "studio", option, "nonsense").exit_code == 2


def test_the_list_tells_what_matters(impasto: Impasto) -> None:
    key = made(impasto, "studio", "--budget", "25", "--period", "monthly", "--rpm", "30", "--concurrent", "4")
    made(impasto, "ci", "--sandbox", "--expires", "2199-01-31")
    made(impasto, "old", "--retention", "none")
    impasto("keys", "revoke", "old")
    lines = impasto("keys", "list").stdout.splitlines()
    assert [line.split()[1] for line in lines[1:]] == ["operator", "studio", "ci", "old"]
    assert lines[2].startswith(f"{key['id'][:12]}  studio ")
    assert f"…{key['key'][-4:]} " in lines[2]
    assert "$25 monthly" in lines[2]
    assert "$0 " in lines[2]
    assert "30 a minute, 4 at once" in lines[2]
    assert "sandbox, until 2199-01-31 00:00 UTC" in lines[3]
    assert "revoked 2" in lines[4]
    assert ["keeps" in line for line in lines] == [False, False, False, False, True]
    assert "keeps nothing" in lines[4]
    assert "(a setting)" in lines[1]


def test_one_key_is_shown_by_name_and_by_id(impasto: Impasto) -> None:
    key = made(impasto, "studio", "--budget", "25", "--tag", "client=acme")
    for wanted in ("studio", key["id"], key["id"][:12]):
        shown = impasto("keys", "show", wanted)
        assert shown.exit_code == 0
        facts = {line[:14].strip(): line[14:] for line in shown.stdout.splitlines()}
        assert facts["id"] == key["id"]
        assert (facts["budget"], facts["left"], facts["tags"]) == ("$25", "$25", "client=acme")
        assert key["key"] not in shown.stdout
        assert facts["keeps"] == "everything"
    assert "There is no key" in impasto("keys", "show", key["id"][:8]).stderr
    as_json = json.loads(impasto("keys", "show", "studio", "--json").stdout)
    assert as_json == {name: value for name, value in key.items() if name != "key"}


def test_a_key_is_rotated_and_revoked(impasto: Impasto, folder: Path) -> None:
    data = folder / "impasto-data"
    url, key = f"sqlite:///{data}/impasto.db", made(impasto, "studio")
    result = impasto("keys", "rotate", "studio")
    again, secret = result.stdout.strip(), load_secret(data, None)
    assert "has another secret, and the old one is refused" in result.stderr
    assert found(url, key["key"], secret) is None
    renewed = found(url, again, secret)
    assert renewed is not None
    assert renewed.id == key["id"]
    assert impasto("keys", "revoke", "studio").stdout == f'The key "studio" ({key["id"]}) is revoked.\n'
    assert found(url, again, secret) is None
    assert json.loads(impasto("keys", "revoke", key["id"], "--json").stdout)["revoked"] is True
    assert "was revoked and stays so" in refused(impasto, "rotate", key["id"])


def test_a_name_that_is_none_or_many_is_said(impasto: Impasto) -> None:
    one, two = made(impasto, "studio"), made(impasto, "studio")
    assert refused(impasto, "show", "nobody") == ('Error: There is no key "nobody". See: impasto keys list.\n')
    said = refused(impasto, "revoke", "studio")
    assert '2 keys are called "studio". Name one by its id' in said
    assert one["id"] in said
    assert two["id"] in said
    impasto("keys", "revoke", one["id"])
    assert json.loads(impasto("keys", "show", "studio", "--json").stdout)["id"] == two["id"]


def test_the_operators_key_stays(impasto: Impasto) -> None:
    for what in ("rotate", "revoke"):
        assert "The operator's key is a setting" in refused(impasto, what, "operator")


def test_another_secret_makes_no_keys_that_nobody_would_find(impasto: Impasto, empty_database_url: str) -> None:
    made(impasto, "one", IMPASTO_DATABASE_URL=empty_database_url, IMPASTO_SECRET=SECRET)
    said = refused(impasto, "create", "two", IMPASTO_DATABASE_URL=empty_database_url, IMPASTO_SECRET=SECRET[::-1])
    assert "need the same IMPASTO_SECRET" in said


def test_a_database_that_cannot_be_used_is_one_sentence(impasto: Impasto, folder: Path) -> None:
    (folder / "no.db").mkdir()
    assert "The database cannot be used (" in refused(impasto, "list", IMPASTO_DATABASE_URL=f"sqlite:///{folder}/no.db")


def test_a_gateway_is_asked_where_one_is_named(impasto: Impasto, folder: Path) -> None:
    key = made(impasto, "studio")
    page = json.dumps({"count": 1, "results": [key]})
    for arguments, body, paths in (
        (["create", "studio", "--budget", "5"], json.dumps(key), ["/v3/manage/keys"]),
        (["list"], page, ["/v3/manage/keys?limit=200&offset=0"]),
        (["show", "studio"], page, ["/v3/manage/keys?limit=200&offset=0"]),
    ):
        with server_that_says(200, body) as (url, asked):
            result = impasto("keys", *arguments, "--url", url, IMPASTO_API_KEY="operators-own")
        assert result.exit_code == 0, result.stderr
        assert [one["path"] for one in asked] == paths
        assert {one["authorization"] for one in asked} == {"Bearer operators-own"}
    with server_that_says(403, '{"error": {"message": "Not to this key."}}') as (url, asked):
        assert "Not to this key." in refused(impasto, "create", "x", IMPASTO_URL=url, IMPASTO_API_KEY="operators-own")
