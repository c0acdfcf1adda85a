"""Pictures inside JSON: every way people write them, and no copy in the ordinary one."""

import json
import tracemalloc
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Raw

from impasto.api.picture_wire import is_picture_url, parse_picture, parse_picture_url
from impasto.domain.chat import Handle, ImageLink, ImagePart
from impasto.domain.errors import Code, Failure
from impasto.domain.image import Dimensions
from tests.api.surface import png

PICTURE = png(101)
BASE64 = b64encode(PICTURE).decode()
# Every character of the alphabet that URLs write differently.
SLASHES = png(40) + b"\xff\xef\xbe" * 9 + b"\xfb\xff"
PREFIX = "data:image/png;base64,"


def raw(text: str) -> Raw:
    return Raw(json.dumps(text).encode())


def bytes_of(part: ImagePart | ImageLink | Handle) -> bytes:
    assert isinstance(part, ImagePart)
    return bytes(part.base64)


WRITTEN = {
    "as the RFC writes it": PREFIX + BASE64,
    "in capitals": "DATA:IMAGE/PNG;BASE64," + BASE64,
    "with parameters": "data:image/png;charset=utf-8;base64," + BASE64,
    "without a type": "data:;base64," + BASE64,
    "with a wrong type": "data:image/jpeg;base64," + BASE64,
    "without padding": PREFIX + BASE64.rstrip("="),
    "with too much padding": PREFIX + BASE64 + "==",
    "in lines": PREFIX + "\r\n".join(BASE64[start : start + 76] for start in range(0, len(BASE64), 76)),
    "with spaces": PREFIX + BASE64[:8] + " \t" + BASE64[8:] + "\n",
}


@pytest.mark.parametrize("written", WRITTEN.values(), ids=WRITTEN.keys())
def test_a_data_url_is_taken_however_it_is_written(written: str) -> None:
    for parse in (parse_picture_url, parse_picture):
        part = parse(raw(written), "here")
        assert bytes_of(part) == BASE64.encode()
        assert isinstance(part, ImagePart)
        assert (part.media_type, part.dimensions, part.where) == ("image/png", Dimensions(4, 3), "here")


@pytest.mark.parametrize("bare", [BASE64, BASE64.rstrip("="), BASE64[:10] + "\n" + BASE64[10:]])
def test_a_file_may_be_bare_base64(bare: str) -> None:
    assert bytes_of(parse_picture(raw(bare), "here")) == BASE64.encode()


def test_the_alphabet_of_urls_is_taken() -> None:
    for prefix, parse in ((PREFIX, parse_picture_url), (PREFIX, parse_picture), ("", parse_picture)):
        part = parse(raw(prefix + urlsafe_b64encode(SLASHES).decode()), "here")
        assert bytes_of(part) == b64encode(SLASHES)


def test_escaped_slashes_are_taken() -> None:
    written = json.dumps(PREFIX + b64encode(SLASHES).decode()).replace("/", "\\/").encode()
    assert b"\\/" in written[30:]
    for parse in (parse_picture_url, parse_picture):
        assert bytes_of(parse(Raw(written), "here")) == b64encode(SLASHES)


def test_an_escaped_letter_is_taken() -> None:
    assert bytes_of(parse_picture_url(Raw(b'"\\u0064ata:image/png;base64,' + BASE64.encode() + b'"'), "x"))


@given(st.binary(max_size=300))
def test_what_was_sent_is_what_arrives(tail: bytes) -> None:
    picture = PICTURE + tail
    part = parse_picture_url(raw(PREFIX + b64encode(picture).decode()), "here")
    assert bytes_of(part) == b64encode(picture)
    assert isinstance(part, ImagePart)
    assert isinstance(part.base64, memoryview)


@pytest.mark.parametrize(
    "url", ["https://x.test/a.png", "http://x.test", "HTTPS://X.test/", "https://x.test/?a=\u00fc"]
)
def test_a_link_is_kept_as_it_is(url: str) -> None:
    assert parse_picture_url(raw(url), "here") == ImageLink(url, "here")


@pytest.mark.parametrize(
    ("url", "code"),
    [
        ("data:image/png," + BASE64, Code.INVALID_IMAGE),
        ("data:image/png;base64", Code.INVALID_IMAGE),
        (PREFIX, Code.INVALID_IMAGE),
        (PREFIX + "====", Code.INVALID_IMAGE),
        (PREFIX + "A", Code.INVALID_IMAGE),
        (PREFIX + "!!!!", Code.INVALID_IMAGE),
        (PREFIX + BASE64[:50] + "é" + BASE64[50:], Code.INVALID_IMAGE),
        (PREFIX + BASE64[:50] + "=" + BASE64[50:], Code.INVALID_IMAGE),
        (PREFIX + "QUJD", Code.UNSUPPORTED_MEDIA_TYPE),
        ("data:image/svg+xml;base64," + b64encode(b"<svg xmlns='x'/>").decode(), Code.UNSUPPORTED_MEDIA_TYPE),
        ("data:text/plain;base64," + b64encode(b"%PDF-1.7 words").decode(), Code.UNSUPPORTED_MEDIA_TYPE),
        (BASE64, Code.INVALID_IMAGE),
        ("", Code.INVALID_IMAGE),
        ("cat.png", Code.INVALID_IMAGE),
        ("file:///etc/passwd", Code.INVALID_IMAGE),
        ("gs://bucket/cat.png", Code.INVALID_IMAGE),
        ("ftp://x.test/cat.png", Code.INVALID_IMAGE),
        ("javascript:alert(1)", Code.INVALID_IMAGE),
        (" https://x.test/a.png", Code.INVALID_IMAGE),
        ("//x.test/a.png", Code.INVALID_IMAGE),
        ("impasto:abc", Code.INVALID_IMAGE),
        ("x" * 100_000, Code.INVALID_IMAGE),
    ],
)
def test_a_refusal_names_its_place_and_repeats_nothing(url: str, code: Code) -> None:
    with pytest.raises(Failure, match="messages") as refused:
        parse_picture_url(raw(url), "messages[0].content")
    failure = refused.value
    assert (failure.code, failure.param) == (code, "messages[0].content")
    assert len(failure.message) < 300
    assert BASE64[:20] not in failure.message


def test_a_scheme_that_is_not_fetched_is_named() -> None:
    with pytest.raises(Failure, match="begins with gs:"):
        parse_picture_url(raw("gs://bucket/cat.png"), "here")


@pytest.mark.parametrize("value", [b"1", b"1234567890", b"null", b"true", b"{}", b'["iVBORw0KGgo="]', b"12345678"])
def test_what_is_no_string_is_a_wrong_shape(value: bytes) -> None:
    for parse in (parse_picture_url, parse_picture):
        with pytest.raises(Failure, match="here: Expected string") as refused:
            parse(Raw(value), "here")
        assert refused.value.code is Code.INVALID_BODY


@pytest.mark.parametrize("parse", [parse_picture, parse_picture_url])
def test_bytes_that_are_no_utf8_are_left_to_the_caller(parse: Callable[[Raw, str], object]) -> None:
    with pytest.raises(UnicodeDecodeError):
        parse(Raw(b'"' + PREFIX.encode() + b'\xff\xfe"'), "here")


@pytest.mark.parametrize(
    ("text", "is_picture"),
    [
        (PREFIX + BASE64, True),
        ("DATA:IMAGE/PNG;BASE64,AAAA", True),
        ("data:image/svg+xml,<svg/>", True),
        ("data:image is a kind of URL", False),
        ("data:image/png is my favourite", False),
        ("data:images;base64,AAAA", False),
        ("A picture: " + PREFIX + BASE64, False),
        ("", False),
    ],
)
def test_words_about_data_urls_are_words(text: str, is_picture: bool) -> None:
    assert is_picture_url(raw(text)) == is_picture
    assert is_picture_url(Raw(json.dumps(text).replace("/", "\\/").encode())) == is_picture


@pytest.mark.parametrize("value", [b"null", b"[]", b"1", b"{}"])
def test_what_is_no_string_is_no_picture(value: bytes) -> None:
    assert not is_picture_url(Raw(value))


def test_a_large_picture_is_not_copied() -> None:
    value = Raw(b'"' + PREFIX.encode() + b64encode(png(20 << 20)) + b'"')
    tracemalloc.start()
    try:
        part = parse_picture_url(value, "here")
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert isinstance(part, ImagePart)
    assert peak < 1 << 20
