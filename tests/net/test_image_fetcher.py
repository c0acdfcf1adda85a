import asyncio
import gzip
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
from aiohttp import web
from hypothesis import example, given
from hypothesis import strategies as st

from impasto.domain.errors import Code, Failure
from impasto.net.addresses import Addresses
from impasto.net.image_fetcher import ImageFetcher, Lookup, Trust

PICTURE = b"\x89PNG\r\n\x1a\n" + bytes(3000)
WHERE = "messages[0].content[1].image_url.url"

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass
class Listener:
    """A server on loopback that counts its connections and keeps what it was asked."""

    port: int
    connections: int = 0
    requests: list[web.Request] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"


@asynccontextmanager
async def serving(handler: Handler) -> AsyncIterator[Listener]:
    listener = Listener(0)

    async def answer(request: web.BaseRequest) -> web.StreamResponse:
        assert isinstance(request, web.BaseRequest)
        listener.requests.append(request)  # type: ignore[arg-type]
        return await handler(request)  # type: ignore[arg-type]

    server = web.Server(answer, handler_cancellation=True)

    def connected() -> Any:
        listener.connections += 1
        return server()

    running = await asyncio.get_running_loop().create_server(connected, "127.0.0.1", 0)
    listener.port = running.sockets[0].getsockname()[1]
    try:
        yield listener
    finally:
        running.close()
        await server.shutdown(0)
        await running.wait_closed()


@asynccontextmanager
async def saying(raw: bytes) -> AsyncIterator[Listener]:
    """A server that answers every connection with `raw`, whatever it is asked, and hangs up."""
    listener = Listener(0)

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        listener.connections += 1
        await reader.read(1 << 16)
        writer.write(raw)
        await writer.drain()
        writer.close()

    running = await asyncio.start_server(talk, "127.0.0.1", 0)
    listener.port = running.sockets[0].getsockname()[1]
    async with running:
        yield listener


async def picture(_: web.Request) -> web.StreamResponse:
    return web.Response(body=PICTURE, content_type="text/plain")


def leading_to(location: str, status: int = 302) -> Handler:
    async def redirect(_: web.Request) -> web.StreamResponse:
        return web.Response(status=status, headers={"Location": location})

    return redirect


def answering(body: bytes, **headers: str) -> Handler:
    async def answer(_: web.Request) -> web.StreamResponse:
        return web.Response(body=body, headers={name.replace("_", "-"): value for name, value in headers.items()})

    return answer


def resolving(**names: Sequence[str]) -> Lookup:
    """A resolver that knows `names`, their dots written as underscores."""

    async def lookup(host: str, _: int) -> Sequence[str]:
        try:
            return names[host.rstrip(".").replace(".", "_")]
        except KeyError:
            raise OSError("no such name") from None

    return lookup


def fetcher(*listeners: Listener, **settings: Any) -> ImageFetcher:
    allowed = ",".join(f"127.0.0.1:{listener.port}" for listener in listeners)
    return ImageFetcher(**{"addresses": Addresses.parse(allowed), **settings})


async def fetch(images: ImageFetcher, url: str) -> bytes:
    return await images.fetch(url, where=WHERE, trust=Trust.STRANGER)


async def failure_of(images: ImageFetcher, url: str) -> Failure:
    with pytest.raises(Failure) as caught:
        await fetch(images, url)
    assert caught.value.param == WHERE
    assert caught.value.message.startswith(f"{WHERE} could not be fetched: ")
    return caught.value


# --- what works ---


async def test_fetches_a_picture_whatever_type_the_server_claims() -> None:
    async with serving(picture) as server:
        assert await fetch(fetcher(server), f"{server.url}/cat.png") == PICTURE


async def test_sends_nothing_of_ours_along() -> None:
    async with serving(picture) as server:
        await fetch(fetcher(server), f"{server.url}/cat.png")
        assert dict(server.requests[0].headers) == {
            "Host": f"127.0.0.1:{server.port}",
            "User-Agent": "impasto",
            "Accept": "image/*",
            "Accept-Encoding": "identity",
            "Connection": "close",
        }


@pytest.mark.parametrize(
    ("sent", "received"),
    [
        ("/a%2Fb%41?X-Sig=%2F%2b%41+b&c=a%3D%3D", "/a%2Fb%41?X-Sig=%2F%2b%41+b&c=a%3D%3D"),
        ("/a?#part", "/a"),
        ("", "/"),
        ("?q", "/?q"),
        ("/ä?ö", "/%C3%A4?%C3%B6"),
    ],
)
async def test_asks_for_path_and_query_as_they_were_written(sent: str, received: str) -> None:
    async with serving(picture) as server:
        await fetch(fetcher(server), server.url + sent)
        assert server.requests[0].raw_path == received


async def test_cookies_are_neither_kept_nor_sent() -> None:
    async with serving(answering(PICTURE, Set_Cookie="a=b")) as server:
        images = fetcher(server)
        for _ in range(2):
            await fetch(images, server.url)
        assert "Cookie" not in server.requests[1].headers
        assert server.connections == 2


async def test_environment_proxies_are_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    async with serving(picture) as server, serving(picture) as proxy:
        for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
            monkeypatch.setenv(name, proxy.url)
        await fetch(fetcher(server), server.url)
        assert proxy.connections == 0


async def test_a_name_is_looked_up_once_and_what_was_found_is_dialled() -> None:
    asked: list[tuple[str, int]] = []

    async def lookup(host: str, port: int) -> Sequence[str]:
        asked.append((host, port))
        return ["127.0.0.1"] if len(asked) == 1 else ["127.0.0.2"]

    async with serving(picture) as server:
        url = f"http://Images.Example:{server.port}/"
        assert await fetch(fetcher(server, lookup=lookup), url) == PICTURE
        assert asked == [("images.example", server.port)]
        assert server.requests[0].headers["Host"] == f"images.example:{server.port}"


async def test_the_operator_may_allow_a_host_by_name() -> None:
    async with serving(picture) as server:
        images = fetcher(
            addresses=Addresses.parse(f"minio:{server.port}"),
            lookup=resolving(minio=["127.0.0.1"], other=["127.0.0.1"]),
        )
        assert await fetch(images, f"http://minio:{server.port}/") == PICTURE
        assert "not public" in (await failure_of(images, f"http://other:{server.port}/")).message
        assert "not public" in (await failure_of(images, f"{server.url}/")).message


async def test_close_may_be_called_at_any_time() -> None:
    await fetcher().close()


# --- redirects ---


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_follows_redirects(status: int) -> None:
    async with serving(picture) as target, serving(leading_to(f"{target.url}/x?y=%2F", status)) as server:
        assert await fetch(fetcher(server, target), server.url) == PICTURE
        assert target.requests[0].raw_path == "/x?y=%2F"


@pytest.mark.parametrize("location", ["cat.png", "./cat.png", "/folder/cat.png", "//{host}/folder/cat.png"])
async def test_follows_relative_redirects(location: str) -> None:
    async def answer(request: web.Request) -> web.StreamResponse:
        if request.raw_path == "/folder/start":
            return await leading_to(location.format(host=request.headers["Host"]))(request)
        return web.Response(body=PICTURE if request.raw_path == "/folder/cat.png" else b"")

    async with serving(answer) as server:
        assert await fetch(fetcher(server), f"{server.url}/folder/start") == PICTURE


async def test_follows_only_so_many_redirects() -> None:
    async with serving(leading_to("/again")) as server:
        failure = await failure_of(fetcher(server, max_redirects=5), server.url)
        assert "redirects more than 5 times" in failure.message
        assert server.connections == 6


async def test_a_redirect_to_a_forbidden_address_is_refused_before_a_connection() -> None:
    async with serving(picture) as forbidden, serving(leading_to(forbidden.url)) as server:
        failure = await failure_of(fetcher(server), server.url)
        assert "an address that is not public" in failure.message
        assert forbidden.connections == 0


@pytest.mark.parametrize(
    ("location", "reason"),
    [
        ("file:///etc/passwd", "only http and https"),
        ("data:image/png;base64,QUJD", "only http and https"),
        ("http://user:password@example.com/", "a user name or a password"),
        ("http://127.0.0.1:1\\@example.com/", "a backslash"),
        ("http://a b/", "a space"),
        ("http://[::1", "not a valid URL"),
        ("http://169.254.169.254/latest/meta-data", "not public"),
        ("http://[::ffff:a9fe:a9fe]/", "not public"),
        ("http://8.8.8.8:25/", "port 25"),
    ],
)
async def test_a_redirect_is_judged_like_the_first_url(location: str, reason: str) -> None:
    async with serving(leading_to(location)) as server:
        assert reason in (await failure_of(fetcher(server), server.url)).message


@pytest.mark.parametrize("status", [300, 304])
async def test_other_answers_of_that_kind_lead_nowhere(status: int) -> None:
    async with serving(leading_to("/cat.png", status)) as server:
        assert f"answered {status}" in (await failure_of(fetcher(server), server.url)).message


async def test_a_refresh_header_leads_nowhere() -> None:
    async with serving(answering(b"wait", Refresh="0; url=/cat.png")) as server:
        await failure_of(fetcher(server), server.url)
        assert server.connections == 1


# --- addresses ---


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "127.0.0.1.",
        "127.1",
        "127.0.1",
        "2130706433",
        "0x7f000001",
        "0x7f.1",
        "0177.0.0.1",
        "017700000001",
        "0",
        "0x0",
        "0.0.0.0",
        "①②⑦.⓪.⓪.①",
        "１２７.0.0.1",
        "127。0。0。1",
        "127.0.0.1\0.example.com",
        "127.0.0.1%00.example.com",
        "localhost",
        "localhost.",
        "LOCALHOST",
        "[::1]",
        "[::]",
        "[::127.0.0.1]",
        "[::ffff:127.0.0.1]",
        "[::ffff:7f00:1]",
        "[64:ff9b::127.0.0.1]",
        "[fe80::1%25lo]",
        "[::1%25lo]",
        "[::1%lo]",
    ],
)
async def test_no_way_to_write_loopback_gets_through(host: str) -> None:
    async with serving(picture) as server:
        failure = await failure_of(fetcher(), f"http://{host}:{server.port}/")
        assert failure.code is Code.IMAGE_FETCH_FAILED
        assert server.connections == 0


@pytest.mark.parametrize(
    "address", ["169.254.169.254", "169.254.43518", "2852039166", "192.0.0.192", "[fd00:ec2::254]", "100.100.100.200"]
)
async def test_metadata_services_are_out_of_reach(address: str) -> None:
    await failure_of(fetcher(), f"http://{address}/latest/meta-data")


@pytest.mark.parametrize(
    "answers",
    [
        ["127.0.0.1"],
        ["::1"],
        ["93.184.215.14", "10.0.0.1"],
        ["10.0.0.1", "93.184.215.14"],
        ["2606:4700:4700::1111", "::ffff:10.0.0.1"],
        ["93.184.215.14"] * 999 + ["10.0.0.1"],
        ["fe80::1%eth0"],
        ["not an address"],
    ],
)
async def test_one_bad_address_spoils_the_whole_answer(answers: list[str]) -> None:
    failure = await failure_of(fetcher(lookup=resolving(evil_example=answers)), "http://evil.example/")
    assert failure.message.endswith("it leads to an address that is not public.")


async def test_the_address_is_logged_and_not_shown() -> None:
    failure = await failure_of(fetcher(lookup=resolving(evil_example=["10.1.2.3"])), "http://evil.example/?key=secret")
    assert "10.1.2.3" not in failure.message
    assert "10.1.2.3: private" in failure.logged
    assert "secret" not in failure.logged


async def test_a_name_that_leads_elsewhere_the_second_time_is_judged_the_second_time() -> None:
    answers = iter([["127.0.0.1"], ["127.0.0.2"]])

    async def lookup(host: str, port: int) -> Sequence[str]:
        return next(answers)

    async with serving(leading_to("/again")) as server:
        failure = await failure_of(fetcher(server, lookup=lookup), f"http://evil.example:{server.port}/")
        assert "not public" in failure.message
        assert server.connections == 1


async def test_what_is_dialled_is_judged_although_the_resolver_was_content() -> None:
    class Wavering(Addresses):
        """Permits the first address it is asked about, and no other."""

        asked: list[str] = []  # noqa: RUF012

        def permits(self, address: str, port: int, host: str = "") -> bool:
            self.asked.append(address)
            return len(self.asked) == 1

        def allows(self, address: str, port: int, host: str = "") -> bool:
            return True

    async with serving(picture) as server:
        images = fetcher(addresses=Wavering(), lookup=resolving(evil_example=["127.0.0.1"]))
        failure = await failure_of(images, f"http://evil.example:{server.port}/")
        assert "not public" in failure.message
        assert Wavering.asked == ["127.0.0.1", "127.0.0.1"]
        assert server.connections == 0


@pytest.mark.parametrize("answer", [[], None])
async def test_a_name_that_nobody_knows_is_not_found(answer: list[str] | None) -> None:
    lookup = resolving() if answer is None else resolving(example=answer)
    failure = await failure_of(fetcher(lookup=lookup), "http://example/")
    assert "its host was not found" in failure.message
    assert not failure.retry_helps


async def test_a_name_with_a_label_that_is_too_long_is_not_found() -> None:
    assert "not found" in (await failure_of(fetcher(), f"http://{'a' * 70}.example/")).message


# --- URLs ---


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("", "only http and https"),
        ("cat.png", "only http and https"),
        ("//example.com/cat.png", "only http and https"),
        ("file:///etc/passwd", "only http and https"),
        ("ftp://example.com/cat.png", "only http and https"),
        ("gopher://example.com/", "only http and https"),
        ("unix:/var/run/docker.sock", "only http and https"),
        ("data:image/png,abc", "only http and https"),
        ("http://", "neither a name nor an address"),
        ("http:///cat.png", "neither a name nor an address"),
        ("http:example.com", "neither a name nor an address"),
        ("http://:80/", "not a valid URL"),
        ("http://exam%70le.com/", "neither a name nor an address"),
        ("http://a;b/", "neither a name nor an address"),
        ("http://user@example.com/", "a user name or a password"),
        ("http://user:pass@example.com/", "a user name or a password"),
        ("http://:@example.com/", "a user name or a password"),
        ("http://@example.com/", "a user name or a password"),
        ("http://127.0.0.1\\@example.com/", "a backslash"),
        ("http://example.com/a b", "a space"),
        (" http://example.com/", "a space"),
        ("http://example.com/\t", "a space"),
        ("http://exa\r\nmple.com/", "a space"),
        ("http://example.com/\x7f", "a space"),
        ("http://example.com/\u2028", "a space"),
        ("http://example.com/\u00a0", "a space"),
        ("http://example.com/\udcff", "a space"),
        ("http://example.com:99999/", "not a valid URL"),
        ("http://example.com:80:80/", "not a valid URL"),
        ("http://[::1", "not a valid URL"),
        ("http://example.com/" + "a" * 2048, "longer than 2048 characters"),
    ],
)
async def test_refuses_a_url_before_anything_is_looked_up(url: str, reason: str) -> None:
    async def lookup(host: str, port: int) -> Sequence[str]:
        raise AssertionError(f"{host}:{port} was looked up")

    failure = await failure_of(fetcher(lookup=lookup), url)
    assert reason in failure.message
    assert failure.code is Code.IMAGE_FETCH_FAILED


@pytest.mark.parametrize("port", [0, 22, 25, 6379, 65535])
async def test_strangers_ports_are_few(port: int) -> None:
    images = fetcher(lookup=resolving(example=["93.184.215.14"]))
    assert f"leads to port {port}" in (await failure_of(images, f"http://example:{port}/")).message


HOSTILE = st.text() | st.text("/:@[]%?#.0x7f①。-_;,|\u202e\u00ad\u200b", max_size=40)


@given(scheme=st.sampled_from(["http://", "https://", "HTTP:", "//", ""]), rest=HOSTILE)
@example(scheme="http://", rest="[]@")
@example(scheme="http://", rest="[:]#¡")
async def test_any_text_is_refused_in_a_sentence(scheme: str, rest: str) -> None:
    async def lookup(host: str, port: int) -> Sequence[str]:
        return ["10.0.0.1"]

    await failure_of(fetcher(lookup=lookup), scheme + rest)


@given(rest=HOSTILE)
@example(rest="[]@")
async def test_any_redirect_is_refused_in_a_sentence(rest: str) -> None:
    location = "//" + "".join(character for character in rest if character.isprintable())

    async def lookup(host: str, port: int) -> Sequence[str]:
        return ["10.0.0.1"]

    async with serving(leading_to(location)) as server:
        await failure_of(fetcher(server, lookup=lookup), server.url)


# --- whose address it is ---


async def test_a_providers_link_leads_to_its_own_hosts_only() -> None:
    async with serving(picture) as server:
        images = fetcher(server, lookup=resolving(cdn_example=["127.0.0.1"], evil_example=["127.0.0.1"]))

        async def follow(host: str) -> bytes:
            return await images.fetch(
                f"http://{host}:{server.port}/", where="data[0].url", trust=Trust.PROVIDER, hosts=HOSTS
            )

        assert await follow("cdn.example") == PICTURE
        assert await follow("CDN.example.") == PICTURE
        for host in ("evil.example", "cdn.example.evil.example", "127.0.0.1"):
            with pytest.raises(Failure, match="a host that its provider is not known to use"):
                await follow(host)


HOSTS = frozenset({"cdn.example"})


async def test_a_providers_link_is_judged_on_every_hop() -> None:
    async with serving(picture) as other, serving(leading_to(other.url)) as server:
        images = fetcher(server, other, lookup=resolving(cdn_example=["127.0.0.1"]))
        with pytest.raises(Failure, match="not known to use"):
            await images.fetch(
                f"http://cdn.example:{server.port}/", where="data[0].url", trust=Trust.PROVIDER, hosts=HOSTS
            )
        assert other.connections == 0


async def test_a_providers_link_may_not_lead_inside_either() -> None:
    images = fetcher(lookup=resolving(cdn_example=["10.0.0.1"]))
    with pytest.raises(Failure, match="not public"):
        await images.fetch("http://cdn.example/", where="data[0].url", trust=Trust.PROVIDER, hosts=HOSTS)


async def test_without_known_hosts_no_providers_link_is_followed() -> None:
    with pytest.raises(Failure, match="not known to use"):
        await fetcher().fetch("https://cdn.example/", where="data[0].url", trust=Trust.PROVIDER)


# --- answers ---


@pytest.mark.parametrize(
    ("status", "retry_helps"), [(204, False), (206, False), (404, False), (429, True), (503, True)]
)
async def test_only_200_is_a_picture(status: int, retry_helps: bool) -> None:
    async def answer(_: web.Request) -> web.StreamResponse:
        return web.Response(status=status)

    async with serving(answer) as server:
        failure = await failure_of(fetcher(server), server.url)
        assert f"the server answered {status}." in failure.message
        assert failure.code is Code.IMAGE_FETCH_FAILED
        assert failure.retry_helps is retry_helps


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", "is no picture"),
        (b"<!doctype html><html><body>Log in</body></html>", "is no picture"),
        (b"<?xml version='1.0'?><svg xmlns='http://www.w3.org/2000/svg'/>", "is SVG"),
        (b"%PDF-1.7", "is no picture"),
    ],
)
async def test_what_the_bytes_are_counts_and_not_what_the_server_says(body: bytes, reason: str) -> None:
    async with serving(answering(body, Content_Type="image/png")) as server:
        failure = await failure_of(fetcher(server), server.url)
        assert reason in failure.message
        assert failure.code is Code.UNSUPPORTED_MEDIA_TYPE


async def test_a_picture_may_be_exactly_as_large_as_allowed() -> None:
    async with serving(picture) as server:
        assert await fetch(fetcher(server, max_bytes=len(PICTURE)), server.url) == PICTURE


async def test_too_large_a_picture_is_refused_by_its_length() -> None:
    sent = 0

    async def answer(request: web.Request) -> web.StreamResponse:
        nonlocal sent
        response = web.StreamResponse(headers={"Content-Length": str(1 << 40)})
        await response.prepare(request)
        await asyncio.sleep(60)
        sent += 1
        return response

    async with serving(answer) as server:
        failure = await failure_of(fetcher(server), server.url)
        assert "larger than 20 MiB" in failure.message
        assert failure.code is Code.IMAGE_TOO_LARGE
        assert sent == 0


async def test_too_large_a_picture_is_refused_by_counting() -> None:
    async def answer(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        response.enable_chunked_encoding()
        await response.prepare(request)
        while True:
            await response.write(bytes(1 << 16))

    async with serving(answer) as server:
        failure = await failure_of(fetcher(server, max_bytes=1 << 20), server.url)
        assert "larger than 1 MiB" in failure.message
        assert failure.code is Code.IMAGE_TOO_LARGE


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "br", "identity, gzip", "x-unknown"])
async def test_a_compressed_answer_is_refused_unread(encoding: str) -> None:
    async with serving(answering(gzip.compress(PICTURE), Content_Encoding=encoding)) as server:
        assert "compressed" in (await failure_of(fetcher(server), server.url)).message


async def test_an_answer_that_says_it_is_not_compressed_is_taken() -> None:
    async with serving(answering(PICTURE, Content_Encoding="Identity")) as server:
        assert await fetch(fetcher(server), server.url) == PICTURE


@pytest.mark.parametrize("head_first", [True, False])
async def test_a_slow_server_meets_the_deadline(head_first: bool) -> None:
    async def drip(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Length": str(len(PICTURE))})
        if not head_first:
            await asyncio.sleep(60)
        await response.prepare(request)
        for byte in PICTURE:
            await response.write(bytes([byte]))
            await asyncio.sleep(0.01)
        return response

    async with serving(drip) as server:
        failure = await failure_of(fetcher(server, deadline_seconds=0.3), server.url)
        assert failure.message.endswith("it took longer than 0.3 s.")
        assert failure.retry_helps


async def test_a_slow_resolver_meets_the_deadline() -> None:
    async def lookup(host: str, port: int) -> Sequence[str]:
        await asyncio.sleep(60)
        return []

    failure = await failure_of(fetcher(lookup=lookup, deadline_seconds=0.1), "http://example/")
    assert "took longer than 0.1 s" in failure.message


async def test_all_hops_share_one_deadline() -> None:
    async def answer(request: web.Request) -> web.StreamResponse:
        await asyncio.sleep(0.2)
        return await leading_to("/again")(request)

    async with serving(answer) as server:
        failure = await failure_of(fetcher(server, deadline_seconds=0.5), server.url)
        assert "took longer" in failure.message
        assert server.connections <= 3


async def test_a_server_that_is_not_there_is_said_so() -> None:
    async with serving(picture) as server:
        images = fetcher(server)
    failure = await failure_of(images, server.url)
    assert "does not take connections" in failure.message
    assert failure.retry_helps


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (b"", "broke off"),
        (b"HTTP/1.1 200 OK\r\nContent-Le", "broke off"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n" + PICTURE, "broke off"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n\x89PNG", "broke off"),
        (b"\x89PNG\r\n\x1a\n\0\0\0\0\r\n\r\n", "not valid HTTP"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n", "not valid HTTP"),
        (b"HTTP/1.1 200 OK\r\nX: " + b"a" * 100_000 + b"\r\n\r\n", "not valid HTTP"),
    ],
)
async def test_a_broken_answer_is_no_picture(raw: bytes, reason: str) -> None:
    async with saying(raw) as server:
        failure = await failure_of(fetcher(server), f"{server.url}/?key=secret")
        assert reason in failure.message
        assert "secret" not in failure.logged


async def test_a_server_without_tls_is_said_so() -> None:
    async with saying(b"HTTP/1.1 400 Bad Request\r\n\r\n") as server:
        failure = await failure_of(fetcher(server, deadline_seconds=5), server.url.replace("http:", "https:"))
        assert failure.code is Code.IMAGE_FETCH_FAILED


async def test_only_so_many_are_fetched_at_a_time() -> None:
    now = most = 0

    async def answer(request: web.Request) -> web.StreamResponse:
        nonlocal now, most
        now += 1
        most = max(most, now)
        await asyncio.sleep(0.02)
        now -= 1
        return await picture(request)

    async with serving(answer) as server:
        images = fetcher(server, concurrency=2)
        assert await asyncio.gather(*(fetch(images, server.url) for _ in range(6))) == [PICTURE] * 6
        assert most == 2
