"""One conversion by libvips: bytes in, decoded, made smaller, encoded, bytes out.

Rule: a picture comes in by the loader of its own type, in pieces, and its header is judged before its pixels.
What cannot be decoded to its end is not converted: half a picture is not passed off as a whole one.
"""

import io
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib.util import find_spec
from typing import Any

from impasto.completions.ports import Blob
from impasto.domain.errors import Code, Failure
from impasto.domain.image import Dimensions
from impasto.domain.picture_form import PictureForm, check_convertible, check_dimensions, check_made, unreadable

_OLDEST_LIBRARY = (8, 15)
_ANY_HEIGHT = 10_000_000  # the most that libvips knows

_LOADERS: Mapping[str, str] = {
    "image/png": "pngload_source",
    "image/jpeg": "jpegload_source",
    "image/webp": "webpload_source",
    "image/avif": "heifload_source",
    "image/gif": "gifload_source",
}
_LOADER_CLASSES = ("Png", "Jpeg", "Webp", "Heif", "Nsgif")

_SAVERS: Mapping[str, tuple[str, Mapping[str, object]]] = {
    "image/png": ("pngsave_target", {}),
    "image/jpeg": ("jpegsave_target", {"Q": 85, "optimize_coding": True, "background": [255]}),
    "image/webp": ("webpsave_target", {"Q": 82}),
    # Its default effort takes several times as long for a tenth of the bytes.
    "image/avif": ("heifsave_target", {"compression": "av1", "Q": 60, "effort": 2}),
}


def is_installed() -> bool:
    """Whether the library is there (the extra `thumbnails`)."""
    return find_spec("pyvips") is not None


@dataclass(slots=True)
class Conversion:
    """Makes `form` of `source` and writes it into `target`; `run` in one thread, `stop` from another."""

    source: Blob
    target: Blob
    form: PictureForm
    _offset: int = 0
    _failure: Failure | None = None
    _is_stopped: bool = False
    _image: Any = field(default=None, repr=False)

    def run(self) -> None:
        """Raises `Failure`; what it raises once it was stopped says nothing."""
        vips = _library()
        try:
            self._convert(vips)
        except vips.Error as error:
            raise self._failure or unreadable(" ".join(str(error).split())[:300]) from None
        if self._failure or self._is_stopped:
            raise self._failure or unreadable("stopped")

    def stop(self) -> None:
        """End soon: with the next piece that is read, decoded or written. What encodes whole pictures ends first."""
        self._is_stopped = True
        if self._image is not None:
            self._image.set_kill(True)

    def _convert(self, vips: Any) -> None:
        media_type, found = check_convertible(self.source.read, self.form)
        save, options = _SAVERS[self.form.media_type]
        source, target = vips.SourceCustom(), vips.TargetCustom()
        source.on_read(self._read)
        source.on_seek(self._seek)
        target.on_write(self._write)
        shrunk = _shrink_of(found, self.form) if media_type == "image/jpeg" else 1
        load = getattr(vips.Image, _LOADERS[media_type])
        picture = load(source, access="sequential", fail_on="error", **({"shrink": shrunk} if shrunk > 1 else {}))
        # The library reads the header by itself, and it is its reading that decides how much it decodes.
        check_dimensions(Dimensions(picture.width * shrunk, picture.height * shrunk), self.form)
        # Also without a width, for this turns the picture the way up that its metadata say.
        made = picture.thumbnail_image(self.form.width or _ANY_HEIGHT, height=_ANY_HEIGHT, size="down")
        check_made(Dimensions(made.width, made.height), self.form)
        self._image = made
        made.set_kill(self._is_stopped)
        getattr(made, save)(target, keep="icc", **options)

    def _read(self, count: int) -> bytes:
        # What is raised in a callback is lost, so it waits in `_failure`; nothing more to read ends the work.
        if self._is_stopped or self._failure:
            return b""
        try:
            piece = self.source.read(self._offset, count)
        except Failure as failure:
            self._failure = failure
            return b""
        self._offset += len(piece)
        return piece

    def _seek(self, offset: int, whence: int) -> int:
        begins = {io.SEEK_SET: 0, io.SEEK_CUR: self._offset, io.SEEK_END: self.source.byte_count}
        self._offset = max(0, begins[whence] + offset)
        return self._offset

    def _write(self, piece: Any) -> int:
        if self._is_stopped or self._failure:
            return -1
        try:
            self.target.write(bytes(piece))
        except Failure as failure:
            self._failure = failure
            return -1
        return len(piece)


def _shrink_of(found: Dimensions, form: PictureForm) -> int:
    """How much smaller a JPEG can be decoded at once, with twice what is wanted left to work from."""
    if form.width is None:
        return 1
    side = min(found.width, found.height)  # which of them is the width, its metadata may say otherwise
    return next((shrink for shrink in (8, 4, 2) if side >= 2 * shrink * form.width), 1)


@cache
def _library() -> Any:
    """The library, set up for pictures that nobody vouches for. Raises `unsupported` where it cannot be used."""
    try:
        import pyvips  # type: ignore[import-untyped]
    except (ImportError, OSError) as error:
        raise _unusable(f"{type(error).__name__}: {error}") from error
    if not pyvips.at_least_libvips(*_OLDEST_LIBRARY):
        raise _unusable(f"libvips is older than {'.'.join(map(str, _OLDEST_LIBRARY))}")
    pyvips.block_untrusted_set(True)
    pyvips.operation_block_set("VipsForeignLoad", True)
    for name in _LOADER_CLASSES:
        pyvips.operation_block_set(f"VipsForeignLoad{name}", False)
    pyvips.cache_set_max(0)  # no picture outlives its conversion
    pyvips.concurrency_set(1)
    return pyvips


def _unusable(why: str) -> Failure:
    return Failure(
        Code.UNSUPPORTED,
        "The library that makes smaller and other pictures is installed here, but cannot be used. Leave out w and "
        "format, and tell the operator: pip install --upgrade 'impasto[thumbnails]'.",
        param="format",
        logged=f"libvips: {why}",
    )
