"""`impasto generate`: a picture from the terminal."""

import json
from pathlib import Path
from typing import Any

import click

from impasto.cli.asking import ask_for_picture, facts_of, show
from impasto.cli.gateway import RemoteGateway, gateway_for
from impasto.cli.options import config_option, configure_quiet_logs, data_option, json_option
from impasto.cli.pictures import check_output, data_url_of
from impasto.config import load_settings

PAINTER = "local/painter"


@click.command()
@click.argument("prompt")
@click.option("-m", "--model", help="Model; without it the first image model that a key is set for, else the painter.")
@click.option("-i", "--image", "images", multiple=True, metavar="FILE", help="A photo to edit; may be given again.")
@click.option("--aspect-ratio", metavar="16:9", help="Shape of the picture; impasto models says which a model takes.")
@click.option("--image-size", metavar="2K", help="Size of the picture: 512, 1K, 2K or 4K, as the model takes it.")
@click.option(
    "-n",
    "count",
    type=click.IntRange(1, 10),
    default=1,
    metavar="N",
    help="How many pictures, one after the other (1 to 10), saved as output-1.png, output-2.png …",
)
@click.option(
    "--seed",
    type=int,
    metavar="S",
    help="The same seed gives the same picture, where the model can; with -n they are S, S+1 …",
)
@click.option(
    "-o",
    "--output",
    default="output.png",
    metavar="FILE",
    help="Where to save it (output.png). The suffix follows the bytes: a JPEG becomes output.jpg.",
)
@click.option("--url", metavar="URL", help="A running gateway (IMPASTO_URL); without one, the command brings its own.")
@json_option
@data_option
@config_option
def command(
    prompt: str, model: str | None, images: tuple[str, ...], aspect_ratio: str | None, image_size: str | None,
    count: int, seed: int | None, output: str, url: str | None, as_json: bool, data: str | None, config: str | None,
) -> None:  # fmt: skip
    """Make a picture of PROMPT, or edit photos with -i as PROMPT says.

    With a provider's key set this spends money; -m local/painter never does. A running gateway is called with
    IMPASTO_API_KEY, or with first-key of the data folder.

    \b
      impasto generate "a lighthouse in a storm" --aspect-ratio 16:9 -o storm.png
      impasto generate "turn this into a watercolor" -i storm.png
      impasto generate "a red bicycle" -m google/gemini-3.1-flash-image --image-size 2K -n 3

    Exits 1 where no picture came: the model's refusal or its words are then on standard error.
    """
    settings = load_settings({"data": data}, config=config)
    configure_quiet_logs(settings, "error")
    paths = _paths(Path(output), count)
    for path in paths:
        check_output(path)
    body = body_of(prompt, images, aspect_ratio=aspect_ratio, image_size=image_size)
    facts: list[dict[str, Any]] = []
    try:
        with gateway_for(url, settings) as gateway:
            body["model"] = model or default_model(gateway)
            for path, each in zip(paths, _seeds(str(body["model"]), seed, count), strict=True):
                outcome = ask_for_picture(gateway, settings, body | each, path, quiet=as_json)
                facts.append(facts_of(outcome) | each)
                if not as_json:
                    show(outcome)
    finally:
        if as_json and facts:  # also what came before a failure: it was paid for
            click.echo(json.dumps(facts if count > 1 else facts[0], indent=2))


def body_of(
    prompt: str, images: tuple[str, ...], *, aspect_ratio: str | None, image_size: str | None
) -> dict[str, Any]:
    """The request's body, without its model and its seed. Raises `click.ClickException`."""
    if not prompt.strip():
        raise click.ClickException("PROMPT is empty. Say what to paint, or what to change.")
    try:
        prompt.encode()
    except UnicodeEncodeError as error:
        raise click.ClickException("PROMPT is not UTF-8. Check the terminal's encoding.") from error
    content: object = prompt
    if images:
        photos = [{"type": "image_url", "image_url": {"url": data_url_of(path)}} for path in images]
        content = [{"type": "text", "text": prompt}, *photos]
    body: dict[str, Any] = {"messages": [{"role": "user", "content": content}], "image_output": "content"}
    pairs = (("aspect_ratio", aspect_ratio), ("image_size", image_size))
    image_config = {name: value for name, value in pairs if value is not None}
    if image_config:
        body["image_config"] = image_config
    return body


def default_model(gateway: RemoteGateway) -> str:
    """The first image model that could be called and that its provider has not retired, else the painter."""
    try:
        for model in gateway.get("/v3/models")["data"]:
            makes_images = "image" in model["capabilities"]["output_modalities"]
            living = not model["lifecycle"]["retired"]
            if makes_images and model["available"] and model["owned_by"] != "local" and living:
                return str(model["id"])
    except (LookupError, TypeError) as error:
        raise click.ClickException(f"{gateway.url} lists no models as an impasto does. Name one with -m.") from error
    return PAINTER


def _paths(output: Path, count: int) -> list[Path]:
    if count == 1:
        return [output]
    return [output.with_stem(f"{output.stem}-{number}") for number in range(1, count + 1)]


def _seeds(model: str, seed: int | None, count: int) -> list[dict[str, int]]:
    """A seed for each picture. The painter gives the same words the same picture, unless told otherwise."""
    if seed is None and (count == 1 or model != PAINTER):
        return [{}] * count
    return [{"seed": (seed or 0) + number} for number in range(count)]
