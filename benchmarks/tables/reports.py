"""What a report and a review weigh, how they open, and what they cost."""

from __future__ import annotations

from benchmarks.report.rows import BENCHMARK
from benchmarks.tables.figure_rows import draw_every


def draw_reports() -> tuple[str, ...]:
    """Every row, with what is wanted."""
    told = (
        f"`{BENCHMARK.command}`: 5,000 images, labeled by `evidence` from drawn cosines; medians "
        "of rounds."
    )
    return draw_every(BENCHMARK, "Reports and reviews", told)
