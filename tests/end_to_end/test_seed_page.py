"""The page of documentation that impasto began with: every snippet on it, with only the address changed."""

import asyncio
import re
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from impasto.simulator.server import GeminiSimulator
from tests.end_to_end.gateway import KEY, Running, gateway
from tests.end_to_end.replay import exchanges_of, replaying

PAGE = Path(__file__).parents[3] / "shared" / "seed" / "image-generation.md"
pytestmark = pytest.mark.skipif(not PAGE.exists(), reason="the page is not here")
MODELS = ("google/gemini-3.1-flash-image-preview", "google/gemini-2.5-flash-image", "local/painter")


def blocks(language: str) -> list[str]:
    found = re.findall(rf"```{language}[^\n]*\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    return [textwrap.dedent(block) for block in found]


def here(code: str, running: Running, model: str) -> str:
    code = code.replace("https://api.edenai.run", running.url).replace("YOUR_API_KEY", KEY)
    if model == "google/gemini-2.5-flash-image":
        code = code.replace('"2K"', '"1K"')  # the one size that it makes
    return code.replace("google/gemini-3.1-flash-image-preview", model)


async def run(program: list[str], folder: Path) -> str:
    done = await asyncio.to_thread(
        subprocess.run, program, cwd=folder, capture_output=True, text=True, timeout=100, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("model", MODELS)
async def test_its_snippets_leave_pictures(model: str, tmp_path: Path) -> None:
    generate, edit, save = blocks("python")[:3]
    async with GeminiSimulator() as google:
        environment = {"GEMINI_API_KEY": "a key", "GOOGLE_GEMINI_BASE_URL": google.base_url}
        async with gateway(tmp_path / "data", environment) as running:
            out = await run([sys.executable, "-c", here(generate + save, running, model)], tmp_path)
            assert out.startswith("data:image/")
            made = tmp_path / "output.png"
            made.rename(tmp_path / "input.jpg")
            await run([sys.executable, "-c", here(edit + save, running, model)], tmp_path)
            assert made.stat().st_size > 1000
            curl = here(blocks("bash")[0], running, model)
            assert '"content":"data:image/' in await run(["sh", "-c", curl], tmp_path)


@pytest.mark.parametrize(
    ("recording", "model", "suffix"),
    [
        ("gemini/gemini-3.1-flash-image-preview_1x1_1K.yml.gz", MODELS[0], b"\xff\xd8\xff"),
        ("gemini/gemini-2.5-flash-image_text-then-image_1x1_1K.yml.gz", MODELS[1], b"\x89PNG"),
    ],
)
async def test_its_snippets_save_what_google_really_sent(
    recording: str, model: str, suffix: bytes, tmp_path: Path
) -> None:
    generate, _, save = blocks("python")[:3]
    async with replaying(exchanges_of(recording)[0]) as google:
        environment = {"GEMINI_API_KEY": "a key", "GOOGLE_GEMINI_BASE_URL": google.base_url}
        async with gateway(tmp_path / "data", environment) as running:
            await run([sys.executable, "-c", here(generate + save, running, model)], tmp_path)
    assert (tmp_path / "output.png").read_bytes().startswith(suffix)
