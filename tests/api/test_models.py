"""The list of models: what the catalogue says, and nothing else."""

import json
import re
from dataclasses import replace
from decimal import Decimal

import pytest
from starlette.requests import Request

from impasto.api.models import ModelList
from impasto.api.routes import asgi_app
from impasto.catalogue.load import load_catalogue
from tests.api.surface import BRUSH, GIFT, MAKER, MODELS, WRITER, Surface, gateway_of, surface


@pytest.mark.parametrize("path", ["/v3/models", "/v3/llm/models", "/v1/models"])
async def test_the_list_is_the_same_everywhere_and_open(path: str) -> None:
    answer = await surface().ask("GET", path, key=None)
    assert answer.status == 200
    assert answer.json["object"] == "list"
    assert [model["id"] for model in answer.json["data"]] == [model.id for model in MODELS]
    assert {model["object"] for model in answer.json["data"]} == {"model"}


@pytest.mark.parametrize("path", ["/v3/models", "/v1/models"])
@pytest.mark.parametrize("name", [BRUSH.id, "brush"])
async def test_one_is_found_by_its_name_and_its_alias(path: str, name: str) -> None:
    answer = await surface().ask("GET", f"{path}/{name}", key=None)
    assert answer.json["id"] == BRUSH.id
    assert answer.json in (await surface().ask("GET", path, key=None)).json["data"]


async def test_an_unknown_one_is_advised() -> None:
    answer = await surface().ask("GET", "/v3/models/maker/brsh")
    assert answer.status == 404
    assert answer.json["error"]["code"] == "model_not_found"
    assert "Did you mean maker/brush" in answer.json["detail"]


async def test_what_is_not_available_names_what_to_set() -> None:
    model = (await surface().ask("GET", "/v3/models/maker/brush")).json
    assert (model["available"], model["needs"]) == (False, "MAKER_KEY")
    at = surface()
    gateway = replace(gateway_of(at.answerers, at.images), available={MAKER.id: True})
    available = (await Surface(asgi_app(gateway), at.answerers, at.images).ask("GET", "/v3/models/maker/brush")).json
    assert available["available"]
    assert "needs" not in available


async def test_prices_are_exact_and_plain() -> None:
    body = (await surface().ask("GET", "/v3/models/maker/brush")).body
    pricing = json.loads(body, parse_float=Decimal)["pricing"]
    assert pricing["input_cost_per_token"] == Decimal("0.0000005")
    assert pricing["output_image"] == 60
    assert b'"input_cost_per_token":0.0000005,' in body
    assert (await surface().ask("GET", f"/v3/models/{GIFT.id}")).json["pricing"] is None


async def test_what_a_model_makes_is_told() -> None:
    brush, writer = [(await surface().ask("GET", f"/v3/models/{model.id}")).json for model in (BRUSH, WRITER)]
    assert brush["image_config"]["properties"]["aspect_ratio"]
    assert writer["image_config"] is None
    assert writer["capabilities"]["output_modalities"] == ["text"]


async def test_the_packaged_catalogue_is_listed_without_exponents() -> None:
    catalogue = load_catalogue()
    models = ModelList(catalogue, dict.fromkeys(catalogue.providers, True))
    body = bytes((await models.list(Request({"type": "http", "method": "GET", "path": "/", "headers": []}))).body)
    assert len(json.loads(body)["data"]) == len(catalogue.models)
    assert not re.search(rb":-?[\d.]+[eE][-+]?\d", body)
