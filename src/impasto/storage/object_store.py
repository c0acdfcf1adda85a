"""The store in a bucket that speaks S3: blobs under their SHA-256, and short notes under a name.

    blobs/ab/<sha256>/<time>-<process>-<number>  a copy of what is kept
    notes/<name>
    probes/<process>                             what `impasto doctor` writes, and takes away

Rule: an object of a blob is written once, under a name that no other has, and never touched again. What is kept again
gets another object, so that whoever deletes the old ones cannot meet it. When it was kept is in its name, by the clock
that the database's rows are written by: the bucket's own is another one. What is read is checked against its SHA-256.
On this machine lies nothing but files without a name, in `spool`, which go with the process.
"""

import asyncio
import itertools
import logging
import os
import re
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryFile
from typing import TYPE_CHECKING, NamedTuple, TypeVar, cast

from impasto.completions.ports import Blob
from impasto.domain.errors import Code, Failure
from impasto.storage.drafts import GIVES_NOTHING, TAKES_NO_MORE, Draft
from impasto.storage.store import ListedBlob, checked_name, could_lock, gone, is_sha256

if TYPE_CHECKING:
    import mmap

    from obstore import ObjectMeta
    from obstore.store import S3Config, S3Store

Result = TypeVar("Result")

NETWORK_THREADS = 32
"""Waits for the bucket at the same time."""
LONGEST_PUT_BYTES = 64 << 20
"""Up to here an object is put in one request, of which a kill leaves nothing; a longer one in parts."""
PART_BYTES = 16 << 20
PARTS_AT_ONCE = 4
RANGE_BYTES = 32 << 20
"""What one request reads at most: it has to come within `LONG_SECONDS`."""
PIECE_BYTES = 1 << 20
LOOKS = 3
"""How often a reader looks for a copy, should each that it has found go while it reaches for it."""

CONNECT_SECONDS = 5.0
BRIEF_SECONDS = 8.0
"""How long a request may take that carries little."""
LONG_SECONDS = 60.0
BRIEF_BYTES = 4 << 20
RETRIES = 3
RETRY_SECONDS = 6.0
"""After so long nothing is tried again, so that a bucket that is away keeps nobody waiting for minutes."""

OPTIONS: Mapping[str, tuple[str, ...]] = {
    "endpoint": ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL"),
    "region": ("AWS_REGION", "AWS_DEFAULT_REGION"),
    "access_key_id": ("AWS_ACCESS_KEY_ID",),
    "secret_access_key": ("AWS_SECRET_ACCESS_KEY",),
    "session_token": ("AWS_SESSION_TOKEN",),
    "role_arn": ("AWS_ROLE_ARN",),
    "role_session_name": ("AWS_ROLE_SESSION_NAME",),
    "web_identity_token_file": ("AWS_WEB_IDENTITY_TOKEN_FILE",),
    "container_credentials_relative_uri": ("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",),
    "container_credentials_full_uri": ("AWS_CONTAINER_CREDENTIALS_FULL_URI",),
    "container_authorization_token_file": ("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE",),
    "virtual_hosted_style_request": ("AWS_VIRTUAL_HOSTED_STYLE_REQUEST",),
    "server_side_encryption": ("AWS_SERVER_SIDE_ENCRYPTION",),
    "sse_kms_key_id": ("AWS_SSE_KMS_KEY_ID",),
}
"""obstore's options, and the variables that they are read from, the first that is set."""

_COPY = re.compile(r"blobs/[0-9a-f]{2}/([0-9a-f]{64})/(\d{13})-[^/]+")
_log = logging.getLogger("impasto.storage")


@dataclass(frozen=True, slots=True)
class Bucket:
    """A bucket, the prefix in it of all that is ours, and obstore's options for it, with what signs requests."""

    name: str
    prefix: str
    options: Mapping[str, str] = field(repr=False)


class _Copy(NamedTuple):
    sha256: str
    touched_ms: int
    path: str
    byte_count: int


class ObjectStore:
    """The store in `bucket`, as `process` uses it: a name that no other process ever has.

    What is written waits in `spool`, a folder of this machine. `now` gives seconds since the epoch. Nothing is opened
    before the first byte is kept.
    """

    def __init__(self, bucket: Bucket, spool: Path, now: Callable[[], float], process: str) -> None:
        self._bucket = bucket
        self._spool = spool
        self._now = now
        self._process = checked_name(process)
        self._numbers = itertools.count(1)
        self._threads = ThreadPoolExecutor(NETWORK_THREADS, "impasto-store")

    def open(self) -> Draft:
        return Draft(self._nameless_file)

    def spool(self) -> Draft:
        return Draft(self._nameless_file)

    async def keep(self, blob: Blob) -> str:
        if not isinstance(blob, Draft):
            raise TypeError("only what `open` gave can be kept")
        blob.seal()
        return await self._in_thread(lambda: self._keep(blob))

    async def reader(self, sha256: str) -> Draft:
        if not is_sha256(sha256):
            raise gone()
        reading = self._threads.submit(self._read, sha256)
        try:
            return await asyncio.wrap_future(reading)
        except asyncio.CancelledError:
            reading.add_done_callback(_close_unclaimed)
            raise

    async def note(self, name: str, text: bytes | None) -> None:
        path = f"notes/{checked_name(name)}"
        await self._in_thread(lambda: self._delete([path]) if text is None else self._put(path, text))

    async def noted(self, name: str) -> bytes | None:
        path = f"notes/{checked_name(name)}"
        return await self._in_thread(lambda: self._content_of(path))

    def names_of_notes(self) -> list[str]:
        """In order of the alphabet."""
        with _bucket_failures(GIVES_NOTHING):
            return sorted(found["path"].removeprefix("notes/") for found in self._listed("notes"))

    def drop_process(self, process: str) -> None:
        """What a dead process had not kept died with it."""
        checked_name(process)

    def list_blobs(self) -> Iterator[ListedBlob]:
        """Everything that is kept, in no order."""
        with _bucket_failures(GIVES_NOTHING):
            for sha256, group in itertools.groupby(self._copies_in("blobs"), lambda copy: copy.sha256):
                copies = list(group)
                newest = max(copies)
                yield ListedBlob(sha256, newest.byte_count, newest.touched_ms, len(copies))

    def delete(self, sha256: str, *, untouched_since_ms: int | None = None) -> bool:
        """Remove a blob, but for copies kept after `untouched_since_ms`. Says whether that was the end of it."""
        with _bucket_failures(TAKES_NO_MORE):
            copies = list(self._copies_in(_folder_of(sha256)))
            old = [copy for copy in copies if untouched_since_ms is None or copy.touched_ms <= untouched_since_ms]
            self._delete([copy.path for copy in old])
        return bool(old) and len(old) == len(copies)

    @contextmanager
    def only_sweeper(self) -> Iterator[bool]:
        """Whether no other process on this machine is sweeping, which then holds until the end of the block."""
        with _bucket_failures(TAKES_NO_MORE):
            self._spool.mkdir(mode=0o700, parents=True, exist_ok=True)
            file = os.open(self._spool, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            yield could_lock(file)
        finally:
            os.close(file)

    def probe(self) -> None:
        """Put, find, get and delete something tiny. Raises `store_unavailable` where any of it cannot be done."""
        path, text = f"probes/{self._process}", b"impasto doctor"
        self._put(path, text)
        try:
            with _bucket_failures(GIVES_NOTHING):
                is_listed = any(found["path"] == path for found in self._listed("probes"))
            if not is_listed or self._content_of(path) != text:
                raise Failure(Code.STORE_UNAVAILABLE, GIVES_NOTHING, logged="store: what was put there is not there")
        finally:
            self._delete([path])

    def close(self) -> None:
        """Wait for what is being kept; nothing can be kept after that."""
        self._threads.shutdown()

    @cached_property
    def _brief(self) -> "S3Store":
        return self._connection(BRIEF_SECONDS)

    @cached_property
    def _long(self) -> "S3Store":
        return self._connection(LONG_SECONDS)

    def _connection(self, seconds: float) -> "S3Store":
        from obstore.store import S3Store

        # One request for each object: not every store that speaks S3 deletes several at once.
        options = {"disable_bulk_delete": "true", **self._bucket.options}
        return S3Store(
            self._bucket.name,
            prefix=self._bucket.prefix or None,
            config=cast("S3Config", options),
            client_options={
                "allow_http": True,
                "connect_timeout": timedelta(seconds=CONNECT_SECONDS),
                "timeout": timedelta(seconds=seconds),
            },
            retry_config={"max_retries": RETRIES, "retry_timeout": timedelta(seconds=RETRY_SECONDS)},
        )

    def _put(self, path: str, content: "bytes | mmap.mmap") -> None:
        import obstore

        connection = self._brief if len(content) <= BRIEF_BYTES else self._long
        with _bucket_failures(TAKES_NO_MORE):
            obstore.put(
                connection, path, content, use_multipart=len(content) > LONGEST_PUT_BYTES,
                chunk_size=PART_BYTES, max_concurrency=PARTS_AT_ONCE,
            )  # fmt: skip

    def _delete(self, paths: list[str]) -> None:
        import obstore

        with _bucket_failures(TAKES_NO_MORE):
            for path in paths:
                obstore.delete(self._brief, path)

    def _listed(self, prefix: str) -> "Iterator[ObjectMeta]":
        import obstore

        for batch in obstore.list(self._brief, prefix, chunk_size=1000):
            yield from batch

    def _content_of(self, path: str) -> bytes | None:
        import obstore

        with _bucket_failures(GIVES_NOTHING):
            try:
                return obstore.get(self._brief, path).bytes().to_bytes()
            except FileNotFoundError as error:
                if "NoSuchBucket" in str(error):
                    raise
                return None

    def _keep(self, draft: Draft) -> str:
        sha256 = draft.sha256
        with _bucket_failures(TAKES_NO_MORE), draft.in_use():
            name = f"{int(self._now() * 1000):013}-{self._process}-{next(self._numbers)}"
            self._put(f"{_folder_of(sha256)}/{name}", draft.content())
        return sha256

    def _read(self, sha256: str) -> Draft:
        wrong: set[_Copy] = set()
        for _ in range(LOOKS):
            with _bucket_failures(GIVES_NOTHING):
                copies = set(self._copies_in(_folder_of(sha256))) - wrong
            if not copies:
                break
            for copy in sorted(copies, reverse=True):
                draft = self._fetched(copy)
                if draft is not None and draft.sha256 == sha256:
                    return draft
                if draft is not None:
                    draft.close()
                    wrong.add(copy)
                    _log.error("store_copy_is_wrong", extra={"facts": {"path": copy.path}})
        if wrong:
            raise Failure(Code.STORE_UNAVAILABLE, GIVES_NOTHING, logged=f"store: no copy of {sha256} is what it was")
        raise gone()

    def _copies_in(self, prefix: str) -> Iterator[_Copy]:
        for found in self._listed(prefix):
            if named := _COPY.fullmatch(found["path"]):
                yield _Copy(named[1], int(named[2]), found["path"], found["size"])

    def _fetched(self, copy: _Copy) -> Draft | None:
        """Its content, or `None` where it went meanwhile."""
        import obstore

        with _bucket_failures(GIVES_NOTHING), ExitStack() as undoing:
            draft = self.open()
            undoing.callback(draft.close)
            for start in range(0, copy.byte_count, RANGE_BYTES):
                end = min(start + RANGE_BYTES, copy.byte_count)
                try:
                    found = obstore.get(self._long, copy.path, options={"range": (start, end)})
                except FileNotFoundError:
                    return None
                for piece in found.stream(min_chunk_size=PIECE_BYTES):
                    draft.write(bytes(piece))
            draft.seal()
            undoing.pop_all()
            return draft

    def _nameless_file(self) -> tuple[int, None]:
        self._spool.mkdir(mode=0o700, parents=True, exist_ok=True)
        with TemporaryFile(dir=self._spool, buffering=0) as file:
            return os.dup(file.fileno()), None

    async def _in_thread(self, work: Callable[[], Result]) -> Result:
        return await asyncio.get_running_loop().run_in_executor(self._threads, work)


def _folder_of(sha256: str) -> str:
    return f"blobs/{sha256[:2]}/{sha256}"


def _close_unclaimed(reading: "Future[Draft]") -> None:
    if not reading.cancelled() and reading.exception() is None:
        reading.result().close()


@contextmanager
def _bucket_failures(sentence: str) -> Iterator[None]:
    """What the bucket or the spool refuses is `store_unavailable` to everybody else."""
    from obstore.exceptions import BaseError

    try:
        yield
    except (OSError, BaseError) as error:
        raise Failure(Code.STORE_UNAVAILABLE, sentence, logged=f"store: {_reason_of(error)}") from error


def _reason_of(error: Exception) -> str:
    """Without what obstore adds for its own developers, and the rest of a page."""
    return " ".join(str(error).partition("\n\nDebug source")[0].split())[:500]
