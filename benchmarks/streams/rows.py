"""Every row, in the order in which they run. What a row needs is imported in its own process."""

from __future__ import annotations

from benchmarks.measured_rows.benchmark import Benchmark
from benchmarks.measured_rows.figures import Figure, FiguresRow
from benchmarks.measured_rows.row import Row
from benchmarks.streams.row import Setting


def _with_cameras(name: str, title: str, measuring: str) -> Row:
    """A row that watches loopback cameras."""
    return Row(name, title, measuring, "bundles:small_bundle", {"av": "av"}, _why_no_camera)


def _why_no_camera() -> str | None:
    from tests.fakes.rtsp_camera import why_no_camera  # tables need it not

    return why_no_camera()


WITH_CAMERAS = (
    _with_cameras("glass", "Glass to result", "glass:measure_glass"),
    _with_cameras("slow", "A network of 100 ms", "glass:measure_slow"),
    _with_cameras("overload", "Overload", "glass:measure_overload"),
    _with_cameras("cpu", "Cost of a stream", "cost:measure_cpu"),
    _with_cameras("soak", "Soak", "soak:measure_soak"),
    _with_cameras("loss", "A camera that goes away", "loss:measure_loss"),
    _with_cameras("stop", "SIGTERM", "stop:measure_stop"),
)
BENCHMARK: Benchmark[Figure] = Benchmark(
    package="benchmarks.streams",
    rows=(*WITH_CAMERAS, Row("frame", "A frame", "cost:measure_frame", "bundles:large_bundle")),
    setting=Setting,
    kept=FiguresRow,
    packages=tuple("cdul-edge numpy pillow cykooz-resizer onnxruntime av".split()),
    rounds=3,
    limit_s=300.0,
)
