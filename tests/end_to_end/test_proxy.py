"""Something in between that loses patience or the line: the official client gets its picture, paid for once."""

import asyncio
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from bench.servers import free_port, nginx_command
from tests.end_to_end.lines import Tear, line_to
from tests.end_to_end.till import MODEL, Client, Till, body_of, till_at

PATIENCE_SECONDS = 1
NO_NGINX = "nginx is not installed here; Debian and Ubuntu have it as the package nginx-light"

needs_nginx = pytest.mark.skipif(shutil.which("nginx") is None, reason=NO_NGINX)


async def by_raw_response(client: Client) -> str:
    raw = await client.chat.completions.with_raw_response.create(
        model=MODEL, messages=[{"role": "user", "content": "a banana"}]
    )
    assert float(raw.headers["x-impasto-cost"]) > 0.06
    content = raw.parse().choices[0].message.content
    assert content
    return content


WAYS: list[Callable[[Client], Awaitable[str]]] = [Client.paint, by_raw_response, Client.paint_streamed]


@pytest.fixture
async def till(tmp_path: Path) -> AsyncIterator[Till]:
    async with till_at(tmp_path / "data") as standing:
        yield standing


@asynccontextmanager
async def nginx_before(url: str, folder: Path) -> AsyncIterator[str]:
    """nginx with its usual settings, but for a read time-out shorter than a picture takes."""
    port = free_port()
    config = f"server {{ listen 127.0.0.1:{port}; location / {{ proxy_pass {url}; "
    config += f"proxy_read_timeout {PATIENCE_SECONDS}s; }} }}"
    process = await asyncio.create_subprocess_exec(*nginx_command(config, folder, "nginx"))
    try:
        while True:
            assert process.returncode is None, (folder / "nginx" / "error.log").read_text()
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", port)
            except ConnectionRefusedError:
                await asyncio.sleep(0.02)
            else:
                writer.close()
                await writer.wait_closed()
                break
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        await process.wait()


async def assert_paid_once(till: Till) -> None:
    assert till.google.arrived == 1
    total = await till.until_usage(pictures=1, held=0)
    assert (total["requests"], total["calls"], total["unknown"]) == (1, 1, 0)
    assert 0.067 < total["cost"] < 0.07


@needs_nginx
@pytest.mark.parametrize("paint", WAYS, ids=["plain", "raw", "streamed"])
async def test_behind_an_impatient_nginx_a_picture_is_paid_once(
    paint: Callable[[Client], Awaitable[str]], till: Till, tmp_path: Path
) -> None:
    till.google.hold()
    async with nginx_before(till.url, tmp_path) as url, Client.at(url) as client:
        client.hurry.before_retry.append(till.google.let_go)
        assert (await paint(client)).startswith("data:image/")
    assert client.hurry.attempts == 1
    await assert_paid_once(till)


@needs_nginx
async def test_a_client_that_says_nothing_of_its_repeats_pays_for_each(till: Till, tmp_path: Path) -> None:
    till.google.hold()
    async with nginx_before(till.url, tmp_path) as url:
        assert (await till.ask(url=url)).status == 504
        till.google.let_go()
        assert (await till.ask(url=url)).picture
    assert till.google.arrived == 2
    await till.until_usage(requests=2, pictures=2, held=0)


@needs_nginx
async def test_a_client_with_an_idempotency_key_pays_once(till: Till, tmp_path: Path) -> None:
    till.google.hold()
    named = {"Idempotency-Key": "one banana"}
    async with nginx_before(till.url, tmp_path) as url:
        assert (await till.ask(url=url, headers=named)).status == 504
        till.google.let_go()
        assert (await till.ask(url=url, headers=named)).picture
    await assert_paid_once(till)


def tears(till: Till) -> dict[str, Tear]:
    return {
        "before the answer": Tear(when=lambda: till.google.until_arrived(1)),
        "in its head": Tear(after_bytes=20),
        "in its middle": Tear(after_bytes=300_000),
    }


@pytest.mark.parametrize("moment", ["before the answer", "in its head", "in its middle"])
@pytest.mark.parametrize("paint", WAYS[:2], ids=["plain", "raw"])
async def test_a_line_that_breaks_costs_nothing(
    paint: Callable[[Client], Awaitable[str]], moment: str, till: Till
) -> None:
    till.google.picture_bytes = 8_000_000  # more than what the system takes without being read
    tear = tears(till)[moment]
    if tear.when:
        till.google.hold()
    async with line_to(till.url, tear) as line, Client.at(line.url) as client:
        client.hurry.before_retry.append(till.google.let_go)
        picture = await paint(client)
    assert picture.startswith("data:image/")
    assert len(picture) > 8_000_000
    assert line.torn == 1
    await assert_paid_once(till)


async def test_a_line_that_breaks_after_the_last_byte_costs_nothing(till: Till) -> None:
    async with line_to(till.url, Tear(after_bytes=-1)) as line, Client.at(line.url) as client:
        assert (await client.paint()).startswith("data:image/")
    assert line.torn == 1
    await assert_paid_once(till)


async def test_an_answer_that_a_proxy_swallowed_whole_comes_back_under_its_name(till: Till) -> None:
    """To the gateway it was delivered, so that a bare repeat would be another request; a name tells the difference."""
    till.google.picture_bytes = 8_000_000
    async with (
        line_to(till.url, Tear(after_bytes=-1)) as line,
        Client.at(line.url, default_headers={"Idempotency-Key": "one banana"}) as client,
    ):
        assert len(await client.paint()) > 8_000_000
    await assert_paid_once(till)


async def test_a_stream_that_breaks_is_given_again_by_a_repeat(till: Till) -> None:
    till.google.picture_bytes = 8_000_000
    async with line_to(till.url, Tear(after_bytes=300_000)) as line:
        with pytest.raises(aiohttp.ClientError):
            await till.ask(url=line.url, stream=True, retry=0)
        again = await till.ask(url=line.url, stream=True, retry=1)
    assert again.events[-1] == b"data: [DONE]"
    assert len(again.raw) > 8_000_000
    await assert_paid_once(till)


async def test_two_lines_that_break_cost_nothing(till: Till) -> None:
    till.google.picture_bytes = 8_000_000
    fates = (Tear(after_bytes=1000), Tear(after_bytes=300_000))
    async with line_to(till.url, *fates) as line, Client.at(line.url) as client:
        assert len(await client.paint()) > 8_000_000
    assert client.hurry.attempts == 2
    await assert_paid_once(till)


async def test_a_torn_answer_is_the_same_again(till: Till) -> None:
    till.google.picture_bytes = 8_000_000
    body: Any = body_of()
    async with line_to(till.url, Tear(after_bytes=300_000)) as line:
        with pytest.raises(aiohttp.ClientError):
            await till.call("POST", "/v3/chat/completions", body, url=line.url, headers={"Idempotency-Key": "k"})
    one, two = [
        await till.call("POST", "/v3/chat/completions", body, headers={"Idempotency-Key": "k"}) for _ in range(2)
    ]
    assert one.raw == two.raw
    assert len(one.raw) > 8_000_000
    await assert_paid_once(till)
