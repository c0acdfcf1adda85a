"""The schema of `image_config` says what the entry says."""

import json

from impasto.catalogue.image_config_schema import image_config_schema
from impasto.catalogue.load import load_catalogue

CATALOGUE = load_catalogue()


def test_the_choices_are_the_entrys_own() -> None:
    schema = image_config_schema(CATALOGUE.models["google/gemini-3-pro-image"])
    assert json.loads(json.dumps(schema)) == {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "image_config for google/gemini-3-pro-image",
        "type": "object",
        "properties": {
            "aspect_ratio": {
                "type": "string",
                "enum": ["1:1", "2:3", "3:2", "3:4", "4:3", "4:5", "5:4", "9:16", "16:9", "21:9"],
                "description": "Shape of the picture; without it the model chooses.",
            },
            "image_size": {
                "type": "string",
                "enum": ["1K", "2K", "4K"],
                "default": "1K",
                "description": "How large the picture is.",
            },
        },
        "additionalProperties": False,
    }


def test_a_model_of_words_takes_no_field() -> None:
    schema = image_config_schema(CATALOGUE.models["google/gemini-2.5-flash"])
    assert (schema["properties"], schema["additionalProperties"]) == ({}, False)
