import pytest

from impasto.domain.errors import Code, Failure, listed


@pytest.mark.parametrize(
    ("choices", "sentence"),
    [((), "none"), (("a",), "a"), (("a", "b"), "a and b"), (("a", "b", "c"), "a, b and c")],
)
def test_choices_are_listed_as_a_sentence_has_them(choices: tuple[str, ...], sentence: str) -> None:
    assert listed(choices) == sentence


def test_what_is_logged_is_the_message_unless_something_else_was_said() -> None:
    assert Failure(Code.INTERNAL, "shown").logged == "shown"
    assert Failure(Code.INTERNAL, "shown", logged="kept").logged == "kept"


def test_nobody_is_invited_to_try_again_unless_somebody_says_so() -> None:
    failure = Failure(Code.PROVIDER_WRONG, "shown")
    assert (failure.retry_helps, failure.retry_after_seconds, failure.param, str(failure)) == (
        False,
        None,
        None,
        "shown",
    )
