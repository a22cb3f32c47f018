"""Rows of a watch in a few words."""

from __future__ import annotations

import time
from collections.abc import Iterator

from cdul_edge_runtime.streams.frame import Frame
from cdul_edge_runtime.streams.rows import Appeared, FramePrediction, Gone, Row, Status
from cdul_edge_runtime.streams.source import Source, StreamLost
from cdul_edge_runtime.streams.watch import Watch
from tests.fakes.stream_source import PATIENCE_S


def brief(row: Row) -> str:
    """A row in a few words: "door + red door-1" appeared, "door - red door-1 (lost)" went."""
    if isinstance(row, FramePrediction):
        return f"{row.stream} frame {row.frame}: {' '.join(row.labels)}".rstrip(": ")
    if isinstance(row, Appeared):
        return f"{row.stream} + {row.label} {row.id}"
    if isinstance(row, Gone):
        return f"{row.stream} - {row.label} {row.id}" + (f" ({row.reason})" if row.reason else "")
    return f"{row.stream} {row.state}" if isinstance(row, Status) else f"{row.stream} stats"


def take(rows: Watch, count: int) -> list[str]:
    return [brief(next(rows)) for _ in range(count)]


def begin(source: Source) -> Iterator[Frame]:
    """Frames of a camera after its first.

    It is opened again where it is lost at first, as by a watch: the machine may have stood still
    for longer than its time-out.
    """
    end_s = time.monotonic() + PATIENCE_S
    while True:
        try:
            source.open()
            frames = source.frames()
            next(frames)
        except StreamLost:
            source.close()
            if time.monotonic() > end_s:
                raise
        else:
            return frames
