"""Settings for a command, with failures said as the command line says them."""

from collections.abc import Mapping

import click

from impasto.config import ConfigError, Settings, load_settings

config_option = click.option(
    "--config", metavar="FILE", help="A TOML file with settings and catalogue entries (IMPASTO_CONFIG)."
)


def settings_for(flags: Mapping[str, object] | None = None, *, config: str | None = None) -> Settings:
    """The settings in force. Raises `click.ClickException` with the sentence that says what is wrong."""
    try:
        return load_settings(flags, config=config)
    except ConfigError as error:
        raise click.ClickException(str(error)) from error
