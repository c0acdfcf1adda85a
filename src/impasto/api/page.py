"""GET /: the page, one file without a build.

Rule: the browser runs what the packaged file holds and nothing else: the policy names
its one script and its one style sheet by hash, and no host but this one.
"""

import re
from base64 import b64encode
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from importlib.resources import files

from starlette.requests import Request
from starlette.responses import Response

from impasto.api.conditional import has_already

_SCRIPT = re.compile(rb"<script>(.*?)</script>", re.DOTALL)
_STYLE = re.compile(rb"<style>(.*?)</style>", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Page:
    """The file as it is served, and the headers that go with every answer, 304 included."""

    body: bytes
    headers: dict[str, str]


async def page(request: Request) -> Response:
    """The page, or 304 where the browser has it already."""
    current = packaged_page()
    if has_already(request.headers.get("if-none-match", ""), current.headers["etag"]):
        return Response(status_code=304, headers=current.headers)
    return Response(current.body, media_type="text/html", headers=current.headers)


@cache
def packaged_page() -> Page:
    """The page that comes with the package, read once."""
    return page_of((files("impasto.api") / "static" / "index.html").read_bytes())


def page_of(body: bytes) -> Page:
    """A page with its policy and its tag. Raises `ValueError` unless it holds one script and one style sheet."""
    return Page(
        body,
        {
            "content-security-policy": policy_of(body),
            "x-content-type-options": "nosniff",
            "referrer-policy": "no-referrer",
            "etag": f'"{sha256(body).hexdigest()}"',
            "cache-control": "no-cache",
        },
    )


def policy_of(body: bytes) -> str:
    """The Content-Security-Policy that lets `body` run as it is (https://www.w3.org/TR/CSP3/)."""
    directives = {
        "default-src": "'none'",
        "script-src": _hash_of(_SCRIPT, body),
        "style-src": _hash_of(_STYLE, body),
        "img-src": "blob: data: 'self'",
        "connect-src": "'self'",
        "form-action": "'none'",
        "base-uri": "'none'",
        "frame-ancestors": "'none'",
        # Text that turns into markup is an error in the browser too, not only in a test.
        "require-trusted-types-for": "'script'",
        "trusted-types": "'none'",
    }
    return "; ".join(f"{name} {sources}" for name, sources in directives.items())


def _hash_of(element: re.Pattern[bytes], body: bytes) -> str:
    found = element.findall(body)
    if len(found) != 1:
        raise ValueError(f"The page holds {len(found)} of {element.pattern.decode()}; its policy names exactly one.")
    return f"'sha256-{b64encode(sha256(found[0]).digest()).decode()}'"
