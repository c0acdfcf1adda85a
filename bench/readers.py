"""Reads large answers over a few connections and says when their pictures began.

Rule: an answer is read to its end and counted whole, so that a server's work divides
exactly by the answers; one thread per connection, at a pace of its own where one is set.
"""

import json
import socket
import ssl
import sys
import threading
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from bench.answers import FIRST_PICTURE_BYTES

_BUFFER_BYTES = 256 << 10
_SLOW_BUFFER_BYTES = 64 << 10
_SILENCE_SECONDS = 60
_LAST_CHUNK = b"\r\n0\r\n\r\n"


@dataclass(frozen=True, slots=True)
class Job:
    """Ask `url` again and again for `seconds`, each connection at least once; `bytes_per_second` 0 is no limit."""

    url: str
    headers: dict[str, str]
    body: str
    connections: int
    seconds: float
    bytes_per_second: float
    certificate: str


@dataclass(slots=True)
class Seen:
    """Seconds of every answer, seconds to its first picture byte, and how long all took together."""

    answers: list[float] = field(default_factory=list)
    first_bytes: list[float] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    elapsed: float = 0.0


class _Answer:
    """Follows one answer through its bytes: where the head ends, where the picture begins, where all ends."""

    def __init__(self) -> None:
        self.has_picture = self.is_whole = self.closes = False
        self._head = bytearray()
        self._in_body = False
        self._left = -1  # bytes to come, where the head says it
        self._window = b""
        self._tail = b""

    def feed(self, data: bytes) -> None:
        if not self._in_body:
            self._head += data
            end = self._head.find(b"\r\n\r\n")
            if end < 0:
                return
            self._read_head(bytes(self._head[:end]))
            data = bytes(self._head[end + 4 :])
        if not self.has_picture:
            self._window = self._window[-len(FIRST_PICTURE_BYTES) :] + data
            self.has_picture = FIRST_PICTURE_BYTES in self._window
        if self._left >= 0:
            self._left -= len(data)
            self.is_whole = self._left <= 0
        else:
            self._tail = (self._tail + data[-len(_LAST_CHUNK) :])[-len(_LAST_CHUNK) :]
            self.is_whole = self._tail == _LAST_CHUNK

    def _read_head(self, head: bytes) -> None:
        self._in_body = True
        status, *lines = head.lower().decode("latin-1").split("\r\n")
        if " 200" not in status:
            raise ConnectionError(status)
        headers = dict(line.split(": ", 1) for line in lines if ": " in line)
        self._left = int(headers.get("content-length", -1))
        self.closes = headers.get("connection") == "close"


class _Reader(threading.Thread):
    """One connection, opened anew where the server closes it."""

    def __init__(self, job: Job, seen: Seen, start: threading.Barrier) -> None:
        super().__init__(daemon=True)
        self._job, self._seen, self._start_together = job, seen, start
        self._request = request_bytes(job)
        self._buffer = memoryview(bytearray(_SLOW_BUFFER_BYTES if job.bytes_per_second else _BUFFER_BYTES))

    def run(self) -> None:
        connection = connect(self._job)
        self._start_together.wait()
        end = time.perf_counter() + self._job.seconds
        try:
            while True:
                if self._ask(connection).closes:
                    connection.close()
                    connection = connect(self._job)
                if time.perf_counter() >= end:
                    break
        except (OSError, ValueError) as error:
            self._seen.errors.append(f"{type(error).__name__}: {error}")
        finally:
            connection.close()

    def _ask(self, connection: socket.socket) -> _Answer:
        answer, started, count, first = _Answer(), time.perf_counter(), 0, None
        connection.sendall(self._request)
        while not answer.is_whole:
            received = connection.recv_into(self._buffer)
            if not received:
                raise ConnectionError(f"closed after {count} bytes")
            answer.feed(bytes(self._buffer[:received]))
            count += received
            if first is None and answer.has_picture:
                first = time.perf_counter() - started
            if self._job.bytes_per_second:
                time.sleep(max(0.0, started + count / self._job.bytes_per_second - time.perf_counter()))
        self._seen.answers.append(time.perf_counter() - started)
        if first is not None:
            self._seen.first_bytes.append(first)
        return answer


def connect(job: Job) -> socket.socket:
    address = urlsplit(job.url)
    connection = socket.create_connection((address.hostname, address.port), timeout=_SILENCE_SECONDS)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if job.bytes_per_second:
        # The kernel would otherwise take several megabytes ahead of a reader who is slow.
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 * _SLOW_BUFFER_BYTES)
    if address.scheme == "https":
        return ssl.create_default_context(cafile=job.certificate).wrap_socket(
            connection, server_hostname=address.hostname
        )
    return connection


def request_bytes(job: Job) -> bytes:
    address, body = urlsplit(job.url), Path(job.body).read_bytes()
    headers = {
        "Host": address.netloc,
        "Content-Type": "application/json",
        "Content-Length": str(len(body)),
    } | job.headers
    target = address.path + (f"?{address.query}" if address.query else "")
    return "\r\n".join([f"POST {target} HTTP/1.1", *map(": ".join, headers.items()), "", ""]).encode() + body


def read_all(job: Job) -> Seen:
    seen, start = Seen(), threading.Barrier(job.connections + 1)
    readers = [_Reader(job, seen, start) for _ in range(job.connections)]
    for reader in readers:
        reader.start()
    start.wait(_SILENCE_SECONDS)
    started = time.perf_counter()
    for reader in readers:
        reader.join()
    seen.elapsed = time.perf_counter() - started
    return seen


if __name__ == "__main__":
    json.dump(asdict(read_all(Job(**json.loads(sys.argv[1])))), sys.stdout)
