"""What a report weighs, how it opens, and what it costs."""

from __future__ import annotations

from benchmarks.report.rows import BENCHMARK
from benchmarks.tables.figure_rows import draw_every


def draw_reports() -> tuple[str, ...]:
    """Every row, with what is wanted."""
    told = f"`{BENCHMARK.command}`: drawn cosines, labeled by `evidence`; medians of rounds."
    return draw_every(BENCHMARK, "Reports", told)
