"""`impasto doctor`: finds what people get wrong, and says how to mend each."""

import asyncio
import json
import socket
from pathlib import Path

import pytest
from sqlalchemy import insert

from impasto.cli.doctor import examine
from impasto.storage.blobs import FileStore
from impasto.storage.database import database_at
from impasto.storage.secret import check_same_secret
from impasto.storage.tables import balances
from tests.buckets import TestBucket
from tests.cli.conftest import Impasto
from tests.cli.test_gateway import server_that_says
from tests.fakes.books import open_books
from tests.storage.contents import Contents, sha256_of

KEY = "a_key_of_more_than_twenty_characters"


def found(state: str, **environment: str) -> str:
    return "\n".join(finding.text for finding in examine(environment=environment) if finding.state == state)


def closed_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as opened:
        return int(opened.getsockname()[1])


def test_a_fresh_machine_has_notes_and_nothing_bad() -> None:
    assert not found("bad")
    notes = found("note", IMPASTO_PORT=str(closed_port()))
    assert "No key was made yet; the first start of the server makes one." in notes
    assert "No key for Google. Set GEMINI_API_KEY or GOOGLE_API_KEY to use its models." in notes


@pytest.mark.parametrize(
    ("environment", "bad"),
    [
        ({"IMPASTO_PROT": "1"}, "Did you mean IMPASTO_PORT?"),
        ({"IMPASTO_PORT": "x"}, "It takes a number from 0 to 65535."),
        ({"IMPASTO_HOST": "0.0.0.0"}, "Set IMPASTO_API_KEY to a long random text"),
        ({"IMPASTO_HOST": "0.0.0.0", "IMPASTO_API_KEY": "short"}, "Use 20 random ones or more"),
        ({"IMPASTO_DATA": "/dev/null/data"}, "Set IMPASTO_DATA to a folder that this user may write."),
        (
            {"IMPASTO_STORE_URL": "file:///dev/null/store"},
            "Set IMPASTO_STORE_URL to a folder that this user may write.",
        ),
        ({"IMPASTO_FETCH_ALLOW": "::::"}, "IMPASTO_FETCH_ALLOW"),
        ({"IMPASTO_URL": "http://127.0.0.1:1"}, "no gateway answers at http://127.0.0.1:1. Start it there"),
        ({"IMPASTO_URL": "nonsense"}, "no gateway answers at nonsense."),
        ({"IMPASTO_C2PA_KEY": "key.pem"}, "IMPASTO_C2PA_CERTIFICATE is not. Set both"),
        (
            {"IMPASTO_C2PA_CERTIFICATE": "/dev/null", "IMPASTO_C2PA_KEY": "/dev/null"},
            "IMPASTO_C2PA_KEY: /dev/null holds no key that can be used.",
        ),
        ({"GEMINI_API_KEY": '"x"'}, "GEMINI_API_KEY: this value is no key."),
        ({"GEMINI_API_KEY_FILE": "gone"}, "GEMINI_API_KEY_FILE: gone cannot be read"),
        ({"GOOGLE_GEMINI_BASE_URL": "http://localhost:8080"}, "this very server"),
        ({"GOOGLE_GEMINI_BASE_URL": "https://x/v1beta"}, "ends in a version. Leave it out"),
        (
            {"GEMINI_API_KEY": "x", "GOOGLE_GEMINI_BASE_URL": "http://127.0.0.1:1"},
            "cannot be reached from here: Connection refused. Check the network",
        ),
    ],
)
def test_what_people_get_wrong_is_found_with_its_cure(environment: dict[str, str], bad: str) -> None:
    assert bad in found("bad", **environment)


def test_a_bucket_is_tried_and_left_as_it_was(bucket: TestBucket) -> None:
    environment = {"IMPASTO_STORE_URL": f"s3://{bucket.name}/gateway", **bucket.environment}
    assert not found("bad", **environment)
    good = found("good", **environment)
    assert f"s3://{bucket.name}/gateway can be written, listed, read and deleted from." in good
    assert "where answers wait on their way to the bucket, has" in good
    assert bucket.names() == []


def test_a_bucket_that_cannot_be_used_is_bad(bucket: TestBucket) -> None:
    bad = found("bad", IMPASTO_STORE_URL="s3://nobodys", **bucket.environment)
    assert bad.startswith("s3://nobodys cannot be used (")
    assert "NoSuchBucket" in bad
    assert "Check IMPASTO_STORE_URL, the AWS_* variables" in bad
    assert bucket.environment["AWS_SECRET_ACCESS_KEY"] not in bad
    environment = bucket.environment | {"AWS_ENDPOINT_URL_S3": "nonsense"}
    assert found("bad", IMPASTO_STORE_URL="s3://nobodys", **environment).count("AWS_ENDPOINT_URL_S3") == 1


def test_a_key_that_others_can_read_is_bad(folder: Path) -> None:
    (folder / "impasto-data").mkdir()
    key = folder / "impasto-data" / "first-key"
    key.write_text(KEY)
    key.chmod(0o644)
    assert "Run: chmod 600 impasto-data/first-key." in found("bad")
    key.chmod(0o600)
    assert "readable by you alone" in found("good")


def test_a_key_that_can_be_guessed_is_a_note_on_loopback() -> None:
    assert "IMPASTO_API_KEY can be guessed. Use 20 random characters or more." in found("note", IMPASTO_API_KEY="short")
    assert "IMPASTO_API_KEY is set." in found("good", IMPASTO_API_KEY=KEY)


def test_a_port_in_use_is_told_apart_from_a_gateway_that_runs() -> None:
    with server_that_says(200, '{"status": "alive"}') as (url, _):
        assert f"A gateway is running on {url}." in found("good", IMPASTO_PORT=url.rpartition(":")[2])
        assert f"The gateway that IMPASTO_URL names, {url}, answers." in found("good", IMPASTO_URL=url)
    with server_that_says(200, "<html>") as (url, _):
        assert f"{url} is taken" in found("note", IMPASTO_PORT=url.rpartition(":")[2])


def test_a_provider_that_can_be_reached_is_good_and_its_retired_models_are_told() -> None:
    with socket.create_server(("127.0.0.1", 0)) as provider:
        url = f"http://127.0.0.1:{provider.getsockname()[1]}"
        environment = {"GEMINI_API_KEY": "x", "GOOGLE_GEMINI_BASE_URL": url}
        assert f"A key for Google is set, and {url} can be reached." in found("good", **environment)
        assert "google/gemini-3.1-flash-image-preview was retired on 2026-06-25. Ask for" in found(
            "note", **environment
        )


def test_a_proxy_is_told_to_be_passed_by() -> None:
    environment = {"GEMINI_API_KEY": "x", "GOOGLE_GEMINI_BASE_URL": "http://127.0.0.1:1", "HTTPS_PROXY": "http://p"}
    assert "HTTPS_PROXY is set; calls to Google go out directly all the same." in found("note", **environment)


def test_limits_that_each_process_counts_for_itself_are_told() -> None:
    assert "Each of the 4 server processes counts requests per minute" in found("note", IMPASTO_WORKERS="4")
    assert "counts requests" not in found("note", IMPASTO_WORKERS="4", IMPASTO_REDIS_URL="redis://127.0.0.1:1")


def test_dotenv_is_told_by_names_alone(impasto: Impasto, folder: Path) -> None:
    (folder / ".env").write_text("IMPASTO_LOG_LEVEL=debug\n")
    assert "note .env in this folder sets IMPASTO_LOG_LEVEL." in impasto("doctor").stdout


def test_anything_bad_exits_1(impasto: Impasto) -> None:
    result = impasto("doctor", IMPASTO_PORT="x")
    assert result.exit_code == 1
    assert result.stdout.splitlines()[-1].startswith('BAD  IMPASTO_PORT: "x" is not possible.')
    assert impasto("doctor").exit_code == 0


def test_findings_are_json(impasto: Impasto) -> None:
    result = impasto("doctor", "--json", IMPASTO_PORT="x")
    assert result.exit_code == 1
    findings = json.loads(result.stdout)
    assert [finding["state"] for finding in findings] == ["good", "bad"]


def test_books_are_checked_where_there_are_any(database_url: str, folder: Path) -> None:
    assert "The books" not in found("good")
    assert "The books are balanced (0 entries)." in found("good", IMPASTO_DATABASE_URL=database_url)
    asyncio.run(_forge(database_url))
    assert "The books do not balance. Balances differ from what their entries add up to: 1, the first of them" in found(
        "bad", IMPASTO_DATABASE_URL=database_url
    )


def test_books_that_cannot_be_read_are_bad(folder: Path) -> None:
    (folder / "books").write_text("no database, but long enough to be looked at as one" * 40)
    bad = found("bad", IMPASTO_DATABASE_URL=f"sqlite:///{folder}/books")
    assert "cannot be read (DatabaseError: file is not a database). Check IMPASTO_DATABASE_URL" in bad


def test_what_the_store_lacks_is_said(database_url: str, folder: Path) -> None:
    async def keep(expected: FileStore) -> None:
        database = database_at(database_url)
        contents = Contents(database, expected, 1)
        await contents.add_key("ann")
        await contents.upload("up1")
        await database.close()
        expected.close()

    store = folder / "impasto-data" / "store"
    asyncio.run(keep(FileStore(store, "p")))
    assert "not in the store" not in found("bad", IMPASTO_DATABASE_URL=database_url)
    store.rename(folder / "elsewhere")
    bad = found("bad", IMPASTO_DATABASE_URL=database_url)
    assert f"Blobs are not in the store: 1, the first of them {sha256_of(b'upload')}. They are answered with 410" in bad


def test_another_secret_is_found(database_url: str) -> None:
    first, other = "the secret of the first server, of this length", "another secret, which is just as long as it"
    database = database_at(database_url)

    async def remember() -> None:
        await check_same_secret(database, first.encode())
        await database.close()

    asyncio.run(remember())
    assert not found("bad", IMPASTO_DATABASE_URL=database_url, IMPASTO_SECRET=first)
    bad = found("bad", IMPASTO_DATABASE_URL=database_url, IMPASTO_SECRET=other)
    assert bad.startswith("The database was used with another secret")


async def _forge(url: str) -> None:
    database = database_at(url)
    await database.write(lambda connection: open_books(connection, {"key-1": "acc-1"}))
    forged = insert(balances).values(account_id="acc-1", period="all", held=1, unknown=0, spent=0)
    await database.write(lambda connection: connection.execute(forged))
    await database.close()
