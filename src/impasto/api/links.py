"""Links to pictures that work without a key, for a while.

Rule: a link says what it opens and until when, and is signed over both; it is compared as it is
written, in a time that tells nothing.
"""

import hmac
import re
from base64 import urlsafe_b64encode
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from urllib.parse import parse_qs, urlsplit

from impasto.completions.recall import OwnLink
from impasto.domain.errors import Code, Failure

_CONTENT_PATH = re.compile(r"/v3/images/([A-Za-z0-9_-]{1,80})/content$", re.ASCII)
_EPOCH_SECONDS = re.compile(r"[1-9][0-9]{0,10}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Links:
    """Makes links that begin with `base_url`, signed with `key`, good for `seconds`. `now` is in seconds since the
    epoch."""

    base_url: str
    key: bytes = field(repr=False)
    seconds: int
    now: Callable[[], float]

    def url_of(self, image_id: str) -> str:
        """A new link to the bytes of a picture."""
        expires = str(int(self.now()) + self.seconds)
        signature = self._signature(image_id, expires)
        return f"{self.base_url}/v3/images/{image_id}/content?expires={expires}&signature={signature}"

    def read(self, url: str) -> OwnLink | None:
        """What a link leads to that begins as links here do, or is signed as they are; `None` for any other URL."""
        try:
            parts = urlsplit(url)
        except ValueError:
            return None
        found = _CONTENT_PATH.search(parts.path)
        if found is None:
            return None
        query = parse_qs(parts.query)
        expires, signature = query.get("expires", [""])[0], query.get("signature", [""])[0]
        is_signed = self.is_signed(found[1], expires, signature)
        if not is_signed and not (self.base_url and url.startswith(f"{self.base_url}/v3/images/")):
            return None
        return OwnLink(found[1], is_signed and int(expires) > self.now())

    def is_signed(self, image_id: str, expires: str, signature: str) -> bool:
        """Was this link made here? It may be over by now."""
        expected = self._signature(image_id, expires).encode()
        # Always compared, whatever was sent: how long the answer takes depends on nothing that was guessed.
        is_same = hmac.compare_digest(expected, signature.encode("utf-8", "backslashreplace"))
        return is_same and _EPOCH_SECONDS.fullmatch(expires) is not None

    def seconds_left(self, expires: str) -> int:
        """How long a link that was made here is still good. Raises 403 where it is over."""
        left = int(expires) - self.now()
        if left <= 0:
            until = datetime.fromtimestamp(int(expires), UTC)
            raise Failure(
                Code.NOT_ALLOWED,
                f"This link was good until {until:%Y-%m-%d %H:%M:%S} UTC. Ask with the key that made the picture, as "
                "the header Authorization: Bearer <key>.",
            )
        return int(left)

    def _signature(self, image_id: str, expires: str) -> str:
        # The line break keeps the two apart: it is in no id that is known here, and in no number.
        signed = f"{image_id}\n{expires}".encode("utf-8", "backslashreplace")
        return urlsafe_b64encode(hmac.digest(self.key, signed, "sha256")).rstrip(b"=").decode()
