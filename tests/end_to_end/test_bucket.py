"""The real program with its store in a bucket: what was made is given again, and lies nowhere else."""

import base64
import hashlib
from pathlib import Path
from typing import Any

import aiohttp
from yarl import URL

from tests.buckets import TestBucket
from tests.end_to_end.gateway import Program, serving

REQUEST = {
    "model": "local/painter",
    "messages": [{"role": "user", "content": "A banana in a museum, cinematic"}],
    "image_config": {"image_size": "512"},
}
LEFT_HERE = {"impasto.db", "impasto.db-wal", "impasto.db-shm", "secret"}


async def ask(running: Program, method: str, path: str, json: object = None) -> Any:
    async with (
        aiohttp.ClientSession(headers=running.headers) as caller,
        caller.request(method, running.url + path, json=json) as response,
    ):
        assert response.status == 200, await response.text()
        is_json = response.content_type == "application/json"
        return await (response.json() if is_json else response.read())


def picture_in(answer: Any) -> bytes:
    return base64.b64decode(answer["choices"][0]["message"]["content"].partition(",")[2])


async def test_what_was_made_is_given_again_from_the_bucket_and_lies_nowhere_else(
    bucket: TestBucket, tmp_path: Path
) -> None:
    environment = {"IMPASTO_STORE_URL": f"s3://{bucket.name}/gateway", **bucket.environment}
    async with serving(tmp_path, environment) as running:
        made = await ask(running, "POST", "/v3/chat/completions", REQUEST)
        linked = await ask(running, "POST", "/v3/chat/completions", {**REQUEST, "image_delivery": "url"})
    picture = picture_in(made)
    link = linked["choices"][0]["message"]["content"]
    assert {name.split("/")[1] for name in bucket.names()} == {"blobs"}

    async with serving(tmp_path, environment) as running:
        port = int(running.url.rpartition(":")[2])
        again = await ask(running, "GET", f"/v3/generations/{made['id']}")
        assert picture_in(again["response"]) == picture
        async with aiohttp.ClientSession() as stranger, stranger.get(URL(link).with_port(port)) as response:
            given = await response.read()
    assert any(hashlib.sha256(given).hexdigest() in name for name in bucket.names())

    data = tmp_path / "impasto-data"
    left = [path for path in data.rglob("*") if path.is_file()]
    assert {path.name for path in left} <= LEFT_HERE
    assert not any(picture[:64] in path.read_bytes() for path in left)
    assert (data / "spool").is_dir()
