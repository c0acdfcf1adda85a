"""CBOR is read as the standard writes it, and whatever is no CBOR is nothing."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from impasto.domain.cbor import read_cbor
from tests.fakes.credentials import cbor


@pytest.mark.parametrize(
    ("encoded", "value"),
    [  # https://www.rfc-editor.org/rfc/rfc8949#appendix-A
        ("00", 0),
        ("17", 23),
        ("1818", 24),
        ("1903e8", 1000),
        ("1b000000e8d4a51000", 1000000000000),
        ("20", -1),
        ("3903e7", -1000),
        ("f4", False),
        ("f5", True),
        ("f6", None),
        ("f93c00", None),
        ("fb3ff199999999999a", None),
        ("c11a514b67b0", 1363896240),
        ("4401020304", None),
        ("62c3bc", "ü"),
        ("8301820203820405", [1, [2, 3], [4, 5]]),
        ("a26161016162820203", {"a": 1, "b": [2, 3]}),
        ("a201020304", {}),
        ("7f657374726561646d696e67ff", "streaming"),
        ("5f42010243030405ff", None),
        ("9f018202039f0405ffff", [1, [2, 3], [4, 5]]),
        ("bf61610161629f0203ffff", {"a": 1, "b": [2, 3]}),
    ],
)
def test_examples_of_the_standard(encoded: str, value: object) -> None:
    assert read_cbor(bytes.fromhex(encoded)) == value


@pytest.mark.parametrize(
    "encoded", ["", "18", "61", "ff", "81ff", "a1ff", "bf01ff", "1c", "9bffffffffffffffff", "1f", "61ff"]
)
def test_what_is_malformed_is_nothing(encoded: str) -> None:
    assert read_cbor(bytes.fromhex(encoded)) is None


def test_depth_and_length_are_bounded() -> None:
    assert read_cbor(b"\x81" * 10 + b"\x01") is not None
    assert read_cbor(b"\x81" * 100_000 + b"\x01") is None
    assert read_cbor(b"\xc1" * 100_000 + b"\x01") is None
    assert read_cbor(b"\x9a\x00\x0f\xff\xff" + b"\x01" * (1 << 20)) is None


VALUES = st.recursive(
    st.integers(-(2**63), 2**63 - 1) | st.text(max_size=300) | st.booleans() | st.none(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=12,
)


@given(VALUES)
def test_what_is_written_is_read(value: object) -> None:
    assert read_cbor(cbor(value)) == value


@given(st.binary(max_size=100))
@example(b"\xbb\xff\xff\xff\xff\xff\xff\xff\xff")
@example(b"\x7b\xff\xff\xff\xff\xff\xff\xff\xff")
def test_any_bytes_are_taken(data: bytes) -> None:
    read_cbor(data)
