"""A picture inside a request's JSON: a data URL, bare base64, or a link.

Rule: in the ordinary case the base64 is checked where it lies and passed on as a view.
Only what is escaped, wrapped or written in the URL-safe alphabet is copied, once. No
refusal repeats what it refuses: it may be a picture.
"""

import re

import msgspec
from msgspec import Raw

from impasto.api.json_errors import wrong_shape
from impasto.completions.inline import picture_part
from impasto.domain.chat import ImageLink, ImagePart
from impasto.domain.errors import Code, Failure
from impasto.domain.image import is_base64, normal_base64, split_data_url

_text = msgspec.json.Decoder(str)
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]{0,19}:")
_PICTURE_URL = re.compile(rb'"data:image\\?/[a-z0-9.+-]+[;,]', re.IGNORECASE)


def is_picture_url(value: Raw) -> bool:
    """Does this JSON string begin as a picture's data URL does, rather than as words do?"""
    return _PICTURE_URL.match(memoryview(value)[:100]) is not None


def parse_picture_url(value: Raw, where: str) -> ImagePart | ImageLink:
    """The picture that a JSON string names: a data URL or an http(s) URL. Raises 400, 415 or 422 naming `where`."""
    found = split_data_url(_inside(value, where))
    if found and is_base64(found[1]):
        return picture_part(found[1], where)
    url = _decoded(value, where)
    if url[:5].lower() == "data:":
        return _from_data_url(url, where)
    if url[:8].lower().startswith(("http://", "https://")):
        return ImageLink(url, where)
    raise _no_picture_url(url, where)


def parse_picture(value: Raw, where: str) -> ImagePart:
    """The picture in a JSON string: a data URL or bare base64. Raises 400, 415 or 422 naming `where`."""
    view = _inside(value, where)
    if is_base64(view):
        return picture_part(view, where)
    found = split_data_url(view)
    if found and is_base64(found[1]):
        return picture_part(found[1], where)
    text = _decoded(value, where)
    if text[:5].lower() == "data:":
        return _from_data_url(text, where)
    return picture_part(_mended(text.encode(), where), where)


def _from_data_url(url: str, where: str) -> ImagePart:
    found = split_data_url(url.encode())
    if found is None:
        raise Failure(
            Code.INVALID_IMAGE, f"{where} is a data URL without base64. It takes data:image/png;base64,…", param=where
        )
    return picture_part(_mended(bytes(found[1]), where), where)


def _mended(base64: bytes, where: str) -> bytes:
    normal = normal_base64(base64)
    if normal is None:
        raise Failure(Code.INVALID_IMAGE, f"{where}: the base64 is broken or empty.", param=where)
    return normal


def _no_picture_url(url: str, where: str) -> Failure:
    scheme = _SCHEME.match(url)
    begins = f"begins with {scheme[0]}" if scheme else "is no URL"
    return Failure(
        Code.INVALID_IMAGE,
        f"{where} {begins}. It takes a data URL (data:image/png;base64,…) or an http(s) URL.",
        param=where,
    )


def _inside(value: Raw, where: str) -> memoryview:
    """The characters of a JSON string as they lie, escapes and all."""
    view = memoryview(value)
    if chr(view[0]) != '"':
        _decoded(value, where)  # raises: it is no string
    return view[1:-1]


def _decoded(value: Raw, where: str) -> str:
    try:
        return _text.decode(value)
    except msgspec.ValidationError as error:
        raise wrong_shape(error, where) from None
