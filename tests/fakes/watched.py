"""Rows of a watch in a few words."""

from __future__ import annotations

from cdul_edge_runtime.streams.rows import Appeared, FramePrediction, Gone, Row, Status
from cdul_edge_runtime.streams.watch import Watch


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
