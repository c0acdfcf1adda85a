"""Settings: who wins, what is refused and in which words, and that secrets stay secret."""

from pathlib import Path

import pytest

from impasto.config import SETTINGS, ConfigError, Setting, Settings, load_settings, masked, shown

KEY = "a_key_of_more_than_twenty_characters"
VALUES = {
    "host": ("::1", "10.0.0.2", "name.example", "10.0.0.4"),
    "port": ("1", "2", "3", "4"),
    "workers": ("1", "2", "3", "4"),
    "public_url": ("http://1.example", "https://2.example/a", "http://3.example:8080", "http://[::1]"),
    "data": ("one", "two", "three", "four"),
    "database_url": ("sqlite:///one.db", "sqlite:////two.db", "postgresql://u:p@h:1/three", "postgres://h/four"),
    "store_url": ("file:///one", "file:///two", "file:///three", "file:///four"),
    "retention": ("1d,1GB", "2d,2GB", "3d,3GB", "4d,4GB"),
    "redis_url": ("redis://one", "rediss://two", "redis://:p@three:6379/0", "redis://u:p@four"),
    "api_key": ("key-1", "key-2", "key-3", "key-4"),
    "secret": ("1" * 32, "2" * 32, "3" * 32, "4" * 32),
    "link_seconds": ("1", "2", "3", "4"),
    "c2pa_certificate": ("1.pem", "./2.pem", "/3.pem", "a folder/4.pem"),
    "c2pa_key": ("1.pem", "./2.pem", "/3.pem", "a folder/4.pem"),
    "input_gps": ("keep", "remove", "keep", "remove"),
    "fetch_allow": ("10.0.0.1", "10.0.0.2", "10.0.0.3", "10.0.0.4"),
    "cors_origins": ("https://1.example", "https://2.example", "https://3.example", "https://4.example"),
    "max_body_mb": ("1", "2", "3", "4"),
    "max_in_flight_mb": ("1", "2", "3", "4"),
    "deadline_seconds": ("1", "2", "3", "4"),
    "when_caller_leaves": ("cancel", "finish", "cancel", "finish"),
    "silence_spaces_seconds": ("0.5", "2", "3", "0"),
    "log_level": ("debug", "info", "warning", "error"),
}


@pytest.fixture
def clean(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working folder and an environment without a setting in it."""
    monkeypatch.chdir(tmp_path)
    for name in [setting.variable for setting in SETTINGS] + ["GEMINI_API_KEY", "GEMINI_API_KEY_FILE"]:
        monkeypatch.delenv(name, raising=False)
    return tmp_path


def failure(environment: dict[str, str] | None = None, **more: object) -> str:
    with pytest.raises(ConfigError) as caught:
        load_settings(environment=environment or {}, **more)  # type: ignore[arg-type]
    return str(caught.value)


@pytest.mark.parametrize("setting", SETTINGS, ids=lambda setting: setting.name)
def test_flags_win_over_the_environment_that_over_dotenv_that_over_the_file(
    setting: Setting, clean: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    flag, variable, dotenv, toml = VALUES[setting.name]

    def now(flags: dict[str, object] | None = None) -> tuple[str, str]:
        settings = load_settings(flags, config="c.toml")
        value = getattr(settings, setting.name)
        text = ",".join(value) if isinstance(value, tuple) else str(value)
        return text.removesuffix(".0"), settings.sources[setting.name]

    Path("c.toml").write_text(f'{setting.name} = "{toml}"\n')
    assert now() == (toml, "c.toml")
    Path(".env").write_text(f"{setting.variable}={dotenv}\n")
    assert now() == (dotenv, ".env")
    monkeypatch.setenv(setting.variable, variable)
    assert now() == (variable, "environment")
    assert now({setting.name: flag}) == (flag, setting.flag)


def test_every_default_is_one_that_the_setting_itself_would_take() -> None:
    settings = load_settings(environment={})
    for setting in SETTINGS:
        assert settings.sources[setting.name] == "default"
        if setting.default is not None:
            text = ",".join(setting.default) if isinstance(setting.default, tuple) else str(setting.default)
            assert setting.read(text) == setting.default


def test_an_empty_variable_is_one_that_is_not_set() -> None:
    assert load_settings(environment={"IMPASTO_PORT": "", "IMPASTO_API_KEY": ""}).sources["port"] == "default"


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("IMPASTO_PORT", "99999"),
        ("IMPASTO_PORT", "-1"),
        ("IMPASTO_PORT", "http"),
        ("IMPASTO_WORKERS", "0"),
        ("IMPASTO_MAX_BODY_MB", "1.5"),
        ("IMPASTO_DEADLINE_SECONDS", "nan"),
        ("IMPASTO_DEADLINE_SECONDS", "inf"),
        ("IMPASTO_DEADLINE_SECONDS", "0"),
        ("IMPASTO_LOG_LEVEL", "loud"),
        ("IMPASTO_HOST", "http://127.0.0.1"),
        ("IMPASTO_HOST", "127.0.0.1:8080"),
        ("IMPASTO_HOST", "two words"),
        ("IMPASTO_CORS_ORIGINS", "https://a.example/"),
        ("IMPASTO_CORS_ORIGINS", "a.example"),
        ("IMPASTO_CORS_ORIGINS", "https://a.example,http://["),
        ("IMPASTO_DATA", "what?"),
        ("IMPASTO_DATA", "100%"),
        ("IMPASTO_STORE_URL", "s3://"),
        ("IMPASTO_STORE_URL", "s3:///prefix"),
        ("IMPASTO_STORE_URL", "s3://bucket/a//b"),
        ("IMPASTO_STORE_URL", "s3://bucket/../other"),
        ("IMPASTO_STORE_URL", "s3://key:secret@bucket"),
        ("IMPASTO_STORE_URL", "s3://bucket?region=x"),
        ("IMPASTO_STORE_URL", "gs://bucket"),
        ("IMPASTO_STORE_URL", "/srv/store"),
        ("IMPASTO_STORE_URL", "file://host/store"),
        ("IMPASTO_STORE_URL", "file:///"),
        ("IMPASTO_STORE_URL", "file:///store?x=1"),
        ("IMPASTO_PUBLIC_URL", "pictures.example"),
        ("IMPASTO_PUBLIC_URL", "ftp://pictures.example"),
        ("IMPASTO_PUBLIC_URL", "https://me@pictures.example"),
        ("IMPASTO_PUBLIC_URL", "https://pictures.example/?a=1"),
        ("IMPASTO_PUBLIC_URL", "https://pictures.example:x"),
        ("IMPASTO_PUBLIC_URL", 'https://pictures.example/"'),
        ("IMPASTO_RETENTION", "for ever"),
        ("IMPASTO_WHEN_CALLER_LEAVES", "wait"),
        ("IMPASTO_LINK_SECONDS", "0"),
        ("IMPASTO_LINK_SECONDS", "1.5"),
        ("IMPASTO_LINK_SECONDS", "1" * 30),
        ("IMPASTO_SILENCE_SPACES_SECONDS", "-1"),
        ("IMPASTO_SILENCE_SPACES_SECONDS", "nan"),
    ],
)
def test_a_value_that_is_not_possible_is_said_with_what_is(variable: str, value: str) -> None:
    said = failure({variable: value})
    takes = next(setting.takes for setting in SETTINGS if setting.variable == variable)
    assert said == f'{variable}: "{value}" is not possible. It takes {takes}.'


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("IMPASTO_DATABASE_URL", "mysql://u:hidden@h/name"),
        ("IMPASTO_DATABASE_URL", "postgresql://u:hid@den@h/name"),
        ("IMPASTO_DATABASE_URL", "postgresql://u:hid/den@h/name"),
        ("IMPASTO_DATABASE_URL", "postgresql://u:hidden@h"),
        ("IMPASTO_DATABASE_URL", "postgresql:///hidden"),
        ("IMPASTO_DATABASE_URL", "postgresql://u:hidden@h:x/name"),
        ("IMPASTO_DATABASE_URL", "sqlite://hidden.db"),
        ("IMPASTO_DATABASE_URL", "sqlite:///"),
        ("IMPASTO_DATABASE_URL", "sqlite:///:memory:"),
        ("IMPASTO_DATABASE_URL", "sqlite:///a.db?mode=hidden"),
        ("IMPASTO_REDIS_URL", "hidden:6379"),
        ("IMPASTO_REDIS_URL", "redis://"),
        ("IMPASTO_REDIS_URL", "redis://h:hidden"),
        ("IMPASTO_REDIS_URL", "redis://h\n"),
        ("IMPASTO_SECRET", "hidden" * 5),
        ("IMPASTO_SECRET", "hidden\0" * 9),
    ],
)
def test_a_value_that_may_hold_a_secret_is_refused_without_being_shown(variable: str, value: str) -> None:
    said = failure({variable: value})
    assert said.startswith(f"{variable}: this value is not possible. It takes ")
    assert "hid" not in said


def test_the_database_and_the_store_lie_in_the_data_folder_unless_they_are_named(clean: Path) -> None:
    settings = load_settings(environment={})
    assert settings.database_url == "sqlite:///impasto-data/impasto.db"
    assert settings.store_url == f"file://{clean}/impasto-data/store"
    settings = load_settings(environment={"IMPASTO_DATA": "/srv/my pictures"})
    assert settings.database_url == "sqlite:////srv/my pictures/impasto.db"
    assert settings.store_folder == Path("/srv/my pictures/store")
    settings = load_settings(environment={"IMPASTO_STORE_URL": "file:///srv/store"})
    assert settings.store_folder == Path("/srv/store")


@pytest.mark.parametrize(
    ("url", "bucket"),
    [
        ("s3://pictures", ("pictures", "")),
        ("s3://pictures/", ("pictures", "")),
        ("s3://my.pictures-2/gateway/one/", ("my.pictures-2", "gateway/one")),
        ("file:///srv/s3/store", None),
    ],
)
def test_a_store_may_be_in_a_bucket(url: str, bucket: tuple[str, str] | None) -> None:
    assert load_settings(environment={"IMPASTO_STORE_URL": url}).store_bucket == bucket


def test_a_public_address_ends_without_a_slash() -> None:
    environment = {"IMPASTO_PUBLIC_URL": "https://pictures.example/gateway/"}
    assert load_settings(environment=environment).public_url == "https://pictures.example/gateway"


def test_what_holds_a_password_may_lie_in_a_file(clean: Path) -> None:
    Path("url").write_text("postgresql://me:word@db/impasto\n")
    settings = load_settings(environment={"IMPASTO_DATABASE_URL_FILE": "url"})
    assert settings.database_url == "postgresql://me:word@db/impasto"


def test_flags_are_named_as_they_are_written() -> None:
    assert failure(flags={"log_level": "loud"}).startswith('--log-level: "loud"')
    assert failure(flags={"host": ""}).startswith('--host: ""')


@pytest.mark.parametrize("value", ["two words", "umlaut-ä", '"quoted"', "'quoted'", "line\nbreak", "tab\t", "\x00"])
def test_a_key_that_no_header_can_carry_is_refused_without_being_shown(value: str) -> None:
    if value != "tab\t":  # white space around a key was meant to be around it
        said = failure({"IMPASTO_API_KEY": value})
        assert said.startswith("IMPASTO_API_KEY: this value is not possible.")
        assert value not in said


@pytest.mark.parametrize(("variable", "meant"), [("IMPASTO_PROT", "IMPASTO_PORT"), ("IMPASTO_API_KEY_FIEL", "_FILE")])
def test_an_unknown_variable_is_an_error_that_guesses_what_was_meant(variable: str, meant: str) -> None:
    said = failure({variable: "1"})
    assert said.startswith(f"{variable}: there is no such setting. Did you mean")
    assert meant in said


def test_a_name_like_nothing_leads_to_the_list() -> None:
    assert failure({"IMPASTO_ZZZZZZZZZZZZ": "1"}).endswith("See: impasto config show.")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("prot = 1", "c.toml: there is no setting prot. Did you mean port?"),
        ("PORT = 1", "c.toml: there is no setting PORT. Did you mean port?"),
        ("modles = 1", "c.toml: there is no setting modles. Did you mean models?"),
        ('port = "x"', 'c.toml: port: "x" is not possible. It takes a number from 0 to 65535.'),
        ("port = true", 'c.toml: port: "True" is not possible. It takes a number from 0 to 65535.'),
        ('data = ""', 'c.toml: data: "" is not possible. It takes a folder, without ? and % in its name.'),
        ("port = =", "c.toml cannot be read: Invalid value (at line 1, column 8)."),
    ],
)
def test_a_mistake_in_the_file_names_the_file_and_the_key(text: str, said: str, clean: Path) -> None:
    Path("c.toml").write_text(text)
    assert failure(config="c.toml") == said


def test_a_file_that_cannot_be_read_is_named(clean: Path) -> None:
    Path("c.toml").write_bytes(b"\xff")
    assert failure(config="c.toml") == "c.toml cannot be read: it is not UTF-8."
    assert failure(config=".") == ". cannot be read: Is a directory."
    assert failure({"IMPASTO_CONFIG": "no.toml"}) == "no.toml: there is no such file (--config or IMPASTO_CONFIG)."


def test_a_byte_order_mark_is_no_mistake(clean: Path) -> None:
    Path("c.toml").write_bytes(b"\xef\xbb\xbfport = 7\n")
    Path(".env").write_bytes(b"\xef\xbb\xbfIMPASTO_WORKERS=3\n")
    settings = load_settings(config="c.toml")
    assert (settings.port, settings.workers) == (7, 3)


def test_a_dotenv_that_cannot_be_read_is_an_error(clean: Path) -> None:
    Path(".env").write_bytes(b"A=\xff\n")
    with pytest.raises(ConfigError, match=r"\.env cannot be read: it is not UTF-8\."):
        load_settings()


def test_tables_of_the_catalogue_are_kept_for_the_catalogue(clean: Path) -> None:
    Path("c.toml").write_text('cors_origins = ["https://a.example", "*"]\n[aliases]\nx = "local/painter"\n')
    settings = load_settings(environment={}, config="c.toml")
    assert settings.cors_origins == ("https://a.example", "*")
    assert settings.catalogue_tables == {"aliases": {"x": "local/painter"}}
    assert settings.catalogue_origin == "c.toml"


def test_ipv6_is_taken_with_and_without_brackets() -> None:
    assert load_settings({"host": "[::1]"}, environment={}).host == "::1"
    assert load_settings({"host": "::1"}, environment={}).host == "::1"


def test_a_tilde_is_the_home_folder() -> None:
    assert load_settings(environment={"IMPASTO_DATA": "~/pictures"}).data == str(Path.home() / "pictures")


def test_a_secret_may_lie_in_a_file(clean: Path) -> None:
    Path("secret").write_text(f"{KEY}\n")
    settings = load_settings(environment={"IMPASTO_API_KEY_FILE": "secret", "GEMINI_API_KEY_FILE": "secret"})
    assert settings.api_key == KEY
    assert settings.sources["api_key"] == "IMPASTO_API_KEY_FILE"
    assert settings.secret_of(["GEMINI_API_KEY", "GOOGLE_API_KEY"]) == ("GEMINI_API_KEY_FILE", KEY)


def test_the_variable_wins_over_its_file(clean: Path) -> None:
    settings = load_settings(environment={"GEMINI_API_KEY": "direct", "GEMINI_API_KEY_FILE": "missing"})
    assert settings.secret_of(["GEMINI_API_KEY"]) == ("GEMINI_API_KEY", "direct")


def test_a_file_of_the_environment_wins_over_a_variable_of_dotenv(clean: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Path("secret").write_text(KEY)
    Path(".env").write_text("GEMINI_API_KEY=from_dotenv\n")
    assert load_settings().secret_of(["GEMINI_API_KEY"]) == ("GEMINI_API_KEY", "from_dotenv")
    monkeypatch.setenv("GEMINI_API_KEY_FILE", "secret")
    assert load_settings().secret_of(["GEMINI_API_KEY"]) == ("GEMINI_API_KEY_FILE", KEY)


def test_a_secret_file_that_is_missing_or_empty_is_an_error(clean: Path) -> None:
    Path("empty").write_text("\n")
    assert failure({"IMPASTO_API_KEY_FILE": "no"}).startswith("IMPASTO_API_KEY_FILE: no cannot be read: No such file")
    assert failure({"IMPASTO_API_KEY_FILE": "empty"}).startswith("IMPASTO_API_KEY_FILE: empty is empty.")


def test_a_key_of_a_provider_in_quotes_is_refused_by_name() -> None:
    settings = load_settings(environment={"GEMINI_API_KEY": '"AIza"'})
    with pytest.raises(ConfigError, match=r"GEMINI_API_KEY: this value is no key\. It takes .*quotes") as caught:
        settings.secret_of(["GEMINI_API_KEY"])
    assert "AIza" not in str(caught.value)


def test_an_egress_proxy_is_refused_rather_than_passed_by() -> None:
    assert failure({"IMPASTO_EGRESS_PROXY": "http://proxy"}).startswith("IMPASTO_EGRESS_PROXY: ")


def test_what_a_cluster_sets_for_a_service_of_this_name_is_not_a_setting() -> None:
    links = {
        "IMPASTO_SERVICE_HOST": "10.0.0.1",
        "IMPASTO_SERVICE_PORT": "80",
        "IMPASTO_SERVICE_PORT_HTTP": "80",
        "IMPASTO_PORT": "tcp://10.0.0.1:80",
        "IMPASTO_PORT_80_TCP": "tcp://10.0.0.1:80",
        "IMPASTO_PORT_80_TCP_ADDR": "10.0.0.1",
        "IMPASTO_REDIS_PORT": "tcp://10.0.0.2:6379",
        "IMPASTO_REDIS_SERVICE_HOST": "10.0.0.2",
    }
    assert load_settings(environment=links).port == 8080


def test_secrets_are_shown_by_their_end_alone() -> None:
    settings = load_settings(environment={"IMPASTO_API_KEY": KEY})
    values = {setting.name: shown(setting, settings) for setting in SETTINGS}
    assert values["api_key"] == "…ters"
    assert values["deadline_seconds"] == "600"
    assert values["cors_origins"] == "(not set)"
    assert masked("short") == "…"


@pytest.mark.parametrize(
    ("variable", "value", "said"),
    [
        ("database_url", "postgresql://me:word@db:5432/name", "postgresql://me:…@db:5432/name"),
        ("database_url", "postgresql://me:wo:rd@db/name", "postgresql://me:…@db/name"),
        ("database_url", "postgresql://me@db/n?password=word&a=b", "postgresql://me@db/n?password=…&a=b"),
        ("database_url", "sqlite:///a:b@c.db", "sqlite:///a:b@c.db"),
        ("redis_url", "redis://:word@host/0", "redis://:…@host/0"),
        ("redis_url", "redis://host:6379", "redis://host:6379"),
    ],
)
def test_an_address_is_shown_without_its_password(variable: str, value: str, said: str) -> None:
    [setting] = [setting for setting in SETTINGS if setting.name == variable]
    assert shown(setting, load_settings(environment={setting.variable: value})) == said


def test_settings_never_print_a_secret() -> None:
    settings = load_settings(
        environment={
            "IMPASTO_API_KEY": KEY,
            "GEMINI_API_KEY": "provider_secret",
            "IMPASTO_SECRET": "secret" * 6,
            "IMPASTO_DATABASE_URL": "postgresql://me:word_secret@db/name",
            "IMPASTO_REDIS_URL": "redis://:word_secret@host",
        }
    )
    assert isinstance(settings, Settings)
    assert "secretsecret" not in repr(settings)
    assert "word_secret" not in repr(settings)
    assert KEY not in repr(settings)
    assert "provider_secret" not in repr(settings)
