"""What callers do beside asking for pictures: they upload photos, look at what they have, and delete some of it.

Rule: who is cut off asks again until he is answered. What he looks at is whole, or is said to be gone because
somebody had it deleted.
"""

import asyncio
import hashlib
import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from random import Random
from typing import Any

import aiohttp

from impasto.simulator.pictures import png
from tests.end_to_end.crashes.belongings import Belongings, Picture

PAUSE_SECONDS = 0.05
ANSWER_SECONDS = 60.0
PHOTOS = 6
"""Few, so that the same bytes are often uploaded again while somebody deletes them."""
MAY_COME_LATER = (409, 429, 500, 502, 503, 504)
GONE = (404, 410)


@dataclass(frozen=True, slots=True)
class Said:
    """An answer, or as much of it as came; `status` is `None` where nothing did."""

    status: int | None = None
    content: bytes = b""
    is_whole: bool = False


@dataclass(frozen=True, slots=True)
class Errands:
    """Errands at `url` for the keys that `belongings` tells of. `findings` are sentences about what should not be."""

    url: str
    chance: Random
    belongings: Mapping[str, Belongings]
    findings: list[str]
    counted: Counter[str]

    async def run(self, session: aiohttp.ClientSession) -> None:
        """One of them."""
        secret = self.chance.choice(list(self.belongings))
        await self.chance.choice((self._upload, self._look, self._look, self._delete, self._delete_file))(
            session, secret
        )

    async def _upload(self, session: aiohttp.ClientSession, secret: str) -> None:
        photo = png(f"photo {self.chance.randint(1, PHOTOS)}", 24, 16)
        said = await self._answered(session, secret, "POST", "/v3/upload", photo=photo)
        if said.status != 200:
            self.findings.append(f"an upload was answered with {said.status}: {said.content!r}")
            return
        self.counted["uploads"] += 1
        self.belongings[secret].files[json.loads(said.content)["file_id"]] = hashlib.sha256(photo).hexdigest()

    async def _look(self, session: aiohttp.ClientSession, secret: str) -> None:
        mine = self.belongings[secret]
        if mine.pictures:
            picture = self.chance.choice(mine.pictures)
            self._check(picture, mine, await self._once(session, secret, "GET", _content_of(picture)))

    def _check(self, picture: Picture, mine: Belongings, said: Said) -> None:
        if said.status == 200:
            self.counted["pictures looked at"] += said.is_whole
            content = picture.content
            if said.content != (content if said.is_whole else content[: len(said.content)]):
                self.findings.append(f"{picture} was given, and {len(said.content)} other bytes are served")
        elif said.status in GONE:
            if picture.id not in mine.deleting:
                self.findings.append(f"{picture} was given and not deleted, and is {said.status}: {said.content!r}")
        elif said.status is not None and said.status not in MAY_COME_LATER:
            self.findings.append(f"{picture} was looked at, and that is {said.status}: {said.content!r}")

    async def _delete(self, session: aiohttp.ClientSession, secret: str) -> None:
        mine = self.belongings[secret]
        if not mine.pictures:
            return
        picture = mine.pictures.pop(self.chance.randrange(len(mine.pictures)))
        mine.deleting.add(picture.id)
        said = await self._answered(session, secret, "DELETE", f"/v3/images/{picture.id}")
        if said.status not in (200, 404):  # which is the answer where an earlier one was lost
            self.findings.append(f"{picture} was to be deleted, and that is {said.status}: {said.content!r}")
            return
        self.counted["pictures deleted"] += 1
        mine.deleted.add(picture.id)
        after = await self._once(session, secret, "GET", _content_of(picture))
        if after.status == 200:
            self.findings.append(f"{picture} was deleted, and is served")

    async def _delete_file(self, session: aiohttp.ClientSession, secret: str) -> None:
        mine = self.belongings[secret]
        if len(mine.files) > 2:
            file_id = self.chance.choice(list(mine.files))
            mine.files.pop(file_id)
            mine.deleting.add(file_id)
            said = await self._answered(session, secret, "POST", "/v3/upload/delete", json={"file_ids": [file_id]})
            if said.status != 200:
                self.findings.append(f"the file {file_id} was to be deleted, and that is {said.status}")
                return
            self.counted["files deleted"] += 1
            mine.deleted.add(file_id)

    async def _answered(self, session: aiohttp.ClientSession, secret: str, method: str, path: str, **sent: Any) -> Said:
        """What is said in the end to who asks again and again."""
        while True:
            said = await self._once(session, secret, method, path, **sent)
            if said.is_whole and said.status not in MAY_COME_LATER:
                return said
            await asyncio.sleep(PAUSE_SECONDS)

    async def _once(
        self,
        session: aiohttp.ClientSession,
        secret: str,
        method: str,
        path: str,
        *,
        photo: bytes = b"",
        json: Any = None,
    ) -> Said:
        form = aiohttp.FormData()
        form.add_field("file", photo, filename="photo.png", content_type="image/png")
        status, content = None, bytearray()
        try:
            async with (
                asyncio.timeout(ANSWER_SECONDS),
                session.request(
                    method, self.url + path, headers={"authorization": f"Bearer {secret}"},
                    data=form if photo else None, json=json,
                ) as response,
            ):  # fmt: skip
                status = response.status
                async for piece in response.content.iter_any():
                    content += piece
        except aiohttp.ClientError:
            return Said(status, bytes(content))
        except TimeoutError:
            self.findings.append(f"{method} {path} was not answered within {ANSWER_SECONDS:g} seconds")
            return Said()
        return Said(status, bytes(content), is_whole=True)


def _content_of(picture: Picture) -> str:
    return f"/v3/images/{picture.id}/content"
