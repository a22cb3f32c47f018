"""Figures of a stream: since the row before, and without growing."""

from __future__ import annotations

from queue import SimpleQueue
from types import SimpleNamespace

import numpy as np
import pytest

from cdul_edge import Classifier, Stats, watch
from cdul_edge_runtime.host.machine import resident_memory_mib
from cdul_edge_runtime.streams.figures.drift_window import DriftWindow
from cdul_edge_runtime.streams.figures.stats import Ages, StreamStats
from cdul_edge_runtime.streams.reading.reader import Reader
from tests.fakes.stream_source import FakeSource, frame

SCORES = np.full(3, 0.5, np.float32)


def test_a_row_counts_from_the_one_before(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [100.0]
    times = SimpleNamespace(monotonic=lambda: clock[0], time=lambda: 7.0)
    monkeypatch.setattr("cdul_edge_runtime.streams.figures.stats.time", times)
    reader = Reader("door", FakeSource(), SimpleQueue())
    stats = StreamStats(reader, DriftWindow(None))
    reader.decoded, reader.losses = 50, 1
    for age_ms in (10.0, 20.0, 30.0, 40.0):
        stats.add(age_ms, SCORES, 0.0)
    clock[0] = 102.0
    first = stats.row()
    assert (first.fps_in, first.fps_out, first.age_p50_ms, first.losses) == (25.0, 2.0, 25.0, 1)
    assert first.age_p95_ms == pytest.approx(38.5)  # NumPy's: 30 + 0.85 * 10
    reader.decoded = 60
    clock[0] = 112.0
    second = stats.row()
    assert (second.fps_in, second.fps_out, second.losses) == (1.0, 0.0, 1)
    assert (second.age_p50_ms, second.age_p95_ms) == (None, None)
    assert (second.stream, second.time_s, second.drift_note) == ("door", 7.0, "no reference")


def test_ages_of_a_long_time_are_thinned_out_evenly() -> None:
    ages = Ages()
    for n in range(100_001):
        ages.add(float(n))
    assert len(ages._kept) < 2048
    p50, p95 = ages.take()
    assert p50 == pytest.approx(50_000, abs=200)
    assert p95 == pytest.approx(95_000, abs=200)
    ages.add(3.0)
    assert ages.take() == (3.0, 3.0)


def test_memory_is_that_of_this_process() -> None:
    before = resident_memory_mib()
    block = np.ones(64 << 20, np.uint8)
    assert 40 < resident_memory_mib() - before < 100
    assert block[0]


def test_each_stream_has_a_row_in_time_and_a_last_one(classifier: Classifier) -> None:
    door, file = FakeSource(), FakeSource(finite=True).send(frame(0.0)).end()
    with watch(classifier, {"door": door, "file": file}, stats_s=0.01) as rows:
        door.send(*(frame(n / 25) for n in range(3))).settle()
        seen = []
        for row in rows:
            if isinstance(row, Stats):
                seen.append(row)
            if len(seen) == 6:
                rows.stop()
    assert [row.stream for row in seen] == ["door", "file"] * (len(seen) // 2)
    assert len(seen) >= 8
    assert seen[-2].dropped == 2
    assert all(row.rss_mib > 10 for row in seen)
