"""`impasto config`: what is in force, from where, and whether it fits together."""

import json
from pathlib import Path

from tests.cli.conftest import Impasto

KEY = "a_key_of_more_than_twenty_characters"


def test_every_setting_is_shown_with_its_source_and_no_secret(impasto: Impasto) -> None:
    Path(".env").write_text("GEMINI_API_KEY=a_secret_of_googles_1234\n")
    Path("c.toml").write_text("max_body_mb = 7\n")
    result = impasto("config", "show", "--json", "--config", "c.toml", IMPASTO_API_KEY=KEY)
    rows = {row["name"]: (row["value"], row["source"]) for row in json.loads(result.stdout)}
    assert rows["IMPASTO_API_KEY"] == ("…ters", "environment")
    assert rows["IMPASTO_MAX_BODY_MB"] == ("7", "c.toml")
    assert rows["IMPASTO_PORT"] == ("8080", "default")
    assert rows["GEMINI_API_KEY"] == ("…1234", ".env")
    assert rows["GOOGLE_GEMINI_BASE_URL"] == ("https://generativelanguage.googleapis.com", "catalogue")
    assert KEY not in result.stdout
    assert "a_secret" not in result.stdout


def test_the_table_says_the_same(impasto: Impasto) -> None:
    lines = impasto("config", "show", GOOGLE_GEMINI_BASE_URL="http://127.0.0.1:9090/").stdout.splitlines()
    [port] = [line for line in lines if line.startswith("IMPASTO_PORT")]
    assert port.split() == ["IMPASTO_PORT", "8080", "default", "port", "to", "listen", "on"]
    [address] = [line for line in lines if line.startswith("GOOGLE_GEMINI_BASE_URL")]
    assert address.split()[1:3] == ["http://127.0.0.1:9090", "environment"]


def test_good_settings_are_said_to_be_good(impasto: Impasto) -> None:
    result = impasto("config", "check", IMPASTO_REDIS_URL="redis://x:6379")
    assert result.exit_code == 0
    assert result.stdout.startswith("The settings are good; the catalogue has ")
    assert result.stderr == ""


def test_a_check_can_be_read_by_a_program(impasto: Impasto) -> None:
    checked = json.loads(impasto("config", "check", "--json").stdout)
    assert checked["good"] is True
    assert checked["models"] > 1


def test_passwords_in_addresses_are_not_shown(impasto: Impasto) -> None:
    result = impasto("config", "show", IMPASTO_DATABASE_URL="postgresql://me:hidden_word@db.example/impasto")
    assert "postgresql://me:…@db.example/impasto" in result.stdout
    assert "hidden_word" not in result.stdout


def test_a_check_finds_what_a_start_would_refuse(impasto: Impasto) -> None:
    for environment, said in (
        ({"IMPASTO_HOST": "0.0.0.0"}, "No key is set"),
        ({"IMPASTO_FETCH_ALLOW": "::::"}, "IMPASTO_FETCH_ALLOW"),
        ({"GOOGLE_GEMINI_BASE_URL": "http://localhost:8080"}, "this very server"),
        ({"GEMINI_API_KEY_FILE": "no"}, "GEMINI_API_KEY_FILE: no cannot be read"),
    ):
        result = impasto("config", "check", **environment)
        assert (result.exit_code, result.stdout) == (1, "")
        assert said in result.stderr
        assert result.stderr.count("\n") == 1


def test_a_provider_of_the_operators_own_is_shown_under_its_name(impasto: Impasto) -> None:
    Path("c.toml").write_text(
        '[providers.acme]\nname = "Acme"\nadapter = "gemini"\nbase_url = "https://acme.example"\n'
        'key_env = ["ACME_KEY"]\nauth = { header = "x-key" }\n'
    )
    rows = json.loads(impasto("config", "show", "--json", "--config", "c.toml").stdout)
    assert {"ACME_KEY", "providers.acme.base_url"} <= {row["name"] for row in rows}
