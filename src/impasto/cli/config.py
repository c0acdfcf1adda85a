"""`impasto config show` and `impasto config check`."""

import json

import click

from impasto.app import access_of, check_settings, load_operators_catalogue
from impasto.cli.options import config_option, json_option
from impasto.cli.serve import check_key
from impasto.cli.table import print_table
from impasto.config import SETTINGS, Settings, load_settings, masked, shown


@click.group()
def command() -> None:
    """Show the settings in force, or check whether they fit together.

    A setting is IMPASTO_NAME in the environment or in .env, and name in the TOML file; a secret can also be a file
    that IMPASTO_NAME_FILE names. Flags win over the environment, the environment over .env, .env over the file.
    """


@command.command("show")
@json_option
@config_option
def show(as_json: bool, config: str | None) -> None:
    """Show every setting, where it came from, and what it means; secrets are masked."""
    settings = load_settings(config=config)
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
@json_option
@config_option
def check(as_json: bool, config: str | None) -> None:
    """Check the settings and the catalogue; exits 1 with the sentence that says what is wrong."""
    settings = load_settings(config=config)
    check_key(settings)
    check_settings(settings)
    models = len(load_operators_catalogue(settings).models)
    if as_json:
        click.echo(json.dumps({"good": True, "models": models}, indent=2))
        return
    click.echo(f"The settings are good; the catalogue has {models} models.")


def _providers(settings: Settings) -> list[dict[str, str]]:
    """What providers are set up with: keys masked, addresses as they are."""
    catalogue = load_operators_catalogue(settings)
    access = access_of(settings, catalogue)
    rows = []
    for provider in catalogue.providers.values():
        if provider.is_local:
            continue
        found = settings.secret_of(provider.key_env)
        if provider.key_env:
            rows.append(
                {
                    "name": found[0] if found else provider.key_env[0],
                    "value": masked(found[1]) if found else "(not set)",
                    "source": settings.origin_of(found[0]) if found else "default",
                    "meaning": f"key for {provider.name}",
                }
            )
        is_moved = bool(settings.environment.get(provider.base_url_env))
        rows.append(
            {
                "name": provider.base_url_env or f"providers.{provider.id}.base_url",
                "value": access[provider.id].base_url,
                "source": settings.origin_of(provider.base_url_env) if is_moved else "catalogue",
                "meaning": f"address of {provider.name}",
            }
        )
    return rows
