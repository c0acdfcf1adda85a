"""`impasto models`: what can be asked for."""

import json
from collections.abc import Iterable, Mapping
from datetime import date
from decimal import Decimal

import click

from impasto.app import access_of, available_of, load_operators_catalogue
from impasto.cli.options import config_option, json_option
from impasto.cli.table import print_table, width
from impasto.completions.settle import tokens_per_picture
from impasto.config import load_settings
from impasto.domain.image import ImageConfig
from impasto.domain.model import Model
from impasto.domain.pricing import cost_of
from impasto.domain.usage import Usage

WIDE = 112
"""Columns that the sizes of a model need to stand in one line."""


@click.command()
@click.option("--all", "everything", is_flag=True, help="Text models as well.")
@json_option
@config_option
def command(everything: bool, as_json: bool, config: str | None) -> None:
    """List the models: what they can make and what a picture costs.

    The cost is that of the picture alone, in US dollars; words and thoughts come on top. What a provider has retired
    comes last. --json tells more, of every model.
    """
    settings = load_settings(config=config)
    catalogue = load_operators_catalogue(settings)
    available = available_of(catalogue, access_of(settings, catalogue))
    models = sorted(catalogue.models.values(), key=is_retired)
    if as_json:
        click.echo(json.dumps([_facts(model, available) for model in models], indent=2))
        return
    listed = [model for model in models if everything or model.makes_images]
    print_table(("model", "sizes and US dollars", "ratios", "ready"), [_row(model, available) for model in listed])
    for note in _notes(listed, available):
        click.echo(note)


def is_retired(model: Model) -> bool:
    """Whether its provider said that it is gone by today."""
    retired = model.lifecycle.retired
    return retired is not None and retired <= date.today()  # noqa: DTZ011 - the operator's day


def picture_cost(model: Model, size: str) -> Decimal | None:
    """What the tokens of one picture of `size` cost, in US dollars, or `None`."""
    if model.provider.is_local:
        return Decimal(0)
    tokens = tokens_per_picture(model, ImageConfig(image_size=size))
    return cost_of(Usage(output_image_tokens=tokens), model.price) if tokens else None


def _row(model: Model, available: Mapping[str, bool]) -> tuple[str, ...]:
    ready = "yes" if available[model.provider.id] else "no"
    ratios = str(len(model.images.aspect_ratios)) if model.images else "-"
    return model.id, _sizes(model), ratios, "retired" if is_retired(model) else ready


def _sizes(model: Model) -> str:
    """Each size with its price, two in a line where the terminal is narrow."""
    if model.images is None:
        return "words only"
    pairs = [f"{size:>3} {_price(picture_cost(model, size)):<6}" for size in model.images.image_sizes]
    in_line = 2 if width() < WIDE else len(pairs)
    lines = ["  ".join(pairs[start : start + in_line]) for start in range(0, len(pairs), in_line)]
    return "\n".join(lines)


def _price(cost: Decimal | None) -> str:
    if cost is None:
        return "?"
    return f"{cost:.3f}" if cost else "free"


def _notes(models: Iterable[Model], available: Mapping[str, bool]) -> list[str]:
    """What to do about models that are not ready, and what stands in for those that are gone."""
    notes: dict[str, None] = {}
    for model in models:
        provider, lifecycle = model.provider, model.lifecycle
        if provider.is_local and not available[provider.id]:
            notes["The painter is not installed: pip install 'impasto[painter]'."] = None
        elif not available[provider.id] and provider.key_env:
            notes[f"Set {provider.key_env[0]} to use the models of {provider.name}."] = None
        if is_retired(model):
            then = f"; ask for {lifecycle.replaced_by}" if lifecycle.replaced_by else ""
            notes[f"{model.id} was retired on {lifecycle.retired}{then}."] = None
    return list(notes)


def _facts(model: Model, available: Mapping[str, bool]) -> dict[str, object]:
    images, lifecycle = model.images, model.lifecycle
    return {
        "id": model.id,
        "aliases": model.aliases,
        "provider": model.provider.name,
        "description": model.description,
        "available": available[model.provider.id],
        "needs": None if available[model.provider.id] else next(iter(model.provider.key_env), None),
        "input": model.input,
        "output": model.output,
        "max_input_images": model.max_input_images or None,
        "parameters": model.parameters,
        "aspect_ratios": images.aspect_ratios if images else [],
        "image_sizes": images.image_sizes if images else [],
        "default_image_size": images.default_image_size if images else None,
        "usd_per_picture": {size: _text(picture_cost(model, size)) for size in images.image_sizes} if images else {},
        "price_checked": model.price and model.price.checked.isoformat(),
        "price_source": model.price and model.price.source,
        "deprecated": lifecycle.deprecated and lifecycle.deprecated.isoformat(),
        "retired": lifecycle.retired and lifecycle.retired.isoformat(),
        "replaced_by": lifecycle.replaced_by,
        "on_retired": lifecycle.on_retired,
        "known_by": model.known_by,
    }


def _text(cost: Decimal | None) -> str | None:
    return None if cost is None else f"{cost:f}"
