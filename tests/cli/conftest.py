"""Commands in this process: in an empty folder, without this machine's settings, with the logs put back after."""

import logging
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from impasto.cli.main import main

Impasto = Callable[..., Result]


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working folder."""
    for name in list(os.environ):
        if name.startswith(("IMPASTO_", "GEMINI_", "GOOGLE_")) or name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture(autouse=True)
def logging_as_before() -> Iterator[None]:
    """Commands set up logs for a process of their own."""
    root, uvicorns, access = (
        logging.getLogger(),
        logging.getLogger("uvicorn.error"),
        logging.getLogger("uvicorn.access"),
    )
    before = list(root.handlers), root.level, uvicorns.level, access.disabled
    root.handlers = []
    yield
    root.handlers, root.level, uvicorns.level, access.disabled = before


@pytest.fixture
def impasto() -> Impasto:
    """Runs a command: `impasto("models", "--json", IMPASTO_PORT="1")`; what it prints is in `stdout` and `stderr`."""

    def run(*arguments: str, **environment: str) -> Result:
        return CliRunner().invoke(main, arguments, env={"COLUMNS": "240"} | environment, prog_name="impasto")

    return run
