"""Which client reads which shape: every client against the real program, and the tables of docs/clients.md.

Rule: what docs/clients.md promises must be found again; what is found beyond it is only told.
`make clients` runs this. It needs a package index, and Node 20 for the JavaScript clients.
"""

import asyncio
import base64
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import aiohttp

from impasto.simulator.server import GeminiSimulator
from tests.clients.tables import broken_promises, markdown_of, tables_in, tables_of
from tests.end_to_end.gateway import KEY, gateway
from tests.end_to_end.replay import RECORDED, exchanges_of, replaying

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
PAGE = ROOT / "docs" / "clients.md"
CLIENTS_PYTHON = HERE / ".venv-clients" / "bin" / "python"

MODEL = "google/gemini-2.5-flash-image"
WHOLE = "gemini/gemini-2.5-flash-image_text-then-image_1x1_1K.yml.gz"
STREAMS = "gemini/gemini-2.5-flash-image_STREAM_sse_two-streams.yaml.gz"
SECONDS = 300

PROGRAMS = {
    "plain_requests": sys.executable,
    "openai_python": sys.executable,
    "litellm_edenai": str(CLIENTS_PYTHON),
    "langchain_chat": str(CLIENTS_PYTHON),
    "openai_node.mjs": "node",
    "ai_sdk_openrouter.mjs": "node",
    "ai_sdk_compatible.mjs": "node",
}
"""The scripts, in the order of the tables, and what runs them."""

QUIET = {"LITELLM_LOCAL_MODEL_COST_MAP": "True", "LANGSMITH_TRACING": "false"}
"""Keeps clients from calling anybody but the gateway."""


@dataclass(frozen=True, slots=True)
class Task:
    """A question for all clients. `title` is that of its tables; `name` tells it from others under the same title."""

    name: str
    title: str
    url: str
    prompt: str
    modes: tuple[str, ...] = ("whole", "streamed")
    n: int = 1
    key: str = KEY
    model: str = MODEL


async def main() -> int:
    """Run every client and every snippet; 1 where a promise is broken."""
    has_node = await asyncio.to_thread(_install)
    programs = {script: program for script, program in PROGRAMS.items() if has_node or program != "node"}
    with tempfile.TemporaryDirectory() as folder:
        async with questions(Path(folder)) as (tasks, expected):
            lines = [line for script, program in programs.items() for line in await run_script(script, program, tasks)]
            (picture,) = expected["one"]
            failed = await asyncio.to_thread(_failed_snippets, Path(folder), tasks[0].url, picture, has_node=has_node)
    found, worse = tables_of(lines, expected, {task.name: task.title for task in tasks})
    broken = [*failed, *worse, *broken_promises(tables_in(PAGE.read_text(encoding="utf-8")), found)]
    for line in lines:
        if "error" in line:
            sys.stderr.write(f"{line['client']}, {line['task']}, {line['way']}, {line['mode']}: {line['error']}\n")
    sys.stdout.write(markdown_of(found))
    sys.stdout.write("".join(f"\nBroken: {one}" for one in broken) or "\nAll that docs/clients.md promises holds.")
    sys.stdout.write("\n")
    return 1 if broken else 0


# --- what is asked ---


@asynccontextmanager
async def questions(folder: Path) -> AsyncIterator[tuple[list[Task], dict[str, list[str]]]]:
    """The questions, and the digests of the pictures that the provider sends to each."""
    async with AsyncExitStack() as stack:
        google = await stack.enter_async_context(GeminiSimulator())
        url = await _gateway(stack, folder / "simulated", google.base_url)
        one, two = "a cat", "[[fault:interleave 2]] a cat"
        tasks = [
            Task("one", "One picture", url, one),
            Task("two", "Two pictures with words between", url, two),
            Task("n", "Two answers", url, one, n=2),
        ]
        expected = {task.name: await _sent(google, task.prompt) for task in tasks}
        if RECORDED.exists():
            recorded = {"whole": exchanges_of(WHOLE)[0], "streamed": exchanges_of(STREAMS)[0]}
            for mode, exchange in recorded.items():
                replay = await stack.enter_async_context(replaying(exchange))
                url = await _gateway(stack, folder / mode, replay.base_url)
                tasks.append(Task(f"recorded {mode}", "One picture", url, one, (mode,)))
                expected[tasks[-1].name] = _pictures_in(exchange.body)
        yield tasks, expected


async def _gateway(stack: AsyncExitStack, data: Path, base_url: str) -> str:
    environment = {"GEMINI_API_KEY": "a key", "GOOGLE_GEMINI_BASE_URL": base_url}
    return (await stack.enter_async_context(gateway(data, environment))).url


async def _sent(google: GeminiSimulator, prompt: str) -> list[str]:
    url = f"{google.base_url}/v1beta/{MODEL.replace('google', 'models')}:generateContent"
    body = {"contents": [{"role": "user", "parts": [{"text": prompt}]}]}
    async with (
        aiohttp.ClientSession(headers={"x-goog-api-key": "a key"}) as client,
        client.post(url, json=body) as response,
    ):
        return _pictures_in(await response.read())


def _pictures_in(answer: bytes) -> list[str]:
    """The digests of the pictures in an answer of Gemini's, whole or streamed."""
    found = re.findall(rb'"data":\s*("[^"]+")', answer)
    return [hashlib.sha256(base64.b64decode(json.loads(data))).hexdigest() for data in found]


# --- the clients ---


def _install() -> bool:
    """Set up what is missing. Whether there is a Node to run the JavaScript clients."""
    lock = HERE / "requirements.txt"
    if _is_older(CLIENTS_PYTHON.parent / "installed", lock):
        subprocess.run([sys.executable, "-m", "venv", "--clear", str(HERE / ".venv-clients")], check=True)
        pip = [str(CLIENTS_PYTHON), "-m", "pip", "install", "-q", "--disable-pip-version-check", "--require-hashes"]
        subprocess.run([*pip, "-r", str(lock)], check=True)
        (CLIENTS_PYTHON.parent / "installed").touch()
    if shutil.which("node") is None or shutil.which("npm") is None:
        sys.stderr.write("The JavaScript clients are left out: they need node and npm.\n")
        return False
    if _is_older(HERE / "node_modules" / ".package-lock.json", HERE / "package-lock.json"):
        subprocess.run(["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"], cwd=HERE, check=True)
    return True


def _is_older(made: Path, source: Path) -> bool:
    return not made.exists() or made.stat().st_mtime < source.stat().st_mtime


async def run_script(script: str, program: str, tasks: Sequence[Task]) -> list[Any]:
    """The lines that a script says."""
    sys.stderr.write(f"{script} …\n")
    path = [str(HERE / script)] if program == "node" else ["-m", f"tests.clients.{script}"]
    process = await asyncio.create_subprocess_exec(
        program, *path, json.dumps([asdict(task) for task in tasks]),
        cwd=ROOT, env=os.environ | QUIET, stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    said, _ = await asyncio.wait_for(process.communicate(), SECONDS)
    if process.returncode:
        raise SystemExit(f"{script} ended with {process.returncode}.")
    return [json.loads(line) for line in said.splitlines() if line.startswith(b'{"client"')]


def _failed_snippets(folder: Path, url: str, picture: str, *, has_node: bool) -> list[str]:
    """Run the snippets of docs/clients.md as they stand but for the address; what keeps one from saving `picture`."""
    (folder / "node_modules").symlink_to(HERE / "node_modules")
    snippets = re.findall(r"```(python|javascript)\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    return [
        f"a snippet: {code}{error}"
        for language, code in snippets
        if (language == "python" or has_node) and (error := _snippet_error(folder, language, code, url, picture))
    ]


def _snippet_error(folder: Path, language: str, code: str, url: str, picture: str) -> str:
    suffix, program = (".mjs", "node") if language == "javascript" else (".py", sys.executable)
    if re.search("litellm|langchain", code):
        program = str(CLIENTS_PYTHON)
    script = folder / f"snippet{suffix}"
    script.write_text(code.replace("http://127.0.0.1:8080", url), encoding="utf-8")
    saved = folder / "cat.png"
    saved.unlink(missing_ok=True)
    done = subprocess.run(
        [program, str(script)], cwd=folder, env=os.environ | QUIET | {"IMPASTO_API_KEY": KEY},
        capture_output=True, text=True, timeout=SECONDS, check=False,
    )  # fmt: skip
    if done.returncode or not saved.exists():
        return f"ended with {done.returncode}. {done.stderr}"
    return "" if hashlib.sha256(saved.read_bytes()).hexdigest() == picture else "saved another picture."


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
