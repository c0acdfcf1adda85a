"""Starts servers, each on its core, and stops every one of them again.

Rule: whatever is started here ends with the block that started it.
"""

import os
import shutil
import socket
import ssl
import subprocess
import time
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

SERVER_CORE, LOAD_CORE = "0", "1"
"""The server that is measured has a core to itself; provider and load share the other."""

_STOP_SECONDS = 15


class NotReadyError(RuntimeError):
    """A server that did not start, and where its log is."""


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


@contextmanager
def running(
    command: list[str], *, core: str, log: Path, environment: Mapping[str, str] | None = None
) -> Iterator[subprocess.Popen[bytes]]:
    """The command on `core`, its output in `log`."""
    with log.open("ab") as output:
        process = subprocess.Popen(
            ["taskset", "-c", core, *command],
            stdout=output, stderr=output, stdin=subprocess.DEVNULL,
            env={**os.environ, **(environment or {})}, start_new_session=True,
        )  # fmt: skip
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def wait_until_ready(process: subprocess.Popen[bytes], port: int, path: str | None, log: Path, seconds: float) -> None:
    """Until `path` answers 200, or where there is none, until `port` takes connections."""
    end = time.monotonic() + seconds
    while time.monotonic() < end and process.poll() is None:
        try:
            if path is None:
                socket.create_connection(("127.0.0.1", port), timeout=1).close()
            else:
                urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=5).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise NotReadyError(f"{log.stem} did not start:\n{log.read_text(errors='replace')[-1500:]}")


def make_certificate(folder: Path) -> Path:
    """A self-signed certificate for 127.0.0.1; its key lies beside it."""
    certificate = folder / "certificate.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
         "-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1",
         "-keyout", folder / "key.pem", "-out", certificate],
        check=True, capture_output=True,
    )  # fmt: skip
    return certificate


def certificates_with(certificate: Path, folder: Path) -> Path:
    """What a Python server trusts in a run: the certificate of the provider and the usual ones."""
    trusted, usual = folder / "trusted.pem", ssl.get_default_verify_paths().cafile
    trusted.write_text(certificate.read_text() + (Path(usual).read_text() if usual else ""))
    return trusted


def nginx_command(config: str, folder: Path, name: str) -> list[str]:
    """nginx in the foreground, everything it writes in a folder of its own."""
    home = folder / name
    home.mkdir()
    path = home / "nginx.conf"
    path.write_text(_NGINX.format(home=home, user="user root;" if os.geteuid() == 0 else "", config=config))
    return [shutil.which("nginx") or "nginx", "-p", str(home), "-e", str(home / "error.log"), "-c", str(path)]


_NGINX = """
daemon off;
worker_processes 1;
{user}
pid {home}/nginx.pid;
error_log {home}/error.log warn;
events {{ worker_connections 1024; }}
http {{
  access_log off;
  client_body_temp_path {home}/body;
  proxy_temp_path {home}/proxy;
  fastcgi_temp_path {home}/fastcgi;
  uwsgi_temp_path {home}/uwsgi;
  scgi_temp_path {home}/scgi;
  keepalive_requests 1000000;
  tcp_nodelay on;
  client_max_body_size 0;
  {config}
}}
"""
