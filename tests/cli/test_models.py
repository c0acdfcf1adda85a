"""`impasto models`: readable in a terminal, complete as JSON, the living before the dead."""

import json
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

from impasto.catalogue.load import load_catalogue
from impasto.cli.models import is_retired, picture_cost
from impasto.domain.model import Lifecycle
from tests.cli.conftest import Impasto
from tests.fakes.models import a_model

IDS = list(load_catalogue().models)
SEED = "google/gemini-3.1-flash-image"


def facts(impasto: Impasto, **environment: str) -> dict[str, dict[str, Any]]:
    return {model["id"]: model for model in json.loads(impasto("models", "--json", **environment).stdout)}


def test_json_knows_every_model_and_what_it_needs(impasto: Impasto) -> None:
    models = facts(impasto)
    assert set(models) == set(IDS)
    seed = models[SEED]
    assert (seed["available"], seed["needs"]) == (False, "GEMINI_API_KEY")
    assert seed["usd_per_picture"]["1K"] == "0.0672"
    assert seed["image_sizes"] == ["512", "1K", "2K", "4K"]
    assert "16:9" in seed["aspect_ratios"]
    assert "https://" in seed["price_source"]
    assert models["local/painter"]["usd_per_picture"]["4K"] == "0"


def test_a_key_makes_its_models_available(impasto: Impasto) -> None:
    seed = facts(impasto, GOOGLE_API_KEY="x")[SEED]
    assert (seed["available"], seed["needs"]) == (True, None)


def test_the_retired_come_last(impasto: Impasto) -> None:
    gone = [is_retired(load_catalogue().models[id_]) for id_ in facts(impasto)]
    assert gone == sorted(gone)
    assert any(gone)


def test_the_table_lists_what_makes_pictures_and_says_what_is_missing(impasto: Impasto) -> None:
    result = impasto("models")
    [seed] = [line for line in result.stdout.splitlines() if line.startswith(f"{SEED} ")]
    assert seed.split() == [SEED, "512", "0.045", "1K", "0.067", "2K", "0.101", "4K", "0.151", "14", "no"]
    assert "google/gemini-2.5-flash " not in result.stdout
    assert "Set GEMINI_API_KEY to use the models of Google." in result.stdout
    assert "google/gemini-3.1-flash-image-preview was retired on 2026-06-25; ask for" in result.stdout


def test_all_lists_what_answers_in_words_as_well(impasto: Impasto) -> None:
    assert "words only" in impasto("models", "--all").stdout


def test_a_narrow_terminal_gets_two_sizes_in_a_line(impasto: Impasto) -> None:
    lines = impasto("models", COLUMNS="80").stdout.splitlines()
    notes = next(index for index, line in enumerate(lines) if line.startswith("Set "))
    assert max(map(len, lines[:notes])) <= 80
    [seed] = [index for index, line in enumerate(lines) if line.startswith(f"{SEED} ")]
    assert lines[seed + 1].split() == ["2K", "0.101", "4K", "0.151"]


def test_a_day_in_the_future_is_not_the_end() -> None:
    today = date.today()  # noqa: DTZ011 - as the command reads it
    for days, gone in ((-1, True), (0, True), (1, False)):
        assert is_retired(a_model(lifecycle=Lifecycle(retired=today + timedelta(days)))) is gone
    assert not is_retired(a_model())


def test_a_cost_that_nobody_knows_is_none() -> None:
    assert picture_cost(a_model(), "1K") == Decimal("0.0672")
    assert picture_cost(a_model(price=None), "1K") is None
