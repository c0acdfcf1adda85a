"""A provider whose line is slow: it sends prepared answers at so many bytes a second.

Rule: it reads a whole request before it answers. nginx cannot stand in here: its
`limit_rate` lets a second's worth of bytes through at once.
"""

import socketserver
import sys
import time
from collections.abc import Iterator
from pathlib import Path

_CHUNK_BYTES = 16 << 10
_TURN_SECONDS = 0.01
_MEDIA_TYPES = {"json": "application/json", "sse": "text/event-stream"}


class _Line(socketserver.StreamRequestHandler):
    """One connection; `turns` are the pieces of each kind of answer that are sent at a time."""

    disable_nagle_algorithm = True
    turns: dict[str, list[bytes]] = {}  # noqa: RUF012 - set once, before the first connection
    bytes_per_second = 0.0

    def handle(self) -> None:
        while kind := self._read_request():
            head = f"HTTP/1.1 200 OK\r\nContent-Type: {_MEDIA_TYPES[kind]}\r\nTransfer-Encoding: chunked\r\n\r\n"
            self.wfile.write(head.encode())
            started, sent = time.perf_counter(), 0
            for turn in self.turns[kind]:
                self.wfile.write(turn)
                sent += len(turn)
                time.sleep(max(0.0, started + sent / self.bytes_per_second - time.perf_counter()))

    def _read_request(self) -> str:
        """The kind of answer that is asked for; empty where the caller left."""
        request_line, length = self.rfile.readline(), 0
        while (line := self.rfile.readline()) not in (b"", b"\r\n"):
            name, _, value = line.partition(b":")
            length = int(value) if name.lower() == b"content-length" else length
        if not line or len(self.rfile.read(length)) < length:
            return ""
        return "sse" if b":streamGenerateContent" in request_line else "json"


class _Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True
    request_queue_size = 128


def _turns(answer: bytes, bytes_per_second: float) -> Iterator[bytes]:
    """The answer in HTTP chunks, as many together as the line takes in one turn."""
    per_turn = max(1, int(bytes_per_second * _TURN_SECONDS / _CHUNK_BYTES)) * _CHUNK_BYTES
    for start in range(0, len(answer), per_turn):
        turn = answer[start : start + per_turn]
        pieces = (turn[at : at + _CHUNK_BYTES] for at in range(0, len(turn), _CHUNK_BYTES))
        yield b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces)
    yield b"0\r\n\r\n"


def main(port: int, answer: Path, bytes_per_second: float) -> None:
    """Serve `answer` with either suffix until the process is told to stop."""
    for kind in _MEDIA_TYPES:
        _Line.turns[kind] = list(_turns(answer.with_name(f"{answer.name}.{kind}").read_bytes(), bytes_per_second))
    _Line.bytes_per_second = bytes_per_second
    with _Server(("127.0.0.1", port), _Line) as server:
        server.serve_forever()


if __name__ == "__main__":
    main(int(sys.argv[1]), Path(sys.argv[2]), float(sys.argv[3]))
