"""`impasto`: the commands, and how they fail.

Rule: a command's module is imported when the command runs, so that `--help` is quick.
Exit codes: 0 done, 1 it failed, 2 it was called wrongly.
"""

import importlib

import click

from impasto import __version__

_COMMANDS = {
    "serve": "impasto.cli.serve",
    "run": "impasto.cli.run",
    "generate": "impasto.cli.generate",
    "models": "impasto.cli.models",
    "doctor": "impasto.cli.doctor",
    "config": "impasto.cli.config",
    "simulate": "impasto.cli.simulate",
}


class LazyGroup(click.Group):
    """A group whose commands are modules with a `command`."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        module = _COMMANDS.get(cmd_name)
        if module is None:
            return None
        command: click.Command = importlib.import_module(module).command
        return command


@click.command(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="impasto")
def main() -> None:
    """impasto: one chat endpoint for every image model, run by yourself.

    \b
    First picture:   impasto run
    Server:          impasto serve
    From a terminal: impasto generate "a lighthouse at dusk" --aspect-ratio 16:9
    """
