"""What a model's entry says about `image_config`, as JSON Schema.

Rule: one fact, one place: the choices are the entry's own.
"""

from impasto.domain.model import Model


def image_config_schema(model: Model) -> dict[str, object]:
    """The JSON Schema (draft 2020-12) of `image_config` for `model`: for one without pictures, `{}` alone."""
    properties: dict[str, object] = {}
    if model.images is not None:
        properties = {
            "aspect_ratio": {
                "type": "string",
                "enum": list(model.images.aspect_ratios),
                "description": "Shape of the picture; without it the model chooses.",
            },
            "image_size": {
                "type": "string",
                "enum": list(model.images.image_sizes),
                "default": model.images.default_image_size,
                "description": "How large the picture is.",
            },
        }
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": f"image_config for {model.id}",
        "type": "object",
        "properties": properties,
        "additionalProperties": False,
    }
