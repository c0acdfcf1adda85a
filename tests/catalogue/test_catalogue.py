"""Names: exact, through an alias, or only suggested."""

from dataclasses import FrozenInstanceError
from typing import Any, cast

import pytest

from impasto.catalogue.load import load_catalogue

CATALOGUE = load_catalogue({"aliases": {"pro": "google/gemini-3-pro-image"}})


def test_a_name_is_found_exactly_or_through_an_alias() -> None:
    found = CATALOGUE.find("google/gemini-3-pro-image")
    assert found is not None
    assert CATALOGUE.find("pro") is found
    retired_name = CATALOGUE.find("google/gemini-2.5-flash-image-preview")
    assert retired_name is not None
    assert retired_name.id == "google/gemini-2.5-flash-image"


@pytest.mark.parametrize(
    "name", ["", "gemini-3-pro-image", "Google/gemini-3-pro-image", "google/gemini-3-pro-image ", "PRO"]
)
def test_nothing_else_is_found(name: str) -> None:
    assert CATALOGUE.find(name) is None


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("gemini-3-pro-image", "google/gemini-3-pro-image"),
        ("gemini/gemini-2.5-flash-image", "google/gemini-2.5-flash-image"),
        ("google/gemini-3.1-flash-image-previw", "google/gemini-3.1-flash-image-preview"),
        ("GOOGLE/GEMINI-3-PRO-IMAGE", "google/gemini-3-pro-image"),
        ("painter", "local/painter"),
        ("prp", "google/gemini-3-pro-image"),
    ],
)
def test_what_was_probably_meant_comes_first(name: str, meant: str) -> None:
    assert CATALOGUE.nearest(name)[0] == meant


def test_at_most_three_are_suggested_each_once() -> None:
    for name in ("google/gemini", "google/gemini-3.1-flash-image", "google/gemini-2.5-flash-image-preview"):
        suggested = CATALOGUE.nearest(name)
        assert len(suggested) == len(set(suggested)) <= 3
        assert all(model_id in CATALOGUE.models for model_id in suggested)


@pytest.mark.parametrize("name", ["", "/", "zzzzzzzz", "dall-e-3", "google/" + "a" * 1_000_000])
def test_nothing_is_suggested_for_what_resembles_nothing(name: str) -> None:
    assert CATALOGUE.nearest(name) == ()


def test_a_catalogue_does_not_change() -> None:
    models = cast("dict[str, Any]", CATALOGUE.models)
    with pytest.raises(TypeError):
        models["google/new"] = models["local/painter"]
    with pytest.raises(FrozenInstanceError):
        CATALOGUE.models = {}  # type: ignore[misc]
