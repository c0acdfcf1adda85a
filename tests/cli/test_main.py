"""The program as a whole: help for everything, mistakes in sentences, exit codes."""

import importlib
import re
import subprocess
import sys

import click
import pytest
from click.testing import CliRunner

from impasto import __version__
from impasto.cli.main import COMMANDS, STOPPED, LazyGroup, main
from impasto.config import ConfigError
from impasto.storage.keys import KeyFileError
from tests.cli.conftest import Impasto


@pytest.mark.parametrize("name", [*COMMANDS, "config show", "config check"])
def test_every_command_says_what_it_does_and_what_each_option_is(name: str, impasto: Impasto) -> None:
    result = impasto(*name.split(), "--help")
    assert result.exit_code == 0
    assert f"Usage: impasto {name}" in result.stdout
    options = result.stdout.partition("Options:\n")[2].partition("\n\n")[0]
    for option in re.findall(r"^  (-.*)$", options, re.MULTILINE):
        assert re.search(r"\S  +\S", option) or f"{option}\n   " in options, option


@pytest.mark.parametrize("name", COMMANDS)
def test_the_list_of_commands_says_what_each_says_of_itself(name: str) -> None:
    module, summary = COMMANDS[name]
    command: click.Command = importlib.import_module(module).command
    assert (command.help or "").startswith(summary)


@pytest.mark.parametrize("name", [name for name in COMMANDS if name not in ("demo", "simulate")])
def test_every_command_that_reads_settings_takes_a_config(name: str, impasto: Impasto) -> None:
    names = {"config": ["config", "show"], "keys": ["keys", "list"]}.get(name, [name])
    assert "--config FILE" in impasto(*names, "--help").stdout


def test_help_tells_of_exit_codes_and_of_where_settings_come_from(impasto: Impasto) -> None:
    said = " ".join(impasto("--help").stdout.split())
    assert "Exit codes: 0 done, 1 failed (standard error says why), 2 called wrongly, 130 stopped by Ctrl-C." in said
    assert "flags, the environment, .env and a TOML file" in said


def test_an_unknown_command_is_answered_with_the_nearest(impasto: Impasto) -> None:
    result = impasto("modles")
    assert result.exit_code == 2
    assert "There is no command modles. Did you mean models?" in result.stderr


def test_a_command_like_none_is_answered_with_all(impasto: Impasto) -> None:
    assert f"There are {', '.join(COMMANDS)}." in impasto("zzzz").stderr


def test_the_version_is_said(impasto: Impasto) -> None:
    assert __version__ in impasto("--version").stdout


@pytest.mark.parametrize("error", [ConfigError("what is wrong"), KeyFileError("what is wrong")])
def test_a_mistake_of_the_operators_is_one_sentence(error: Exception) -> None:
    result = CliRunner().invoke(group_that_raises(error))
    assert result.exit_code == 1
    assert result.stderr == "Error: what is wrong\n"


def test_ctrl_c_ends_without_a_traceback() -> None:
    result = CliRunner().invoke(group_that_raises(KeyboardInterrupt()))
    assert (result.exit_code, result.stdout, result.stderr) == (STOPPED, "", "Stopped.\n")


@pytest.mark.parametrize(
    ("environment", "coloured"), [({}, True), ({"NO_COLOR": "1"}, False), ({"NO_COLOR": ""}, True)]
)
def test_no_color_is_honoured(environment: dict[str, str], coloured: bool) -> None:
    group = LazyGroup(invoke_without_command=True, callback=lambda: click.echo(click.style("red", fg="red")))
    assert ("\033[" in CliRunner().invoke(group, env=environment, color=True).stdout) is coloured


def test_the_module_runs_as_the_program_does() -> None:
    done = subprocess.run([sys.executable, "-m", "impasto", "--version"], capture_output=True, text=True, check=True)
    assert done.stdout == CliRunner().invoke(main, ["--version"]).stdout


def test_help_imports_neither_the_server_nor_the_painter() -> None:
    code = "import sys; from impasto.cli.main import main; main(['--help'], standalone_mode=False); print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    modules = set(done.stdout.split())
    assert "click" in modules
    assert not modules & {"aiohttp", "uvicorn", "starlette", "msgspec", "rich", "cv2", "numpy", "uvloop"}


def group_that_raises(error: BaseException) -> click.Command:
    def fail() -> None:
        raise error

    return LazyGroup(invoke_without_command=True, callback=fail)
