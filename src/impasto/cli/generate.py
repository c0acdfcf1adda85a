"""`impasto generate`: a picture from the terminal."""

import json
from pathlib import Path
from typing import Any

import click

from impasto.cli.asking import ask_for_picture, facts_of, show
from impasto.cli.gateway import RemoteGateway, gateway_for
from impasto.cli.pictures import data_url_of
from impasto.cli.settings import config_option, settings_for

PAINTER = "local/painter"


@click.command()
@click.argument("prompt")
@click.option("-m", "--model", help="Model; without it the first image model that a key is set for, else the painter.")
@click.option("-i", "--image", "images", multiple=True, metavar="FILE", help="A photo to edit; may be given again.")
@click.option("--aspect-ratio", metavar="16:9", help="Shape of the picture.")
@click.option("--image-size", metavar="2K", help="Size of the picture.")
@click.option("-n", "count", type=click.IntRange(1, 10), default=1, help="How many pictures, one after the other.")
@click.option("--seed", type=int, help="The same seed gives the same picture, where the model can.")
@click.option("-o", "--output", default="output.png", metavar="FILE", help="Where to save it (output.png).")
@click.option("--url", metavar="URL", help="A running gateway (IMPASTO_URL); without one, the command brings its own.")
@click.option("--json", "as_json", is_flag=True, help="Print facts as JSON.")
@config_option
def command(
    prompt: str, model: str | None, images: tuple[str, ...], aspect_ratio: str | None, image_size: str | None,
    count: int, seed: int | None, output: str, url: str | None, as_json: bool, config: str | None,
) -> None:  # fmt: skip
    """Make a picture of PROMPT, or edit photos with -i as PROMPT says."""
    settings = settings_for(config=config)
    body = body_of(prompt, images, aspect_ratio=aspect_ratio, image_size=image_size, seed=seed)
    with gateway_for(url, settings) as gateway:
        body["model"] = model or default_model(gateway)
        facts = []
        for path in _paths(Path(output), count):
            outcome = ask_for_picture(gateway, settings, body, path, quiet=as_json)
            facts.append(facts_of(outcome))
            if not as_json:
                show(outcome)
    if as_json:
        click.echo(json.dumps(facts if count > 1 else facts[0], indent=2))


def body_of(
    prompt: str, images: tuple[str, ...], *, aspect_ratio: str | None, image_size: str | None, seed: int | None
) -> dict[str, Any]:
    """The request's body, without its model."""
    content: object = prompt
    if images:
        photos = [{"type": "image_url", "image_url": {"url": data_url_of(path)}} for path in images]
        content = [{"type": "text", "text": prompt}, *photos]
    body: dict[str, Any] = {"messages": [{"role": "user", "content": content}], "image_output": "content"}
    pairs = (("aspect_ratio", aspect_ratio), ("image_size", image_size))
    image_config = {name: value for name, value in pairs if value is not None}
    if image_config:
        body["image_config"] = image_config
    if seed is not None:
        body["seed"] = seed
    return body


def default_model(gateway: RemoteGateway) -> str:
    """The first image model that could be called and that its provider has not retired, else the painter."""
    for model in gateway.get("/v3/models")["data"]:
        makes_images = "image" in model["capabilities"]["output_modalities"]
        if makes_images and model["available"] and model["owned_by"] != "local" and not model["lifecycle"]["retired"]:
            return str(model["id"])
    return PAINTER


def _paths(output: Path, count: int) -> list[Path]:
    if count == 1:
        return [output]
    return [output.with_stem(f"{output.stem}-{number}") for number in range(1, count + 1)]
