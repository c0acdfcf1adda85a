"""The demo's screen: a timeline of short sentences, and under it what goes on right now.

Rule: what is printed once is never changed; only the last line moves, and only on a terminal.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

from rich.console import Console, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

WIDTH = 80
_BAR_WIDTH = 34
_FRAMES_PER_SECOND = 12
_ACTOR_WIDTH = 10
COLOURS = {
    "client": "cyan",
    "line": "yellow",
    "impasto": "green",
    "naive": "red",
    "provider": "magenta",
    "ledger": "green",
}


@dataclass(slots=True)
class Screen:
    """Says what happens on `console`, with the seconds since the act began."""

    console: Console
    monotonic: Callable[[], float] = time.monotonic
    _began: float = 0.0
    _doing: str = ""
    _since: float = 0.0
    _share: float | None = None
    _live: Live | None = None
    _spinner: Spinner = field(default_factory=lambda: Spinner("dots", style="dim"))

    def __enter__(self) -> Self:
        if self.console.is_terminal and not self.console.is_dumb_terminal:
            self._live = Live(
                get_renderable=self._now,
                console=self.console,
                refresh_per_second=_FRAMES_PER_SECOND,
                transient=True,
                redirect_stdout=False,
                redirect_stderr=False,
            )
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.doing("")
        if self._live is not None:
            self._live.stop()

    def write(self, text: str = "", style: str = "") -> None:
        """A line without time and actor."""
        self.console.print(Text(text, style))

    def act(self, title: str) -> None:
        """A new act: the clock starts at zero."""
        self._began = self.monotonic()
        self.console.print()
        self.console.print(Text(title, "bold"))

    def say(self, actor: str, text: str, style: str = "") -> None:
        """Who does what, now."""
        seconds = f"{self.monotonic() - self._began:.1f} s"
        who = (f"{actor:<{_ACTOR_WIDTH}}", f"bold {COLOURS[actor]}")
        self.console.print(Text.assemble((f"{seconds:>7}  ", "dim"), who, (text, style)))

    def introduce(self, actor: str, text: str) -> None:
        """Who plays."""
        self.console.print(Text.assemble((f"{actor:<{_ACTOR_WIDTH}}", f"bold {COLOURS[actor]}"), (text, "dim")))

    def doing(self, text: str, share: float | None = None) -> None:
        """What goes on right now, and how far it is; nothing, where `text` is empty."""
        if text != self._doing:
            self._since = self.monotonic()
        self._doing, self._share = text, share

    def compare(self, headings: Sequence[str], rows: Sequence[tuple[str, str, str]]) -> None:
        """The closing table: what, and how it went on either side."""
        table = Table(box=None, pad_edge=False, padding=(0, 3, 0, 0), header_style="bold")
        for heading, style in zip(headings, ("dim", "bold green", "bold red"), strict=True):
            table.add_column(heading, style=style, no_wrap=True)
        for row in rows:
            table.add_row(*row)
        self.console.print()
        self.console.print(table)

    def _now(self) -> RenderableType:
        if not self._doing:
            return Text()
        now = Table.grid(padding=(0, 1))
        now.add_column(width=7, justify="right")
        now.add_column()
        now.add_column()
        seconds = Text(f"{self.monotonic() - self._since:.1f} s", "dim")
        how_far = seconds if self._share is None else _bar(self._share)
        now.add_row(self._spinner, Text(f" {self._doing}", "dim"), how_far)
        return now


def _bar(share: float) -> ProgressBar:
    return ProgressBar(total=1.0, completed=share, width=_BAR_WIDTH, complete_style="cyan", finished_style="cyan")
