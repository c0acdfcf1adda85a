"""Signatures hold for one part, whole."""

from hypothesis import assume, given
from hypothesis import strategies as st

from impasto.simulator.signatures import is_signature_of, signature_of

lengths = st.integers(0, 3000)


@given(content=st.text(), characters=lengths)
def test_a_signature_holds_for_its_content(content: str, characters: int) -> None:
    signature = signature_of(content, characters)
    assert is_signature_of(signature, content)
    assert is_signature_of(signature.replace("+", "-").replace("/", "_"), content)


@given(content=st.text(), other=st.text(), characters=lengths)
def test_no_signature_holds_for_other_content(content: str, other: str, characters: int) -> None:
    assume(content != other)
    assert not is_signature_of(signature_of(content, characters), other)


@given(content=st.text(), characters=lengths, cut=st.integers(1, 40))
def test_a_cut_signature_does_not_hold(content: str, characters: int, cut: int) -> None:
    assert not is_signature_of(signature_of(content, characters)[:-cut], content)


def test_it_is_as_long_as_asked() -> None:
    assert len(signature_of("a cat", 3_000_000)) == 3_000_000
