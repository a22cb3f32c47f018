"""How `cdul-edge evaluate` shows its report to people."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from cdul_edge.cli.output.tables.classes import ENDS, MOST_CLASSES

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from cdul_edge.front.evaluation import ThresholdOrigin
    from cdul_edge_runtime.metrics.metrics import MetricsReport


def show_report(report: MetricsReport, pictures: int, console: Console) -> None:
    """Show AP class by class, then one line per metric.

    Args:
        report: of the scores.
        pictures: how many there were, with known truth or without.
        console: where to show it.
    """
    from cdul_edge_runtime.bundle.classes import name_some

    plain = report.to_dict()
    console.print(_ap_table(report))
    for name, key, note in _lines(plain):
        console.print(f"{name:9} {_percent(plain[key]):>5}   ({note})")
    unknown = f" of {pictures}; the truth of the others is unknown" * (pictures > report.pictures)
    console.print(f"{report.pictures} pictures{unknown}")
    missing = [name for name, value in report.ap.items() if math.isnan(value)]
    if missing:
        console.print(f"no positive picture, left out of mAP: {name_some(missing)}")


def say_origin(origin: ThresholdOrigin, console: Console) -> None:
    """Say where fitted thresholds came from, and what that makes of the figures."""
    if origin.pictures is None:
        return
    rule, count = origin.rule, origin.pictures
    if origin.in_sample:
        line = (
            f"thresholds: {rule}, chosen on these very {count} pictures, so all but AP and ECE is "
            "too good; --fit-pictures N keeps pictures apart to report on"
        )
    elif origin.seed is not None:
        line = (
            f"thresholds: {rule}, chosen on {count} pictures drawn with seed {origin.seed}; "
            "every figure is of the others"
        )
    else:
        line = f"thresholds: {rule}, from the scores of {count} pictures and no truth"
    console.print(line, style="yellow" if origin.in_sample else None)


def _ap_table(report: MetricsReport) -> Table:
    from rich.table import Table

    table = Table()
    table.add_column("class")
    table.add_column("AP, %", justify="right")
    rows = list(report.ap.items())
    if len(rows) > MOST_CLASSES:
        ranked = sorted((row for row in rows if not math.isnan(row[1])), key=lambda row: -row[1])
        best, worst = ranked[:ENDS], ranked[ENDS:][-ENDS:]
        hidden = len(rows) - len(best) - len(worst)
        _add_classes(table, best)
        table.add_row(f"... {hidden} more classes, all in --json ...", "", style="dim")
        _add_classes(table, worst)
    else:
        _add_classes(table, rows)
    table.add_section()
    table.add_row(f"mAP ({report.ap_convention})", _percent(report.map), style="bold")
    return table


def _add_classes(table: Table, rows: Sequence[tuple[str, float]]) -> None:
    from rich.text import Text

    for name, value in rows:
        table.add_row(Text(name), _percent(value))


def _lines(plain: Mapping[str, Any]) -> tuple[tuple[str, str, str], ...]:
    shown = {key: _percent(value) for key, value in plain.items() if key not in _NO_PERCENT}
    return (
        ("CF1", "cf1", f"CP {shown['cp']}, CR {shown['cr']}"),
        ("OF1", "of1", f"OP {shown['op']}, OR {shown['or_']}"),
        ("CF1 top-3", "cf1_top3", f"at most three labels per picture; OF1 {shown['of1_top3']}"),
        ("macro F1", "macro_f1", "mean of the classes' F1"),
        ("Hamming", "hamming", f"predicting nothing scores {shown['density']}"),
        ("ECE", "ece", f"mean of the classes' {shown['ece_by_class']}; Brier {shown['brier']}"),
    )


_NO_PERCENT = ("pictures", "ap", "ap_convention", "classes_without_positive")


def _percent(value: float | None) -> str:
    return "-" if value is None or math.isnan(value) else f"{value:.1f}"
