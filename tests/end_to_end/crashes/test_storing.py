"""The gateway is killed while it stores: a picture is served whole or not at all, and editing goes on either way."""

import asyncio
import base64
import os
import signal
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from sqlalchemy import Connection

from impasto.storage.blobs import FileStore
from impasto.storage.database import Database
from tests.end_to_end.crashes.belongings import pictures_in
from tests.end_to_end.crashes.house import House, built_house
from tests.end_to_end.crashes.lives import AtStep, Lives
from tests.end_to_end.crashes.stored import StoredAudit, contents_of
from tests.end_to_end.crashes.wishes import MODEL

PICTURE_BYTES, SIGNATURE_CHARACTERS = 700_000, 4000
HALF_WRITTEN = None
"""Death from outside, while the provider is in the middle of the picture."""

LOST = (
    HALF_WRITTEN, AtStep("answered", 1), AtStep("keeping-picture", 1), AtStep("keeping-signature", 1),
    AtStep("keeping-blob", 2), AtStep("kept", 1), AtStep("keeping-note", 1),
)  # fmt: skip
"""Deaths after which nobody knows what came of the call."""
SAVED = (AtStep("noted", 1), AtStep("settled", 1))
"""Deaths after which the answer is there."""

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


@dataclass(frozen=True, slots=True)
class Caller:
    """One of the callers of `house`. `number` makes each of its requests another one."""

    house: House
    session: aiohttp.ClientSession
    number: int

    @property
    def secret(self) -> str:
        return next(iter(self.house.crowd.belongings))

    @property
    def talk(self) -> dict[str, Any]:
        """The request that meets a death."""
        words = f"t{self.number}x a picture [[fault:stall 0.3 phase=mid_body]]"
        return {"messages": [{"role": "user", "content": words}], "session_id": f"talk {self.number}", "stream": True}

    async def ask(self, name: str, **asked: Any) -> tuple[int | None, bytes]:
        """The status, and all that came; `None` where the line was cut."""
        content, status = bytearray(), None
        headers = {"authorization": f"Bearer {self.secret}", "idempotency-key": f"{name} {self.number}"}
        asked = {"model": MODEL, "image_config": {"image_size": "512"}} | asked
        try:
            url = f"{self.house.crowd.url}/v3/chat/completions"
            async with self.session.post(url, json=asked, headers=headers) as response:
                async for piece in response.content.iter_any():
                    content += piece
                status = response.status
        except aiohttp.ClientError:
            pass
        return status, bytes(content)

    async def content_of(self, image_id: str) -> bytes:
        url = f"{self.house.crowd.url}/v3/images/{image_id}/content"
        async with self.session.get(url, headers={"authorization": f"Bearer {self.secret}"}) as response:
            assert response.status == 200
            return await response.read()

    async def edit(self, name: str, earlier: str) -> bytes:
        """An edit of `earlier`, in the turn of the model that it is from."""
        words = f"t{self.number}{name}x now at night"
        turns = (("user", "before"), ("assistant", earlier), ("user", words))
        status, content = await self.ask(name, messages=[{"role": role, "content": text} for role, text in turns])
        assert status == 200, content
        assert b"signatures_refused" not in content
        return content

    def signatures_sent(self) -> int:
        """In the last call."""
        return str(self.house.provider.google.calls[-1].body).count("thoughtSignature")

    def true_picture(self) -> bytes:
        """What the provider's last call makes."""
        google = self.house.provider.google
        (part,) = google.answer_to(google.calls[-1])["candidates"][0]["content"]["parts"]
        return base64.b64decode(part["inlineData"]["data"])


@pytest.mark.parametrize("dialect", ["sqlite"], indirect=True)
async def test_a_picture_is_served_whole_or_not_at_all(
    empty_database_url: str, tmp_path: Path, reading: Database
) -> None:
    store = FileStore(tmp_path / "data" / "store", "audit")
    sizes = {"picture_bytes": PICTURE_BYTES, "signature_characters": SIGNATURE_CHARACTERS}
    async with (
        built_house(empty_database_url, tmp_path, store, {}, **sizes) as house,
        aiohttp.ClientSession() as session,
        Lives(house.environment, tmp_path / "log", house.crowd.url) as lives,
    ):
        for number, death in enumerate((*LOST, *SAVED)):
            caller = Caller(house, session, number)
            heard = await killed(caller, lives, death)
            true = caller.true_picture()
            async with lives.live():
                await (check_saved if death in SAVED else check_lost)(caller, heard, true)
    contents = await contents_of(store)

    def audited(connection: Connection) -> tuple[list[str], int]:
        audit = StoredAudit(connection, contents, (), ())
        return list(audit.findings()), audit.sums()["orphans"]

    findings, orphans = await reading.read(audited)
    assert findings == []
    assert orphans
    assert await house.swept(reading, contents) == []


async def killed(caller: Caller, lives: Lives, death: AtStep | None) -> bytes:
    """What the caller hears of a request that meets this death."""
    async with lives.dying(death) as process:
        asking = asyncio.create_task(caller.ask("talk", **caller.talk))
        if death is HALF_WRITTEN:
            await half_written(caller.house.data)
            os.kill(process, signal.SIGKILL)
        status, heard = await asking
    assert status is None
    return heard


async def half_written(data: Path) -> None:
    """A part of a picture is on the disk."""
    async with asyncio.timeout(20):
        while not any(path.stat().st_size for path in (data / "store" / "incoming").glob("*/*")):  # noqa: ASYNC110
            await asyncio.sleep(0.01)


async def check_saved(caller: Caller, heard: bytes, true: bytes) -> None:
    status, answer = await caller.ask("talk", **caller.talk)
    assert status == 200
    assert answer.startswith(heard)
    (picture,) = pictures_in(answer, streamed=True)
    assert picture.content == true == await caller.content_of(picture.id)
    for name, cited in (("a", f"impasto:image/{picture.id}"), ("b", picture.data_url)):
        await caller.edit(name, cited)
        assert caller.signatures_sent() == 1


async def check_lost(caller: Caller, heard: bytes, true: bytes) -> None:
    status, answer = await caller.ask("talk", **caller.talk)
    assert (status, b"provider_broke_off" in answer) == (502, True)
    assert b"[DONE]" not in heard
    previous = {"type": "image_url", "image_url": {"url": "impasto:image/previous"}}
    content = [{"type": "text", "text": f"t{caller.number}px"}, previous]
    asked = {"messages": [{"role": "user", "content": content}], "session_id": caller.talk["session_id"]}
    status, answer = await caller.ask("previous", **asked)
    assert (status, b"invalid_image" in answer) == (400, True)
    await caller.edit("b", "data:image/png;base64," + base64.b64encode(true).decode())
    assert caller.signatures_sent() == 0
