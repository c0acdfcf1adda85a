"""`impasto serve` before it serves: which keys it wants, and what it says."""

import socket
from pathlib import Path

import pytest

from impasto.cli.serve import check_key, ensure_key, greet
from impasto.config import ConfigError, Settings, load_settings
from impasto.storage.keys import make_first_key, read_first_key
from tests.cli.conftest import Impasto

KEY = "a_key_of_more_than_twenty_characters"


def settings_with(**environment: str) -> Settings:
    return load_settings(environment=environment)


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.8.8", "localhost", "::1"])
def test_loopback_needs_no_key(host: str) -> None:
    check_key(settings_with(IMPASTO_HOST=host))
    check_key(settings_with(IMPASTO_HOST=host, IMPASTO_API_KEY="short"))


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "10.1.2.3", "gateway.example"])
def test_others_are_not_let_in_without_a_good_key(host: str, folder: Path) -> None:
    with pytest.raises(ConfigError, match="No key is set, so the server would be open to everybody"):
        check_key(settings_with(IMPASTO_HOST=host))
    with pytest.raises(ConfigError, match=r"IMPASTO_API_KEY: 5 characters can be guessed .* Use 20 random ones"):
        check_key(settings_with(IMPASTO_HOST=host, IMPASTO_API_KEY="short"))
    check_key(settings_with(IMPASTO_HOST=host, IMPASTO_API_KEY=KEY))
    make_first_key(folder / "impasto-data")
    check_key(settings_with(IMPASTO_HOST=host))


def test_a_key_is_made_once(folder: Path) -> None:
    made = ensure_key(settings_with())
    assert made
    assert made == read_first_key(folder / "impasto-data")
    assert ensure_key(settings_with()) is None


def test_no_key_is_made_beside_the_operators_own(folder: Path) -> None:
    assert ensure_key(settings_with(IMPASTO_API_KEY=KEY)) is None
    assert not (folder / "impasto-data").exists()


def test_a_new_key_is_shown_once_and_an_old_one_never(capsys: pytest.CaptureFixture[str]) -> None:
    settings = settings_with()
    greet(settings, 8080, ensure_key(settings))
    secret = read_first_key(Path(settings.data)) or ""
    assert capsys.readouterr().out.count(secret) == 1
    greet(settings, 8080, ensure_key(settings))
    said = capsys.readouterr().out
    assert secret not in said
    assert "Its key is in impasto-data/first-key." in said


def test_the_operators_key_is_never_shown(capsys: pytest.CaptureFixture[str]) -> None:
    greet(settings_with(IMPASTO_API_KEY=KEY), 8080, None)
    assert capsys.readouterr().out == "impasto listens on http://127.0.0.1:8080\n"


def test_the_address_is_one_to_click_on(capsys: pytest.CaptureFixture[str]) -> None:
    greet(settings_with(IMPASTO_HOST="::1"), 9000, None)
    out, err = capsys.readouterr()
    assert out.startswith("impasto listens on http://[::1]:9000\n")
    assert err == ""


def test_a_port_that_is_taken_is_one_sentence_and_makes_no_key(impasto: Impasto, folder: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        result = impasto("serve", "--port", str(other.getsockname()[1]))
    assert result.exit_code == 1
    assert result.stdout == ""
    assert result.stderr.startswith("Error: http://127.0.0.1:")
    assert result.stderr.count("\n") == 1
    assert read_first_key(folder / "impasto-data") is None


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (["--port", "70000"], '--port: "70000" is not possible. It takes a number from 0 to 65535.'),
        (["--workers", "0"], '--workers: "0" is not possible. It takes a number from 1 up.'),
        (["--log-level", "loud"], '--log-level: "loud" is not possible. It takes debug, info, warning, error.'),
        (["--data", ""], '--data: "" is not possible. It takes a folder, without ? and % in its name.'),
        (["--config", "no.toml"], "no.toml: there is no such file (--config or IMPASTO_CONFIG)."),
        (["--host", "0.0.0.0"], "No key is set, so the server would be open to everybody who reaches 0.0.0.0."),
    ],
)
def test_a_wrong_flag_is_named_with_what_it_takes(flags: list[str], said: str, impasto: Impasto) -> None:
    result = impasto("serve", *flags)
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.startswith(f"Error: {said}")
