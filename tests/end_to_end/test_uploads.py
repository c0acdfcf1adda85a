"""Uploads to the real program, by the clients that people use."""

import asyncio
import io
import json
import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import requests

from tests.end_to_end.gateway import KEY, Program, Running, gateway, serving
from tests.fakes.forms import CONTENT_TYPE, File, form
from tests.fakes.pictures import png

PICTURE = png(40, 30)
LARGE_BYTES = 90_000_000
FLAT_KB = 24_000


@pytest.fixture
async def running(tmp_path: Path) -> AsyncIterator[Running]:
    async with gateway(tmp_path / "data") as served:
        yield served


def kept_files(tmp_path: Path) -> list[bytes]:
    return [path.read_bytes() for path in (tmp_path / "data/store").rglob("*") if path.is_file()]


async def listed(running: Running) -> Any:
    async with aiohttp.ClientSession(headers=running.headers) as caller, caller.get(f"{running.url}/v3/upload") as got:
        assert got.status == 200
        return (await got.json())["items"]


async def by_requests(running: Running, path: Path) -> Any:
    def post() -> Any:
        with path.open("rb") as file:
            return requests.post(
                f"{running.url}/v3/upload",
                headers=running.headers,
                files={"file": file},
                data={"purpose": "vision", "expires_in_days": 1},
                timeout=30,
            )

    answer = await asyncio.to_thread(post)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def by_curl(running: Running, path: Path) -> Any:
    curl = shutil.which("curl")
    if curl is None:
        pytest.skip("curl is not installed")
    process = await asyncio.create_subprocess_exec(
        curl, "--silent", "--fail-with-body", f"{running.url}/v3/upload", "-H", f"Authorization: Bearer {KEY}",
        "-F", f"file=@{path}", "-F", "purpose=vision", "-F", "expires_in_days=1",
        stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    said, _ = await process.communicate()
    assert process.returncode == 0, said
    return json.loads(said)


async def by_aiohttp(running: Running, path: Path) -> Any:
    form_data = aiohttp.FormData()
    form_data.add_field("purpose", "vision")
    form_data.add_field("expires_in_days", "1")
    form_data.add_field("file", PICTURE, filename=path.name, content_type="image/png")
    async with (
        aiohttp.ClientSession(headers=running.headers) as caller,
        caller.post(f"{running.url}/v3/upload", data=form_data) as got,
    ):
        assert got.status == 200
        return await got.json()


@pytest.mark.parametrize("upload", [by_requests, by_curl, by_aiohttp])
async def test_a_client_uploads_lists_and_deletes(upload: Any, running: Running, tmp_path: Path) -> None:
    path = tmp_path / "cat.png"
    path.write_bytes(PICTURE)
    shown = await upload(running, path)
    assert (shown["file_name"], shown["file_size"], shown["file_mimetype"], shown["purpose"]) == (
        "cat.png", len(PICTURE), "image/png", "vision",
    )  # fmt: skip
    assert kept_files(tmp_path) == [PICTURE]
    assert await listed(running) == [shown]
    async with (
        aiohttp.ClientSession(headers=running.headers) as caller,
        caller.post(f"{running.url}/v3/upload/delete", json={"file_ids": [shown["file_id"]]}) as got,
    ):
        assert await got.json() == {"deleted_count": 1}
    assert kept_files(tmp_path) == []
    assert await listed(running) == []


async def test_all_are_deleted_at_once(running: Running, tmp_path: Path) -> None:
    path = tmp_path / "cat.png"
    path.write_bytes(PICTURE)
    for _ in range(3):
        await by_aiohttp(running, path)
    async with (
        aiohttp.ClientSession(headers=running.headers) as caller,
        caller.delete(f"{running.url}/v3/upload") as got,
    ):
        assert await got.json() == {"deleted_count": 3}
    assert kept_files(tmp_path) == []


async def test_uploads_outlive_a_restart(tmp_path: Path) -> None:
    path = tmp_path / "cat.png"
    path.write_bytes(PICTURE)
    async with gateway(tmp_path / "data") as served:
        shown = await by_aiohttp(served, path)
    async with gateway(tmp_path / "data") as served:
        assert await listed(served) == [shown]


@pytest.mark.parametrize(("data", "status"), [(bytes(5 << 20), 415), (PICTURE + bytes(101 << 20), 413)])
async def test_a_large_body_that_is_refused_early_is_told_why(data: bytes, status: int, running: Running) -> None:
    async with (
        aiohttp.ClientSession(headers=running.headers | {"Content-Type": CONTENT_TYPE}) as caller,
        caller.post(f"{running.url}/v3/upload", data=io.BytesIO(form(("file", File(data))))) as got,
    ):
        assert got.status == status
        assert (await got.json())["error"]["message"]


async def test_a_caller_who_hangs_up_leaves_nothing(running: Running, tmp_path: Path) -> None:
    body = form(("file", File(PICTURE + bytes(1 << 20))))
    _, writer = await asyncio.open_connection("127.0.0.1", int(running.url.rpartition(":")[2]))
    head = (
        f"POST /v3/upload HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {KEY}\r\nContent-Type: {CONTENT_TYPE}\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    writer.write(head.encode() + body[: 1 << 19])
    await writer.drain()
    while not kept_files(tmp_path):  # noqa: ASYNC110 - it has begun to write
        await asyncio.sleep(0.01)
    writer.close()
    while kept_files(tmp_path):  # noqa: ASYNC110
        await asyncio.sleep(0.01)
    assert await listed(running) == []


def peak_kb(program: Program) -> int:
    """The most memory that the process has ever held."""
    status = Path(f"/proc/{program.process.pid}/status").read_text()
    return int(next(line.split()[1] for line in status.splitlines() if line.startswith("VmHWM")))


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="memory is read from /proc")
async def test_a_large_upload_is_not_held_in_memory(tmp_path: Path) -> None:
    path = tmp_path / "cat.png"
    path.write_bytes(PICTURE)
    async with serving(tmp_path) as program:
        await by_aiohttp(program, path)
        before = peak_kb(program)
        with path.open("ab") as file:
            file.truncate(LARGE_BYTES)
        shown = await by_curl(program, path)
        assert shown["file_size"] == LARGE_BYTES
        assert peak_kb(program) - before < FLAT_KB
