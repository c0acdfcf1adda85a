"""`impasto config show` and `impasto config check`."""

import json

import click

from impasto.app import access_of, load_operators_catalogue
from impasto.cli.settings import config_option, settings_for
from impasto.cli.table import print_table
from impasto.config import SETTINGS, ConfigError, Settings, masked, shown


@click.group()
def command() -> None:
    """The settings in force, and whether they fit together."""


@command.command("show")
@click.option("--json", "as_json", is_flag=True, help="Print facts as JSON.")
@config_option
def show(as_json: bool, config: str | None) -> None:
    """Show every setting, where it came from, and what it means; secrets are masked."""
    settings = settings_for(config=config)
    rows = [
        {"name": setting.variable, "value": shown(setting, settings), "source": settings.sources[setting.name],
         "meaning": setting.meaning}
        for setting in SETTINGS
    ] + _providers(settings)  # fmt: skip
    if as_json:
        click.echo(json.dumps(rows, indent=2))
        return
    print_table(("setting", "value", "from", "meaning"), [tuple(row.values()) for row in rows])


@command.command("check")
@config_option
def check(config: str | None) -> None:
    """Check the settings and the catalogue; exit 1 with the sentence that says what is wrong."""
    settings = settings_for(config=config)
    try:
        catalogue = load_operators_catalogue(settings)
        access_of(settings, catalogue)
    except ConfigError as error:
        raise click.ClickException(str(error)) from error
    for warning in settings.warnings:
        click.echo(f"Note: {warning}", err=True)
    click.echo(f"The settings are good; the catalogue has {len(catalogue.models)} models.")


def _providers(settings: Settings) -> list[dict[str, str]]:
    """What providers are set up with: keys masked, addresses as they are."""
    try:
        catalogue = load_operators_catalogue(settings)
    except ConfigError as error:
        raise click.ClickException(str(error)) from error
    rows = []
    for provider in catalogue.providers.values():
        if provider.is_local:
            continue
        found = settings.secret_of(provider.key_env)
        rows.append(
            {
                "name": found[0] if found else provider.key_env[0],
                "value": masked(found[1]) if found else "(not set)",
                "source": "environment" if found else "default",
                "meaning": f"key for {provider.name}",
            }
        )
        address = settings.environment.get(provider.base_url_env)
        rows.append(
            {
                "name": provider.base_url_env,
                "value": address or provider.base_url,
                "source": "environment" if address else "default",
                "meaning": f"address of {provider.name}",
            }
        )
    return rows
