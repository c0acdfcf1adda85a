"""Ranges of bytes: what is asked for, and what is no range."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from impasto.api.ranges import ByteRange, UnsatisfiableRangeError, applies, parse_range

MANY = "9" * 6000


@pytest.mark.parametrize(
    ("header", "first", "last"),
    [
        ("bytes=0-0", 0, 0),
        ("bytes=0-99", 0, 99),
        ("bytes=10-", 10, 99),
        ("bytes=99-", 99, 99),
        ("bytes=90-1000", 90, 99),
        (f"bytes=90-{MANY}", 90, 99),
        ("bytes=-1", 99, 99),
        ("bytes=-100", 0, 99),
        ("bytes=-1000", 0, 99),
        (f"bytes=-{MANY}", 0, 99),
        ("Bytes = 5-6 ", 5, 6),
        ("bytes=,5-6,", 5, 6),
        (f"bytes={'0' * 6000}5-6", 5, 6),
    ],
)
def test_one_range_is_a_part(header: str, first: int, last: int) -> None:
    part = parse_range(header, 100)
    assert part == ByteRange(first, last, 100)
    assert part.byte_count == last - first + 1
    assert part.content_range == f"bytes {first}-{last}/100"


@pytest.mark.parametrize("header", ["bytes=100-", "bytes=100-200", f"bytes={MANY}-", "bytes=-0"])
def test_a_range_without_a_byte_is_refused(header: str) -> None:
    with pytest.raises(UnsatisfiableRangeError):
        parse_range(header, 100)


@pytest.mark.parametrize("header", ["bytes=0-", "bytes=-5", "bytes=-0"])
def test_of_nothing_there_is_no_part(header: str) -> None:
    with pytest.raises(UnsatisfiableRangeError):
        parse_range(header, 0)


@pytest.mark.parametrize(
    "header",
    ["", "bytes", "bytes=", "bytes=-", "bytes=5", "bytes=6-5", "bytes=a-b", "bytes=1-2-3", "bytes=+1-2", "bytes=1 - 2",
     "bytes=١-٢", "bytes=0-1,5-6", "bytes=0-1, -5", "lines=0-1", "bytes:0-1", "bytes=0x1-2", "bytes==0-1"],
)  # fmt: skip
def test_what_is_not_one_range_of_bytes_asks_for_the_whole(header: str) -> None:
    assert parse_range(header, 100) is None


@given(st.text(alphabet="bytes=0123456789-, ", max_size=30), st.integers(0, 200))
def test_a_part_lies_within_the_whole(header: str, total: int) -> None:
    try:
        part = parse_range(header, total)
    except UnsatisfiableRangeError:
        return
    assert part is None or 0 <= part.first <= part.last < total


@pytest.mark.parametrize(
    ("if_range", "etag", "fits"),
    [
        ("", '"a"', True),
        ('"a"', '"a"', True),
        ('"b"', '"a"', False),
        ('W/"a"', '"a"', False),
        ('W/"a"', 'W/"a"', False),
        ("Wed, 21 Jan 2026 13:53:20 GMT", '"a"', False),
        ('"a", "b"', '"a"', False),
    ],
)
def test_a_part_is_sent_to_who_has_another_part_of_the_same(if_range: str, etag: str, fits: bool) -> None:
    assert applies(if_range, etag) is fits
