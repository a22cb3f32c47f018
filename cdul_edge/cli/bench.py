"""`cdul-edge bench`: how fast is this bundle here?"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from cdul_edge.cli.options.devices import DevicesChoice, FilesChoice, parse_counts
from cdul_edge.cli.output.devices import say_unavailable
from cdul_edge.cli.output.result_console import result_console
from cdul_edge.cli.output.speed_tables import show_speed
from cdul_edge.cli.output.summary import write_summary
from cdul_edge_runtime.errors import CdulEdgeError

if TYPE_CHECKING:
    from cdul_edge_runtime.bench.bench import BenchReport


def bench(
    bundle: Annotated[Path, typer.Argument(help="Bundle folder.")],
    precision: Annotated[FilesChoice, typer.Option(help="Which file.")] = FilesChoice.AUTO,
    device: Annotated[DevicesChoice, typer.Option(help="What runs it.")] = DevicesChoice.AUTO,
    batches: Annotated[str, typer.Option(help="Pictures at once, for the throughput.")] = "1,4,16",
    threads: Annotated[
        str | None, typer.Option(help="CPU threads, such as 1,2.", show_default="all cores")
    ] = None,
    warm_up: Annotated[int, typer.Option(help="Calls that do not count.", min=0)] = 10,
    repeats: Annotated[int, typer.Option(help="Calls that count.", min=1)] = 200,
    budget_s: Annotated[
        float, typer.Option(help="Seconds after which a row stops early.", min=0.1)
    ] = 20.0,
    json: Annotated[
        Path | None, typer.Option(help="Report as JSON; - is stdout.", show_default="a table")
    ] = None,
) -> None:
    """Time a bundle on its reference pictures: latency, pictures a second, memory, clocks."""
    from cdul_edge_runtime.bench.bench import Effort, bench_bundle
    from cdul_edge_runtime.bench.combinations import Combinations
    from cdul_edge_runtime.bundle.bundle import Bundle

    report = bench_bundle(
        Bundle.load(bundle),
        Combinations.parse(device.value, precision.value),
        batches=parse_counts(batches, "--batches"),
        threads=parse_counts(threads, "--threads") if threads else (),
        effort=Effort(repeats, warm_up, budget_s),
    )
    if json is not None:
        write_summary(json, report.to_dict())
    _show(report, result_console(to_stderr=str(json) == "-"))
    if all(row.failure is not None for row in report.rows):
        raise CdulEdgeError("nothing could be timed: every device that is here failed")


def _show(report: BenchReport, console: Console) -> None:
    console.print(report.bundle)
    show_speed(report.rows, console, [row.threads for row in report.rows])
    console.print()
    say_unavailable(report.unavailable, console)
    for row in report.rows:
        if row.failure is not None:
            line = f"failed: {row.device} {row.precision}: {row.failure}"
            console.print(line, style="red")
    for name, value in report.power.items():
        console.print(f"{name.replace('_', ' ')}: {value}")
