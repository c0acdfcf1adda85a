"""Tables: whole in a pipe, folded in a terminal but for their first column."""

import pytest

from impasto.cli.table import print_table

LONG = "a very long text that tells of many things and does not end where one would expect it to"


def test_in_room_enough_nothing_is_folded(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "240")
    print_table(("name", "text"), [("x" * 40, LONG), ("y", "[bold]")])
    lines = capsys.readouterr().out.splitlines()
    assert [line.rstrip().split(maxsplit=1) for line in lines] == [["name", "text"], ["x" * 40, LONG], ["y", "[bold]"]]


def test_the_first_column_is_never_folded(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "60")
    print_table(("name", "text"), [("x" * 40, LONG)])
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= 60
    assert lines[1].startswith("x" * 40)
    assert len(lines) > 4
