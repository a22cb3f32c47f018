"""What a finished run found, as a table on stderr."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING

from cdul_edge_runtime.host.console import StderrConsole

if TYPE_CHECKING:
    from cdul_edge.training.summary import RunSummary
    from cdul_edge_runtime.metrics.metrics import MetricsReport


def show_run(summary: RunSummary, console: StderrConsole) -> None:
    """Draw the table, and name the classes that are never predicted."""
    from rich.table import Table

    last = summary.last_epoch
    table = Table()
    table.add_column("what")
    table.add_column("value", justify="right")
    table.add_row("network", summary.network)
    table.add_row("method", summary.method)
    table.add_row("pictures", str(summary.pictures))
    if summary.labels_from == "observed":
        table.add_row("labels", "observed alone")
    table.add_row("epochs", str(summary.epochs))
    table.add_row("training", f"{summary.seconds:.0f} s")
    table.add_row("speed", f"{summary.images_per_second:.1f} pictures/s")
    table.add_row("bce, kl at the end", f"{last.bce:.4f}, {last.kl:.4f}")
    if summary.score_slope is not None:
        table.add_row("log-odds multiplied by", f"{summary.score_slope:.2f}")
    for name, value in _accuracy(summary):
        table.add_row(name, "-" if math.isnan(value) else f"{value:.1f} %")
    console.say(summary.run)  # a title of the table's would be wrapped
    console.rich.print(table)
    never = summary.never_predicted
    if never:
        label = "observed label" if summary.labels_from == "observed" else "pseudo-label"
        console.warn(
            f"no {label} shows these classes, so they are never predicted: {', '.join(never)}"
        )


def _accuracy(summary: RunSummary) -> Iterator[tuple[str, float]]:
    if summary.labels_map is not None:
        labels = "labels" if summary.labels_from == "observed" else "pseudo-labels"
        yield f"{labels}, first mAP", summary.labels_map[0]
        yield f"{labels}, last mAP", summary.labels_map[1]
    if summary.train is not None:
        yield from _of_set("training pictures", summary.train)
    if summary.val is not None:
        yield from _of_set("held-out pictures", summary.val)


def _of_set(name: str, report: MetricsReport) -> Iterator[tuple[str, float]]:
    yield f"{name}, mAP", report.map
    yield f"{name}, CF1", report.cf1
    yield f"{name}, OF1", report.of1
    yield f"{name}, Hamming", report.hamming
