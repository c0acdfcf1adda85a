"""Where the demo plays: a stand-in for the provider, and gateways in processes of their own that can be killed.

Rule: everything is on this machine and in one temporary folder, and nothing of it outlives the demo.
"""

import asyncio
import json
import secrets
import socket
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import click
from aiohttp import ClientError, ClientSession, ClientTimeout

from impasto.adapters.gemini_usage import Counts, usage_of
from impasto.catalogue.load import load_catalogue
from impasto.domain.pricing import cost_of
from impasto.simulator.faults import Stall
from impasto.simulator.models import MODELS
from impasto.simulator.server import Call, GeminiSimulator

MODEL = "google/gemini-3.1-flash-image"
PICTURE_BYTES = 4_000_000
"""So much that most of it is still to come when the gateway is killed, whatever the system has taken ahead."""

START_SECONDS = 20.0
_OURS = ("IMPASTO_", "GEMINI_", "GOOGLE_")


@dataclass(frozen=True, slots=True)
class Pace:
    """How long things take, in seconds: a picture, until the line is cut, a picture's way, to read what happened."""

    picture: float
    cut: float
    way: float
    reading: float

    @property
    def bytes_per_second(self) -> int:
        return int(PICTURE_BYTES * 4 / 3 / self.way)


FILMED = Pace(picture=3.5, cut=1.8, way=3.0, reading=0.6)
FAST = Pace(picture=1.0, cut=0.5, way=1.0, reading=0.0)


@dataclass(slots=True)
class Gateway:
    """A server in a process of its own, which can be killed and started again on the same port and folder."""

    name: str
    command: tuple[str, ...]
    environment: Mapping[str, str]
    folder: Path
    port: int
    health: str = ""
    _process: subprocess.Popen[bytes] | None = None

    async def start(self) -> None:
        """Return when it takes requests. Raises `click.ClickException` with its last words where it does not."""
        self._spawn()
        deadline = asyncio.get_running_loop().time() + START_SECONDS
        while not await self._is_ready():
            assert self._process is not None  # noqa: S101 - it was just made
            if self._process.poll() is not None or asyncio.get_running_loop().time() > deadline:
                raise click.ClickException(f"The demo's gateway {self.name} did not start: {self._last_words()}")
            await asyncio.sleep(0.05)

    def kill(self) -> None:
        """`kill -9`: nothing of it runs any more when this returns."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def _spawn(self) -> None:
        self.folder.mkdir(exist_ok=True)
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(  # noqa: S603 - a command of ours
                [sys.executable, *self.command],
                cwd=self.folder,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                # Ctrl-C is for the demo, which kills what it has started.
                start_new_session=True,
            )

    async def _is_ready(self) -> bool:
        address = f"http://127.0.0.1:{self.port}{self.health}"
        try:
            async with ClientSession(timeout=ClientTimeout(total=1)) as session, session.get(address) as response:
                return response.status == 200 or not self.health
        except (ClientError, OSError, TimeoutError):
            return False

    def _last_words(self) -> str:
        lines = (self.folder / "log").read_text(errors="replace").splitlines()
        return lines[-1] if lines else "it said nothing."


@dataclass(frozen=True, slots=True)
class Stage:
    """All that is needed to play. `key` opens impasto."""

    pace: Pace
    provider: GeminiSimulator
    impasto: Gateway
    naive: Gateway
    key: str

    async def books(self, path: str) -> dict[str, Any]:
        """What impasto says of itself at `path`."""
        headers = {"Authorization": f"Bearer {self.key}"}
        address = f"http://127.0.0.1:{self.impasto.port}{path}"
        async with ClientSession(headers=headers) as session, session.get(address) as response:
            response.raise_for_status()
            told: dict[str, Any] = await response.json(loads=_exact)
            return told

    def bill_of(self, call: Call) -> Decimal:
        """What the provider asks for `call`, by the counts in its answer and the catalogue's price."""
        model = load_catalogue().find(MODEL)
        usage = usage_of(_counts(self.provider.answer_to(call)["usageMetadata"]))
        cost = cost_of(usage, model.price) if model and usage else None
        assert cost is not None  # noqa: S101 - the packaged catalogue has a price for it
        return cost


@asynccontextmanager
async def set_stage(pace: Pace, environment: Mapping[str, str]) -> AsyncIterator[Stage]:
    """Start everything, and whatever happens, leave nothing behind. `environment` is this process's own."""
    key = f"demo-{secrets.token_hex(20)}"
    with tempfile.TemporaryDirectory(prefix="impasto-demo-", ignore_cleanup_errors=True) as name:
        async with GeminiSimulator(models=_models(), picture_bytes=PICTURE_BYTES) as provider:
            provider.always(Stall(pace.picture))
            own = _clean(environment) | {"GEMINI_API_KEY": "anything", "GOOGLE_GEMINI_BASE_URL": provider.base_url}
            own |= {"IMPASTO_API_KEY": key, "IMPASTO_DATA": str(Path(name, "impasto", "data"))}
            ports = _free_ports(2)
            serve = ("-m", "impasto", "serve", "--port", str(ports[0]))
            naively = ("-m", "impasto.cli.demo_naive", str(ports[1]), provider.base_url)
            impasto = Gateway("impasto", serve, own, Path(name, "impasto"), ports[0], "/health/ready")
            naive = Gateway("naive", naively, own, Path(name, "naive"), ports[1])
            try:
                await asyncio.gather(impasto.start(), naive.start())
                yield Stage(pace, provider, impasto, naive, key)
            finally:
                impasto.kill()
                naive.kill()


def _models() -> Any:
    """The model with the tokens of its picture alone, so that a picture costs what price lists say."""
    return [replace(model, hidden_tokens=0) for model in MODELS if MODEL.endswith(f"/{model.name}")]


def _clean(environment: Mapping[str, str]) -> dict[str, str]:
    """Without what is set for a gateway of the caller's own, and without the proxies on his way out."""
    return {
        name: value
        for name, value in environment.items()
        if not name.startswith(_OURS) and not name.lower().endswith("_proxy")
    }


def _free_ports(count: int) -> list[int]:
    taken = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports: list[int] = [one.getsockname()[1] for one in taken]
    for one in taken:
        one.close()
    return ports


def _counts(metadata: Mapping[str, Any]) -> Counts:
    counts = Counts()
    for name, value in metadata.items():
        if not isinstance(value, list):
            counts.read(("usageMetadata", name), value)
            continue
        for index, detail in enumerate(value):
            for key, said in detail.items():
                counts.read(("usageMetadata", name, index, key), said)
    return counts


def _exact(text: str) -> Any:
    """JSON whose money stays exact."""
    return json.loads(text, parse_float=Decimal)
