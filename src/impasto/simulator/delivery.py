"""How the bytes of a reply travel: at once, slowly, or not to the end.

Rule: only this file touches the connection. Whatever happens on the way, the caller learns whether the
answer arrived as it was meant to.
"""

import asyncio
import socket
import struct
from collections.abc import Iterator, Sequence
from typing import NoReturn

from aiohttp import web

from impasto.simulator.faults import Cut, Drip, Fault, Garbage, KeepAlive, Pace, Phase, Reset, Stall
from impasto.simulator.replies import Reply

_SLICE_BYTES = 1 << 16
# Bytes on their way are lost when a connection is torn down; on loopback this is long enough for them to arrive.
_SETTLING_SECONDS = 0.05


class BrokenOff(Exception):
    """The connection was ended on purpose."""


class _Unframed(web.StreamResponse):
    """A response without length and chunks: its end is that of the connection."""

    _length_check = False


async def disturb(request: web.Request, faults: Sequence[Fault], phase: Phase) -> None:
    """What the faults want at this moment. Raises `BrokenOff` when nothing can follow."""
    for fault in faults:
        match fault:
            case Stall(seconds, at) if at == phase:
                await asyncio.sleep(seconds)
            case Reset(at) if at == phase:
                await _reset(request)
            case Cut() if phase == "mid_body":
                _hang_up(request)
            case Garbage() if phase == "before_headers":
                _transport_of(request).write(b"\x15\x03\x01\x00\x02\x02\x46 no HTTP spoken here\r\n\r\n")
                _hang_up(request)
            case _:
                continue


async def deliver(request: web.Request, reply: Reply, faults: Sequence[Fault]) -> web.StreamResponse:
    """Sends the reply through all the faults. Raises `BrokenOff`, and `ConnectionError` when the caller has gone."""
    await disturb(request, faults, "before_headers")
    response = _response_to(reply, faults)
    await response.prepare(request)
    await disturb(request, faults, "after_headers")
    await _keep_alive(response, reply, faults)
    first, rest = _split(reply.pieces, faults)
    await _write(response, first, faults)
    await disturb(request, faults, "mid_body")
    await _write(response, rest, faults)
    await disturb(request, faults, "before_end")
    await response.write_eof()
    return response


def _response_to(reply: Reply, faults: Sequence[Fault]) -> web.StreamResponse:
    framings = [fault.framing for fault in faults if isinstance(fault, Cut)]
    kind = _Unframed if "none" in framings else web.StreamResponse
    response = kind(status=reply.status, headers=reply.all_headers)
    if "none" in framings:
        response.force_close()
    elif "length" in framings:
        response.content_length = sum(map(len, reply.pieces))
    else:
        response.enable_chunked_encoding()
    return response


def _split(pieces: Sequence[bytes], faults: Sequence[Fault]) -> tuple[Sequence[bytes], Sequence[bytes]]:
    """The pieces before and after the point where something happens; all of them before, if nothing does."""
    breaks = [
        fault.after_bytes
        for fault in faults
        if isinstance(fault, Cut) or (isinstance(fault, Reset | Stall) and fault.phase == "mid_body")
    ]
    if not breaks:
        return pieces, ()
    body = b"".join(pieces)
    at = len(body) // 2 if breaks[0] is None else breaks[0]
    return (body[:at],), (body[at:],)


async def _write(response: web.StreamResponse, pieces: Sequence[bytes], faults: Sequence[Fault]) -> None:
    paces = [fault for fault in faults if isinstance(fault, Drip | Pace)]
    for piece in pieces:
        if not paces:
            await _write_slices(response, piece, _SLICE_BYTES, 0)
            continue
        match paces[0]:
            case Drip(count, delay_seconds):
                await _write_slices(response, piece, count, delay_seconds)
            case Pace(bytes_per_second):
                count = max(1, min(_SLICE_BYTES, int(bytes_per_second / 20)))
                await _write_slices(response, piece, count, count / bytes_per_second)


async def _write_slices(response: web.StreamResponse, piece: bytes, count: int, delay_seconds: float) -> None:
    for part in _slices(piece, count):
        await response.write(part)
        if delay_seconds:
            await asyncio.sleep(delay_seconds)


def _slices(piece: bytes, count: int) -> Iterator[memoryview]:
    view = memoryview(piece)
    for start in range(0, len(view), count):
        yield view[start : start + count]


async def _keep_alive(response: web.StreamResponse, reply: Reply, faults: Sequence[Fault]) -> None:
    filler = b": still working\r\n\r\n" if reply.media_type == "text/event-stream" else b" \n"
    for fault in faults:
        if isinstance(fault, KeepAlive):
            for _ in range(max(1, round(fault.seconds / fault.every_seconds))):
                await response.write(filler)
                await asyncio.sleep(fault.every_seconds)


# --- ends ---


def _transport_of(request: web.Request) -> asyncio.Transport:
    if request.transport is None:
        raise ConnectionResetError("the caller has gone")
    return request.transport


async def _reset(request: web.Request) -> NoReturn:
    """Closed without lingering, a connection ends with RST."""
    await asyncio.sleep(_SETTLING_SECONDS)
    transport = _transport_of(request)
    transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    transport.abort()
    raise BrokenOff


def _hang_up(request: web.Request) -> NoReturn:
    """What was written is still sent, then FIN."""
    _transport_of(request).close()
    raise BrokenOff
