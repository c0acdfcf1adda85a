"""Files that hold a secret: whole or not there, and their owner's alone."""

import os
from pathlib import Path

import pytest

from impasto.storage.private_file import keep_private, read_private


def test_what_is_kept_is_read(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "file"
    assert read_private(path) is None
    assert keep_private(path, "one") == "one"
    assert keep_private(path, "two") == "one"
    assert read_private(path) == "one"
    assert os.listdir(path.parent) == ["file"]  # noqa: PTH208 - nothing else, hidden or not


def test_an_empty_file_holds_nothing(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.touch()
    assert read_private(path) is None
    assert keep_private(path, "one") == "one"
    assert read_private(path) == "one"


def test_what_cannot_be_kept_leaves_nothing_behind(tmp_path: Path) -> None:
    (tmp_path / "file").mkdir()
    with pytest.raises(OSError, match="directory"):
        keep_private(tmp_path / "file", "one")
    assert os.listdir(tmp_path) == ["file"]  # noqa: PTH208 - nothing else, hidden or not
