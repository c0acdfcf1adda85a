"""The JavaScript clients read what docs/clients.md says, where they are installed (`make clients` does that)."""

import shutil
from pathlib import Path

import pytest

from tests.clients.run import HERE, PAGE, PROGRAMS, questions, run_script
from tests.clients.tables import broken_promises, tables_in, tables_of

SCRIPTS = [script for script, program in PROGRAMS.items() if program == "node"]


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("node") is None, reason="there is no node")
@pytest.mark.skipif(not (HERE / "node_modules" / ".package-lock.json").exists(), reason="they are not installed")
@pytest.mark.parametrize("script", SCRIPTS)
async def test_it_reads_what_is_promised(script: str, tmp_path: Path) -> None:
    async with questions(tmp_path) as (tasks, expected):
        lines = await run_script(script, "node", tasks)
    found, worse = tables_of(lines, expected, {task.name: task.title for task in tasks})
    assert any(found.values())
    assert [*worse, *broken_promises(tables_in(PAGE.read_text(encoding="utf-8")), found)] == []
