"""Every row, in the order in which they run. What a row needs is imported in its own process."""

from __future__ import annotations

from benchmarks.measured_rows.benchmark import Benchmark
from benchmarks.measured_rows.figures import Figure, FiguresRow
from benchmarks.measured_rows.row import Row, Setting

WORLD = "world:prepare_world"
BENCHMARK: Benchmark[Figure] = Benchmark(
    package="benchmarks.scale",
    rows=(
        Row("costs", "What a picture costs", "costs:measure_costs"),
        Row(
            "bytes",
            "The same bytes",
            "same_bytes:measure_same_bytes",
            preparing=WORLD,
            needs={"ray": "ray[data]", "moto": "moto[server]"},
        ),
        Row(
            "kills",
            "Kills",
            "kills:measure_kills",
            preparing=WORLD,
            needs={"ray": "ray[data]"},
        ),
        Row("rate", "Rate", "rate:measure_rate", preparing=WORLD, needs={"ray": "ray[data]"}),
        Row("finish", "From similarities to labels", "finish:measure_finish"),
        Row("agreement", "A sample against the whole set", "agreement:measure_agreement"),
        Row("import", "Import of similarities", "labels:measure_import"),
        Row("labels", "Labels in parts", "labels:measure_reader"),
        Row("store", "Knowing a store again", "store:measure_store"),
        Row("ranks", "Ranks against one process", "ranks:measure_ranks"),
        Row(
            "killed-rank",
            "A killed rank",
            "killed_rank:measure_killed_rank",
            preparing=WORLD,
        ),
        Row("label-state", "What a rank holds of labels", "label_state:measure_label_state"),
        Row("paths", "What the paths of a set take", "paths:measure_paths"),
    ),
    setting=Setting,
    kept=FiguresRow,
    packages=tuple("cdul-edge numpy pyarrow torch open_clip_torch pillow ray".split()),
    rounds=3,
    limit_s=1800.0,
)
