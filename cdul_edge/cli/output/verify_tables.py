"""What `cdul-edge verify` prints: accuracy, speed, throughput, and a line for what is not right."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from rich.console import Console
from rich.text import Text

from cdul_edge.cli.output.devices import say_unavailable
from cdul_edge.cli.output.speed_tables import show_speed, table

if TYPE_CHECKING:
    from cdul_edge_runtime.verify.row import VerifyRow
    from cdul_edge_runtime.verify.verify import VerifyReport

# The checks that a backend's answers are held against its own other answers with.
SELF_TESTS = {
    "rows in another order": "row order",
    "the same batch again": "repeat",
    "the same picture twice in a batch": "twins",
    "one by one against a batch": "one by one against batch",
}


def show_report(report: VerifyReport, console: Console) -> None:
    """Print the whole report; `console` is a `result_console`."""
    console.print(report.bundle)
    _show_accuracy(report, console)
    _show_self_tests(report, console)
    console.print()
    show_speed(report.rows, console)
    console.print()
    _show_remarks(report, console)


def _show_accuracy(report: VerifyReport, console: Console) -> None:
    accuracy = table("device", "precision")
    for name in ("max error", "mean error", "flips %", "mAP", "change", "verdict"):
        accuracy.add_column(name, justify="right", no_wrap=True)
    for row in report.rows:
        verdict = Text("ok", "green") if row.passed else Text("broken", "red")
        errors = [_error(row.max_error), _error(row.mean_error)]
        accuracy.add_row(row.device, row.precision, *errors, *_costs(row), verdict)
    console.print(accuracy)
    for line in _legend(report):
        console.print(line, style="dim")


def _legend(report: VerifyReport) -> list[str]:
    errors = "errors: score differences to PyTorch on the reference pictures"
    if not report.pictures:
        return [errors, "mAP: PyTorch's decisions on them as the truth; PyTorch itself has 100"]
    given = report.pictures["truth"] == "given"
    count, unreadable = report.pictures["count"], len(report.pictures["unreadable"])
    against = "the given truth" if given else "FP32's scores as the truth"
    return [
        errors,
        f"flips, mAP: on {count} pictures ({unreadable} unreadable), mAP against {against}",
        "flips, change: against FP32 on the CPU",
    ]


def _costs(row: VerifyRow) -> list[str]:
    """Flips, mAP and its change: on the pictures where they were given."""
    if row.pictures:
        drop = row.pictures.get("map_drop")
        change = None if drop is None else -drop
        return [_percent(row.pictures["flip_rate"]), _points(row.pictures["map"]), _change(change)]
    change = None if row.map_reference is None else row.map_reference - 100
    return [_percent(row.flip_rate), _points(row.map_reference), _change(change)]


def _show_self_tests(report: VerifyReport, console: Console) -> None:
    """Who passed the same ones stands in one line."""
    groups: dict[str, list[str]] = {}
    for row in report.rows:
        passed = {check.name for check in row.checks if check.passed}
        tests = ", ".join(short for name, short in SELF_TESTS.items() if name in passed)
        groups.setdefault(tests or "none", []).append(f"{row.device} {row.precision}")
    for tests, rows in groups.items():
        where = "" if len(groups) == 1 else f" by {', '.join(rows)}"
        line = f"self-tests passed{where}: {tests}"
        console.print(line)


def _show_remarks(report: VerifyReport, console: Console) -> None:
    slow = [f"{row.device} {row.precision}" for row in report.rows if row.accuracy_only]
    if slow:
        text = f"not timed: {', '.join(slow)}: slow emulation here, for the accuracy only"
        console.print(text, style="dim")
    say_unavailable(report.unavailable, console)
    for warning in report.warnings:
        console.print(warning, style="yellow")
    for row in report.rows:
        faults = [
            f"{check.name}: {check.value:.3g}, limit {check.limit:.3g}"
            for check in row.checks
            if not check.passed
        ]
        for fault in [row.failure, *faults] if row.failure else faults:
            line = f"broken: {row.device} {row.precision}: {fault}"
            console.print(line, style="red")
    if not report.passed:
        text = "verification failed: do not use what is broken on this machine"
        console.print(text, style="red")


def _error(value: float) -> str:
    return f"{value:.2g}" if math.isfinite(value) else "-"


def _percent(share: float) -> str:
    return f"{100 * share:.2f}" if math.isfinite(share) else "-"


def _points(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"


def _change(value: float | None) -> str:
    return "-" if value is None else f"{round(value, 2) + 0.0:+.2f}"  # and never -0.00
