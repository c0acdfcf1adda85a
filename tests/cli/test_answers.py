"""What an answer holds: a picture, words, a refusal, or nothing of it."""

from typing import Any

import click
import pytest

from impasto.cli.answers import cost_text, picture_in


def answer(content: object = None, refusal: str | None = None, **fields: Any) -> dict[str, Any]:
    message = {"role": "assistant", "content": content, "refusal": refusal}
    return {"choices": [{"message": message, "finish_reason": "stop"}], "cost": 0.0019} | fields


def test_a_picture_is_decoded() -> None:
    assert picture_in(answer("data:image/png;base64,aGVsbG8=")) == b"hello"


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (answer("Which style?"), "The model answered in words, $0.0019: Which style?"),
        (answer(refusal="I will not."), "Refused: I will not. ($0.0019)"),
        (answer(), "The answer holds no picture and no words (stop, $0.0019)."),
        ({}, "The answer is no chat completion. Is an impasto there?"),
        ({"choices": []}, "The answer is no chat completion. Is an impasto there?"),
        ({"choices": ["x"]}, "The answer is no chat completion. Is an impasto there?"),
        ({"choices": [{"message": None}]}, "The answer is no chat completion. Is an impasto there?"),
    ],
)
def test_what_is_no_picture_is_told_in_its_own_words(given: dict[str, Any], said: str) -> None:
    with pytest.raises(click.ClickException) as caught:
        picture_in(given)
    assert caught.value.message == said


@pytest.mark.parametrize(
    ("cost", "status", "said"),
    [
        (0.0685615, "exact", "$0.0686"),
        (0.0685615, "estimated", "about $0.0686"),
        (0, "exact", "free"),
        (None, "unknown", "cost unknown"),
        (0.0000005, "exact", "under $0.0001"),
    ],
)
def test_costs_are_told(cost: float | None, status: str, said: str) -> None:
    assert cost_text({"cost": cost, "cost_status": status}) == said


def test_an_answer_without_a_cost_has_an_unknown_one() -> None:
    assert cost_text({}) == "cost unknown"
