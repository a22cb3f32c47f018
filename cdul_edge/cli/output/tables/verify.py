"""What `cdul-edge verify` prints: accuracy, speed, throughput, and a line for what is not right."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from cdul_edge.cli.output.devices import say_unavailable, show_precision
from cdul_edge.cli.output.tables.speed import show_speed, table
from cdul_edge_runtime.bundle.verdict import UNSURE, Verdict, say_needed

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

    from cdul_edge_runtime.verify.check import Check
    from cdul_edge_runtime.verify.row import VerifyRow
    from cdul_edge_runtime.verify.verification import VerifyReport

_STYLES: dict[Verdict, str] = {"ok": "green", "unsure": "yellow", "broken": "red"}

# The checks that a backend's answers are held against its own other answers with.
SELF_TESTS = {
    "rows in another order": "row order",
    "the same batch again": "repeat",
    "the same picture twice in a batch": "twins",
    "one by one against a batch": "one by one against batch",
}


def show_verdict(verdict: Verdict) -> Text:
    """As it stands in a table."""
    from rich.text import Text

    return Text(verdict, _STYLES[verdict])


def show_report(report: VerifyReport, console: Console) -> None:
    """Print the whole report; `console` is a `result_console`."""
    console.print(report.bundle)
    _show_accuracy(report, console)
    _show_self_tests(report, console)
    console.print()
    show_speed(report.rows, console)
    console.print(f"resized by {report.resizer}", style="dim")
    console.print()
    _show_remarks(report, console)


def _show_accuracy(report: VerifyReport, console: Console) -> None:
    accuracy = table("device", "precision")
    for name in ("max error", "mean error", "mAP", "verdict"):
        accuracy.add_column(name, justify="right", no_wrap=True)
    cost = table("device", "precision")
    for name in ("flips %", "95 % interval", "change", "95 % interval"):
        cost.add_column(name, justify="right", no_wrap=True)
    for row in report.rows:
        errors = [_error(row.max_error), _error(row.mean_error), _points(_map(row))]
        name = show_precision(row.precision)
        accuracy.add_row(row.device, name, *errors, show_verdict(row.verdict))
        cost.add_row(row.device, name, *_costs(row))
    console.print(accuracy)
    console.print()
    console.print(cost)
    for line in _legend(report):
        console.print(line, style="dim")


def _legend(report: VerifyReport) -> list[str]:
    errors = "errors: score differences to PyTorch on the reference pictures"
    if not report.pictures:
        return [errors, "mAP: PyTorch's decisions on them as the truth; PyTorch itself has 100"]
    given = report.pictures.truth == "given"
    count, unreadable = report.pictures.count, len(report.pictures.unreadable)
    against = "the given truth" if given else "FP32's scores as the truth"
    return [
        errors,
        f"flips, mAP: on {count} pictures ({unreadable} unreadable), mAP against {against}",
        "flips, change: against FP32 on the CPU",
    ]


def _map(row: VerifyRow) -> float | None:
    """On the pictures where they were given."""
    return row.pictures.map if row.pictures else row.map_reference


def _costs(row: VerifyRow) -> list[str]:
    """Flips and the change of mAP, each with its interval: on the pictures where they were given.

    The reference pictures give the change no interval: PyTorch's own decisions are the truth there.
    """
    if row.pictures:
        flips, loss = row.pictures.flips, row.pictures.loss
        rates = show_percents((flips.low, flips.high))
        if loss is None:
            return [_percent(flips.value), rates, "-", "-"]
        changes = show_change((loss.low, loss.high))
        return [_percent(flips.value), rates, _change(-loss.value), changes]
    change = None if row.map_reference is None else row.map_reference - 100
    return [_percent(row.flip_rate), show_percents(row.flip_rate_interval), _change(change), "-"]


def show_percents(rates: Sequence[float] | None) -> str:
    """An interval of shares in percent."""
    return "-" if rates is None else f"{100 * rates[0]:.2f} to {100 * rates[1]:.2f}"


def show_change(loss: Sequence[float] | None) -> str:
    """The interval of a change of mAP from that of its loss, the worse end first."""
    if loss is None:
        return "-"
    worse, better = (round(-end, 2) + 0.0 for end in (loss[1], loss[0]))
    return f"{worse:+.2f} to {better:+.2f}"


def _show_self_tests(report: VerifyReport, console: Console) -> None:
    """Who passed the same ones stands in one line."""
    groups: dict[str, list[str]] = {}
    for row in report.rows:
        passed = {check.name for check in row.checks if check.passed}
        tests = ", ".join(short for name, short in SELF_TESTS.items() if name in passed)
        groups.setdefault(tests or "none", []).append(_name(row))
    for tests, rows in groups.items():
        where = "" if len(groups) == 1 else f" by {', '.join(rows)}"
        line = f"self-tests passed{where}: {tests}"
        console.print(line)


def _show_remarks(report: VerifyReport, console: Console) -> None:
    slow = [_name(row) for row in report.rows if row.accuracy_only]
    if slow:
        text = f"not timed: {', '.join(slow)}: slow emulation here, for the accuracy only"
        console.print(text, style="dim")
    say_unavailable(report.unavailable, console)
    for warning in report.warnings:
        console.print(warning, style="yellow")
    for row in report.rows:
        if row.failure:
            _say(console, "broken", row, row.failure)
        for check in row.checks:
            if check.verdict != "ok":
                _say(console, check.verdict, row, _explain(check))
    if not report.passed:
        text = "verification failed: do not use what is broken on this machine"
        console.print(text, style="red")


def _say(console: Console, verdict: Verdict, row: VerifyRow, reason: str) -> None:
    line = f"{verdict}: {_name(row)}: {reason}"
    style = "red" if verdict == "broken" else "yellow"
    console.print(line, style=style)


def _name(row: VerifyRow) -> str:
    return f"{row.device} {show_precision(row.precision)}"


def _explain(check: Check) -> str:
    limit = f"limit {check.limit:.3g}"
    if check.interval is None:
        return f"{check.name}: {check.value:.3g}, {limit}"
    low, high = check.interval
    figure = f"{check.name}: {check.value:.3g} (95 % interval {low:.3g} to {high:.3g}), {limit}"
    if check.verdict != "unsure":
        return figure
    return f"{figure}: {UNSURE}: {check.pictures} pictures, {say_needed(check.pictures_needed)}"


def _error(value: float) -> str:
    return f"{value:.2g}" if math.isfinite(value) else "-"


def _percent(share: float) -> str:
    return f"{100 * share:.2f}" if math.isfinite(share) else "-"


def _points(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"


def _change(value: float | None) -> str:
    return "-" if value is None else f"{round(value, 2) + 0.0:+.2f}"  # and never -0.00
