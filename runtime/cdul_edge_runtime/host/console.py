"""What the program tells people while it works: one protocol, for a terminal, a library, or nobody.

Results go to stdout and are the caller's; all of this goes to stderr. Tables are the command line's
to draw, on `StderrConsole.rich`.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import TYPE_CHECKING, Protocol

from cdul_edge_runtime.errors import CdulEdgeWarning

if TYPE_CHECKING:  # drawing is imported with the first terminal, not with the runtime
    import rich.console

# Moves a progress bar on by so many units.
Advance = Callable[[int], None]


class Console(Protocol):
    """Where a stage's lines, warnings and progress go."""

    def say(self, line: str) -> None:
        """Show one plain line; brackets in it are no markup."""

    def warn(self, line: str) -> None:
        """Show one line that needs attention, without the word "warning"."""

    def progress(
        self, doing: str, total: int, *, done: int = 0, unit: str = "pictures"
    ) -> AbstractContextManager[Advance]:
        """Show progress while the block runs; what it yields is called with each step's size.

        Args:
            doing: what is being done, such as "labeling".
            total: number of units in all.
            done: number of units finished before this run.
            unit: what is counted, in the plural.
        """


class SilentConsole:
    """Shows nothing, for callers that report by themselves."""

    def say(self, line: str) -> None:
        """Drop the line."""

    def warn(self, line: str) -> None:
        """Drop the line."""

    def progress(
        self, doing: str, total: int, *, done: int = 0, unit: str = "pictures"
    ) -> AbstractContextManager[Advance]:
        """Show nothing."""
        return nullcontext(lambda units: None)


class LibraryConsole(SilentConsole):
    """What a stage uses when it is called from Python without a console: only warnings pass."""

    def warn(self, line: str) -> None:
        """Issue a `CdulEdgeWarning`."""
        warnings.warn(line, CdulEdgeWarning, stacklevel=3)


class StderrConsole:
    """Lines and progress bars on stderr; bars are drawn on a terminal only, and go when done.

    Args:
        rich: the console to draw on; None makes one for stderr.
    """

    def __init__(self, rich: rich.console.Console | None = None) -> None:
        from cdul_edge_runtime.host.lasting_console import LastingConsole

        self.rich = rich or LastingConsole(stderr=True)

    def say(self, line: str) -> None:
        """Print one plain line; it is not wrapped."""
        self.rich.print(line, markup=False, highlight=False, soft_wrap=True)

    def warn(self, line: str) -> None:
        """Print one yellow line that begins with "warning: "."""
        self.rich.print(
            f"warning: {line}", style="yellow", markup=False, highlight=False, soft_wrap=True
        )

    @contextmanager
    def progress(
        self, doing: str, total: int, *, done: int = 0, unit: str = "pictures"
    ) -> Iterator[Advance]:
        """Draw a bar with count, speed and the time left; nothing where there is no terminal."""
        if not self.rich.is_terminal:  # rich before 15 ends even a hidden bar with an empty line
            yield lambda units: None
            return
        from rich.progress import (
            BarColumn,
            MofNCompleteColumn,
            Progress,
            TextColumn,
            TimeRemainingColumn,
        )

        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[rate]}"),
            TimeRemainingColumn(),
        )
        with Progress(*columns, console=self.rich, transient=True) as bar:
            task = bar.add_task(doing, total=total, completed=done, rate="")

            def advance(units: int) -> None:
                bar.advance(task, units)
                speed = bar.tasks[0].speed
                bar.update(task, rate=f"{speed:.1f} {unit}/s" if speed else "")

            yield advance
