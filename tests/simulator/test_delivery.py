"""Every fault, as the other end of the connection sees it."""

import asyncio
import contextlib
import re
import zlib
from typing import Any

import aiohttp
import msgspec
import pytest

from impasto.simulator.faults import (
    KINDS,
    BrokenBase64,
    Cut,
    Drip,
    EmptyCandidates,
    EmptyPicture,
    Escape,
    Fault,
    Garbage,
    Gzip,
    Html,
    KeepAlive,
    LongHeader,
    Pace,
    Pad,
    Phase,
    Redirect,
    Rename,
    Reset,
    Stall,
    Status,
    StreamError,
    Truncate,
    UnknownFinish,
    Usage,
    Words,
    WrongMime,
    WrongShape,
)
from impasto.simulator.server import GeminiSimulator
from tests.simulator.conftest import Client, asking

FLASH_31 = "gemini-3.1-flash-image"
Ending = tuple[bytes, str]
"""What was received, and how it ended: `end`, `reset`, or `open` after the patience of the reader."""


async def raw(simulator: GeminiSimulator, *, method: str = "generateContent", patience_seconds: float = 5) -> Ending:
    """Asks over a bare socket, reads all there is."""
    host, _, port = simulator.base_url.removeprefix("http://").partition(":")
    reader, writer = await asyncio.open_connection(host, int(port), limit=1 << 24)
    body = msgspec.json.encode(asking())
    head = f"POST /v1beta/models/{FLASH_31}:{method} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n"
    writer.write(f"{head}x-goog-api-key: k\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body)
    received, ending = b"", "open"
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(patience_seconds):
            try:
                while data := await reader.read(1 << 16):
                    received += data
                ending = "end"
            except ConnectionResetError:
                ending = "reset"
    writer.close()
    with contextlib.suppress(ConnectionError):
        await writer.wait_closed()
    return received, ending


@pytest.fixture
async def whole(simulator: GeminiSimulator) -> bytes:
    """The body that comes when nothing goes wrong."""
    received, _ = await raw(simulator)
    return unchunked(received)


def unchunked(received: bytes) -> bytes:
    """The body, as far as it came."""
    _, _, rest = received.partition(b"\r\n\r\n")
    body = b""
    while rest:
        size, _, rest = rest.partition(b"\r\n")
        length = int(size, 16)
        body, rest = body + rest[:length], rest[length + 2 :]
    return body


# --- connections that end ---


@pytest.mark.parametrize("phase", ["arrival", "before_headers"])
async def test_reset_before_anything(simulator: GeminiSimulator, phase: Phase) -> None:
    simulator.next(Reset(phase))
    assert await raw(simulator) == (b"", "reset")
    assert (simulator.calls[0].ended, simulator.calls[0].aborted) == (True, False)


@pytest.mark.parametrize(("fault", "ending"), [(Reset(), "reset"), (Cut("none"), "end"), (Garbage(), "end")])
def test_connections_end_alike_on_uvloop(fault: Fault, ending: str) -> None:
    uvloop = pytest.importorskip("uvloop")

    async def ended() -> tuple[str, bool]:
        async with GeminiSimulator() as simulator:
            simulator.next(fault)
            _, how = await raw(simulator)
            return how, simulator.calls[0].aborted

    assert uvloop.run(ended()) == (ending, False)


async def test_reset_after_headers(simulator: GeminiSimulator) -> None:
    simulator.next(Reset("after_headers"))
    received, ending = await raw(simulator)
    assert received.startswith(b"HTTP/1.1 200 OK\r\n")
    assert received.endswith(b"\r\n\r\n")
    assert ending == "reset"


@pytest.mark.parametrize("method", ["generateContent", "streamGenerateContent?alt=sse"])
async def test_reset_within_the_body(simulator: GeminiSimulator, method: str) -> None:
    simulator.next(Reset("mid_body", after_bytes=5000))
    received, ending = await raw(simulator, method=method)
    assert len(unchunked(received)) == 5000
    assert ending == "reset"


async def test_reset_before_the_end(simulator: GeminiSimulator, whole: bytes) -> None:
    simulator.next(Reset("before_end"))
    received, ending = await raw(simulator)
    assert len(unchunked(received)) == len(whole)
    assert not received.endswith(b"0\r\n\r\n")
    assert ending == "reset"


async def test_cut_in_chunks(simulator: GeminiSimulator) -> None:
    simulator.next(Cut(after_bytes=5000))
    received, ending = await raw(simulator)
    assert len(unchunked(received)) == 5000
    assert not received.endswith(b"0\r\n\r\n")
    assert ending == "end"


async def test_cut_below_the_length(simulator: GeminiSimulator, whole: bytes) -> None:
    simulator.next(Cut("length"))
    received, ending = await raw(simulator)
    head, _, body = received.partition(b"\r\n\r\n")
    assert f"Content-Length: {len(whole)}".encode() in head
    assert len(body) == len(whole) // 2
    assert ending == "end"


async def test_cut_without_a_frame_cannot_be_seen(simulator: GeminiSimulator, whole: bytes, client: Client) -> None:
    simulator.next(Cut("none"), Cut("none"))
    received, ending = await raw(simulator)
    head, _, body = received.partition(b"\r\n\r\n")
    assert b"Transfer-Encoding" not in head
    assert b"Content-Length" not in head
    assert len(body) == len(whole) // 2
    assert ending == "end"
    response, body = await client.ask(FLASH_31, asking())
    assert response.status == 200
    with pytest.raises(msgspec.DecodeError):
        msgspec.json.decode(body)


@pytest.mark.parametrize(
    "fault", [Reset(), Cut(), Cut("length"), Reset("before_headers"), Garbage(), LongHeader(), Gzip()]
)
async def test_a_client_notices(client: Client, simulator: GeminiSimulator, fault: Fault) -> None:
    simulator.next(fault)
    with pytest.raises(aiohttp.ClientError):
        await client.ask(FLASH_31, asking())
    response, _ = await client.ask(FLASH_31, asking())
    assert response.status == 200


# --- time ---


@pytest.mark.parametrize(
    ("phase", "start", "end"),
    [
        ("arrival", b"", b""),
        ("before_headers", b"", b""),
        ("after_headers", b"HTTP/1.1 200 OK", b"\r\n\r\n"),
        ("mid_body", b"HTTP/1.1 200 OK", b"\r\n"),
        ("before_end", b"HTTP/1.1 200 OK", b"}\n\r\n"),
    ],
)
async def test_stall(simulator: GeminiSimulator, phase: Phase, start: bytes, end: bytes) -> None:
    simulator.next(Stall(60, phase))
    received, ending = await raw(simulator, patience_seconds=0.3)
    assert received.startswith(start)
    assert received.endswith(end)
    assert ending == "open"
    await simulator.until(lambda calls: calls[0].aborted)


async def test_a_stall_ends(simulator: GeminiSimulator, client: Client, whole: bytes) -> None:
    simulator.next(Stall(0.01, "mid_body"))
    _, body = await client.ask(FLASH_31, asking())
    assert len(body) == len(whole)


@pytest.mark.parametrize("fault", [Drip(3, 0.02), Pace(100)])
async def test_slow(simulator: GeminiSimulator, fault: Fault) -> None:
    simulator.next(fault)
    received, ending = await raw(simulator, patience_seconds=0.5)
    assert 0 < len(unchunked(received)) < 500
    assert ending == "open"


async def test_pace_loses_nothing(client: Client, simulator: GeminiSimulator, whole: bytes) -> None:
    simulator.next(Pace(10_000_000))
    _, body = await client.ask(FLASH_31, asking())
    assert len(body) == len(whole)


@pytest.mark.parametrize(
    ("method", "filler"),
    [("generateContent", b" \n \n{"), ("streamGenerateContent?alt=sse", b": still working\r\n\r\n")],
)
async def test_signs_of_life(client: Client, simulator: GeminiSimulator, method: str, filler: bytes) -> None:
    simulator.next(KeepAlive(0.02, 0.01))
    _, body = await client.ask(FLASH_31, asking(), method=method)
    assert body.startswith(filler)


# --- other answers ---


async def test_garbage(simulator: GeminiSimulator) -> None:
    simulator.next(Garbage())
    received, ending = await raw(simulator)
    assert received.startswith(b"\x15\x03")
    assert ending == "end"


@pytest.mark.parametrize(
    ("code", "name"),
    [
        (400, "INVALID_ARGUMENT"),
        (401, "UNAUTHENTICATED"),
        (403, "PERMISSION_DENIED"),
        (404, "NOT_FOUND"),
        (429, "RESOURCE_EXHAUSTED"),
        (500, "INTERNAL"),
        (503, "UNAVAILABLE"),
        (504, "DEADLINE_EXCEEDED"),
    ],
)
@pytest.mark.parametrize("as_list", [False, True])
async def test_errors(client: Client, simulator: GeminiSimulator, code: int, name: str, as_list: bool) -> None:
    simulator.next(Status(code, as_list=as_list))
    response, body = await client.ask(FLASH_31, asking())
    told = msgspec.json.decode(body)
    error = told[0]["error"] if as_list else told["error"]
    assert response.status == error["code"] == code
    assert error["status"] == name
    assert error["message"]


async def test_quota(client: Client, simulator: GeminiSimulator) -> None:
    simulator.next(Status(429, limit=0, retry_delay="51.4s", retry_after="7"))
    response, body = await client.ask(FLASH_31, asking())
    error = msgspec.json.decode(body)["error"]
    assert "limit: 0, model: gemini-3.1-flash-image\nPlease retry in 51.4s." in error["message"]
    assert error["details"][-1] == {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "51.4s"}
    assert response.headers["Retry-After"] == "7"


async def test_a_page(client: Client, simulator: GeminiSimulator) -> None:
    simulator.next(Html(200))
    response, body = await client.ask(FLASH_31, asking())
    assert (response.status, response.content_type) == (200, "text/html")
    assert body.startswith(b"<html>")


async def test_redirect(client: Client, simulator: GeminiSimulator) -> None:
    simulator.next(Redirect("http://127.0.0.1:9/x", 307))
    response, _ = await client.ask(FLASH_31, asking())
    assert (response.status, response.headers["Location"]) == (307, "http://127.0.0.1:9/x")


async def test_a_long_header(simulator: GeminiSimulator) -> None:
    simulator.next(LongHeader(200_000))
    received, _ = await raw(simulator)
    assert b"X-Long: " + b"a" * 200_000 + b"\r\n" in received


async def test_a_bomb(simulator: GeminiSimulator) -> None:
    simulator.next(Gzip("bomb", megabytes=8))
    received, _ = await raw(simulator)
    assert len(received) < 20_000
    assert len(zlib.decompress(unchunked(received), wbits=31)) == 8 << 20


async def test_truncated_json_in_a_complete_body(client: Client, simulator: GeminiSimulator, whole: bytes) -> None:
    simulator.next(Truncate(), Truncate(100))
    response, body = await client.ask(FLASH_31, asking())
    assert (response.status, len(body)) == (200, len(whole) // 2)
    _, body = await client.ask(FLASH_31, asking(), method="streamGenerateContent?alt=sse")
    assert len(body) == 100


@pytest.mark.parametrize(
    ("shape", "start"),
    [
        ("list", "[{'candidates'"),
        ("string", "an answer"),
        ("no_candidates", "{'result'"),
        ("candidates_object", "{'candidates': {'0'"),
        ("parts_string", "{'candidates': [{'content': {'role': 'model', 'parts': 'a picture'}"),
        ("text_number", "{'candidates': [{'content': {'role': 'model', 'parts': [{'text': 7}]}"),
    ],
)
@pytest.mark.parametrize("method", ["generateContent", "streamGenerateContent?alt=sse"])
async def test_wrong_shapes(client: Client, simulator: GeminiSimulator, shape: Any, start: str, method: str) -> None:
    simulator.next(WrongShape(shape))
    _, body = await client.ask(FLASH_31, asking(), method=method)
    first = body.removeprefix(b"data: ").split(b"\r\n")[0]
    assert str(msgspec.json.decode(first)).startswith(start)


async def test_an_error_within_a_stream(client: Client, simulator: GeminiSimulator) -> None:
    simulator.next(StreamError(503, after_events=1))
    response, body = await client.ask(FLASH_31, asking(), method="streamGenerateContent?alt=sse")
    events = [msgspec.json.decode(each.removeprefix(b"data: ")) for each in body.split(b"\r\n\r\n") if each]
    assert response.status == 200
    assert [next(iter(event)) for event in events] == ["candidates", "error"]
    assert events[-1]["error"]["status"] == "UNAVAILABLE"


# --- content ---


async def test_spoilt_content(client: Client, simulator: GeminiSimulator) -> None:
    async def painted(*faults: Fault) -> Any:
        simulator.next(faults)
        return await client.paint()

    def blob(answer: Any) -> Any:
        return answer["candidates"][0]["content"]["parts"][0]["inlineData"]

    assert blob(await painted(WrongMime("image/gif")))["mimeType"] == "image/gif"
    assert blob(await painted(EmptyPicture()))["data"] == ""
    assert blob(await painted(BrokenBase64(1001)))["data"].index("!") == 1001
    assert (await painted(EmptyCandidates()))["candidates"] == []
    assert (await painted(UnknownFinish("X")))["candidates"][0]["finishReason"] == "X"
    assert (await painted(Rename("other")))["modelVersion"] == "other"
    assert "inlineData" not in (await painted(Words()))["candidates"][0]["content"]["parts"][0]
    assert len(blob(await painted(Pad(picture_bytes=300_000)))["data"]) == 400_000


@pytest.mark.parametrize("method", ["generateContent", "streamGenerateContent?alt=sse"])
async def test_spoilt_counts(client: Client, simulator: GeminiSimulator, method: str) -> None:
    async def usage(fault: Usage) -> Any:
        simulator.next(fault)
        _, body = await client.ask(FLASH_31, asking(), method=method)
        last = [line for line in body.split(b"\r\n\r\n") if line.strip()][-1]
        return msgspec.json.decode(last.removeprefix(b"data: ")).get("usageMetadata")

    assert await usage(Usage("missing")) is None
    assert (await usage(Usage("negative")))["candidatesTokenCount"] == -5
    assert (await usage(Usage("huge")))["candidatesTokenCount"] == pytest.approx(1e30)
    assert (await usage(Usage("string")))["candidatesTokenCount"] == "many"
    assert sorted(await usage(Usage("no_details"))) == [
        "candidatesTokenCount",
        "promptTokenCount",
        "serviceTier",
        "totalTokenCount",
    ]


async def test_escapes_mean_the_same(client: Client, simulator: GeminiSimulator) -> None:
    pad = Pad(picture_bytes=300_001)
    simulator.next(pad, (pad, Escape()))
    plain, escaped = [(await client.ask(FLASH_31, asking()))[1] for _ in range(2)]
    assert rb"image\/jpeg" in escaped
    assert rb"\u003d" in escaped
    assert msgspec.json.decode(plain)["candidates"] == msgspec.json.decode(escaped)["candidates"]


def comparable(ending: Ending) -> Ending:
    """Without what differs from call to call: the time and the id of the answer."""
    received, how = ending
    return re.sub(rb'Date: [^\r]+|"responseId": "[^"]+"', b"", received), how


@pytest.mark.parametrize("kind", sorted(KINDS.keys() - {"pad", "pace", "calls"}))
@pytest.mark.parametrize("method", ["generateContent", "streamGenerateContent?alt=sse"])
async def test_every_fault_can_be_seen(simulator: GeminiSimulator, kind: str, method: str) -> None:
    if (kind, method) == ("stream_error", "generateContent"):
        pytest.skip("there is no stream")
    simulator.next(None, KINDS[kind]())
    ordinary = await raw(simulator, method=method)
    faulty = await raw(simulator, method=method, patience_seconds=0.3)
    assert comparable(ordinary) != comparable(faulty)
    assert ordinary[1] == "end"


async def test_a_large_answer_arrives_whole(client: Client) -> None:
    prompt = "a cat [[fault:pad 20000000 3000000]]"
    response, body = await client.ask(FLASH_31, asking(prompt, imageConfig={"imageSize": "4K"}))
    assert response.status == 200
    assert len(body) > 29_000_000
