"""How fast a bundle is: latency, pictures a second by batch, memory, and on which machine."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from cdul_edge.page.charts import draw_lines, to_inline_svg
from cdul_edge.reporting.asked import Asked
from cdul_edge.reporting.inputs import Input
from cdul_edge.reporting.section import Section
from cdul_edge.reporting.stages.latency_chart import draw_latency
from cdul_edge.reporting.stages.stage_json import MachineFacts, UnavailableFacts, read_stage
from cdul_edge.reporting.stages.titles import title_of
from cdul_edge_runtime.bench.benchmark import FORMAT
from cdul_edge_runtime.bench.latency import Effort, Latency


@dataclass(frozen=True)
class BenchRowFacts:
    """One device, precision, and number of threads; see `BenchRow`."""

    device: str
    precision: str
    backend: str
    threads: int | None
    latency: Mapping[str, Latency]
    throughput: Mapping[str, float | None]
    peak_memory_mib: float | None
    device_memory_mib: float | None
    failure: str | None = None


@dataclass(frozen=True)
class BenchFacts:
    """JSON of `bench`, with the names that it has there."""

    version: str
    bundle: str
    rows: tuple[BenchRowFacts, ...]
    effort: Effort
    machine: MachineFacts
    versions: Mapping[str, str]
    unavailable: tuple[UnavailableFacts, ...] = ()
    resizer: str = ""

    @property
    def fastest(self) -> int | None:
        """The place of the row whose network takes least for one picture; None: all failed."""
        timed = {
            i: row.latency["network"] for i, row in enumerate(self.rows) if "network" in row.latency
        }
        return min(timed, key=lambda i: timed[i].p50_ms, default=None)


def read_bench(one: Input, asked: Asked) -> Section:
    """The section of one JSON of `bench`.

    Raises:
        CdulEdgeError: it is damaged, or of another format.
    """
    facts = read_stage(one.path, BenchFacts, "bench", stage="bench", format=FORMAT)
    return Section(
        key=one.key,
        title=title_of(one, asked),
        template="report/bench.html",
        source=one.path,
        facts=facts,
        charts=_draw(facts.rows, one.key),
    )


def _draw(rows: Sequence[BenchRowFacts], key: str) -> dict[str, Markup]:
    charts, named = {}, list(zip(_names(rows), rows, strict=True))
    for part, told in (("network", "one image"), ("end_to_end", "one frame with its resize")):
        timed = {name: row.latency[part] for name, row in named if part in row.latency}
        if timed:
            charts[part] = draw_latency(timed, told, f"{key}-{part.replace('_', '-')}")
    series = {
        name: (
            [float(size) for size in row.throughput],
            list(row.throughput.values()),
        )
        for name, row in named
        if any(value is not None for value in row.throughput.values())
    }
    if any(len(x) > 1 for x, _ in series.values()):
        charts["throughput"] = to_inline_svg(
            draw_lines(series, "images in a batch", "images a second"),
            key=f"{key}-throughput",
            title="Images a second by batch",
            description="; ".join(
                f"{name}: at most {max(v for v in y if v is not None):,.0f}"
                for name, (_, y) in series.items()
            ),
        )
    return charts


def _names(rows: Sequence[BenchRowFacts]) -> list[str]:
    """Such as "int8-cpu on cpu", with the number of threads where there are several."""
    several = len({row.threads for row in rows if row.threads is not None}) > 1
    return [
        f"{row.precision} on {row.device}"
        + (f", {row.threads} threads" if several and row.threads is not None else "")
        for row in rows
    ]
