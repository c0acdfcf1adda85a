"""What is looked for in prompts."""

import pytest

from impasto.domain.errors import Code, Failure
from impasto.domain.lineage import MAX_QUERY_CHARACTERS, words_of


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("bridge", ("bridge",)),
        ("  stone   bridge ", ("stone", "bridge")),
        ("snow-covered, and/or <old>", ("snow", "covered", "and", "or", "old")),
        ('"a" OR b*', ("a", "OR", "b")),
        ("a a A", ("a", "A")),
        ("cafe\u0301", ("café",)),
        ("हिन्दी", ("हिन्दी",)),
        ("\u0301 x", ("x",)),
        ("a\x00b\ud800c", ("a", "b", "c")),
        ("16:9 4k", ("16", "9", "4k")),
    ],
)
def test_words_are_runs_of_letters_digits_and_their_marks(query: str, words: tuple[str, ...]) -> None:
    assert words_of(query) == words


@pytest.mark.parametrize(
    "query", ["", "  ", "!?", "***", "🎨", "\x00", "\u0301", "_", "a" * (MAX_QUERY_CHARACTERS + 1)]
)
def test_a_query_without_a_word_and_one_that_is_too_long_are_refused(query: str) -> None:
    with pytest.raises(Failure) as caught:
        words_of(query)
    assert (caught.value.code, caught.value.param) == (Code.INVALID_VALUE, "query")
    assert caught.value.message.startswith("query")
