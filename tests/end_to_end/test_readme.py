"""The README is a test: its snippets run as they stand, with only the address changed."""

import asyncio
import base64
import os
import re
import struct
import subprocess
import sys
import zlib
from pathlib import Path

import pytest

from impasto.domain.image import media_type_of
from impasto.simulator.server import GeminiSimulator
from tests.end_to_end.gateway import KEY, Running, gateway

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
PYTHON = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
SHELL = re.findall(r"```sh\n(.*?)```", README, re.DOTALL)
FIRST, EDITING, AGAIN, SAVING, CLIENT, STREAMING = PYTHON[:6]
CURL = next(block for block in SHELL if block.startswith("curl"))


@pytest.fixture
async def running(tmp_path: Path):  # type: ignore[no-untyped-def]
    async with GeminiSimulator() as google:
        environment = {"GEMINI_API_KEY": "a key", "GOOGLE_GEMINI_BASE_URL": google.base_url}
        async with gateway(tmp_path / "data", environment) as running:
            yield running


async def run(program: list[str], folder: Path, running: Running) -> str:
    environment = os.environ | {"IMPASTO_API_KEY": KEY}
    done = await asyncio.to_thread(
        subprocess.run, program, cwd=folder, env=environment, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def here(code: str, running: Running) -> str:
    return code.replace("http://127.0.0.1:8080", running.url)


async def test_the_first_snippet_prints_a_data_url(running: Running, tmp_path: Path) -> None:
    out = await run([sys.executable, "-c", here(FIRST, running)], tmp_path, running)
    assert out.startswith("data:image/jpeg;base64,/9j/")


async def test_the_curl_snippet_gets_a_picture(running: Running, tmp_path: Path) -> None:
    out = await run(["sh", "-c", here(CURL, running)], tmp_path, running)
    assert '"content":"data:image/jpeg;base64,/9j/' in out


async def test_the_editing_snippet_and_the_saving_one_leave_a_picture(running: Running, tmp_path: Path) -> None:
    (tmp_path / "input.jpg").write_bytes(_png(8, 8))
    await run([sys.executable, "-c", here(EDITING + SAVING, running)], tmp_path, running)
    assert media_type_of((tmp_path / "output.png").read_bytes()) == "image/jpeg"


async def test_the_snippet_that_edits_again_edits_the_picture_before(running: Running, tmp_path: Path) -> None:
    asks = "response = requests.post(url, headers=headers, json=payload)\n"
    first = FIRST + 'payload["session_id"] = "lighthouse"\n' + asks
    tells = 'print(response.status_code, response.json()["choices"][0]["message"]["content"][:20])\n'
    out = await run([sys.executable, "-c", here(first + AGAIN + asks + tells, running)], tmp_path, running)
    assert out.splitlines()[-1] == "200 data:image/jpeg;base"


async def test_the_snippet_with_openais_client_prints_picture_and_cost(running: Running, tmp_path: Path) -> None:
    out = await run([sys.executable, "-c", "import os\n" + here(CLIENT, running)], tmp_path, running)
    picture, cost = out.split()
    assert base64.b64decode(picture.partition(",")[2][:16])
    assert float(cost) > 0


async def test_the_streaming_snippet_joins_the_picture_and_prints_the_cost(running: Running, tmp_path: Path) -> None:
    out = await run([sys.executable, "-c", "import os\n" + here(CLIENT + STREAMING, running)], tmp_path, running)
    picture, cost = out.splitlines()[-1].split()
    assert picture.startswith("data:image/png;base64,iVBOR")
    assert float(cost) > 0


def test_the_commands_exist() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for target in set(re.findall(r"^make ([a-z]+)", "\n".join(SHELL), re.MULTILINE)):
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), target
    commands = re.findall(r"^impasto ([a-z]+)", "\n".join(SHELL), re.MULTILINE)
    assert commands
    for command in set(commands):
        subprocess.run([sys.executable, "-m", "impasto", command, "--help"], check=True, capture_output=True)


@pytest.mark.parametrize("name", ["README.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md", "docs/manual.md"])
def test_every_local_link_leads_somewhere(name: str) -> None:
    page = ROOT / name
    for target in re.findall(r"\]\(([^)#]+)[^)]*\)", page.read_text(encoding="utf-8")):
        if not target.startswith(("http", "data:")):
            assert (page.parent / target).exists(), target


def _png(width: int, height: int) -> bytes:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    rows = zlib.compress((b"\0" + b"\x80" * 3 * width) * height)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")
