"""Every row, in the order in which they run. What a row needs is imported in its own process."""

from __future__ import annotations

from benchmarks.measured_rows.benchmark import Benchmark
from benchmarks.measured_rows.figures import Figure, FiguresRow
from benchmarks.measured_rows.row import Row, Setting


def _opened(name: str, title: str, measuring: str, classes: int) -> Row:
    """A page that a browser opens, of labels of so many classes."""
    needs = {"playwright": "playwright", "axe_playwright_python": "axe-playwright-python"}
    preparing = f"labels:prepare_{classes}"
    return Row(name, title, f"opening:{measuring}", preparing, needs, _why_no_browser)


def _why_no_browser() -> str | None:
    from tests.fakes.chromium import why_no_browser  # tables need it not

    return why_no_browser()


BENCHMARK: Benchmark[Figure] = Benchmark(
    package="benchmarks.report",
    rows=(
        *(
            _opened(
                f"classes-{count}", f"{count:,} classes, 5,000 images", f"measure_{count}", count
            )
            for count in (12, 80, 1000)
        ),
        _opened("review", "Review of 80 classes, 200 questions", "measure_review", 80),
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
