"""`impasto models`: what can be asked for."""

import json
from typing import Any

import click

from impasto.app import access_of, available_of, load_operators_catalogue
from impasto.cli.settings import config_option, settings_for
from impasto.cli.table import print_table
from impasto.completions.settle import tokens_per_picture
from impasto.config import ConfigError
from impasto.domain.image import ImageConfig
from impasto.domain.model import Model
from impasto.domain.pricing import cost_of
from impasto.domain.usage import Usage


@click.command()
@click.option("--all", "everything", is_flag=True, help="Text models as well.")
@click.option("--json", "as_json", is_flag=True, help="Print facts as JSON.")
@config_option
def command(everything: bool, as_json: bool, config: str | None) -> None:
    """List the models: what they can make, what a picture costs, and whether a key is set."""
    settings = settings_for(config=config)
    try:
        catalogue = load_operators_catalogue(settings)
        available = available_of(catalogue, access_of(settings, catalogue))
    except ConfigError as error:
        raise click.ClickException(str(error)) from error
    models = [model for model in catalogue.models.values() if everything or as_json or model.makes_images]
    if as_json:
        click.echo(json.dumps([_facts(model, available) for model in models], indent=2))
        return
    print_table(("model", "sizes", "ratios", "a picture", "ready"), [_row(model, available) for model in models])


def _row(model: Model, available: dict[str, bool]) -> tuple[str, ...]:
    ready = "yes" if available[model.provider.id] else f"set {', '.join(model.provider.key_env[:1]) or '-'}"
    if model.lifecycle.retired:
        ready += f", retired {model.lifecycle.retired}"
    sizes = " ".join(model.images.image_sizes) if model.images else "text only"
    ratios = str(len(model.images.aspect_ratios)) if model.images else "-"
    return model.id, sizes, ratios, _prices(model), ready


def _prices(model: Model) -> str:
    if model.images is None:
        return "-"
    costs = [picture_cost(model, size) for size in model.images.image_sizes]
    if any(cost is None for cost in costs):
        return "unknown"
    if not any(costs):
        return "free"
    return " ".join(f"${cost:.3f}" for cost in costs)


def picture_cost(model: Model, size: str) -> Any:
    """What the tokens of one picture of `size` cost, in US dollars, or `None`."""
    tokens = tokens_per_picture(model, ImageConfig(image_size=size))
    local = model.provider.is_local
    return cost_of(Usage(output_image_tokens=tokens), model.price) if tokens or local else None


def _facts(model: Model, available: dict[str, bool]) -> dict[str, object]:
    images = model.images
    return {
        "id": model.id,
        "available": available[model.provider.id],
        "output": model.output,
        "aspect_ratios": images.aspect_ratios if images else [],
        "image_sizes": images.image_sizes if images else [],
        "usd_per_picture": {size: _text(picture_cost(model, size)) for size in images.image_sizes} if images else {},
        "retired": model.lifecycle.retired and model.lifecycle.retired.isoformat(),
        "replaced_by": model.lifecycle.replaced_by,
    }


def _text(cost: Any) -> str | None:
    return None if cost is None else f"{cost:f}"
