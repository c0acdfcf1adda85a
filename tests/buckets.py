"""Buckets to test with, in a server that speaks S3 on loopback: moto, which is started once."""

import itertools
import logging
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

import pytest

from impasto.storage.object_store import Bucket

if TYPE_CHECKING:
    from obstore.store import S3Config, S3Store

_numbers = itertools.count(1)


@dataclass(frozen=True, slots=True)
class TestBucket:
    """An empty bucket at `endpoint`."""

    __test__ = False
    endpoint: str
    name: str

    @property
    def environment(self) -> dict[str, str]:
        """What an operator would set for it."""
        return {
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test-secret",
            "AWS_REGION": "eu-central-1",
            "AWS_ENDPOINT_URL_S3": self.endpoint,
        }

    @property
    def bucket(self) -> Bucket:
        """With a prefix in it."""
        options = {"endpoint": self.endpoint, "access_key_id": "test", "secret_access_key": "test", "region": "x"}
        return Bucket(self.name, "a/b", options)

    def put(self, name: str, content: bytes) -> None:
        """As somebody else would."""
        import obstore

        obstore.put(self._connection(), name, content)

    def age(self, sha256: str, at_ms: int) -> None:
        """Whatever there is of a blob was kept at `at_ms`."""
        import obstore

        for name in self.names():
            if sha256 in name:
                folder, _, copy = name.rpartition("/")
                older = f"{folder}/{at_ms:013}-{copy.partition('-')[2]}"
                if older != name:
                    obstore.rename(self._connection(), name, older)

    def names(self) -> list[str]:
        """Of all objects, in order."""
        import obstore

        return sorted(found["path"] for page in obstore.list(self._connection()) for found in page)

    def _connection(self) -> "S3Store":
        from obstore.store import S3Store

        return S3Store(self.name, config=cast("S3Config", self.bucket.options), client_options={"allow_http": True})


@pytest.fixture(scope="session")
def _s3_endpoint() -> Iterator[str]:
    from moto.server import ThreadedMotoServer

    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def bucket(_s3_endpoint: str) -> Iterator[TestBucket]:
    """A bucket of its own."""
    made = TestBucket(_s3_endpoint, f"test-{next(_numbers)}")
    _ask("PUT", f"{_s3_endpoint}/{made.name}")
    yield made
    _ask("POST", f"{_s3_endpoint}/moto-api/reset")


def _ask(method: str, url: str) -> None:
    urllib.request.urlopen(urllib.request.Request(url, method=method)).close()  # noqa: S310 - ours, on loopback
