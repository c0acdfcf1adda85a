"""What a server uses: CPU time and memory of its whole process tree.

Rule: the kernel's own counters and nothing sampled. Linux only.
"""

import os
from collections.abc import Iterator
from pathlib import Path

_PROC = Path("/proc")
_MILLISECONDS_PER_TICK = 1000 / os.sysconf("SC_CLK_TCK")
_RESET_PEAK = "5"  # https://docs.kernel.org/filesystems/proc.html, clear_refs


def cpu_milliseconds(root: int) -> float:
    """User and system time that the tree under `root` has used so far, threads that ended included."""
    return sum(sum(map(int, _stat(process)[11:13])) for process in _tree(root)) * _MILLISECONDS_PER_TICK


def peak_megabytes(root: int) -> float:
    """The sum of the largest resident sets (10^6 bytes) since `reset_peak`; shared pages count once per process."""
    return sum(_peak_kibibytes(process) for process in _tree(root)) * 1024 / 1e6


def reset_peak(root: int) -> None:
    for process in _tree(root):
        (_PROC / str(process) / "clear_refs").write_text(_RESET_PEAK)


def _tree(root: int) -> list[int]:
    parents = dict(_parents())
    tree = [root]
    for process in tree:
        tree += [child for child, parent in parents.items() if parent == process]
    return tree


def _parents() -> Iterator[tuple[int, int]]:
    for folder in _PROC.iterdir():
        if folder.name.isdecimal():
            try:
                yield int(folder.name), int(_stat(int(folder.name))[1])
            except (FileNotFoundError, ProcessLookupError):
                continue  # it ended meanwhile


def _stat(process: int) -> list[str]:
    """The fields after the command's name, which may hold spaces: state, parent, …, utime, stime."""
    return (_PROC / str(process) / "stat").read_text().rpartition(")")[2].split()


def _peak_kibibytes(process: int) -> int:
    lines = (_PROC / str(process) / "status").read_text().splitlines()
    return next((int(line.split()[1]) for line in lines if line.startswith("VmHWM:")), 0)
