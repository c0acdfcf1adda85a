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
from impasto.domain.chat import Handle, ImageLink, ImagePart
from impasto.domain.errors import Code, Failure
from impasto.domain.image import is_base64, normal_base64, split_data_url

_text = msgspec.json.Decoder(str)
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]{0,19}:")
_PICTURE_URL = re.compile(rb'"data:image\\?/[a-z0-9.+-]+[;,]', re.IGNORECASE)
_HANDLE = re.compile(r"impasto:(image|file)/([A-Za-z0-9_-]{1,80})", re.ASCII)
OWN_PICTURE = (
    rb"(?:impasto:image\\?/[A-Za-z0-9_-]{1,80}|"
    rb"https?:\\?/\\?/[^\s\"()]{1,300}\\?/v3\\?/images\\?/[A-Za-z0-9_-]{1,80}\\?/content\?[^\s\"()]{1,200})"
)
"""A handle, or a signed link to a picture, as JSON writes it."""
_LONE_OWN = re.compile(rb'"' + OWN_PICTURE + rb'"')
_LONGEST_OWN = 1000


def has_data_url(value: Raw) -> bool:
    """Does this JSON string begin as the data URL of a picture does?"""
    return _PICTURE_URL.match(memoryview(value)[:100]) is not None


def is_picture_url(value: Raw) -> bool:
    """Is this JSON string a picture rather than words? It begins as a data URL does, or it is a handle or a link to a
    picture of a gateway like this one, and nothing else."""
    view = memoryview(value)
    if has_data_url(value):
        return True
    return len(view) <= _LONGEST_OWN and _LONE_OWN.fullmatch(view) is not None


def parse_picture_url(value: Raw, where: str) -> ImagePart | ImageLink | Handle:
    """The picture that a JSON string names: a data URL, an http(s) URL or a handle. Raises 400, 415 or 422 naming
    `where`."""
    found = split_data_url(_inside(value, where))
    if found and is_base64(found[1]):
        return picture_part(found[1], where)
    url = _decoded(value, where)
    if url[:5].lower() == "data:":
        return _from_data_url(url, where)
    if url[:8].lower().startswith(("http://", "https://")):
        return ImageLink(url, where)
    if url.startswith("impasto:"):
        return parse_handle(url, where)
    raise _no_picture_url(url, where)


def parse_handle(text: str, where: str) -> Handle:
    """A picture by its id. Raises 400 naming `where`."""
    found = _HANDLE.fullmatch(text)
    if found is None:
        raise Failure(
            Code.INVALID_IMAGE,
            f'{where} "{text[:80]}" is no handle. It takes impasto:image/<id> with an id from applied[].id of an '
            "answer, or impasto:image/previous.",
            param=where,
        )
    kind, name = found.groups()
    if kind == "file":
        return Handle("file", name, where)
    return Handle("previous" if name == "previous" else "image", name, where)


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
        f"{where} {begins}. It takes a data URL (data:image/png;base64,…), an http(s) URL or a handle "
        "(impasto:image/<id>).",
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
