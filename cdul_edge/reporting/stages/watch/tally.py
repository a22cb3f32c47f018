"""What happened in a watch, added up row by row."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field

from cdul_edge.reporting.stages.watch.rows import (
    AppearedRow,
    GoneRow,
    PredictionRow,
    StatsRow,
    StatusRow,
    WatchRow,
    seconds_of,
)

MOST_STATES = 50


@dataclass
class StreamTally:
    """One stream.

    Attributes:
        info: its last connection with a size.
        states: its changes of state, the first `MOST_STATES`; `changes` counts all.
        stats: a tuple (time, fps in, fps out, p50, p95, drift's median) a row.
        dropped, losses: over all runs of the watch that are in the file; each counts from 0.
        last: its last figures.
    """

    info: StatusRow | None = None
    states: list[StatusRow] = field(default_factory=list)
    changes: int = 0
    frames: int = 0
    stats: list[tuple[float | None, ...]] = field(default_factory=list)
    dropped: int = 0
    losses: int = 0
    rss_mib: float = 0.0
    last: StatsRow | None = None


@dataclass
class LabelTally:
    """One label, over all streams.

    Attributes:
        spans: seconds since 1970 of each presence: from and to; NaN to where it lasts.
    """

    appeared: int = 0
    longest_s: float = 0.0
    total_s: float = 0.0
    peak: float | None = None
    spans: list[tuple[float, float]] = field(default_factory=list)


@dataclass
class WatchTally:
    """All rows.

    Attributes:
        first, last: seconds since 1970.
    """

    streams: dict[str, StreamTally] = field(default_factory=lambda: defaultdict(StreamTally))
    labels: dict[str, LabelTally] = field(default_factory=lambda: defaultdict(LabelTally))
    rows: int = 0
    first: float = math.inf
    last: float = -math.inf

    @classmethod
    def of(cls, rows: Iterable[WatchRow]) -> WatchTally:
        """Read them all."""
        tally = cls()
        present: dict[str, tuple[str, float]] = {}
        for row in rows:
            tally.rows += 1
            tally._add(row, present)
        for label, since in present.values():
            tally.labels[label].spans.append((since, math.nan))
        return tally

    def _add(self, row: WatchRow, present: dict[str, tuple[str, float]]) -> None:
        for name in ("since", "time", "until"):
            self._see(seconds_of(getattr(row, name, None)))
        stream = self.streams[row.stream]
        if isinstance(row, PredictionRow):
            stream.frames += 1
        elif isinstance(row, AppearedRow):
            self.labels[row.label].appeared += 1
            present[row.id] = (row.label, seconds_of(row.since) or self.last)
        elif isinstance(row, GoneRow):
            present.pop(row.id, None)
            self._end(row)
        elif isinstance(row, StatusRow):
            stream.changes += 1
            stream.info = row if row.width_px is not None else stream.info
            if len(stream.states) < MOST_STATES:
                stream.states.append(row)
        else:
            _add_stats(stream, row)

    def _end(self, row: GoneRow) -> None:
        label = self.labels[row.label]
        duration = row.duration_s or 0.0
        label.total_s += duration
        label.longest_s = max(label.longest_s, duration)
        if row.peak is not None:
            label.peak = max(label.peak or 0.0, row.peak)
        since, until = seconds_of(row.since), seconds_of(row.until)
        if since is not None and until is not None:
            label.spans.append((since, until))

    def _see(self, time: float | None) -> None:
        if time is not None:
            self.first, self.last = min(self.first, time), max(self.last, time)


def _add_stats(stream: StreamTally, row: StatsRow) -> None:
    before = stream.last
    for name in ("dropped", "losses"):
        now, then = getattr(row, name), 0 if before is None else getattr(before, name)
        # Fewer than before: a watch began again, and counts from 0.
        setattr(stream, name, getattr(stream, name) + (now - then if now >= then else now))
    stream.rss_mib = max(stream.rss_mib, row.rss_mib or 0.0)
    figures = (row.fps_in, row.fps_out, row.age_p50_ms, row.age_p95_ms)
    stream.stats.append((seconds_of(row.time), *figures, row.drift.median_psi))
    stream.last = row
