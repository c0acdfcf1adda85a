"""`impasto generate` up to the request, and what it says of the answer; the pictures are in the end-to-end tests."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from impasto.cli.generate import body_of
from tests.cli.conftest import Impasto
from tests.cli.test_gateway import KEY, server_that_says
from tests.fakes.pictures import png

PICTURE = "data:image/png;base64,iVBORw0KGgo="


def model(name: str, **changes: Any) -> dict[str, Any]:
    output = {"capabilities": {"output_modalities": ["text", "image"]}, "lifecycle": {"retired": None}}
    return {"id": name, "available": True, "owned_by": "google"} | output | changes


def answer(content: object = PICTURE, **changes: Any) -> dict[str, Any]:
    message = {"content": content, "text": "Here it is.", "refusal": None}
    return {"choices": [{"message": message}], "model": "m", "cost": 0.0675, "usage": {}} | changes


@pytest.fixture
def elsewhere() -> Iterator[str]:
    """A gateway that has nothing but one answer, and answers everything with it."""
    models = [
        model("google/retired", lifecycle={"retired": "2026-01-01"}),
        model("google/words", capabilities={"output_modalities": ["text"]}),
        model("google/no-key", available=False),
        model("local/painter", owned_by="local"),
        model("google/living"),
    ]
    with server_that_says(200, json.dumps({"data": models} | answer())) as (url, _):
        yield url


def test_the_body_holds_what_was_asked_and_nothing_else() -> None:
    assert body_of("a boat", (), aspect_ratio=None, image_size=None) == {
        "messages": [{"role": "user", "content": "a boat"}],
        "image_output": "content",
    }
    body = body_of("a boat", (), aspect_ratio="16:9", image_size="2K")
    assert body["image_config"] == {"aspect_ratio": "16:9", "image_size": "2K"}


def test_photos_follow_the_words_in_their_order(folder: Path) -> None:
    for number in (1, 2):
        (folder / f"{number}.png").write_bytes(png(number, number))
    content = body_of("join them", ("1.png", "2.png"), aspect_ratio=None, image_size=None)["messages"][0]["content"]
    assert [part["type"] for part in content] == ["text", "image_url", "image_url"]
    assert content[1]["image_url"]["url"] != content[2]["image_url"]["url"]


def test_a_picture_is_saved_and_told_of(impasto: Impasto, elsewhere: str, folder: Path) -> None:
    result = impasto("generate", "a boat", "--url", elsewhere, "-o", "boat.jpg", IMPASTO_API_KEY=KEY)
    assert result.exit_code == 0
    assert (folder / "boat.png").exists()
    assert result.stdout.splitlines()[0] == "boat.png  (the bytes are image/png, and the suffix follows them)"
    assert "$0.0675" in result.stdout
    assert "Here it is." in result.stdout


def test_facts_are_json(impasto: Impasto, elsewhere: str) -> None:
    facts = json.loads(impasto("generate", "a boat", "--url", elsewhere, "--json", IMPASTO_API_KEY=KEY).stdout)
    assert {name: facts[name] for name in ("path", "model", "served_by", "cost", "text", "note")} == {
        "path": "output.png", "model": "m", "served_by": "m", "cost": 0.0675, "text": "Here it is.", "note": "",
    }  # fmt: skip


def test_several_pictures_have_numbers_and_seeds(impasto: Impasto, elsewhere: str, folder: Path) -> None:
    result = impasto("generate", "x", "--url", elsewhere, "-n", "3", "--seed", "7", "--json", IMPASTO_API_KEY=KEY)
    facts = json.loads(result.stdout)
    assert [(fact["path"], fact["seed"]) for fact in facts] == [
        ("output-1.png", 7), ("output-2.png", 8), ("output-3.png", 9),
    ]  # fmt: skip
    assert sorted(file.name for file in folder.glob("*.png")) == ["output-1.png", "output-2.png", "output-3.png"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["a boat", "-o", "gone/x.png"], "-o gone/x.png: there is no folder gone."),
        (["a boat", "-o", "."], "-o . is a folder."),
        (["a boat", "-i", "gone.png"], "-i gone.png cannot be read: No such file or directory."),
        ([" "], "PROMPT is empty."),
        (["a \udcff"], "PROMPT is not UTF-8."),
        (["a boat", "--url", "x"], '--url or IMPASTO_URL: "x" is no address.'),
        (["a boat", "--config", "gone.toml"], "gone.toml: there is no such file"),
    ],
)
def test_mistakes_are_told_before_anything_is_asked(arguments: list[str], said: str, impasto: Impasto) -> None:
    result = impasto("generate", *arguments, IMPASTO_API_KEY=KEY)
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.startswith(f"Error: {said}")


@pytest.mark.parametrize("count", ["0", "11", "many"])
def test_a_count_out_of_range_is_a_wrong_call(count: str, impasto: Impasto) -> None:
    assert impasto("generate", "a boat", "-n", count).exit_code == 2


@pytest.mark.parametrize(
    ("said", "told"),
    [
        (answer("Which style?"), "Error: The model answered in words, $0.0675: Which style?\n"),
        ({"data": 7}, "lists no models as an impasto does. Name one with -m."),
        ({"data": [{}]}, "lists no models as an impasto does. Name one with -m."),
        ({}, "Error: The answer is no chat completion. Is an impasto there?\n"),
    ],
)
def test_other_answers_exit_1_with_their_words(said: dict[str, Any], told: str, impasto: Impasto) -> None:
    with server_that_says(200, json.dumps({"data": [model("google/living")]} | said)) as (url, _):
        result = impasto("generate", "a boat", IMPASTO_URL=url, IMPASTO_API_KEY=KEY)
    assert (result.exit_code, result.stdout) == (1, "")
    assert told in result.stderr
