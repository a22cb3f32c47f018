"""The chart of how long calls take, of verify and of bench."""

from __future__ import annotations

from collections.abc import Mapping

from markupsafe import Markup

from cdul_edge.page.charts import Interval, draw_intervals, to_inline_svg
from cdul_edge_runtime.bench.latency import Latency


def draw_latency(timed: Mapping[str, Latency], told: str, key: str) -> Markup:
    """A dot at the median of each, in ms, and a bar from there to the 99th percentile.

    Args:
        timed: by name.
        told: what was timed, such as "one image".
        key: of the chart.
    """
    rows = [Interval(name, one.p50_ms, one.p50_ms, one.p99_ms) for name, one in timed.items()]
    return to_inline_svg(
        draw_intervals(rows, f"ms for {told}"),
        key=key,
        title=f"Latency of {told}",
        description="; ".join(
            f"{name}: median {one.p50_ms} ms, 99th percentile {one.p99_ms} ms"
            for name, one in timed.items()
        ),
    )
