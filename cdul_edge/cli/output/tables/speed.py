"""How `verify` and `bench` show speed: tables that fit into 80 columns, headers and all."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

from cdul_edge.cli.output.devices import show_precision

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from cdul_edge_runtime.bench.benchmark import Speed
    from cdul_edge_runtime.bundle.measured import BenchRun

_BATCHES = 5  # as many columns as fit beside the names and the memory


class TimedRow(Protocol):
    """What a row of either report has."""

    @property
    def device(self) -> str:
        """Where it ran."""
        ...

    @property
    def precision(self) -> str:
        """In which precision."""
        ...

    @property
    def speed(self) -> Speed | None:
        """Latency and throughput, if it was timed."""
        ...

    @property
    def peak_memory_mib(self) -> float | None:
        """Peak memory of the process."""
        ...

    @property
    def backend(self) -> str:
        """What ran it, with its version; empty where it did not start."""
        ...

    @property
    def device_memory_mib(self) -> float | None:
        """Memory on the accelerator, if it is known."""
        ...


def show_speed(
    rows: Sequence[TimedRow], console: Console, threads: Sequence[int | None] | None = None
) -> None:
    """Print latency, then pictures a second and memory; "-" is what was not measured.

    Args:
        rows: one a device and precision.
        console: where it goes.
        threads: of each row; None leaves the column out.
    """
    names = [[row.device, show_precision(row.precision)] for row in rows]
    if threads is not None:
        names = [[*name, str(count or "-")] for name, count in zip(names, threads, strict=True)]
    latency = table(*_headings(threads is not None))
    for call in ("network", "frame"):
        for percentile in (50, 95, 99):
            latency.add_column(f"{call}\np{percentile} ms", justify="right", no_wrap=True)
    for row, name in zip(rows, names, strict=True):
        latency.add_row(*name, *_latencies(row.speed))
    console.print(latency)
    console.print("network: one picture; frame: one of 1280x720, resize included", style="dim")
    sizes = sorted({size for row in rows if row.speed for size in row.speed.throughput})
    for first in range(0, max(len(sizes), 1), _BATCHES):
        console.print()
        rates = table(*_headings(threads is not None))
        _show_throughput(rates, rows, names, sizes[first : first + _BATCHES], console)
    for backend in dict.fromkeys(row.backend for row in rows if row.backend):
        console.print(f"run by {backend}", style="dim")


def show_comparison(run: BenchRun, console: Console) -> None:
    """Print what `auto` goes by: the medians of both libraries in turns, the fastest first."""
    times = table("device", "precision")
    for name in ("network ms", "frame ms", "against the first"):
        times.add_column(name, justify="right", no_wrap=True)
    rows = sorted(run.rows, key=lambda row: row.end_to_end_ms)
    for row in rows:
        share = f"{row.end_to_end_ms / rows[0].end_to_end_ms:.2f}x"
        figures = f"{row.network_ms:.2f}", f"{row.end_to_end_ms:.2f}", share
        times.add_row(row.subject.device, row.subject.precision.shown, *figures)
    console.print()
    console.print(times)
    count = "1 thread" if run.threads == 1 else f"{run.threads} threads"
    console.print(
        f"medians of both libraries in turns, {count}: auto goes by these, and by verify",
        style="dim",
    )


def table(*names: str) -> Table:
    """A table without lines, with columns of names; the others are added by who fills it."""
    from rich.table import Table

    made = Table(box=None, pad_edge=False, collapse_padding=True)
    for name in names:
        right = name == "threads"
        made.add_column(name, justify="right" if right else "left", no_wrap=True, vertical="bottom")
    return made


def whole(value: float | None) -> str:
    """Without decimals, or "-"."""
    return "-" if value is None else f"{value:.0f}"


def _show_throughput(
    rates: Table,
    rows: Sequence[TimedRow],
    names: list[list[str]],
    sizes: list[int],
    console: Console,
) -> None:
    for heading in (*(f"batch\n{size}" for size in sizes), "peak\nMiB", "GPU\nMiB"):
        rates.add_column(heading, justify="right", no_wrap=True)
    short = False
    for row, name in zip(rows, names, strict=True):
        found = [row.speed.throughput.get(size) if row.speed else None for size in sizes]
        short = short or (row.speed is not None and None in found)
        memory = (row.peak_memory_mib, row.device_memory_mib)
        rates.add_row(*name, *map(whole, (*found, *memory)))
    console.print(rates)
    console.print("batch: pictures a second, the network alone", style="dim")
    if short:
        text = "a batch with - in a row that was timed is larger than the row takes at once"
        console.print(text, style="dim")


def _headings(with_threads: bool) -> list[str]:
    return ["device", "precision", *(["threads"] if with_threads else [])]


def _latencies(speed: Speed | None) -> list[str]:
    if speed is None:
        return 6 * ["-"]
    times = [speed.latency[name] for name in ("network", "end_to_end")]
    return [f"{ms:.2f}" for time in times for ms in (time.p50_ms, time.p95_ms, time.p99_ms)]
