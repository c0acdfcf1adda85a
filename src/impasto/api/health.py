"""Is the process alive, and does it take work?

Rule: open to everybody, says nothing else, and asks no provider.
"""

from collections.abc import Callable
from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import JSONResponse, Response


@dataclass(frozen=True, slots=True)
class Health:
    """`is_ready` says whether new work is taken."""

    is_ready: Callable[[], bool]

    async def live(self, request: Request) -> Response:
        return JSONResponse({"status": "alive"})

    async def ready(self, request: Request) -> Response:
        if self.is_ready():
            return JSONResponse({"status": "ready"})
        return JSONResponse({"status": "draining"}, status_code=503)
