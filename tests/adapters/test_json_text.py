"""JSON that went through the scanner and back says what it said."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from impasto.adapters.json_scan import JsonError, JsonScanner
from impasto.adapters.json_text import JsonText

JSON: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=9),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["data", "text"]) | st.text(max_size=4), inner, max_size=3)
    ),
    max_leaves=9,
)


def written(document: bytes, cut: int = 7, max_bytes: int = 1 << 20) -> str:
    scanner, text = JsonScanner(("data",)), JsonText(max_bytes)
    for start in range(0, len(document), cut):
        for token in scanner.feed(document[start : start + cut]):
            text.take(token)
    for token in scanner.finish():
        text.take(token)
    return text.whole()


@given(JSON, st.integers(1, 30), st.booleans())
def test_any_value_is_written_as_it_was_read(value: Any, cut: int, ascii_only: bool) -> None:
    assert json.loads(written(json.dumps(value, ensure_ascii=ascii_only).encode(), cut)) == value


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        ('{ "a" : 1.50 , "b":[ ] }', '{"a":1.50,"b":[]}'),
        ("[1E2, -0, 0.10, 12345678901234567890123, null, true]", "[1E2,-0,0.10,12345678901234567890123,null,true]"),
        (r'{"data":"a\"b\u00fc","k\u0065y":["\n",{}]}', r'{"data":"a\"bü","key":["\n",{}]}'),
        ('{"data":["x","",{"data":""}],"data":"twice"}', '{"data":["x","",{"data":""}],"data":"twice"}'),
        ('"alone"', '"alone"'),
    ],
)
def test_only_white_space_and_needless_escapes_are_lost(document: str, expected: str) -> None:
    assert written(document.encode(), 3) == expected


@pytest.mark.parametrize("document", [b'{"a":[1,2,3,4,5,6]}', b'{"data":"123456789012"}', b'["123456789012"]'])
def test_there_is_a_bound(document: bytes) -> None:
    assert written(document, 2, len(document))
    with pytest.raises(JsonError, match="10 bytes"):
        written(document, 2, 10)


def test_a_streamed_string_has_to_be_utf8() -> None:
    with pytest.raises(JsonError, match="UTF-8"):
        written(b'{"data":"\xff\xff"}')
