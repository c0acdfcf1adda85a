"""Which part of a representation does the caller want?

Rule: RFC 9110, section 14. One range is answered with that part. Several at once, and what is no range of
bytes, are answered with the whole, as 14.2 allows: a multipart answer is more than any player or resumed
download asks for.
"""

from dataclasses import dataclass

_MOST_DIGITS = 19
"""More of them say no other thing than "beyond the end"."""


@dataclass(frozen=True, slots=True)
class ByteRange:
    """Bytes `first` to `last`, both included, of `total`."""

    first: int
    last: int
    total: int

    @property
    def byte_count(self) -> int:
        return self.last - self.first + 1

    @property
    def content_range(self) -> str:
        return f"bytes {self.first}-{self.last}/{self.total}"


class UnsatisfiableRangeError(ValueError):
    """No byte is in the range."""


def parse_range(header: str, total: int) -> ByteRange | None:
    """The part of `total` bytes that `Range` names; `None` where the whole is to be sent.

    Raises `UnsatisfiableRangeError`.
    """
    unit, is_range, ranges = header.partition("=")
    # Empty elements of a list are skipped (RFC 9110, 5.6.1.2).
    asked = [element.strip(" \t") for element in ranges.split(",") if element.strip(" \t")]
    if unit.strip().lower() != "bytes" or not is_range or len(asked) != 1:
        return None
    begin, dash, end = asked[0].partition("-")
    if not dash or not (begin or end) or not _is_number(begin or "0") or not _is_number(end or "0"):
        return None
    if not begin:
        return _part(max(0, total - _number(end)), total - 1, total)
    if end and _number(end) < _number(begin):
        return None  # not a range at all (14.1.1)
    return _part(_number(begin), min(_number(end), total - 1) if end else total - 1, total)


def applies(if_range: str, etag: str) -> bool:
    """Whether a part may be sent: the caller has no condition, or has a part of just these bytes.

    The tags are compared strongly (13.1.5); a date never fits, for no answer here has one.
    """
    return not if_range or (if_range.strip() == etag and etag.startswith('"'))


def _part(first: int, last: int, total: int) -> ByteRange:
    if first > last:
        raise UnsatisfiableRangeError
    return ByteRange(first, last, total)


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdecimal()


def _number(text: str) -> int:
    return int(text.lstrip("0")[:_MOST_DIGITS] or "0")
