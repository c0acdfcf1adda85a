"""`impasto run`: the first picture, and a server that stays.

Rule: it never spends money by itself. The picture is the painter's, unless a model is
named and paying is allowed by name.
"""

import threading
from pathlib import Path
from typing import Any

import click

from impasto.app import access_of, load_operators_catalogue
from impasto.cli.asking import ask_for_picture, show
from impasto.cli.gateway import RemoteGateway, own_gateway
from impasto.cli.generate import PAINTER
from impasto.cli.options import config_option, configure_quiet_logs, data_option
from impasto.cli.pictures import check_output
from impasto.completions.estimate import most_it_can_cost
from impasto.config import Settings, load_settings
from impasto.domain.chat import ChatRequest, Message, TextPart
from impasto.domain.errors import listed
from impasto.domain.image import ImageConfig

PROMPT = "A nano banana dish in a fancy restaurant, cinematic lighting"
CONFIG = ImageConfig("16:9", "1K")
OUTPUT = Path("output.png")


@click.command()
@click.option("-m", "--model", default=PAINTER, show_default=True, metavar="NAME", help="Who makes the picture.")
@click.option("--paid", is_flag=True, help="Allow a model that costs money to be called.")
@click.option("--port", type=int, metavar="P", help="Port to listen on, or the next free one (IMPASTO_PORT; 8080).")
@data_option
@config_option
def command(model: str, paid: bool, port: int | None, data: str | None, config: str | None) -> None:
    """Start a server, make the first picture, and keep serving until Ctrl-C.

    The picture is saved as output.png in this folder. It comes from the built-in painter, needs no key and costs
    nothing. The server listens on 127.0.0.1 alone; for one that others reach there is impasto serve.

    \b
      impasto run
      impasto run -m google/gemini-3.1-flash-image --paid
    """
    settings = load_settings({"port": port, "data": data}, config=config)
    configure_quiet_logs(settings, "warning")
    check_output(OUTPUT)
    _check_spending(model, settings, paid=paid)
    with own_gateway(settings, port=settings.port) as gateway:
        if settings.port and not gateway.url.endswith(f":{settings.port}"):
            click.echo(f"Port {settings.port} is taken; this server took the next free one.")
        click.echo(f"impasto listens on {gateway.url}")
        click.echo(f'Asking {model} for "{PROMPT}", 16:9, 1K …')
        show(ask_for_picture(gateway, settings, _first_request(model), OUTPUT))
        if model == PAINTER:
            _explain_painter(settings)
        _show_page(gateway, settings)
        _wait_for_the_end()


def _first_request(model: str) -> dict[str, Any]:
    return {
        "model": model,
        "messages": [{"role": "user", "content": PROMPT}],
        "image_config": {"aspect_ratio": CONFIG.aspect_ratio, "image_size": CONFIG.image_size},
    }


def _check_spending(name: str, settings: Settings, *, paid: bool) -> None:
    catalogue = load_operators_catalogue(settings)
    model = catalogue.find(name)
    if model is None:
        nearest = catalogue.nearest(name)
        advice = f"Did you mean {listed(nearest)}?" if nearest else "impasto models lists them."
        raise click.ClickException(f'There is no model "{name}". {advice}')
    if not model.makes_images:
        raise click.ClickException(
            f"{name} answers in words and makes no pictures. impasto models lists those that do."
        )
    if model.provider.is_local:
        return
    if settings.secret_of(model.provider.key_env) is None:
        raise click.ClickException(
            f"No key for {model.provider.name} is set. Set {' or '.join(model.provider.key_env)}."
        )
    request = ChatRequest(name, (Message("user", (TextPart(PROMPT),)),), CONFIG)
    most = most_it_can_cost(model, request, CONFIG)
    most_text = "an unknown amount" if most is None else f"at most ${most:.4f}"
    if not paid:
        raise click.ClickException(
            f"{name} would cost {most_text}. To spend it: impasto run -m {name} --paid, or make run MODEL={name} "
            "PAID=1."
        )
    click.echo(f"{name} costs {most_text} for this picture.")


def _explain_painter(settings: Settings) -> None:
    click.echo("\nThis picture is from local/painter: a procedural painter in this process, free, no key, no network;")
    click.echo("not a generative model.", nl=False)
    if access_of(settings, load_operators_catalogue(settings))["google"].key is None:
        click.echo(" For Google's image models set GEMINI_API_KEY and start again.")
    else:
        click.echo(" A key for Google's image models is set: make run MODEL=google/gemini-3.1-flash-image PAID=1.")


def _show_page(gateway: RemoteGateway, settings: Settings) -> None:
    # The operator's own secret has no place on a screen or in a container's log.
    if settings.api_key:
        click.echo(f"\nThe page: {gateway.url}/ (its key is IMPASTO_API_KEY)")
    else:
        click.echo(f"\nThe page: {gateway.url}/#key={gateway.key}")


def _wait_for_the_end() -> None:
    try:
        click.echo("Serving until Ctrl-C.")
        while not threading.Event().wait(timeout=3600):
            pass
    except KeyboardInterrupt:
        click.echo()
