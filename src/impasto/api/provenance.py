"""GET /v3/provenance/{sha256}: was this picture made here, when, and by which model?

Rule: whoever has the bytes and any key learns that; what it was made of, only the key that made it and whoever manages
the gateway. That nothing is known is never told as a proof of anything.
"""

import re
from dataclasses import dataclass

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from impasto.api.access import note
from impasto.api.auth import authenticate
from impasto.api.bill_wire import time_text
from impasto.api.chat_answer import LinkOf
from impasto.api.lineage_wire import Lineage, picture_body, provider_of
from impasto.completions.ports import KeyStore
from impasto.domain.errors import Code, Failure
from impasto.domain.lineage import Sighting

NOT_KNOWN = (
    "This gateway has no record of these bytes. That proves nothing: a picture that was changed or saved anew has "
    "other bytes, and of one that was deleted, or made under retention none, no record is kept."
)

_SHA256 = re.compile(r"[0-9a-f]{64}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Provenance:
    """The resource, on a public route: it looks at the key by itself, because any will do."""

    lineage: Lineage
    keys: KeyStore
    link_of: LinkOf | None

    async def read(self, request: Request) -> Response:
        key = await authenticate(request.headers, self.keys, "public", now=True)
        note(request.scope, key=key.name)
        sha256 = _sha256_of(str(request.path_params["sha256"]))
        sighting = await self.lineage.sighting(sha256, None if key.may("manage") else key.id)
        return Response(msgspec.json.encode(self._body(sha256, sighting)), media_type="application/json")

    def _body(self, sha256: str, sighting: Sighting | None) -> dict[str, object]:
        if sighting is None:
            return {"sha256": sha256, "made_here": False, "note": NOT_KNOWN}
        body: dict[str, object] = {
            "sha256": sha256,
            "made_here": True,
            "created_at": time_text(sighting.created_ms),
            "model": sighting.model or None,
        }
        if sighting.count:
            images = [picture_body(facts, self.link_of) for facts in sighting.newest]
            body |= {"provider": provider_of(sighting.model), "pictures": sighting.count, "images": images}
        return body


def _sha256_of(said: str) -> str:
    sha256 = said.lower()
    if not _SHA256.fullmatch(sha256):
        raise Failure(
            Code.INVALID_VALUE,
            f'sha256 "{said[:80]}" is no SHA-256. It takes the 64 hexadecimal digits that sha256sum prints for the '
            "picture's file.",
            param="sha256",
        )
    return sha256
