"""Alive, and ready or draining."""

import json

import pytest
from starlette.requests import Request

from impasto.api.health import Health
from tests.api.surface import surface

REQUEST = Request({"type": "http", "method": "GET", "path": "/", "headers": []})


@pytest.mark.parametrize("ready", [True, False])
async def test_ready_says_whether_work_is_taken(ready: bool) -> None:
    health = Health(lambda: ready)
    live, readiness = await health.live(REQUEST), await health.ready(REQUEST)
    assert (live.status_code, json.loads(bytes(live.body))) == (200, {"status": "alive"})
    assert readiness.status_code == (200 if ready else 503)
    assert json.loads(bytes(readiness.body)) == {"status": "ready" if ready else "draining"}


@pytest.mark.parametrize("path", ["/health/live", "/health/ready"])
async def test_health_is_open_and_has_an_id(path: str) -> None:
    answer = await surface().ask("GET", path, key=None)
    assert answer.status == 200
    assert answer.headers["x-request-id"]
