"""How `cdul-edge evaluate` shows its estimate where there is no truth."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from cdul_edge.cli.output.tables.classes import draw_classes, show_interval

if TYPE_CHECKING:
    from rich.console import Console

    from cdul_edge_runtime.metrics.expected import ClassExpectation, ExpectedReport

_HEADINGS = ("class", "predicted", "prevalence, %", "precision, %", "recall, %", "F1, %")
_show = partial(show_interval, digits=0)


def show_estimate(report: ExpectedReport, assumptions: str, console: Console) -> None:
    """Show what to expect class by class, then of all classes, and what that takes for granted."""
    title = "Estimate without truth (95 % intervals)"
    console.print(draw_classes(title, _HEADINGS, report.classes, _cells))
    console.print(f"macro F1  {_show(report.macro_f1)}   mAP  {_show(report.map)}", style="bold")
    console.print(f"{report.pictures} pictures; {assumptions}")


def _cells(one: ClassExpectation) -> list[str]:
    figures = map(_show, (one.prevalence, one.precision, one.recall, one.f1))
    return [f"{one.predicted:,}", *figures]
