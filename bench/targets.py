"""What is measured: the provider itself, nginx in front of it in two ways, impasto in two ways, LiteLLM.

Rule: a target says how it is started, where it is asked and in which dialect; everything
else is the same for all.
"""

import os
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from bench.answers import IMAGE_MODEL, TEXT_MODEL
from bench.servers import SERVER_CORE, certificates_with, free_port, nginx_command, running, wait_until_ready

_KEY = "bench-key"
_READY_SECONDS = 90


@dataclass(frozen=True, slots=True)
class Running:
    """A target that answers: `process` is the root of its tree, `None` where there is no server between."""

    url: str
    headers: dict[str, str]
    process: int | None


@dataclass(frozen=True, slots=True)
class Upstream:
    """Where a target finds the provider, and in which folder it keeps what it writes."""

    base_url: str
    certificate: Path
    home: Path


@dataclass(frozen=True, slots=True)
class Target:
    """`dialect` names the body that it is asked with; `command` is what starts it, `path` where it is asked."""

    name: str
    dialect: str
    path: str
    command: Callable[[Upstream, int], list[str]] | None
    environment: Callable[[Upstream], dict[str, str]] = lambda _: {}
    ready: str | None = None
    missing: Callable[[], str | None] = lambda: None

    @contextmanager
    def start(self, upstream: Upstream, model: str) -> Iterator[Running]:
        path = self.path.format(model=model)
        headers = {"Authorization": f"Bearer {_KEY}"}
        if self.command is None:
            yield Running(upstream.base_url + path, headers, None)
            return
        port = free_port()
        log = upstream.home / f"{self.name}.log"
        command = self.command(upstream, port)
        with running(command, core=SERVER_CORE, log=log, environment=self.environment(upstream)) as process:
            wait_until_ready(process, port, self.ready, log, _READY_SECONDS)
            yield Running(f"http://127.0.0.1:{port}{path}", headers, process.pid)


# --- nginx ---

_PROXY = """
  upstream provider {{ server {address}; keepalive 64; }}
  server {{
    listen 127.0.0.1:{port} backlog=1024;
    location / {{
      proxy_pass {scheme}://provider{path};
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_ssl_protocols TLSv1.3;
      {tuning}
    }}
  }}
"""
_TUNED = """
      proxy_buffering off;
      proxy_request_buffering off;
      proxy_buffer_size 256k;
      proxy_buffers 4 256k;
      client_body_buffer_size 256k;
"""


def _nginx(tuning: str) -> Callable[[Upstream, int], list[str]]:
    def command(upstream: Upstream, port: int) -> list[str]:
        scheme, _, rest = upstream.base_url.partition("://")
        address, _, path = rest.partition("/")
        config = _PROXY.format(address=address, scheme=scheme, path=f"/{path}/", port=port, tuning=tuning)
        return nginx_command(config, upstream.home, f"nginx-{port}")

    return command


# --- impasto ---


def _impasto(_: Upstream, port: int) -> list[str]:
    return [str(Path(sys.executable).with_name("impasto")), "serve", "--port", str(port)]


def _impasto_environment(upstream: Upstream) -> dict[str, str]:
    """Its log is on, as in production; keys and settings of the person who runs this do not reach it."""
    return {
        "IMPASTO_API_KEY": _KEY,
        "IMPASTO_DATA": str(upstream.home / "impasto-data"),
        "IMPASTO_LOG_LEVEL": "info",
        "IMPASTO_SECRET": "a secret that is the same for every start",
        "GEMINI_API_KEY": "provider-key",
        "GOOGLE_GEMINI_BASE_URL": upstream.base_url,
        "SSL_CERT_FILE": str(certificates_with(upstream.certificate, upstream.home)),
    }


def _untilled(_: Upstream, port: int) -> list[str]:
    return [sys.executable, "-m", "bench.untilled", "--port", str(port)]


def _postgres_environment(upstream: Upstream) -> dict[str, str]:
    return _impasto_environment(upstream) | {"IMPASTO_DATABASE_URL": os.environ["BENCH_POSTGRES_URL"]}


def _postgres_missing() -> str | None:
    return None if "BENCH_POSTGRES_URL" in os.environ else "BENCH_POSTGRES_URL names no empty database"


# --- LiteLLM ---


def _litellm_program() -> Path:
    return Path(os.environ.get("LITELLM_VENV", "")) / "bin" / "litellm"


def _litellm_missing() -> str | None:
    if "LITELLM_VENV" not in os.environ:
        return "LITELLM_VENV names no environment with LiteLLM in it"
    return None if _litellm_program().is_file() else f"{_litellm_program()} is not there"


def _litellm(upstream: Upstream, port: int) -> list[str]:
    names = (IMAGE_MODEL, TEXT_MODEL)
    models = [
        {"model_name": f"google/{name}", "litellm_params": {
            "model": f"gemini/{name}", "api_key": "provider-key",
            "api_base": f"{upstream.base_url}/v1beta/models/{name}",
        }}
        for name in names
    ]  # fmt: skip
    config: dict[str, Any] = {"model_list": models, "general_settings": {"master_key": _KEY}}
    path = upstream.home / "litellm.yaml"
    path.write_text(yaml.safe_dump(config))
    return [
        str(_litellm_program()),
        "--config",
        str(path),
        "--host",
        "127.0.0.1",
        "--port",
        str(port),
        "--telemetry",
        "False",
    ]


def _litellm_environment(upstream: Upstream) -> dict[str, str]:
    trusted = str(certificates_with(upstream.certificate, upstream.home))
    return {"LITELLM_LOCAL_MODEL_COST_MAP": "True", "LITELLM_MODE": "PRODUCTION", "SSL_CERT_FILE": trusted}


_GEMINI = "/v1beta/models/{model}:generateContent"

TARGETS = (
    Target("direct", "gemini", _GEMINI, None),
    Target("nginx", "gemini", _GEMINI, _nginx(_TUNED)),
    Target("nginx-buffering", "gemini", _GEMINI, _nginx("")),
    Target("impasto-whole", "whole", "/v3/chat/completions", _impasto, _impasto_environment, "/health/ready"),
    Target("impasto-no-till", "whole", "/v3/chat/completions", _untilled, _impasto_environment, "/health/ready"),
    Target(
        "impasto-postgresql",
        "whole",
        "/v3/chat/completions",
        _impasto,
        _postgres_environment,
        "/health/ready",
        _postgres_missing,
    ),
    Target("impasto-streamed", "streamed", "/v3/chat/completions", _impasto, _impasto_environment, "/health/ready"),
    Target(
        "LiteLLM",
        "litellm",
        "/v1/chat/completions",
        _litellm,
        _litellm_environment,
        "/health/liveliness",
        _litellm_missing,
    ),
)


def programs_missing() -> str | None:
    """What has to be there first, as a sentence."""
    missing = [name for name in ("nginx", "wrk", "openssl", "taskset") if shutil.which(name) is None]
    if missing:
        return (
            f"The benchmark needs {', '.join(missing)}. On Debian: apt-get install nginx-light wrk openssl util-linux"
        )
    if len(os.sched_getaffinity(0)) < 2:
        return "The benchmark needs two cores: one for the server that is measured, one for provider and load."
    return None
