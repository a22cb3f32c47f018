"""What a run says while it works, on stderr."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeRemainingColumn,
)
from rich.table import Table

from cdul_edge.training.data.dataset import Tick


class Talk:
    """Lines and progress bars; nothing at all when `quiet`."""

    def __init__(self, console: Console | None = None, *, quiet: bool = False) -> None:
        self.console = console or Console(stderr=True, quiet=quiet)

    def say(self, line: str, style: str = "") -> None:
        """One line as it is."""
        self.console.print(line, style=style, markup=False, highlight=False, soft_wrap=True)

    @contextmanager
    def progress(self, what: str, total: int) -> Iterator[Tick]:
        """A bar that goes when the block ends; its tick advances it by a number of pictures."""
        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[speed]}"),
            TimeRemainingColumn(),
        )
        interactive = self.console.is_terminal
        with Progress(
            *columns, console=self.console, transient=True, disable=not interactive
        ) as bars:
            task = bars.add_task(what, total=total, speed="")

            def tick(count: int) -> None:
                bars.advance(task, count)
                speed = bars.tasks[0].speed
                bars.update(task, speed=f"{speed:.0f} pictures/s" if speed else "")

            yield tick

    def show(self, summary: dict[str, Any]) -> None:
        """The table at the end of a run."""
        last, table = summary["last_epoch"], Table()
        table.add_column("what")
        table.add_column("value", justify="right")
        table.add_row("network", summary["network"])
        table.add_row("method", summary["method"])
        table.add_row("pictures", str(summary["pictures"]))
        table.add_row("epochs", str(summary["epochs"]))
        table.add_row("training", f"{summary['seconds']:.0f} s")
        table.add_row("speed", f"{summary['images_per_second']:.0f} pictures/s")
        table.add_row("bce, kl at the end", f"{last['bce']:.4f}, {last['kl']:.4f}")
        for row in _accuracy(summary):
            table.add_row(*row)
        self.say(str(summary["run"]), "italic")  # a title of the table's would be wrapped
        self.console.print(table)
        never = [
            name
            for name, limit in zip(summary["classes"], summary["thresholds"], strict=True)
            if limit is None
        ]
        if never:
            self.say(
                "warning: no pseudo-label shows these classes, so they are never predicted: "
                + ", ".join(never),
                style="yellow",
            )


def _accuracy(summary: dict[str, Any]) -> Iterator[tuple[str, str]]:
    if "pseudo_labels" in summary:
        labels = summary["pseudo_labels"]
        yield "pseudo-labels, first mAP", _percent(labels["map_first"])
        yield "pseudo-labels, last mAP", _percent(labels["map_last"])
    for key, name in (("train", "training pictures"), ("val", "held-out pictures")):
        if key in summary:
            for metric, shown in (("map", "mAP"), ("cf1", "CF1"), ("of1", "OF1")):
                yield f"{name}, {shown}", _percent(summary[key][metric])
            yield f"{name}, Hamming", _percent(summary[key]["hamming"])


def _percent(value: float | None) -> str:
    return "-" if value is None else f"{value:.1f} %"
