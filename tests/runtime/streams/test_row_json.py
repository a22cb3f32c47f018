"""Rows as lines of JSON, field by field."""

from __future__ import annotations

import json
import math
from dataclasses import replace

import numpy as np
import pytest

from cdul_edge_runtime.bundle.classes import ClassList
from cdul_edge_runtime.streams.row_json import format_time, to_dict, to_json
from cdul_edge_runtime.streams.rows import Appeared, FramePrediction, Gone, Row, Stats, Status
from cdul_edge_runtime.streams.source import SourceInfo
from tests.fakes.stream_source import frame

T = 1795733880.125  # 2026-11-26 22:58:00.125 UTC
PREDICTION = FramePrediction(
    stream="door",
    frame=7,
    time_s=T,
    clock="camera",
    age_ms=84.26,
    labels=("café", "dog"),
    scores=np.array([0.75, 0.9], np.float32),
    raw=np.array([0.1, 1.0], np.float32),
    classes=ClassList(("dog", "café")),
    picture=frame(T),
)
STATS = Stats("door", T, 25.004, 5.0, 3, 80.04, None, 1, 101.26, None, "no reference")


@pytest.mark.parametrize(
    ("row", "line"),
    [
        (
            PREDICTION,
            '{"type": "prediction", "stream": "door", "frame": 7, '
            '"time": "2026-11-26T22:58:00.125Z", "clock": "camera", "age_ms": 84.3, '
            '"labels": ["café", "dog"], "scores": {"dog": 0.75, "café": 0.9}, '
            '"raw": {"dog": 0.1, "café": 1.0}}',
        ),
        (
            Appeared("door", "dog", "door-1", T, T + 0.1, 0.75, frame(T)),
            '{"type": "appeared", "stream": "door", "label": "dog", "id": "door-1", '
            '"since": "2026-11-26T22:58:00.125Z", "time": "2026-11-26T22:58:00.225Z", '
            '"score": 0.75}',
        ),
        (
            Gone("door", "dog", "door-1", T, T + 2, 2.0004, 0.9, "lost"),
            '{"type": "gone", "stream": "door", "label": "dog", "id": "door-1", '
            '"since": "2026-11-26T22:58:00.125Z", "until": "2026-11-26T22:58:02.125Z", '
            '"duration_s": 2.0, "peak": 0.9, "reason": "lost"}',
        ),
        (
            Status("door", T, "connected", info=SourceInfo(640, 480, "h264")),
            '{"type": "status", "stream": "door", "time": "2026-11-26T22:58:00.125Z", '
            '"state": "connected", "reason": null, "retry_s": null, "width_px": 640, '
            '"height_px": 480, "codec": "h264"}',
        ),
        (
            STATS,
            '{"type": "stats", "stream": "door", "time": "2026-11-26T22:58:00.125Z", '
            '"fps_in": 25.0, "fps_out": 5.0, "dropped": 3, "age_p50_ms": 80.0, '
            '"age_p95_ms": null, "losses": 1, "rss_mib": 101.3, '
            '"drift": {"note": "no reference"}}',
        ),
    ],
)
def test_each_row_is_one_line_of_its_fields(row: Row, line: str) -> None:
    assert to_json(row) == line
    assert json.loads(to_json(row)) == to_dict(row)


def test_what_is_not_a_number_is_null() -> None:
    row = replace(PREDICTION, age_ms=math.inf, raw=np.array([np.nan, 0.5], np.float32))
    found = json.loads(to_json(row))
    assert (found["age_ms"], found["raw"]) == (None, {"dog": None, "café": 0.5})


@pytest.mark.parametrize(
    ("time_s", "text"),
    [
        (0.0, "1970-01-01T00:00:00.000Z"),
        (T + 0.0006, "2026-11-26T22:58:00.126Z"),
        (-1.5, "1969-12-31T23:59:58.500Z"),
        (1e15, None),
        (math.nan, None),
        (math.inf, None),
    ],
)
def test_times_are_utc_with_milliseconds_where_a_calendar_has_them(
    time_s: float, text: str | None
) -> None:
    assert format_time(time_s) == text
