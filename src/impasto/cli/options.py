"""Options that several commands have, and logs where a person looks on."""

import click

from impasto.config import Settings
from impasto.logs import configure_logs

config_option = click.option(
    "--config", metavar="FILE", help="A TOML file with settings and catalogue entries (IMPASTO_CONFIG)."
)
data_option = click.option(
    "--data", metavar="FOLDER", help="Folder of what is kept, the first key above all (IMPASTO_DATA; ./impasto-data)."
)
json_option = click.option("--json", "as_json", is_flag=True, help="Print facts as JSON.")


def configure_quiet_logs(settings: Settings, level: str) -> None:
    """Log from `level` up, unless the settings name another: beside sentences, log lines are noise."""
    chosen = settings.sources["log_level"] != "default"
    configure_logs(settings.log_level if chosen else level)
