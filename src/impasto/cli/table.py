"""Tables on the terminal.

Rule: the first column is never folded, and what goes into a pipe is never folded at all.
"""

import shutil
from collections.abc import Iterable, Sequence

PIPE_WIDTH = 240


def width() -> int:
    """Columns to print in: `COLUMNS`, else the terminal's."""
    return shutil.get_terminal_size((PIPE_WIDTH, 0)).columns


def print_table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Print `rows` under `headings`; text is shown as it is, without markup."""
    from rich.console import Console
    from rich.table import Table

    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
    for index, heading in enumerate(headings):
        table.add_column(heading, no_wrap=index == 0, overflow="fold")
    for row in rows:
        table.add_row(*row)
    Console(markup=False, highlight=False, width=width()).print(table)
