"""Signatures: ids that tell a part and nothing else, and base64 that can stand in JSON."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from impasto.domain.signatures import id_of_picture, id_of_words, is_id, is_signature, place_of_words


@given(st.text(max_size=10), st.text(min_size=1, max_size=20), st.text(max_size=10))
def test_words_are_found_where_they_stand(before: str, text: str, after: str) -> None:
    signature_id = id_of_words(text, len(before))
    assert is_id(signature_id)
    assert place_of_words(signature_id, before + text + after) == (len(before), len(before + text))


@pytest.mark.parametrize("words", ["", "Step 1:", "Step 1", " Step 1: ", "step 1: ", "Step 1:\n"])
def test_other_words_are_not_taken_for_them(words: str) -> None:
    assert place_of_words(id_of_words("Step 1: ", 0), words) is None
    assert place_of_words(id_of_words("", len(words)), words) is None


@pytest.mark.parametrize("other", ["", "text-0", "text-0-0-0123456789abcdef", "rs_0123", "image-01", "img_"])
def test_other_ids_are_none(other: str) -> None:
    assert place_of_words(other, "words") is None
    assert not is_id(other)


def test_a_picture_is_told_by_its_hash() -> None:
    assert id_of_picture("0123456789abcdef" * 4) == "image-0123456789abcdef"
    assert is_id(id_of_picture("f" * 64))
    assert is_id("img_" + "0" * 32)


@pytest.mark.parametrize(
    ("data", "can"),
    [
        (b"c2ln", True), (b"c2k=", True), (b"_-8=", True), (b"c2lna", True), (b"A" * (1 << 18) + b"-_", True),
        (b"", False), (b'c2"n', False), (b"c2\\n", False), (b"c2 n", False), (b"A" * (1 << 18) + b'"', False),
        ("ä".encode(), False),
    ],
)  # fmt: skip
def test_only_base64_can_stand_in_json_as_it_is(data: bytes, can: bool) -> None:
    assert is_signature(data) is can
    assert is_signature(memoryview(data)) is can
