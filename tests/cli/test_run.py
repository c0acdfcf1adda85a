"""`impasto run` before it runs: it never spends money by itself. The rest is in the end-to-end tests."""

from pathlib import Path

import pytest

from impasto.cli.run import CONFIG, PROMPT
from tests.cli.conftest import Impasto

SEED = "google/gemini-3.1-flash-image"


def test_the_first_request_is_the_seeds() -> None:
    assert PROMPT == "A nano banana dish in a fancy restaurant, cinematic lighting"
    assert (CONFIG.aspect_ratio, CONFIG.image_size) == ("16:9", "1K")


def test_a_model_that_costs_is_not_called_unless_told_to(impasto: Impasto) -> None:
    result = impasto("run", "-m", SEED, GEMINI_API_KEY="x")
    assert result.exit_code == 1
    assert f"{SEED} would cost at most $0." in result.stderr
    assert f"impasto run -m {SEED} --paid, or make run MODEL={SEED} PAID=1." in result.stderr


@pytest.mark.parametrize("flags", [[], ["--paid"]])
def test_a_model_without_a_key_is_told_first(flags: list[str], impasto: Impasto) -> None:
    result = impasto("run", "-m", SEED, *flags)
    assert result.exit_code == 1
    assert result.stderr == "Error: No key for Google is set. Set GEMINI_API_KEY or GOOGLE_API_KEY.\n"


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("local/paintr", 'There is no model "local/paintr". Did you mean local/painter?'),
        ("zzzz", 'There is no model "zzzz". impasto models lists them.'),
        ("google/gemini-2.5-flash", "google/gemini-2.5-flash answers in words and makes no pictures."),
    ],
)
def test_a_name_that_cannot_make_a_picture_is_told(name: str, said: str, impasto: Impasto) -> None:
    result = impasto("run", "-m", name, GEMINI_API_KEY="x")
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.startswith(f"Error: {said}")


def test_a_folder_that_holds_output_png_is_told(impasto: Impasto) -> None:
    Path("output.png").mkdir()
    result = impasto("run")
    assert result.exit_code == 1
    assert "-o output.png is a folder" in result.stderr
