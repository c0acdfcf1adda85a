"""The provider that every target calls: nginx with prepared answers, plain, over TLS, or on a slow line.

Rule: a request is read to its end and dropped, the answer is chunked as Google's is, and
the same bytes come whoever asks.
"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.answers import Folder
from bench.servers import LOAD_CORE, free_port, make_certificate, nginx_command, running, wait_until_ready

_READY_SECONDS = 15


@dataclass(frozen=True, slots=True)
class Provider:
    """Its two addresses, and the certificate of the one with TLS. The path of a base URL names the answer."""

    plain: str
    tls: str
    certificate: Path

    def base_url(self, answer: str, *, tls: bool, photo: bool) -> str:
        return f"{self.tls if tls else self.plain}{'/edit' if photo else ''}/{answer}"


@contextmanager
def provider(folder: Folder) -> Iterator[Provider]:
    certificate = make_certificate(folder.path)
    plain, tls = free_port(), free_port()
    config = _CONFIG.format(folder=folder.path, plain=plain, tls=tls)
    log = folder.path / "provider.log"
    with running(nginx_command(config, folder.path, "provider"), core=LOAD_CORE, log=log) as process:
        wait_until_ready(process, tls, None, log, _READY_SECONDS)
        yield Provider(f"http://127.0.0.1:{plain}", f"https://127.0.0.1:{tls}", certificate)


@contextmanager
def paced_provider(folder: Folder, answer: str, bytes_per_second: float, certificate: Path) -> Iterator[Provider]:
    """One answer over plain HTTP, at so many bytes a second per connection."""
    port, log = free_port(), folder.path / "paced.log"
    command = [
        sys.executable,
        "-m",
        "bench.paced",
        str(port),
        str(folder.answers / answer),
        str(bytes_per_second),
    ]
    with running(command, core=LOAD_CORE, log=log) as process:
        wait_until_ready(process, port, None, log, _READY_SECONDS)
        yield Provider(f"http://127.0.0.1:{port}", f"http://127.0.0.1:{port}", certificate)


# nginx answers a POST for a file with 405; that error is made the file. `add_after_body` adds nothing, but it
# takes the length away, so that the answer is chunked. The static module reads a request's body only after it
# has answered: whoever asks with a photo (`/edit/`) comes through a second server, which takes all of it first.
_CONFIG = """
  sendfile off;
  output_buffers 4 16k;
  types {{ application/json json; text/event-stream sse; }}
  addition_types *;
  server {{
    listen 127.0.0.1:{plain} backlog=1024;
    listen 127.0.0.1:{tls} ssl backlog=1024;
    ssl_certificate {folder}/certificate.pem;
    ssl_certificate_key {folder}/key.pem;
    ssl_session_cache shared:sessions:1m;
    ssl_protocols TLSv1.3;
    listen unix:{folder}/provider.sock;
    root {folder}/answers;
    add_after_body /nothing;
    client_body_buffer_size 16m;
    location = /nothing {{ internal; add_after_body ""; }}
    location ~ ^/edit/ {{
      rewrite ^/edit(/.*) $1 break;
      add_after_body "";
      proxy_pass http://unix:{folder}/provider.sock;
      proxy_method GET;
      proxy_pass_request_body off;
      proxy_set_header Content-Length "";
      proxy_http_version 1.1;
      proxy_buffering off;
      proxy_buffer_size 64k;
      proxy_buffers 4 64k;
    }}
    location ~ ^/(?<answer>[a-z0-9.]+)/.*:generateContent {{ rewrite ^ /$answer.json last; }}
    location ~ ^/(?<answer>[a-z0-9.]+)/.*:streamGenerateContent {{ rewrite ^ /$answer.sse last; }}
    location ~ "\\.(json|sse)$" {{ error_page 405 =200 $uri; }}
  }}
"""
