"""Every row, in the order in which they run. What a row needs is imported in its own process."""

from __future__ import annotations

from benchmarks.measured_rows.benchmark import Benchmark
from benchmarks.measured_rows.figures import Figure, FiguresRow
from benchmarks.measured_rows.row import Row, Setting

BENCHMARK: Benchmark[Figure] = Benchmark(
    package="benchmarks.scale",
    rows=(
        Row("costs", "What a picture costs", "costs:measure_costs"),
        Row("finish", "From similarities to labels", "finish:measure_finish"),
        Row("agreement", "A sample against the whole set", "agreement:measure_agreement"),
        Row("import", "Import of similarities", "labels:measure_import"),
        Row("labels", "Labels in parts", "labels:measure_reader"),
        Row("store", "Knowing a store again", "store:measure_store"),
        Row("label-state", "What a rank holds of labels", "label_state:measure_label_state"),
        Row("paths", "What the paths of a set take", "paths:measure_paths"),
    ),
    setting=Setting,
    kept=FiguresRow,
    packages=tuple("cdul-edge numpy pyarrow torch open_clip_torch pillow ray".split()),
    rounds=3,
    limit_s=600.0,
)
