"""How `cdul-edge evaluate` shows its estimate where there is no truth."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table
from rich.text import Text

from cdul_edge.cli.output.evaluate_tables import ENDS, MOST_CLASSES

if TYPE_CHECKING:
    from cdul_edge_runtime.metrics.expected import ClassExpectation, Expectation, ExpectedReport

_HEADINGS = ("class", "predicted", "prevalence, %", "precision, %", "recall, %", "F1, %")


def show_estimate(report: ExpectedReport, assumptions: str, console: Console) -> None:
    """Show what to expect class by class, then of all classes, and what that takes for granted."""
    table = Table(title="Estimate without truth (95 % intervals)", title_justify="left")
    for number, heading in enumerate(_HEADINGS):
        table.add_column(heading, justify="right" if number else "left")
    rows = list(report.classes.items())
    if len(rows) <= MOST_CLASSES:
        _add_classes(table, rows)
    else:
        ranked = sorted(rows, key=lambda row: -_number(row[1].f1))
        _add_classes(table, ranked[:ENDS])
        hidden = f"... {len(rows) - 2 * ENDS} more classes, all in --json ..."
        table.add_row(hidden, *[""] * (len(_HEADINGS) - 1), style="dim")
        _add_classes(table, ranked[-ENDS:])
    console.print(table)
    console.print(f"macro F1  {_show(report.macro_f1)}   mAP  {_show(report.map)}", style="bold")
    console.print(f"{report.pictures} pictures; {assumptions}")


def _add_classes(table: Table, rows: list[tuple[str, ClassExpectation]]) -> None:
    for name, one in rows:
        figures = map(_show, (one.prevalence, one.precision, one.recall, one.f1))
        table.add_row(Text(name), f"{one.predicted:,}", *figures)


def _show(figure: Expectation) -> str:
    if math.isnan(figure.value):
        return "-"
    return f"{figure.value:.1f} ({figure.low:.0f}-{figure.high:.0f})"


def _number(figure: Expectation) -> float:
    return -math.inf if math.isnan(figure.value) else figure.value
