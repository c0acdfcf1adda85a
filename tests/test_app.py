"""The composition root: what does not fit together is refused before anything starts."""

import socket
from pathlib import Path

import pytest

from impasto.app import (
    Readiness,
    access_of,
    available_of,
    build,
    first_key_of,
    link_base,
    load_operators_catalogue,
    secrets_of,
    store_of,
)
from impasto.config import ConfigError, Settings, load_settings
from impasto.storage.keys import make_first_key
from impasto.storage.object_store import ObjectStore

KEY = "a_key_of_more_than_twenty_characters"


def settings_with(**environment: str) -> Settings:
    return load_settings(environment=environment)


def base_url(address: str, **environment: str) -> str:
    settings = settings_with(GOOGLE_GEMINI_BASE_URL=address, **environment)
    return access_of(settings, load_operators_catalogue(settings))["google"].base_url


@pytest.mark.parametrize(
    ("address", "used"),
    [
        ("", "https://generativelanguage.googleapis.com"),
        ("http://127.0.0.1:9090", "http://127.0.0.1:9090"),
        ("https://proxy.example/google/", "https://proxy.example/google"),
        (" https://proxy.example// ", "https://proxy.example"),
        ("http://[::1]:9090", "http://[::1]:9090"),
        ("https://proxy.example/v1/google", "https://proxy.example/v1/google"),
        ("http://10.0.0.1:8080", "http://10.0.0.1:8080"),
    ],
)
def test_an_address_is_taken_without_its_trailing_slash(address: str, used: str) -> None:
    assert base_url(address) == used


@pytest.mark.parametrize(
    "address",
    [
        "nonsense",
        "ftp://x",
        "https://",
        "http://[::1",
        "http://x:99999",
        "http://x:port",
        "https://x?y=1",
        "https://x#y",
    ],
)
def test_what_is_no_address_is_refused_with_what_would_be(address: str) -> None:
    with pytest.raises(ConfigError) as caught:
        base_url(address)
    expected = f'GOOGLE_GEMINI_BASE_URL: "{address}" is no address. It takes http(s)://host[:port][/path].'
    assert str(caught.value) == expected


@pytest.mark.parametrize("address", ["https://x/v1", "https://x/v1beta/", "https://x/v1alpha", "https://x/a/v2beta1"])
def test_a_version_at_the_end_is_refused(address: str) -> None:
    with pytest.raises(ConfigError, match=r"ends in a version\. Leave it out"):
        base_url(address)


def test_a_password_in_an_address_is_refused_without_being_shown() -> None:
    with pytest.raises(ConfigError, match=r"GOOGLE_GEMINI_BASE_URL: a name or a password") as caught:
        base_url("http://user:hidden@x")
    assert "hidden" not in str(caught.value)


SELVES = [
    "localhost", "LOCALHOST", "app.localhost", "127.0.0.1", "127.0.0.2", "127.1", "2130706433", "[::1]", "[::]",
    "0.0.0.0", "[::ffff:127.0.0.1]", "[0:0:0:0:0:0:0:1]", socket.gethostname(),
]  # fmt: skip


@pytest.mark.parametrize("host", SELVES)
def test_the_gateways_own_address_is_refused_under_every_name(host: str) -> None:
    with pytest.raises(ConfigError, match="is this very server"):
        base_url(f"http://{host}:8080/")
    assert base_url(f"http://{host}:8081")


def test_the_host_that_is_listened_on_is_this_server_too() -> None:
    with pytest.raises(ConfigError, match="is this very server"):
        base_url("http://gateway.example:80", IMPASTO_HOST="Gateway.example", IMPASTO_PORT="80")
    with pytest.raises(ConfigError, match="is this very server"):
        base_url("http://localhost", IMPASTO_PORT="80")


def test_both_keys_are_accepted(tmp_path: Path) -> None:
    first = make_first_key(tmp_path)
    settings = settings_with(IMPASTO_DATA=str(tmp_path), IMPASTO_API_KEY=KEY)
    assert secrets_of(settings) == [KEY, first]


def test_a_first_key_that_cannot_be_read_is_a_mistake_in_the_settings(tmp_path: Path) -> None:
    (tmp_path / "first-key").mkdir()
    with pytest.raises(ConfigError, match="first-key"):
        first_key_of(settings_with(IMPASTO_DATA=str(tmp_path)))


def test_a_provider_is_available_once_its_key_is_set() -> None:
    for environment, available in (({}, False), ({"GOOGLE_API_KEY": "x"}, True), ({"GEMINI_API_KEY": "x"}, True)):
        settings = settings_with(**environment)
        catalogue = load_operators_catalogue(settings)
        assert available_of(catalogue, access_of(settings, catalogue))["google"] is available


@pytest.mark.parametrize(
    ("environment", "said"),
    [
        ({"IMPASTO_FETCH_ALLOW": "nonsense::::"}, "IMPASTO_FETCH_ALLOW: "),
        ({"GEMINI_API_KEY": '"x"'}, "GEMINI_API_KEY: "),
        ({"GOOGLE_GEMINI_BASE_URL": "x"}, "GOOGLE_GEMINI_BASE_URL: "),
        ({"IMPASTO_C2PA_KEY": "key.pem"}, "IMPASTO_C2PA_KEY is set, and IMPASTO_C2PA_CERTIFICATE is not. Set both"),
        ({"IMPASTO_C2PA_CERTIFICATE": "c.pem"}, "IMPASTO_C2PA_CERTIFICATE is set, and IMPASTO_C2PA_KEY is not."),
        ({"IMPASTO_C2PA_CERTIFICATE": "gone", "IMPASTO_C2PA_KEY": "gone"}, "IMPASTO_C2PA_CERTIFICATE: gone cannot be"),
    ],
)
def test_build_refuses_what_cannot_work(environment: dict[str, str], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        build(settings_with(**environment))


def test_a_bucket_takes_the_variables_that_operators_know(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("sesame\n")
    environment = {
        "IMPASTO_STORE_URL": "s3://pictures/gateway",
        "AWS_ACCESS_KEY_ID": "AKIA",
        "AWS_SECRET_ACCESS_KEY_FILE": str(tmp_path / "secret"),
        "AWS_DEFAULT_REGION": "eu-west-1",
        "AWS_ENDPOINT_URL": "https://all.example",
        "AWS_ENDPOINT_URL_S3": "http://127.0.0.1:9000",
    }
    opened = store_of(settings_with(**environment))("p1")
    assert isinstance(opened, ObjectStore)
    assert (opened._bucket.name, opened._bucket.prefix) == ("pictures", "gateway")
    assert opened._bucket.options == {
        "access_key_id": "AKIA",
        "secret_access_key": "sesame",
        "region": "eu-west-1",
        "endpoint": "http://127.0.0.1:9000",
    }
    opened.close()


@pytest.mark.parametrize("endpoint", ["nonsense", "127.0.0.1:9000", "ftp://host", "http://", "http://host:99999"])
def test_an_endpoint_that_is_no_address_is_refused(endpoint: str) -> None:
    with pytest.raises(ConfigError, match=r"^AWS_ENDPOINT_URL: .* is no address"):
        build(settings_with(IMPASTO_STORE_URL="s3://pictures", AWS_ENDPOINT_URL=endpoint))


def test_what_a_bucket_needs_is_named_where_it_is_not_installed() -> None:
    with pytest.raises(ConfigError, match=r"pip install 'impasto\[s3\]'"):
        store_of(settings_with(IMPASTO_STORE_URL="s3://pictures"), lambda _: None)


def test_a_mistake_in_the_operators_catalogue_names_its_file(tmp_path: Path) -> None:
    file = tmp_path / "c.toml"
    file.write_text('[models."google/x"]\n')
    with pytest.raises(ConfigError, match=r"c\.toml: models\.\"google/x\": \"input\" is missing"):
        build(load_settings(config=str(file), environment={}))


def test_a_server_that_drains_is_not_ready() -> None:
    readiness = Readiness()
    assert readiness.is_ready()
    readiness.draining = True
    assert not readiness.is_ready()


def test_a_server_whose_books_are_away_is_not_ready() -> None:
    well = True
    readiness = Readiness(is_well=lambda: well)
    assert readiness.is_ready()
    well = False
    assert not readiness.is_ready()


@pytest.mark.parametrize(
    ("environment", "base"),
    [
        ({}, "http://127.0.0.1:8080"),
        ({"IMPASTO_PORT": "9000", "IMPASTO_HOST": "::1"}, "http://[::1]:9000"),
        ({"IMPASTO_HOST": "0.0.0.0"}, None),
        ({"IMPASTO_HOST": "::"}, None),
        ({"IMPASTO_HOST": "10.1.2.3"}, "http://10.1.2.3:8080"),
        ({"IMPASTO_HOST": "0.0.0.0", "IMPASTO_PUBLIC_URL": "https://pictures.example"}, "https://pictures.example"),
    ],
)
def test_links_begin_with_an_address_that_their_readers_can_reach(
    environment: dict[str, str], base: str | None
) -> None:
    assert link_base(settings_with(**environment)) == base
