"""One picture on its way in: base64 becomes bytes, and the bytes say what it is.

Rule: what is not base64 of a known kind of picture is a failure, never a result. What is read along
is what encoding the bytes again would give.
"""

from collections import deque
from collections.abc import Iterator

import pybase64

from impasto.completions.answer import Picture
from impasto.completions.ports import Blob
from impasto.domain.errors import Code, Failure
from impasto.domain.image import dimensions_of, media_type_of

SNIFFED_BYTES = 258
"""What the type of a picture is told from; a multiple of three."""

RECENT_BYTES = 512 << 10
"""Base64 that stays at hand for those who read along."""

REREAD_BYTES = 192 << 10
"""What is read again at a time for those who do not keep up; a multiple of three."""


class PictureIntake:
    """Decodes one picture into `blob`. It can be read along from the start, as base64, at any pace."""

    def __init__(self, blob: Blob, *, thought: bool = False) -> None:
        self.blob = blob
        self.thought = thought
        self.ended = False
        self.byte_count = 0
        self.signature = b""
        self._media_type: str | None = None
        self._padded = False
        self._recent: deque[tuple[int, bytes]] = deque()
        self._recent_bytes = 0

    def take(self, data: bytes) -> int:
        """Decode the next piece of base64 and keep it; how many bytes it held."""
        if self._padded:
            raise no_picture("base64 that goes on after its padding")
        try:
            decoded = pybase64.b64decode(data, validate=True)
        except ValueError as error:
            raise no_picture(f"broken base64 near byte {self.byte_count}") from error
        self._padded = data.endswith(b"=")
        self._remember(_canonical(data, decoded) if self._padded else data)
        self.byte_count += len(decoded)
        self.blob.write(decoded)
        return len(decoded)

    @property
    def is_known(self) -> bool:
        """Whether enough has come to tell its type."""
        return self.ended or self.byte_count >= SNIFFED_BYTES

    def media_type(self) -> str:
        """What the bytes so far say that it is."""
        if self._media_type is None:
            self._media_type = media_type_of(self._read(0, SNIFFED_BYTES))
        if self._media_type is None:
            raise no_picture("bytes of no picture format that is known here")
        return self._media_type

    def end(self, *, thought: bool) -> None:
        """No more of it comes."""
        self.thought = self.thought or thought
        if not self.thought:
            if not self.byte_count:
                raise no_picture("no bytes at all")
            self.media_type()
        self.ended = True
        self._recent.clear()  # who still reads finds it in the blob

    def picture(self) -> Picture:
        """The whole picture."""
        media_type = self.media_type()
        return Picture(self.blob, self.byte_count, media_type, dimensions_of(self._read, media_type))

    def base64_from(self, offset: int) -> Iterator[bytes]:
        """What has come since byte `offset`, a multiple of three: as it came, or encoded again where that is gone."""
        if self._recent and self._recent[0][0] <= offset:
            yield from [data for start, data in self._recent if start >= offset]  # more may come while these are read
            return
        end = self.byte_count if self.ended or self._padded else self.byte_count // 3 * 3
        for start in range(offset, end, REREAD_BYTES):
            yield pybase64.b64encode(self.blob.read(start, min(REREAD_BYTES, end - start)))

    def _remember(self, data: bytes) -> None:
        self._recent.append((self.byte_count, data))
        self._recent_bytes += len(data)
        while self._recent_bytes > RECENT_BYTES and len(self._recent) > 1:
            self._recent_bytes -= len(self._recent.popleft()[1])

    def _read(self, offset: int, count: int) -> bytes:
        return self.blob.read(offset, max(0, min(count, self.byte_count - offset)))


def _canonical(data: bytes, decoded: bytes) -> bytes:
    """`data`, which ends in padding, without the bits in its last group that stand for no byte."""
    return data[:-4] + pybase64.b64encode(decoded[(len(decoded) - 1) // 3 * 3 :])


def no_picture(what: str) -> Failure:
    """What is said of a provider's picture that is none."""
    return Failure(Code.PROVIDER_WRONG, f"The provider sent a picture that is none: {what}. It may bill for the call.")
