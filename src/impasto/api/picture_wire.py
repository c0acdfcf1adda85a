"""A picture inside a request's JSON: a data URL, bare base64, or a link.

Rule: in the ordinary case the base64 is checked where it lies and passed on as a view.
Only what is escaped, wrapped or written in the URL-safe alphabet is copied, once.
"""

import msgspec
from msgspec import Raw

from impasto.completions.inline import picture_part
from impasto.domain.chat import ImageLink, ImagePart
from impasto.domain.errors import Code, Failure
from impasto.domain.image import is_base64, normal_base64, split_data_url

_text = msgspec.json.Decoder(str)


def parse_picture_url(value: Raw, where: str) -> ImagePart | ImageLink:
    """The picture that a JSON string names: a data URL or an http(s) URL. Raises 400 or 415 naming `where`."""
    found = split_data_url(_inside(value, where))
    if found and is_base64(found[1]):
        return picture_part(found[1], where)
    url = _decoded(value, where)
    if url[:5].lower() == "data:":
        return _from_data_url(url, where)
    if url[:8].lower().startswith(("http://", "https://")):
        return ImageLink(url, where)
    if url.startswith("impasto:"):
        raise Failure(Code.UNSUPPORTED, f"{where} is a handle; and none are kept yet. Send it whole.", param=where)
    raise Failure(
        Code.INVALID_IMAGE,
        f'{where} begins with "{url[:20]}". It takes a data URL (data:image/png;base64,…) or an http(s) URL.',
        param=where,
    )


def parse_picture(value: Raw, where: str) -> ImagePart:
    """The picture in the JSON string `value`: a data URL or bare base64. Raises 400 or 415 naming `where`."""
    view = _inside(value, where)
    if is_base64(view):
        return picture_part(view, where)
    found = split_data_url(view)
    if found and is_base64(found[1]):
        return picture_part(found[1], where)
    text = _decoded(value, where)
    if text[:5].lower() == "data:":
        return _from_data_url(text, where)
    return picture_part(_forgiven(text.encode(), where), where)


def _from_data_url(url: str, where: str) -> ImagePart:
    found = split_data_url(url.encode())
    if found is None:
        raise Failure(
            Code.INVALID_IMAGE, f"{where} is a data URL without base64. It takes data:image/png;base64,…", param=where
        )
    return picture_part(_forgiven(bytes(found[1]), where), where)


def _forgiven(base64: bytes, where: str) -> bytes:
    normal = normal_base64(base64)
    if normal is None:
        raise Failure(Code.INVALID_IMAGE, f"{where}: the base64 is broken or empty.", param=where)
    return normal


def _inside(value: Raw, where: str) -> memoryview:
    view = memoryview(value)
    if bytes(view[:1]) != b'"':
        raise Failure(Code.INVALID_BODY, f"{where} is no string.", param=where)
    return view[1:-1]


def _decoded(value: Raw, where: str) -> str:
    try:
        return _text.decode(value)
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise Failure(Code.INVALID_BODY, f"{where} is no text.", param=where) from None
