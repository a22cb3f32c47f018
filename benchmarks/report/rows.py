"""Every row, in the order in which they run. What a row needs is imported in its own process."""

from __future__ import annotations

from benchmarks.measured_rows.benchmark import Benchmark
from benchmarks.measured_rows.figures import Figure, FiguresRow
from benchmarks.measured_rows.row import Row, Setting


def _opened(classes: int) -> Row:
    """A report that a browser opens."""
    name = f"classes-{classes}"
    title = f"{classes:,} classes, 5,000 images"
    measuring, preparing = f"opening:measure_{classes}", f"labels:prepare_{classes}"
    needs = {"playwright": "playwright", "axe_playwright_python": "axe-playwright-python"}
    return Row(name, title, measuring, preparing, needs, _why_no_browser)


def _why_no_browser() -> str | None:
    from tests.fakes.chromium import why_no_browser  # tables need it not

    return why_no_browser()


BENCHMARK: Benchmark[Figure] = Benchmark(
    package="benchmarks.report",
    rows=(
        *(_opened(classes) for classes in (12, 80, 1000)),
        Row("million", "10^6 images", "making:measure_million", "labels:prepare_million"),
    ),
    setting=Setting,
    kept=FiguresRow,
    packages=tuple(
        "cdul-edge numpy pyarrow pillow jinja2 matplotlib playwright axe-playwright-python".split()
    ),
    rounds=5,
    limit_s=1800.0,
)
