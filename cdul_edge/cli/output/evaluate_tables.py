"""How `cdul-edge evaluate` shows its report to people."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from cdul_edge_runtime.metrics.metrics import MetricsReport


def show_report(report: MetricsReport, pictures: int, console: Console) -> None:
    """AP class by class, then a line a metric.

    Args:
        pictures: how many there were, with known truth or without.
    """
    plain = report.to_dict()
    console.print(_ap_table(plain))
    for name, key, note in _lines(plain):
        console.print(f"{name:9} {_percent(plain[key]):>5}   ({note})")
    unknown = f" of {pictures}; the truth of the others is unknown" * (pictures > report.pictures)
    console.print(f"{report.pictures} pictures{unknown}")
    if report.classes_without_positive:
        missing = ", ".join(name for name, value in plain["ap"].items() if value is None)
        console.print(Text(f"no positive picture, left out of mAP: {missing}"))


def say_origin(origin: dict[str, Any], console: Console) -> None:
    """Where fitted thresholds came from, and what that makes of the figures."""
    if "in_sample" not in origin:
        return
    rule, count = origin["rule"], origin["pictures"]
    if origin["in_sample"]:
        line = (
            f"thresholds: {rule}, chosen on these very {count} pictures, so all but AP and ECE is "
            "too good; --fit-pictures N keeps pictures apart to report on"
        )
    elif "seed" in origin:
        line = (
            f"thresholds: {rule}, chosen on {count} pictures drawn with seed {origin['seed']}; "
            "every figure is of the others"
        )
    else:
        line = f"thresholds: {rule}, from the scores of {count} pictures and no truth"
    console.print(line, style="yellow" if origin["in_sample"] else None)


def _ap_table(plain: dict[str, Any]) -> Table:
    table = Table()
    table.add_column("class")
    table.add_column("AP, %", justify="right")
    for name, value in plain["ap"].items():
        table.add_row(Text(name), _percent(value))
    table.add_section()
    table.add_row(f"mAP ({plain['ap_convention']})", _percent(plain["map"]), style="bold")
    return table


def _lines(plain: dict[str, Any]) -> tuple[tuple[str, str, str], ...]:
    shown = {key: _percent(value) for key, value in plain.items() if key not in _NO_PERCENT}
    return (
        ("CF1", "cf1", f"CP {shown['cp']}, CR {shown['cr']}"),
        ("OF1", "of1", f"OP {shown['op']}, OR {shown['or_']}"),
        ("CF1 top-3", "cf1_top3", f"at most three labels a picture; OF1 {shown['of1_top3']}"),
        ("macro F1", "macro_f1", "mean of the classes' F1"),
        ("Hamming", "hamming", f"predicting nothing scores {shown['density']}"),
        ("ECE", "ece", f"mean of the classes' {shown['ece_by_class']}; Brier {shown['brier']}"),
    )


_NO_PERCENT = ("pictures", "ap", "ap_convention", "classes_without_positive")


def _percent(value: float | None) -> str:
    return "-" if value is None else f"{value:.1f}"
