"""What labelling tells people while it works; all of it goes to stderr."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
)
from rich.text import Text


class Talk:
    """Lines and a progress bar on a console."""

    def __init__(self, console: Console | None = None) -> None:
        self.console = console or Console(stderr=True, soft_wrap=True)

    def say(self, line: str) -> None:
        """One plain line."""
        self.console.print(line, markup=False, highlight=False)

    def warn(self, line: str) -> None:
        """One line that wants attention."""
        self.console.print(f"warning: {line}", style="yellow", markup=False, highlight=False)

    @contextmanager
    def progress(self, total: int, done: int) -> Iterator[Advance]:
        """A bar over `total` pictures, of which `done` are behind us."""
        columns = (
            TextColumn("labelling"),
            BarColumn(),
            MofNCompleteColumn(),
            _Rate(),
            TextColumn("left"),
            TimeRemainingColumn(),
        )
        with Progress(*columns, console=self.console) as bar:
            task = bar.add_task("labelling", total=total, completed=done)
            yield Advance(bar, task)


class Advance:
    """Moves a bar on."""

    def __init__(self, bar: Progress, task: TaskID) -> None:
        self._bar, self._task = bar, task

    def __call__(self, pictures: int) -> None:
        """Move the bar by a number of pictures."""
        self._bar.advance(self._task, pictures)


class _Rate(ProgressColumn):
    def render(self, task: Task) -> Text:
        speed = task.finished_speed or task.speed
        return Text(f"{speed:.1f} pictures/s" if speed else "… pictures/s")
