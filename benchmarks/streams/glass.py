"""From the moment a frame is drawn to its result: PyAV and GStreamer, fast and slow networks."""

from __future__ import annotations

from benchmarks.measured_rows.figures import Figure, Measured, at_most
from benchmarks.streams.bundles import small_bundle
from benchmarks.streams.cameras import cameras, gst_address
from benchmarks.streams.row import FPS, Setting
from benchmarks.streams.watching import classifying, watch_for
from cdul_edge_runtime.errors import MissingExtraError

GLASS_MS = {"pyav": 100.0, "gst": 60.0}  # what is wanted of one stream
SLOW_S, OVERLOAD_S = 0.1, 0.04  # a picture
SLOW_MS = 2 * 1000 * SLOW_S + 1000 / FPS + 50  # two batches, a frame, and 50 ms
FLAT = 1.1  # the last third may be so many times the first
STREAMS = 4


def _sides(url: str) -> dict[str, str]:
    """How the same camera is read; GStreamer where it is installed."""
    sides = {"pyav": url}
    try:
        import cdul_edge_runtime.streams.sources.gstreamer.gst_source  # noqa: F401
    except MissingExtraError:
        return sides
    return {**sides, "gst": gst_address(url)}


def measure_glass(setting: Setting) -> Measured:
    """One stream, in turns of eight seconds."""
    with cameras() as camera, classifying(small_bundle(setting)) as classifier:
        sides = _sides(camera.url())
        found: dict[str, list[float]] = {side: [] for side in sides}
        for _ in range(setting.rounds):
            for side, address in sides.items():
                turn = watch_for(classifier, {"cam0": address}, setting.seconds(8))
                found[side].append(turn.streams["cam0"].p95())
        figures = [
            at_most(GLASS_MS[side], side, f"p95, {side}", "ms", *values)
            for side, values in found.items()
        ]
        return Measured(tuple(figures), (f"the network: {classifier.selection}",))


def measure_slow(setting: Setting) -> Measured:
    """The first and the last third of 36 seconds with a network of 100 ms."""
    third = setting.seconds(36) / 3
    figures: list[Figure] = []
    with cameras() as camera, classifying(small_bundle(setting), cost_s=SLOW_S) as classifier:
        for side, address in _sides(camera.url()).items():
            seen = watch_for(classifier, {"cam0": address}, 3 * third).streams["cam0"]
            first, last = seen.p95(0, third), seen.p95(2 * third)
            figures += [
                at_most(SLOW_MS, f"{side}-p95", f"p95 of the last third, {side}", "ms", last),
                at_most(FLAT, f"{side}-flat", f"last third / first, {side}", "x", last / first),
            ]
    return Measured(tuple(figures))


def measure_overload(setting: Setting) -> Measured:
    """Four streams share a network of 40 ms a picture for 30 seconds."""
    third = setting.seconds(30) / 3
    with cameras(STREAMS) as camera, classifying(small_bundle(setting), cost_s=OVERLOAD_S) as one:
        sources = {f"cam{n}": camera.url(f"cam{n}") for n in range(STREAMS)}
        turn = watch_for(one, sources, 3 * third)
    rates = [len(seen.at_s) / turn.wall_s for seen in turn.streams.values()]
    first = max(seen.p95(0, third) for seen in turn.streams.values())
    last = max(seen.p95(2 * third) for seen in turn.streams.values())
    return Measured(
        (
            Figure("fps", "results a second of each stream, the least", "", (min(rates),)),
            at_most(1.1, "fair", "most / least of them", "x", max(rates) / min(rates)),
            Figure("p95", "p95 of the last third, the worst stream", "ms", (last,)),
            at_most(FLAT, "flat", "last third / first", "x", last / first),
        )
    )
