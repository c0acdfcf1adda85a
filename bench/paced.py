"""A provider whose line is slow: it sends one prepared answer at so many bytes a second.

Rule: it reads a whole request before it answers. nginx cannot stand in here: its
`limit_rate` lets a second's worth of bytes through at once.
"""

import socketserver
import sys
import time
from pathlib import Path

_CHUNK_BYTES = 16 << 10
_TURN_SECONDS = 0.01


class _Line(socketserver.StreamRequestHandler):
    chunks: tuple[bytes, ...] = ()
    bytes_per_second = 0.0

    def handle(self) -> None:
        while self._read_request():
            self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n")
            self._send()

    def _read_request(self) -> bool:
        length, line = 0, self.rfile.readline()
        while line not in (b"", b"\r\n"):
            name, _, value = line.partition(b":")
            length = int(value) if name.lower() == b"content-length" else length
            line = self.rfile.readline()
        return bool(line) and len(self.rfile.read(length)) == length

    def _send(self) -> None:
        started, sent, per_turn = (
            time.perf_counter(),
            0,
            max(1, int(self.bytes_per_second * _TURN_SECONDS / _CHUNK_BYTES)),
        )
        for first in range(0, len(self.chunks), per_turn):
            turn = b"".join(self.chunks[first : first + per_turn])
            self.wfile.write(turn)
            sent += len(turn)
            time.sleep(max(0.0, started + sent / self.bytes_per_second - time.perf_counter()))


class _Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True
    request_queue_size = 128


def main(port: int, answer: Path, bytes_per_second: float) -> None:
    data = answer.read_bytes()
    pieces = [data[start : start + _CHUNK_BYTES] for start in range(0, len(data), _CHUNK_BYTES)]
    _Line.chunks = (*(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces), b"0\r\n\r\n")
    _Line.bytes_per_second = bytes_per_second
    _Line.disable_nagle_algorithm = True
    with _Server(("127.0.0.1", port), _Line) as server:
        server.serve_forever()


if __name__ == "__main__":
    main(int(sys.argv[1]), Path(sys.argv[2]), float(sys.argv[3]))
