"""Figures of a stream while it runs."""

from __future__ import annotations

import time

import numpy as np

from cdul_edge_runtime.host.machine import resident_memory_mib
from cdul_edge_runtime.streams.figures.drift_window import DriftWindow
from cdul_edge_runtime.streams.reading.reader import Reader
from cdul_edge_runtime.streams.rows import Scores, Stats

_MOST_AGES = 2048


class Ages:
    """Ages since they were last asked for, evenly thinned out once there are many."""

    def __init__(self) -> None:
        self._kept: list[float] = []
        self._every = 1
        self._skipped = 0

    def add(self, age_ms: float) -> None:
        """Take in one."""
        self._skipped += 1
        if self._skipped < self._every:
            return
        self._skipped = 0
        self._kept.append(age_ms)
        if len(self._kept) == _MOST_AGES:
            self._kept = self._kept[1::2]
            self._every *= 2

    def take(self) -> tuple[float | None, float | None]:
        """Median and 95th percentile; what was added is forgotten."""
        kept, self._kept = self._kept, []
        self._every, self._skipped = 1, 0
        if not kept:
            return None, None
        p50, p95 = np.percentile(kept, (50, 95))
        return float(p50), float(p95)


class StreamStats:
    """Counts of one stream since its last row."""

    def __init__(self, reader: Reader, drift: DriftWindow) -> None:
        self._reader = reader
        self._drift = drift
        self._ages = Ages()
        self._classified = 0
        self._decoded_before = 0
        self._since_s = time.monotonic()

    def add(self, age_ms: float, raw: Scores, time_s: float) -> None:
        """A frame that was taken at `time_s` was classified, with these (C,) scores."""
        self._classified += 1
        self._ages.add(age_ms)
        self._drift.add(raw, time_s)

    def row(self) -> Stats:
        """The figures since the last row; the next ones begin here."""
        now_s, decoded = time.monotonic(), self._reader.decoded
        passed_s = max(now_s - self._since_s, 1e-9)
        p50, p95 = self._ages.take()
        row = Stats(
            stream=self._reader.name,
            time_s=time.time(),
            fps_in=(decoded - self._decoded_before) / passed_s,
            fps_out=self._classified / passed_s,
            dropped=self._reader.dropped,
            age_p50_ms=p50,
            age_p95_ms=p95,
            losses=self._reader.losses,
            rss_mib=resident_memory_mib(),
            drift=self._drift.measure(),
            drift_note=self._drift.note,
        )
        self._since_s, self._decoded_before, self._classified = now_s, decoded, 0
        return row
