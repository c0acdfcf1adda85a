"""What Prometheus reads, and who may."""

import pytest

from tests.api.surface import KEY, READERS_KEY, surface


async def test_this_machine_reads_without_a_key() -> None:
    answer = await surface().ask("GET", "/metrics", key=None)
    assert answer.status == 200
    assert answer.headers["content-type"].startswith("text/plain; version=")
    lines = answer.body.decode().splitlines()
    assert "impasto_spent_dollars 0.0672" in lines
    assert "impasto_unknown_dollars 5e-09" in lines
    assert "impasto_overruns 1.0" in lines


@pytest.mark.parametrize("header", ["X-Forwarded-For", "Forwarded", "X-Real-IP", "Via"])
async def test_what_came_through_a_proxy_needs_a_key_that_may_read(header: str) -> None:
    headers = [(header, "127.0.0.1")]
    assert (await surface().ask("GET", "/metrics", headers=headers, key=None)).status == 401
    assert (await surface().ask("GET", "/metrics", headers=headers, key=KEY)).status == 403
    assert (await surface().ask("GET", "/metrics", headers=headers, key=READERS_KEY)).status == 200
