import asyncio
import base64
import gzip
import json
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from impasto.adapters.base import WireRequest
from impasto.adapters.gemini import GeminiAdapter
from impasto.domain.chat import READ_BYTES, ModelCall, Stored, TextPart, Turn
from impasto.domain.errors import Code, Failure
from impasto.domain.events import Event, Finished, FinishReason, ImageData, ImageEnded, ImageStarted, Text
from impasto.net.provider_client import JOINED_BYTES, MAX_ERROR_BYTES, Access, ProviderClient
from tests.fakes.blobs import MemoryStore
from tests.fakes.models import GOOGLE, a_call, a_model, a_text_model
from tests.fakes.pictures import picture_part
from tests.fakes.raw_server import Connection, Handler, RawServer, response, serving

FIXTURES = Path(__file__).parents[1] / "fixtures" / "gemini"
IMAGE = (FIXTURES / "image.json").read_bytes()
KEY = "AIzaSyFakeKeyOfThisTest"


@asynccontextmanager
async def client_of(base_url: str, *, key: str | None = KEY, silence: float = 5) -> AsyncIterator[ProviderClient]:
    access = {"google": Access(base_url, key)}
    client = ProviderClient({"gemini": GeminiAdapter()}, access, connect_seconds=2, silence_seconds=silence)
    try:
        yield client
    finally:
        await client.close()


@asynccontextmanager
async def provider(handler: Handler, *, silence: float = 5) -> AsyncIterator[tuple[ProviderClient, RawServer]]:
    async with serving(handler) as server, client_of(server.base_url, silence=silence) as client:
        yield client, server


def sending(*pieces: bytes, then: Callable[[Connection], object] | None = None) -> Handler:
    async def handler(connection: Connection) -> None:
        for piece in pieces:
            await connection.send(piece)
        if then is not None:
            await then(connection)  # type: ignore[misc]

    return handler


async def answered(client: ProviderClient, call: ModelCall | None = None) -> list[Event]:
    return [event async for event in client.answer(call or a_call())]


async def failure_of(handler: Handler, *, silence: float = 5) -> Failure:
    """The failure that `handler` leads to; there is never a second try."""
    async with provider(handler, silence=silence) as (client, server):
        with pytest.raises(Failure) as raised:
            await answered(client)
        assert len(server.requests) == 1
        return raised.value


# --- an answer ---


async def test_an_answer_is_its_events() -> None:
    async with provider(sending(response(IMAGE))) as (client, _):
        kinds = [type(event) for event in await answered(client)]
    assert kinds[0] is ImageStarted
    assert ImageData in kinds
    assert ImageEnded in kinds
    assert kinds[-1] is Finished


async def test_the_request_is_what_the_adapter_rendered_signed() -> None:
    call = a_call(turns=(Turn("user", (TextPart("a banana ✓"), picture_part())),))
    async with provider(sending(response(IMAGE))) as (client, server):
        await answered(client, call)
    (request,) = server.requests
    assert request.line == "POST /v1beta/models/painting-model:generateContent HTTP/1.1"
    assert request.body == b"".join(map(bytes, GeminiAdapter().render(call).body))
    assert request.headers["x-goog-api-key"] == KEY
    assert request.headers["content-type"] == "application/json"
    assert request.headers["content-length"] == str(len(request.body))
    assert request.headers["accept-encoding"] == "identity"
    assert "cookie" not in request.headers
    assert "authorization" not in request.headers


def storing(byte_count: int, store: MemoryStore) -> Stored:
    blob = store.open()
    blob.write(bytes(number % 251 for number in range(byte_count)))
    return Stored(blob)


@pytest.mark.parametrize(
    "byte_count", [1, JOINED_BYTES // 4 * 3 - 3, JOINED_BYTES // 4 * 3, READ_BYTES + 1, 3 * READ_BYTES + 2]
)
async def test_what_the_store_keeps_is_sent_whole_each_time(byte_count: int) -> None:
    store = MemoryStore()
    picture = replace(picture_part(), base64=storing(byte_count, store))
    call = a_call(turns=(Turn("user", (TextPart("a banana"), picture, picture_part())),))
    async with provider(sending(response(IMAGE))) as (client, server):
        for _ in range(2):
            await answered(client, call)
    for request in server.requests:
        assert request.body == b"".join(map(bytes, GeminiAdapter().render(call).body))
        assert request.headers["content-length"] == str(len(request.body))
        assert "transfer-encoding" not in request.headers
    data = json.loads(server.requests[1].body)["contents"][0]["parts"][1]["inlineData"]["data"]
    assert base64.b64decode(data) == picture.decoded()
    assert len(server.requests) == 2


@pytest.mark.parametrize("byte_count", [100, READ_BYTES])
async def test_a_body_of_one_stored_piece_is_sent_as_well(byte_count: int) -> None:
    store = MemoryStore()
    piece = storing(byte_count, store)

    class Bare(GeminiAdapter):
        def render(self, call: ModelCall) -> WireRequest:
            return WireRequest("/bare", (piece,))

    async with serving(sending(response(IMAGE))) as server:
        client = ProviderClient({"gemini": Bare()}, {"google": Access(server.base_url, KEY)})
        await answered(client)
        await client.close()
    assert server.requests[0].body == bytes(piece)


async def test_a_store_that_breaks_while_it_is_read_is_not_the_providers_fault() -> None:
    store = MemoryStore()
    picture = replace(picture_part(), base64=storing(READ_BYTES, store))
    store.breaks = True
    async with provider(sending(response(IMAGE))) as (client, server):
        with pytest.raises(Failure) as raised:
            await answered(client, a_call(turns=(Turn("user", (picture,)),)))
        await server.ended.wait()
    assert raised.value.code is Code.STORE_UNAVAILABLE
    assert server.requests == []


@pytest.mark.parametrize(("characters", "is_sent"), [(1 << 20, False), (1 << 19, True)])
async def test_what_is_too_heavy_for_a_provider_is_not_sent(characters: int, is_sent: bool) -> None:
    model = a_model(provider=replace(GOOGLE, max_request_mb=1))
    call = a_call(model, turns="a" * characters)
    async with provider(sending(response(IMAGE))) as (client, server):
        if is_sent:
            await answered(client, call)
        else:
            with pytest.raises(Failure) as raised:
                await answered(client, call)
            assert (raised.value.code, raised.value.param) == (Code.BODY_TOO_LARGE, "messages")
        assert len(server.requests) == is_sent


async def test_a_prefix_stands_before_the_key() -> None:
    model = a_model(provider=replace(GOOGLE, key_header="Authorization", key_prefix="Bearer "))
    async with provider(sending(response(IMAGE))) as (client, server):
        await answered(client, a_call(model))
    assert server.requests[0].headers["authorization"] == f"Bearer {KEY}"


async def test_events_come_as_they_arrive() -> None:
    go_on = asyncio.Event()
    half = IMAGE.index(b'"thoughtSignature"')

    async def handler(connection: Connection) -> None:
        whole = response(IMAGE)
        head = len(whole) - len(IMAGE)
        await connection.send(whole[: head + half])
        await go_on.wait()
        await connection.send(whole[head + half :])

    async with provider(handler) as (client, _):
        events = client.answer(a_call())
        assert isinstance(await anext(events), ImageStarted)
        assert isinstance(await anext(events), ImageData)
        go_on.set()
        assert [event async for event in events][-1] == Finished(FinishReason.STOP, "STOP")


async def test_connections_are_used_again() -> None:
    async with provider(sending(response(IMAGE))) as (client, server):
        for _ in range(3):
            await answered(client)
        assert (len(server.requests), server.connections) == (3, 1)


async def test_calls_do_not_wait_for_each_other() -> None:
    count = 120
    everyone = asyncio.Barrier(count)

    async def handler(connection: Connection) -> None:
        await everyone.wait()
        await connection.send(response(IMAGE))

    async with provider(handler) as (client, _):
        answers = await asyncio.gather(*(answered(client) for _ in range(count)))
    assert {len(events) for events in answers} == {len(answers[0])}


async def test_a_chunked_answer_may_be_cut_anywhere() -> None:
    chunks = b"".join(b"1\r\n" + IMAGE[at : at + 1] + b"\r\n" for at in range(len(IMAGE)))
    handler = sending(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", chunks, b"0\r\n\r\n")
    async with provider(handler) as (client, _):
        assert (await answered(client))[-1] == Finished(FinishReason.STOP, "STOP")


# --- nothing is sent ---


async def test_without_a_key_the_operator_hears_its_name() -> None:
    async with client_of("http://127.0.0.1:9", key=None) as client:
        with pytest.raises(Failure) as raised:
            client.check_ready(a_call())
        assert raised.value.code is Code.PROVIDER_NOT_CONFIGURED
        assert "GEMINI_API_KEY" in raised.value.message
        with pytest.raises(Failure):
            await answered(client)


async def test_with_a_key_it_is_ready() -> None:
    async with client_of("http://127.0.0.1:9") as client:
        client.check_ready(a_call())


async def test_what_the_wire_cannot_say_is_not_sent() -> None:
    async with provider(sending(response(IMAGE))) as (client, server):
        with pytest.raises(Failure) as raised:
            await answered(client, a_call(turns=()))
        assert raised.value.code is Code.INVALID_VALUE
        assert server.connections == 0


async def test_a_closed_port_may_be_tried_again() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        async with client_of(f"http://127.0.0.1:{unused.getsockname()[1]}") as client:
            with pytest.raises(Failure) as raised:
                await answered(client)
    assert raised.value.code is Code.PROVIDER_UNREACHABLE
    assert raised.value.retry_helps
    assert "127.0.0.1" not in raised.value.message


async def test_a_name_that_is_none_is_unreachable() -> None:
    async with client_of("http://nobody.invalid") as client:
        with pytest.raises(Failure) as raised:
            await answered(client)
    assert raised.value.code is Code.PROVIDER_UNREACHABLE


async def test_a_server_without_tls_is_unreachable_by_https() -> None:
    async with serving(sending(b"no TLS here\r\n\r\n")) as server, client_of(f"https{server.base_url[4:]}") as client:
        with pytest.raises(Failure) as raised:
            await answered(client)
    assert raised.value.code is Code.PROVIDER_UNREACHABLE
    assert server.requests == []


# --- broken connections: money may have been spent, so nobody tries again ---

HEAD = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(IMAGE)
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
UNFRAMED = b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n"
HALF = IMAGE[: len(IMAGE) // 2]
CHUNK = b"%x\r\n%s\r\n" % (len(HALF), HALF)


@pytest.mark.parametrize(
    "handler",
    [
        pytest.param(sending(then=Connection.reset), id="RST before the headers"),
        pytest.param(sending(then=Connection.hang_up), id="FIN before the headers"),
        pytest.param(sending(HEAD[:10], then=Connection.hang_up), id="FIN within the headers"),
        pytest.param(sending(HEAD, then=Connection.reset), id="RST after the headers"),
        pytest.param(sending(HEAD, HALF, then=Connection.reset), id="RST within the body"),
        pytest.param(sending(HEAD, HALF, then=Connection.hang_up), id="FIN within a body of known length"),
        pytest.param(sending(CHUNKED, CHUNK, then=Connection.hang_up), id="FIN between chunks"),
        pytest.param(sending(CHUNKED, CHUNK[:9], then=Connection.hang_up), id="FIN within a chunk"),
        pytest.param(sending(UNFRAMED, HALF, then=Connection.hang_up), id="FIN within a body of unknown length"),
        pytest.param(sending(UNFRAMED, then=Connection.hang_up), id="no body at all"),
        pytest.param(sending(response(HALF)), id="half an answer in a whole body"),
        pytest.param(sending(response(b"")), id="an empty body"),
    ],
)
async def test_an_answer_that_breaks_off_is_no_answer(handler: Handler) -> None:
    failure = await failure_of(handler)
    assert failure.code is Code.PROVIDER_BROKE_OFF
    assert not failure.retry_helps
    assert "may bill" in failure.message


@pytest.mark.parametrize(
    "handler",
    [
        pytest.param(sending(b"SSH-2.0-OpenSSH_9.6\r\n\r\n", then=Connection.hang_up), id="no HTTP"),
        pytest.param(sending(response(IMAGE, "200 OK", f"X-Long: {'a' * 200_000}")), id="a header of 200 kB"),
        pytest.param(sending(response(b"<html></html>")), id="a page"),
        pytest.param(sending(response(gzip.compress(IMAGE), "200 OK", "Content-Encoding: gzip")), id="compressed"),
        pytest.param(
            sending(response(b"never compressed", "200 OK", "Content-Encoding: gzip")), id="not even compressed"
        ),
        pytest.param(sending(response(b"{}")), id="JSON of another kind"),
        pytest.param(sending(response(IMAGE + b"!")), id="more than an answer"),
        pytest.param(sending(response(IMAGE, "201 Created")), id="another success"),
        pytest.param(sending(b"HTTP/1.1 204 No Content\r\n\r\n"), id="no content"),
        pytest.param(sending(b"HTTP/1.1 304 Not Modified\r\n\r\n"), id="not modified"),
    ],
)
async def test_what_is_no_answer_is_the_providers_fault(handler: Handler) -> None:
    failure = await failure_of(handler)
    assert failure.code is Code.PROVIDER_WRONG
    assert not failure.retry_helps


@pytest.mark.parametrize("delay_seconds", [0, 0.05])
async def test_a_chunk_of_no_size_ends_the_answer(delay_seconds: float) -> None:
    async def handler(connection: Connection) -> None:
        await connection.send(CHUNKED + CHUNK)
        await asyncio.sleep(delay_seconds)
        await connection.send(b"zz\r\n")

    # It depends on what it came together with.
    failure = await failure_of(handler, silence=0.2)
    assert failure.code in {Code.PROVIDER_WRONG, Code.PROVIDER_BROKE_OFF, Code.PROVIDER_TIMEOUT}
    assert not failure.retry_helps


@pytest.mark.parametrize("sent", [b"", HEAD, HEAD + HALF], ids=["nothing", "headers", "half"])
async def test_silence_has_an_end(sent: bytes) -> None:
    failure = await failure_of(sending(sent, then=Connection.wait_for_end), silence=0.1)
    assert failure.code is Code.PROVIDER_TIMEOUT
    assert not failure.retry_helps
    assert "0.1 seconds" in failure.message


async def test_a_provider_that_reads_nothing_is_left_at_the_callers_deadline() -> None:
    huge = a_call(turns=(Turn("user", (TextPart("x" * (16 << 20)),)),))

    async def handler(connection: Connection) -> None:
        await asyncio.sleep(0.4)
        await connection.wait_for_end()

    async with serving(handler, reads_body=False) as server, client_of(server.base_url) as client:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.2):
                await answered(client, huge)
        await asyncio.wait_for(server.ended.wait(), 1)


# --- errors that the provider says ---


@pytest.mark.parametrize("status", ["301 Moved", "302 Found", "307 Temporary Redirect", "308 Permanent Redirect"])
async def test_a_redirect_is_not_followed(status: str) -> None:
    async with serving(sending(response(IMAGE))) as elsewhere:
        failure = await failure_of(sending(response(b"", status, f"Location: {elsewhere.base_url}/here")))
    assert failure.code is Code.PROVIDER_WRONG
    assert elsewhere.connections == 0


@pytest.mark.parametrize(
    ("status", "name", "code"),
    [
        ("400 Bad Request", "error-400-key", Code.PROVIDER_AUTH),
        ("404 Not Found", "error-404-model", Code.MODEL_RETIRED),
        ("429 Too Many Requests", "error-429-limit", Code.PROVIDER_RATE_LIMITED),
        ("500 Internal Server Error", "error-500", Code.PROVIDER_WRONG),
        ("503 Service Unavailable", "error-503", Code.PROVIDER_OVERLOADED),
    ],
)
async def test_an_error_goes_to_the_adapter_and_is_never_repeated(status: str, name: str, code: Code) -> None:
    body = (FIXTURES / f"{name}.json").read_bytes()
    assert (await failure_of(sending(response(body, status)))).code is code


async def test_the_adapter_sees_the_headers() -> None:
    failure = await failure_of(sending(response(b"", "429 Too Many Requests", "RETRY-AFTER: 7")))
    assert failure.retry_after_seconds == 7


async def test_a_key_in_a_providers_words_is_not_repeated() -> None:
    body = json.dumps({"error": {"message": f"bad field for {KEY}"}}).encode()
    for status in ("400 Bad Request", "200 OK"):
        failure = await failure_of(sending(response(body, status)))
        assert KEY not in failure.message + failure.logged
        assert "[key]" in failure.logged


@pytest.mark.parametrize("end", [Connection.reset, Connection.hang_up])
async def test_an_error_that_breaks_off_is_still_that_error(end: Callable[[Connection], object]) -> None:
    head = b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 1000\r\n\r\n{"
    assert (await failure_of(sending(head, then=end))).code is Code.PROVIDER_AUTH


async def test_only_the_beginning_of_an_error_is_read() -> None:
    async def handler(connection: Connection) -> None:
        await connection.send(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 1000000000\r\n\r\n")
        while True:
            await connection.send(b" " * MAX_ERROR_BYTES)

    async with provider(handler) as (client, server):
        with pytest.raises(Failure) as raised:
            await answered(client)
        assert raised.value.code is Code.PROVIDER_WRONG
        await asyncio.wait_for(server.ended.wait(), 1)


# --- leaving ---


async def test_cancelling_closes_the_connection() -> None:
    for sent in (b"", HEAD, HEAD + HALF):
        async with provider(sending(sent, then=Connection.wait_for_end)) as (client, server):
            task = asyncio.create_task(answered(client))
            await asyncio.sleep(0.05)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            await asyncio.wait_for(server.ended.wait(), 1)


async def test_closing_the_answer_closes_the_connection() -> None:
    async with provider(sending(HEAD, HALF, then=Connection.wait_for_end)) as (client, server):
        events = client.answer(a_call())
        await anext(events)
        await events.aclose()
        await asyncio.wait_for(server.ended.wait(), 1)


async def test_leaving_one_call_leaves_the_others_alone() -> None:
    words = a_call(a_text_model(), "hello")

    async def handler(connection: Connection) -> None:
        if server.requests[-1].line.startswith("POST /v1beta/models/painting-model"):
            await connection.wait_for_end()
        else:
            await asyncio.sleep(0.1)
            await connection.send(response((FIXTURES / "question.json").read_bytes()))

    async with provider(handler) as (client, server):
        stuck = asyncio.create_task(answered(client))
        await asyncio.sleep(0.02)
        other = asyncio.create_task(answered(client, words))
        await asyncio.sleep(0.02)
        stuck.cancel()
        assert Text("Which style would you like?") in await other
        with pytest.raises(asyncio.CancelledError):
            await stuck


async def test_a_client_that_was_never_used_can_be_closed() -> None:
    await ProviderClient({}, {}).close()
