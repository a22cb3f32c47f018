"""What calibration tells people while it works; all of it goes to stderr."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

Advance = Callable[[int], None]


class Talk:
    """Lines, and one progress bar at a time."""

    def __init__(self, console: Console | None = None) -> None:
        self._console = console or Console(stderr=True, soft_wrap=True)

    def say(self, line: str) -> None:
        """One plain line."""
        self._console.print(line, markup=False, highlight=False)

    def warn(self, line: str) -> None:
        """One line that wants attention."""
        self._console.print(f"warning: {line}", style="yellow", markup=False, highlight=False)

    @contextmanager
    def progress(self, doing: str, total: int) -> Iterator[Advance]:
        """A bar over `total` steps; the function it gives moves the bar on."""
        columns = (
            TextColumn(f"{doing:32}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
        )
        with Progress(*columns, console=self._console) as bar:
            task = bar.add_task(doing, total=total)
            yield lambda steps: bar.advance(task, steps)
