"""`impasto`: the commands, and how they fail.

Rule: a command's module is imported when the command runs, so that `--help` is quick.
Whatever a person can mend ends as one sentence on standard error.
"""

import difflib
import importlib
import os

import click

from impasto import __version__

COMMANDS = {
    "serve": ("impasto.cli.serve", "Start the server."),
    "run": ("impasto.cli.run", "Start a server, make the first picture, and keep serving until Ctrl-C."),
    "generate": ("impasto.cli.generate", "Make a picture of PROMPT, or edit photos with -i as PROMPT says."),
    "keys": ("impasto.cli.keys", "Make, list, rotate and revoke virtual keys, with their budgets and limits."),
    "forget": ("impasto.cli.forget", "Delete for good what is kept: pictures, prompts, answers, uploads."),
    "models": ("impasto.cli.models", "List the models: what they can make and what a picture costs."),
    "images": ("impasto.cli.images", "List the pictures that were made, or show how one was made."),
    "usage": ("impasto.cli.usage", "Show what was spent, by day, key, model or tag."),
    "doctor": ("impasto.cli.doctor", "Look for what is wrong with this set-up and say how to mend it."),
    "verify": ("impasto.cli.verify", "Compare the catalogue with live providers, with your own keys."),
    "config": ("impasto.cli.config", "Show the settings in force, or check whether they fit together."),
    "demo": ("impasto.cli.demo", "Thirty seconds that show why no picture is paid for twice."),
    "simulate": ("impasto.cli.simulate", "Run a stand-in for Google's Gemini API: free, offline, strict."),
}
"""By name: the module, and the first line of its help."""

STOPPED = 130
"""The exit code of what Ctrl-C stopped, as shells count it: 128 and the number of SIGINT."""


class LazyGroup(click.Group):
    """A group whose commands are modules with a `command`."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = importlib.import_module(COMMANDS[cmd_name][0]).command
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args[0] not in COMMANDS:
            close = difflib.get_close_matches(args[0], COMMANDS, n=1)
            advice = f"Did you mean {close[0]}?" if close else f"There are {', '.join(COMMANDS)}."
            ctx.fail(f"There is no command {args[0]}. {advice}")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, summary) for name, (_, summary) in COMMANDS.items()])

    def invoke(self, ctx: click.Context) -> object:
        if os.environ.get("NO_COLOR"):
            ctx.color = False
        try:
            return self._invoke(ctx)
        except KeyboardInterrupt:
            click.echo("Stopped.", err=True)
            raise SystemExit(STOPPED) from None

    def _invoke(self, ctx: click.Context) -> object:
        from impasto.config import ConfigError
        from impasto.storage.keys import KeyFileError

        try:
            return super().invoke(ctx)
        except (ConfigError, KeyFileError) as error:
            raise click.ClickException(str(error)) from error


@click.command(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="impasto")
def main() -> None:
    """impasto: one chat endpoint for every image model, run by yourself.

    \b
    First picture:   impasto run
    Server:          impasto serve
    From a terminal: impasto generate "a lighthouse at dusk" --aspect-ratio 16:9

    Settings come from flags, the environment, .env and a TOML file, in this order: impasto config show.

    Exit codes: 0 done, 1 failed (standard error says why), 2 called wrongly, 130 stopped by Ctrl-C.
    """
