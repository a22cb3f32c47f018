"""`cdul-edge demo`: the whole job on pictures that the program draws itself."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Sequence
from contextlib import nullcontext, redirect_stdout
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

from cdul_edge.cli.output.result_console import message_console, result_console
from cdul_edge.cli.output.summary import write_summary
from cdul_edge_runtime.errors import extra_imports
from cdul_edge_runtime.host.files import write_json

ACCURACY = {
    "global": ("CLIP, whole picture", "training pictures"),
    "cdul": ("pseudo-labels, CDUL's (picture by picture)", "training pictures"),
    "pseudo_labels": ("pseudo-labels, default (evidence of the set)", "training pictures"),
    "refined_labels": ("pseudo-labels, aligned", "training pictures"),
    "student_train": ("student, exported", "training pictures"),
    "student_heldout": ("student, exported", "held-out pictures"),
    "supervised_heldout": ("student of true labels (bound)", "held-out pictures"),
}


def demo(
    out: Annotated[Path, typer.Option(help="Folder for everything the demo makes.")] = Path(
        "demo-out"
    ),
    seed: Annotated[int, typer.Option(min=0, help="Of the drawn world and of training.")] = 0,
    train_pictures: Annotated[int, typer.Option(min=64, help="Unlabelled pictures.")] = 3000,
    heldout_pictures: Annotated[int, typer.Option(min=20, help="Pictures to judge on.")] = 1000,
    supervised: Annotated[
        bool, typer.Option("--supervised", help="Also train on true labels: the upper bound.")
    ] = False,
    force: Annotated[bool, typer.Option("--force", help="Replace an earlier demo.")] = False,
    json: Annotated[Path | None, typer.Option(help="Also write the table as JSON.")] = None,
) -> None:
    """Draw a world, label it with a tiny CLIP, train, export, calibrate, verify; no download."""
    with extra_imports("train", "the demo"):
        from cdul_edge.demo.pipeline import DemoSettings, run_demo
    settings = DemoSettings(
        out=out,
        seed=seed,
        train_pictures=train_pictures,
        heldout_pictures=heldout_pictures,
        supervised=supervised,
        force=force,
    )
    # With --json - stdout is the report's alone; what the commands print goes to stderr.
    quiet = str(json) == "-"
    with redirect_stdout(sys.stderr) if quiet else nullcontext():
        report = run_demo(settings, _run_command)
        _print_report(report)
    write_json(out / "demo.json", report)
    if json is not None:
        write_summary(json, report)


def _run_command(arguments: Sequence[str]) -> None:
    from cdul_edge.cli import app

    message_console().print(f"\n$ cdul-edge {shlex.join(arguments)}", style="bold")
    code = app(list(arguments), standalone_mode=False)
    if code:
        raise typer.Exit(code)


def _print_report(report: dict[str, Any]) -> None:
    console = result_console()
    table = Table(title="What came out", title_justify="left")
    table.add_column("mAP, %", justify="right")
    table.add_column("of")
    table.add_column("on")
    for name, (what, where) in ACCURACY.items():
        if name in report["map"]:
            table.add_row(f"{report['map'][name]:.1f}", what, where)
    console.print(table)
    console.print(_tabulate_precisions(report["precisions"]))
    torch_ms, ort_ms = (report["latency_ms"][k] for k in ("torch_ms", "onnxruntime_ms"))
    console.print(
        f"One picture takes {torch_ms:.2f} ms in torch and {ort_ms:.2f} ms in ONNX Runtime "
        f"({torch_ms / ort_ms:.2f}x; batch 1, one thread each, median)."
    )
    stages = ", ".join(f"{name} {value:.0f}" for name, value in report["stage_seconds"].items())
    console.print(f"The whole took {report['seconds']:.0f} s ({stages}).")
    for name, path in report["paths"].items():
        console.print(f"  {name:14} {path}")


def _tabulate_precisions(precisions: dict[str, dict[str, Any]]) -> Table:
    table = Table(title="The student in each precision, held-out pictures", title_justify="left")
    table.add_column("precision")
    for name in ("mAP, %", "change", "95 % interval", "flips, %", "MiB", "CPU, ms"):
        table.add_column(name, justify="right")
    for name, cost in precisions.items():
        latency = cost["latency_ms"]
        table.add_row(
            name,
            f"{cost['map']:.2f}",
            f"{cost['map_change']:+.2f}",
            "{:+.2f} to {:+.2f}".format(*cost["map_change_interval"]),
            f"{cost['flips_percent']:.2f}",
            f"{cost['mib']:.1f}",
            "-" if latency is None else f"{latency:.2f}",
        )
    return table
