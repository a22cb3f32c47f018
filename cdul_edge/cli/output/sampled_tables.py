"""How `cdul-edge evaluate --sampled` shows what people's answers say."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table
from rich.text import Text

from cdul_edge.cli.output.evaluate_tables import ENDS, MOST_CLASSES

if TYPE_CHECKING:
    from cdul_edge.front.sampled_evaluation import Sampled, SampledClass, SampledResult

_HEADINGS = ("class", "predicted", "answered", "precision, %", "recall, %", "F1, %")
_SOME = 20


def show_sampled(result: SampledResult, console: Console) -> None:
    """Show what the answers say class by class, then of all classes, and what is still open."""
    table = Table(title="Estimate from answers (95 % intervals)", title_justify="left")
    for number, heading in enumerate(_HEADINGS):
        table.add_column(heading, justify="right" if number else "left")
    rows = list(result.classes.items())
    if len(rows) <= MOST_CLASSES:
        _add_classes(table, rows)
    else:
        ranked = sorted(rows, key=lambda row: _rank(row[1]))
        _add_classes(table, ranked[:ENDS])
        hidden = f"... {len(rows) - 2 * ENDS} more classes, all in --json ..."
        table.add_row(hidden, *[""] * (len(_HEADINGS) - 1), style="dim")
        _add_classes(table, ranked[-ENDS:])
    console.print(table)
    console.print(f"macro F1  {_show(result.macro_f1)}", style="bold")
    asked, answered = (
        sum(getattr(one, key) for one in result.classes.values()) for key in ("asked", "answered")
    )
    console.print(f"{answered} answers to {asked} questions about {result.pictures} pictures")
    for line in _open_points(result):
        console.print(line, style="yellow")


def _add_classes(table: Table, rows: list[tuple[str, SampledClass]]) -> None:
    for name, one in rows:
        figures = map(_show, (one.precision, one.recall, one.f1))
        answered = f"{one.answered} of {one.asked}"
        table.add_row(Text(name), f"{one.predicted:,}", answered, *figures)


def _open_points(result: SampledResult) -> list[str]:
    from cdul_edge_runtime.bundle.classes import name_some

    classes = result.classes
    unsure = sum(one.unsure for one in classes.values())
    remaining = {name: one.remaining for name, one in classes.items() if one.remaining}
    joined = {name: one.joined for name, one in classes.items() if one.joined}
    unknown = [name for name, one in classes.items() if math.isnan(one.f1.value)]
    lines = []
    if unsure:
        lines.append(
            f"{unsure} answered ?: these pictures are taken to be like the others of their stratum"
        )
    if remaining:
        lines.append(f"{sum(remaining.values())} remain: {_some(remaining)}")
    if joined:
        lines.append(
            f"strata without an answer are taken to be like the ones beside them: {_some(joined)}"
        )
    if unknown:
        lines.append(
            f"left out of macro F1, for want of answers or of a positive: {name_some(unknown)}"
        )
    return lines


def _rank(one: SampledClass) -> float:
    """Best F1 first, unknown ones last."""
    return math.inf if math.isnan(one.f1.value) else -one.f1.value


def _some(counts: dict[str, int]) -> str:
    shown = ", ".join(f"{name} {count}" for name, count in list(counts.items())[:_SOME])
    return shown + f" and {len(counts) - _SOME} more classes" * (len(counts) > _SOME)


def _show(figure: Sampled) -> str:
    if math.isnan(figure.value):
        return "-"
    return f"{figure.value:.1f} ({figure.low:.1f}-{figure.high:.1f})"
