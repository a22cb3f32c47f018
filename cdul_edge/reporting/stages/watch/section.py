"""What a watch saw: streams, labels over time, rates, drops, and drift."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from statistics import median

import numpy as np
from markupsafe import Markup

from cdul_edge.page.charts import draw_heat_map, draw_lines, to_inline_svg
from cdul_edge.reporting.asked import Asked
from cdul_edge.reporting.inputs import Input
from cdul_edge.reporting.section import Section
from cdul_edge.reporting.stages.thin_out import thin_out
from cdul_edge.reporting.stages.titles import title_of
from cdul_edge.reporting.stages.watch.rows import DriftRow, StatusRow, iterate_rows
from cdul_edge.reporting.stages.watch.tally import LabelTally, StreamTally, WatchTally
from cdul_edge_runtime.errors import CdulEdgeError

STEPS = 24  # of the time that a chart shows
MOST_LABELS = 40  # in the chart
_POINTS = 200


@dataclass(frozen=True)
class WatchedStream:
    """One stream.

    Attributes:
        width_px, height_px, codec, fps: of what was opened; None where that is not known.
        frames: predictions in the file, which has them with `--every frames` only.
        fps_in, fps_out: medians of frames decoded and classified a second.
        dropped: frames of a live source that a newer one replaced.
        age_p50_ms: median of the medians from capture to result, `age_p95_ms` the highest 95th
            percentile.
        losses: how often its frames ended before their time.
        rss_mib: the most memory of the process.
        changes: of its state; the first are in `states`.
        drift: the last that was measured, or why there is none.
    """

    name: str
    width_px: int | None
    height_px: int | None
    codec: str | None
    fps: float | None
    frames: int
    fps_in: float | None
    fps_out: float | None
    dropped: int
    age_p50_ms: float | None
    age_p95_ms: float | None
    losses: int
    rss_mib: float
    changes: int
    states: tuple[StatusRow, ...]
    drift: DriftRow | None


@dataclass(frozen=True)
class WatchedLabel:
    """One label over all streams.

    Attributes:
        appeared: how often.
        total_s, longest_s: of the presences that ended.
        peak: highest smoothed score, in [0, 1].
        present: whether it still was at the end.
        shares: of each of `STEPS` equal steps of the time, the share in which it was present; more
            than 1 where several streams show it.
    """

    name: str
    appeared: int
    total_s: float
    longest_s: float
    peak: float | None
    present: bool
    shares: tuple[float, ...]


@dataclass(frozen=True)
class WatchFacts:
    """Rows of a watch, added up; `first` and `last` are in UTC."""

    rows: int
    first: str | None
    last: str | None
    hours: float
    streams: tuple[WatchedStream, ...]
    labels: tuple[WatchedLabel, ...]


def read_watch(one: Input, asked: Asked) -> Section:
    """The section of one file of rows, read once from beginning to end.

    Raises:
        CdulEdgeError: a line that is no row of `watch`, or none at all.
    """
    tally = WatchTally.of(iterate_rows(one.path))
    if not tally.rows:
        raise CdulEdgeError(f"{one.path} holds no whole row yet: it is still written")
    known = math.isfinite(tally.first)
    labels = [_label(name, found, tally) for name, found in tally.labels.items()]
    facts = WatchFacts(
        rows=tally.rows,
        first=_say_time(tally.first) if known else None,
        last=_say_time(tally.last) if known else None,
        hours=(tally.last - tally.first) / 3600 if known else 0.0,
        streams=tuple(_stream(name, found) for name, found in tally.streams.items()),
        labels=tuple(sorted(labels, key=lambda label: (-label.total_s, label.name))),
    )
    return Section(
        key=one.key,
        title=title_of(one, asked),
        template="report/watch.html",
        source=one.path,
        facts=facts,
        charts=_draw(facts, tally, one.key),
    )


def _stream(name: str, tally: StreamTally) -> WatchedStream:
    info = tally.info
    fps_in, fps_out, p50, p95 = (
        [value for row in tally.stats if (value := row[place]) is not None] for place in range(1, 5)
    )
    return WatchedStream(
        name=name,
        width_px=None if info is None else info.width_px,
        height_px=None if info is None else info.height_px,
        codec=None if info is None else info.codec,
        fps=None if info is None else info.fps,
        frames=tally.frames,
        fps_in=median(fps_in) if fps_in else None,
        fps_out=median(fps_out) if fps_out else None,
        dropped=tally.dropped,
        age_p50_ms=median(p50) if p50 else None,
        age_p95_ms=max(p95, default=None),
        losses=tally.losses,
        rss_mib=tally.rss_mib,
        changes=tally.changes,
        states=tuple(tally.states),
        drift=None if tally.last is None else tally.last.drift,
    )


def _label(name: str, label: LabelTally, tally: WatchTally) -> WatchedLabel:
    shares = np.zeros(STEPS)
    # No row may have a time: a camera's clock can be beyond any calendar.
    spans = label.spans if math.isfinite(tally.first) else []
    step = max((tally.last - tally.first) / STEPS, 1e-3)
    edges = tally.first + step * np.arange(STEPS + 1)
    for since, until in spans:
        end = tally.last if math.isnan(until) else until
        inside = np.clip(np.minimum(edges[1:], end) - np.maximum(edges[:-1], since), 0, None)
        shares += inside / step
    return WatchedLabel(
        name=name,
        appeared=label.appeared,
        total_s=label.total_s,
        longest_s=label.longest_s,
        peak=label.peak,
        present=any(math.isnan(until) for _, until in label.spans),
        shares=tuple(float(share) for share in shares),
    )


def _draw(facts: WatchFacts, tally: WatchTally, key: str) -> dict[str, Markup]:
    charts = {}
    labels = facts.labels[:MOST_LABELS]
    if labels and facts.hours:
        step = (tally.last - tally.first) / STEPS
        times = [_say_time(tally.first + step * number)[11:19] for number in range(STEPS)]
        charts["labels"] = to_inline_svg(
            draw_heat_map(
                [one.shares for one in labels], [one.name for one in labels], times, highest=1.0
            ),
            key=f"{key}-labels",
            title="Labels over time",
            description="; ".join(f"{one.name}: {one.total_s:.0f} s in all" for one in labels),
        )
    for name, title, y_label, place in (
        ("rate", "Frames classified a second", "frames a second", 2),
        ("age", "Time from capture to result", "ms, 95th percentile", 4),
        ("drift", "Drift over time", "median index", 5),
    ):
        series = {
            stream: _series(found.stats, place, tally.first)
            for stream, found in tally.streams.items()
            if sum(row[place] is not None for row in found.stats) > 1
        }
        if series:
            charts[name] = to_inline_svg(
                draw_lines(series, "minutes since the beginning", y_label),
                key=f"{key}-{name}",
                title=title,
                description=f"{y_label} of {len(series)} streams",
            )
    return charts


def _series(
    stats: Sequence[tuple[float | None, ...]], place: int, first: float
) -> tuple[list[float], list[float | None]]:
    """Minutes and values, thinned out evenly."""
    known = [(row[0], row[place]) for row in stats if row[0] is not None]
    known = thin_out(known, _POINTS)
    return [((time or 0.0) - first) / 60 for time, _ in known], [value for _, value in known]


def _say_time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, timezone.utc).strftime("%Y-%m-%d %H:%M:%S")
