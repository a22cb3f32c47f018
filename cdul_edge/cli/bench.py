"""`cdul-edge bench`: how fast is this bundle here?"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table

from cdul_edge.cli.devices import DevicesChoice, FilesChoice, parse_counts, say_unavailable
from cdul_edge.cli.summary import write_summary

if TYPE_CHECKING:
    from cdul_edge_runtime.bench import BenchReport


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
    from cdul_edge_runtime.bench import Effort, bench_bundle
    from cdul_edge_runtime.bundle import Bundle
    from cdul_edge_runtime.combinations import Combinations

    report = bench_bundle(
        Bundle.load(bundle),
        Combinations.parse(device.value, precision.value),
        batches=parse_counts(batches, "--batches"),
        threads=parse_counts(threads, "--threads") if threads else (),
        effort=Effort(repeats, warm_up, budget_s),
    )
    if json is not None:
        write_summary(json, report.to_dict())
    _show(report, Console(stderr=str(json) == "-", highlight=False))


def _show(report: BenchReport, console: Console) -> None:
    table = Table(
        title=f"{report.bundle}",
        title_justify="left",
        box=None,
        pad_edge=False,
        collapse_padding=True,
    )
    sizes = sorted({size for row in report.rows for size in row.speed.throughput})
    table.add_column("device", no_wrap=True)
    table.add_column("precision", no_wrap=True)
    batches = f"img/s by {'/'.join(map(str, sizes))}"
    headings = ["cores", "net p50/95/99 ms", "frame p50/95/99 ms", batches, "MiB", "GPU MiB"]
    for name in headings:
        table.add_column(name, justify="right", no_wrap=True)
    for row in report.rows:
        times = [row.speed.latency[name] for name in ("network", "end_to_end")]
        rates = [row.speed.throughput.get(size) for size in sizes]
        memory = (row.peak_memory_mib, row.device_memory_mib)
        table.add_row(
            row.device,
            row.precision,
            str(row.threads or "-"),
            *(f"{t.p50_ms:.2f}/{t.p95_ms:.2f}/{t.p99_ms:.2f}" for t in times),
            "/".join(map(_whole, rates)),
            *map(_whole, memory),
        )
    console.print(table)
    say_unavailable(report.unavailable, console)
    for name, value in report.power.items():
        console.print(f"{name.replace('_', ' ')}: {value}", markup=False)


def _whole(value: float | None) -> str:
    return "-" if value is None else f"{value:.0f}"
