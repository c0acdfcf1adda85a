"""One picture on its way in: decoded, counted, recognised.

Rule: what is not canonical base64 of a known kind of picture is a failure, never a result.
"""

import pybase64

from impasto.completions.answer import Picture
from impasto.completions.ports import Spool
from impasto.domain.errors import Code, Failure
from impasto.domain.image import dimensions_of, media_type_of


class PictureIntake:
    """Decodes one picture into `spool` from `offset` on."""

    def __init__(self, spool: Spool, offset: int) -> None:
        self._spool = spool
        self._offset = offset
        self._byte_count = 0
        self._padded = False

    def take(self, data: bytes) -> int:
        """Decode the next piece of base64 and keep it; how many bytes it held."""
        if self._padded:
            raise no_picture("base64 that goes on after its padding")
        try:
            decoded = pybase64.b64decode(data, validate=True)
        except ValueError as error:
            raise no_picture(f"broken base64 near byte {self._byte_count}") from error
        self._padded = data.endswith(b"=")
        self._byte_count += len(decoded)
        self._spool.write(decoded)
        return len(decoded)

    def media_type(self) -> str:
        """What the bytes so far say that it is."""
        found = media_type_of(self._read(0, 256))
        if found is None:
            raise no_picture("bytes of no picture format that is known here")
        return found

    def end(self) -> Picture:
        """The whole picture."""
        if not self._byte_count:
            raise no_picture("no bytes at all")
        media_type = self.media_type()
        return Picture(self._offset, self._byte_count, media_type, dimensions_of(self._read, media_type))

    def _read(self, offset: int, count: int) -> bytes:
        return self._spool.read(self._offset + offset, max(0, min(count, self._byte_count - offset)))


def no_picture(what: str) -> Failure:
    """What is said of a provider's picture that is none."""
    return Failure(Code.PROVIDER_WRONG, f"The provider sent a picture that is none: {what}. It may bill for the call.")
