"""The table of models."""

import pytest

from impasto.simulator.models import MODELS, RETIRED, by_name

EVERY_NAME = by_name(MODELS)


@pytest.mark.parametrize(
    ("name", "ratio", "size", "expected"),
    [
        ("gemini-2.5-flash-image", "16:9", None, (1344, 768)),
        ("gemini-3.1-flash-image", "16:9", "2K", (2752, 1536)),
        ("gemini-3.1-flash-image", "21:9", "512", (792, 336)),
        ("gemini-3.1-flash-image", "1:4", "512", (256, 1024)),
        ("gemini-3.1-flash-image", "1:4", "1K", (512, 2064)),
        ("gemini-nano-banana-2.1", "8:1", "4K", (11712, 1408)),
        ("gemini-3-pro-image", None, None, (1408, 768)),
    ],
)
def test_dimensions(name: str, ratio: str | None, size: str | None, expected: tuple[int, int]) -> None:
    assert EVERY_NAME[name].dimensions(ratio, size) == expected


def test_retired_names_are_known_names_that_do_not_answer() -> None:
    assert EVERY_NAME.keys() >= RETIRED
    assert not by_name(MODELS, RETIRED).keys() & RETIRED


def test_five_models_make_pictures() -> None:
    assert [model.makes_images for model in MODELS].count(True) == 5
