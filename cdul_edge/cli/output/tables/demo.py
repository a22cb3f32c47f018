"""How `cdul-edge demo` shows what came out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from cdul_edge.demo.report import DemoResult, PrecisionCost

_ACCURACY = {
    "global": ("CLIP, whole picture", "training pictures"),
    "cdul": ("pseudo-labels, CDUL's (picture by picture)", "training pictures"),
    "pseudo_labels": ("pseudo-labels, default (evidence of the set)", "training pictures"),
    "refined_labels": ("pseudo-labels, aligned", "training pictures"),
    "student_train": ("student, exported", "training pictures"),
    "student_heldout": ("student, exported", "held-out pictures"),
    "supervised_heldout": ("student of true labels (bound)", "held-out pictures"),
}


def show_demo(result: DemoResult, console: Console) -> None:
    """Show accuracy, precisions, latency, time and files."""
    from rich.table import Table

    table = Table(title="What came out", title_justify="left")
    table.add_column("mAP, %", justify="right")
    table.add_column("of")
    table.add_column("on")
    for name, (what, where) in _ACCURACY.items():
        if name in result.map:
            figure = round(result.map[name], 2)  # as the report has it: 52.749 is 52.8 in both
            table.add_row(f"{figure:.1f}", what, where)
    console.print(table)
    console.print(_tabulate_precisions(result.precisions))
    torch_ms, ort_ms = result.latency.torch_ms, result.latency.onnxruntime_ms
    console.print(
        f"One picture takes {torch_ms:.2f} ms in PyTorch and {ort_ms:.2f} ms in ONNX Runtime "
        f"({torch_ms / ort_ms:.2f}x; batch 1, one thread each, median)."
    )
    stages = ", ".join(f"{name} {value:.0f}" for name, value in result.stage_seconds.items())
    console.print(f"The whole took {result.seconds:.0f} s ({stages}).")
    for name, path in result.paths.items():
        console.print(f"  {name:14} {path}")


def _tabulate_precisions(precisions: Mapping[str, PrecisionCost]) -> Table:
    from rich.table import Table

    table = Table(title="The student in each precision, held-out pictures", title_justify="left")
    table.add_column("precision")
    for name in ("mAP, %", "change", "95 % interval", "flips, %", "MiB", "CPU, ms"):
        table.add_column(name, justify="right")
    for name, cost in precisions.items():
        low, high = cost.map_change_interval
        table.add_row(
            name,
            f"{cost.map:.2f}",
            f"{cost.map_change:+.2f}",
            f"{low:+.2f} to {high:+.2f}",
            f"{cost.flips_percent:.2f}",
            f"{cost.mib:.1f}",
            "-" if cost.latency_ms is None else f"{cost.latency_ms:.2f}",
        )
    return table
