"""The packaged catalogue: what it says of the models that matter most, and laws that every entry keeps."""

import re
from datetime import date
from decimal import Decimal

import pytest

from impasto.catalogue.load import load_catalogue
from impasto.domain.chat import Sampling
from impasto.domain.model import Model
from impasto.domain.pricing import cost_of
from impasto.domain.usage import Usage

CATALOGUE = load_catalogue()
MODELS = [pytest.param(model, id=model.id) for model in CATALOGUE.models.values()]
IMAGE_MODELS = [pytest.param(model, id=model.id) for model in CATALOGUE.models.values() if model.images]

FOURTEEN_RATIOS = ["1:1", "16:9", "9:16", "4:3", "3:4", "21:9", "2:3", "3:2", "4:5", "5:4", "1:4", "4:1", "1:8", "8:1"]
TEN_RATIOS = [ratio for ratio in FOURTEEN_RATIOS if ratio not in {"1:4", "4:1", "1:8", "8:1"}]


def model_named(name: str) -> Model:
    model = CATALOGUE.find(name)
    assert model is not None, name
    return model


def test_google_is_reached_as_its_own_library_reaches_it() -> None:
    google = CATALOGUE.providers["google"]
    assert (google.name, google.adapter) == ("Google", "gemini")
    assert google.base_url == "https://generativelanguage.googleapis.com"
    assert google.base_url_env == "GOOGLE_GEMINI_BASE_URL"
    assert google.key_env == ("GEMINI_API_KEY", "GOOGLE_API_KEY")
    assert (google.key_header, google.key_prefix) == ("x-goog-api-key", "")
    assert not google.is_local


def test_the_painter_is_here_and_free() -> None:
    painter = model_named("local/painter")
    assert painter.provider.is_local
    assert (painter.provider.name, painter.provider.adapter) == ("impasto", "painter")
    assert painter.images is not None
    assert sorted(painter.images.aspect_ratios) == sorted(FOURTEEN_RATIOS)
    assert painter.images.image_sizes == ("512", "1K", "2K", "4K")
    assert painter.images.dimensions["512"]["21:9"] == (792, 336)
    assert painter.parameters == ("seed",)
    assert painter.max_input_images == 4
    assert cost_of(Usage(10, 20, 30, 40, 50), painter.price) == 0


def test_the_previews_name_is_served_by_the_same_model_under_its_final_name() -> None:
    preview = model_named("google/gemini-3.1-flash-image-preview")
    final = model_named("google/gemini-3.1-flash-image")
    assert preview.wire_name == final.wire_name == "gemini-3.1-flash-image"
    assert preview.lifecycle.retired == date(2026, 6, 25)
    assert preview.lifecycle.on_retired == "serve"
    assert preview.lifecycle.replaced_by == "google/gemini-nano-banana-2.1"
    assert preview.images == final.images
    assert preview.price == final.price
    assert preview.images is not None
    assert sorted(preview.images.aspect_ratios) == sorted(FOURTEEN_RATIOS)
    assert preview.images.image_sizes == ("512", "1K", "2K", "4K")
    assert preview.images.dimensions["2K"]["16:9"] == (2752, 1536)


def test_the_first_flash_image_makes_one_size_that_is_not_sent() -> None:
    flash = model_named("google/gemini-2.5-flash-image")
    assert flash.wire_name == "gemini-2.5-flash-image"
    assert flash.lifecycle.on_retired == "serve"
    assert flash.images is not None
    assert sorted(flash.images.aspect_ratios) == sorted(TEN_RATIOS)
    assert (flash.images.image_sizes, flash.images.sends_image_size) == (("1K",), False)
    assert flash.images.dimensions["1K"]["16:9"] == (1344, 768)
    assert (flash.signatures, flash.thinking_levels) == (False, ())


def test_the_pro_preview_is_sent_under_its_final_name() -> None:
    preview = model_named("google/gemini-3-pro-image-preview")
    assert preview.wire_name == "gemini-3-pro-image"
    assert (preview.lifecycle.on_retired, preview.lifecycle.retired) == ("serve", date(2026, 6, 25))
    assert model_named("google/nano-banana-pro-preview").wire_name == "nano-banana-pro-preview"


@pytest.mark.parametrize(
    ("name", "usage", "dollars"),
    [
        ("google/gemini-3.1-flash-image-preview", Usage(5, 0, 453, 1120), "0.0685615"),
        ("google/gemini-3.1-flash-image", Usage(5, 0, 453, 1120), "0.0685615"),
        ("google/gemini-2.5-flash-image", Usage(10, 0, 5, 1290), "0.0387155"),
        ("google/gemini-3-pro-image-preview", Usage(10, 0, 69, 1120, 115), "0.136628"),
        ("google/gemini-3-pro-image", Usage(10, 0, 69, 1120, 115), "0.136628"),
        ("google/gemini-nano-banana-2.1", Usage(output_image_tokens=3780), "0.1134"),
        ("google/gemini-3.1-flash-lite-image", Usage(output_image_tokens=1120), "0.0336"),
    ],
)
def test_golden_costs(name: str, usage: Usage, dollars: str) -> None:
    assert cost_of(usage, model_named(name).price) == Decimal(dollars)


@pytest.mark.parametrize(
    ("name", "tokens"),
    [
        ("google/gemini-2.5-flash-image", {"1K": 1290}),
        ("google/gemini-3-pro-image", {"1K": 1120, "2K": 1120, "4K": 2000}),
        ("google/gemini-3.1-flash-image", {"512": 747, "1K": 1120, "2K": 1680, "4K": 2520}),
        ("google/gemini-3.1-flash-lite-image", {"1K": 1120}),
        ("google/gemini-nano-banana-2.1", {"1K": 1120, "2K": 1680, "4K": 3780}),
    ],
)
def test_golden_tokens_per_image(name: str, tokens: dict[str, int]) -> None:
    images = model_named(name).images
    assert images is not None
    assert images.tokens_per_image == tokens


def test_measured_dimensions_win_over_those_of_googles_table() -> None:
    for name in ("gemini-3.1-flash-image", "gemini-3.1-flash-lite-image", "gemini-nano-banana-2.1"):
        images = model_named(f"google/{name}").images
        assert images is not None
        assert images.dimensions["1K"]["1:4"] == (512, 2064)
        assert images.dimensions["1K"]["8:1"] == (2928, 352)
        assert images.dimensions["1K"]["16:9"] == (1376, 768)


@pytest.mark.parametrize("name", ["google/gemini-3.1-flash-image", "google/gemini-3.1-flash-image-preview"])
def test_dimensions_that_nobody_knows_are_left_out(name: str) -> None:
    images = model_named(name).images
    assert images is not None
    assert "21:9" in images.aspect_ratios
    assert "21:9" not in images.dimensions["512"]


def test_models_that_make_drafts_reserve_for_all_of_them() -> None:
    for model in CATALOGUE.models.values():
        if model.images and model.images.drafts:
            assert model.images.max_images_per_call > 1, model.id


def test_text_models_are_here_too() -> None:
    words_only = [model for model in CATALOGUE.models.values() if model.output == ("text",)]
    assert 4 <= len(words_only) <= 7
    assert all(model.input == ("text", "image") and not model.makes_images for model in words_only)


@pytest.mark.parametrize("model", MODELS)
def test_every_model_says_what_it_is_and_what_it_costs(model: Model) -> None:
    assert model.id == f"{model.provider.id}/{model.id.split('/', 1)[1]}"
    assert model.description.endswith(".")
    assert "text" in model.input
    assert set(model.parameters) <= {*Sampling.__slots__, "tools", "response_format"} - {"reasoning_effort"}
    assert not (model.makes_images and {"tools", "response_format"} & set(model.parameters))
    assert model.price is not None
    assert model.price.output_text is not None
    assert model.price.checked >= date(2026, 11, 22)
    assert model.price.source
    assert (model.images is not None) == ("image" in model.output)
    if model.lifecycle.replaced_by:
        assert model.lifecycle.replaced_by in CATALOGUE.models


@pytest.mark.parametrize("model", IMAGE_MODELS)
def test_every_image_model_is_consistent(model: Model) -> None:
    images, price = model.images, model.price
    assert images is not None
    assert price is not None
    assert price.output_image is not None
    assert set(images.aspect_ratios) <= set(FOURTEEN_RATIOS)
    assert set(images.image_sizes) <= {"512", "1K", "2K", "4K"}
    assert images.default_image_size in images.image_sizes
    assert tuple(images.tokens_per_image) == images.image_sizes == tuple(images.dimensions)
    assert all(re.fullmatch(r"image/[a-z]+", kind) for kind in model.input_media_types)
    assert {"image/png", "image/jpeg", "image/webp"} <= set(model.input_media_types)
    for size, row in images.dimensions.items():
        assert len(row) >= len(images.aspect_ratios) - 1, size
        for ratio, (width, height) in row.items():
            wide, high = map(int, ratio.split(":"))
            assert width / height == pytest.approx(wide / high, rel=0.05), (size, ratio)


@pytest.mark.parametrize("model", IMAGE_MODELS)
def test_larger_sizes_are_larger_and_no_less_dear(model: Model) -> None:
    images = model.images
    assert images is not None
    tokens = list(images.tokens_per_image.values())
    assert tokens == sorted(tokens)
    for ratio in images.aspect_ratios:
        areas = [row[ratio][0] * row[ratio][1] for row in images.dimensions.values() if ratio in row]
        assert areas == sorted(set(areas)), ratio


@pytest.mark.parametrize("model", IMAGE_MODELS)
def test_turning_a_ratio_turns_its_dimensions(model: Model) -> None:
    images = model.images
    assert images is not None
    for row in images.dimensions.values():
        for ratio, (width, height) in row.items():
            turned = ":".join(reversed(ratio.split(":")))
            if turned in row:
                assert row[turned] == (height, width)


def test_the_operators_tables_are_laid_over_it() -> None:
    catalogue = load_catalogue({"aliases": {"banana": "google/gemini-nano-banana-2.1"}}, origin="impasto.toml")
    found = catalogue.find("banana")
    assert found is not None
    assert found.id == "google/gemini-nano-banana-2.1"
    assert "banana" in found.aliases
