"""`cdul-edge bench`: how fast is this bundle here?"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cdul_edge.cli.options.devices import (
    BatchesOption,
    DevicesOption,
    PrecisionsOption,
    parse_counts,
)
from cdul_edge.cli.output.devices import say_unavailable, show_precision
from cdul_edge.cli.output.result_console import result_console
from cdul_edge.cli.output.summary import write_summary
from cdul_edge.cli.output.tables.speed import show_comparison, show_speed
from cdul_edge_runtime.errors import CdulEdgeError

if TYPE_CHECKING:
    from rich.console import Console

    from cdul_edge_runtime.bench.benchmark import BenchReport


def bench(
    bundle: Annotated[Path, typer.Argument(help="Folder of the bundle.")],
    precision: PrecisionsOption = "auto",
    device: DevicesOption = "auto",
    batches: BatchesOption = "1,4,16",
    threads: Annotated[
        str | None,
        typer.Option(
            help="Time the CPU with each of these numbers of threads, such as 1,2.",
            show_default="all cores",
        ),
    ] = None,
    warm_up: Annotated[int, typer.Option(help="Make this many calls first, untimed.", min=0)] = 10,
    repeats: Annotated[int, typer.Option(help="Time this many calls.", min=1)] = 200,
    budget_s: Annotated[
        float, typer.Option(help="Stop a measurement early after this many seconds.", min=0.1)
    ] = 20.0,
    json: Annotated[
        Path | None,
        typer.Option(help="Write the report as JSON; - is stdout.", show_default=False),
    ] = None,
) -> None:
    """Time a bundle on its reference pictures: latency, pictures per second, memory, clocks.

    With --device all --precision all, OpenVINO and ONNX Runtime also take turns on the CPU. The
    bundle keeps what that shows, and device auto goes by it where `cdul-edge verify` agrees.
    """
    from cdul_edge_runtime.bench import BenchRequest
    from cdul_edge_runtime.bench import bench as bench_bundle
    from cdul_edge_runtime.bench.latency import Effort
    from cdul_edge_runtime.host.console import StderrConsole

    request = BenchRequest(
        bundle=bundle,
        device=device,
        precision=precision,
        batches=parse_counts(batches, "--batches"),
        threads=parse_counts(threads, "--threads") if threads else (),
        effort=Effort(repeats, warm_up, budget_s),
    )
    report = bench_bundle(request, StderrConsole())
    if json is not None:
        write_summary(json, report.to_dict())
    _show(report, result_console(to_stderr=str(json) == "-"))
    if all(row.failure is not None for row in report.rows):
        raise CdulEdgeError("nothing could be timed: every device that is here failed")


def _show(report: BenchReport, console: Console) -> None:
    console.print(report.bundle)
    show_speed(report.rows, console, [row.threads for row in report.rows])
    console.print(f"resized by {report.resizer}", style="dim")
    for run in report.compared:
        show_comparison(run, console)
    console.print()
    say_unavailable(report.unavailable, console)
    for row in report.rows:
        if row.failure is not None:
            line = f"failed: {row.device} {show_precision(row.precision)}: {row.failure}"
            console.print(line, style="red")
    for name, value in report.power.items():
        console.print(f"{name.replace('_', ' ')}: {value}")
