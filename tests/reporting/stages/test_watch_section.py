from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cdul_edge_runtime.bundle.score_reference import ScoreReference
from cdul_edge_runtime.errors import CdulEdgeError
from cdul_edge_runtime.metrics.drift import measure_drift
from cdul_edge_runtime.streams.row_json import to_json
from cdul_edge_runtime.streams.rows import Appeared, Gone, Row, Stats, Status
from cdul_edge_runtime.streams.source import SourceInfo
from tests.fakes.shown_page import show

START = 1_700_000_000.0  # 2023-11-14 22:13:20 UTC


def stats(at: float, dropped: int, fps: float, *, drift: bool = False) -> Stats:
    rng = np.random.default_rng(0)
    reference = ScoreReference.of(rng.random((50, 2)), np.full(2, 0.5), ("cat", "<dog>"))
    return Stats(
        stream="door",
        time_s=START + at,
        fps_in=25.0,
        fps_out=fps,
        dropped=dropped,
        age_p50_ms=10.0,
        age_p95_ms=20.0 + at,
        losses=0,
        rss_mib=100.0,
        drift=measure_drift(np.full((20, 2), 0.9), reference) if drift else None,
        drift_note=None if drift else "too few frames",
    )


def a_minute() -> list[str]:
    """cat from 0 to 24 s, <dog> from 36 s on; the watch begins again after 40 s."""
    rows: list[Row] = [
        Status("door", START, "connected", info=SourceInfo(640, 480, "h264", 25.0)),
        Appeared("door", "cat", "door-1", START, START + 1, 0.75),
        stats(20, 5, 4.0),
        Gone("door", "cat", "door-1", START, START + 24, 24.0, 0.875),
        Appeared("door", "<dog>", "door-2", START + 36, START + 37, 0.625),
        stats(40, 8, 6.0),
        stats(60, 2, 11.0, drift=True),
    ]
    return [to_json(row) for row in rows]


def write(folder: Path, lines: list[str], end: str = "\n") -> Path:
    file = folder / "watch.jsonl"
    file.write_text("\n".join(lines) + end, encoding="utf-8")
    return file


def test_streams_and_labels_are_added_up(tmp_path: Path) -> None:
    page = show(tmp_path, write(tmp_path, a_minute()))
    at = "/sections/watch"
    assert page.at(f"{at}/rows") == 7
    assert page.at(f"{at}/hours") == pytest.approx(1 / 60)
    assert page.at(f"{at}/first") == "2023-11-14 22:13:20"
    stream = page.at(f"{at}/streams/0")
    assert isinstance(stream, dict)
    assert (stream["fps_out"], stream["age_p95_ms"], stream["width_px"]) == (6.0, 80.0, 640)
    assert stream["dropped"] == 8 + 2  # which counts from 0 again
    assert stream["drift"]["shifted"] == 2
    labels = page.at(f"{at}/labels")
    assert isinstance(labels, list)
    cat, dog = labels
    assert (cat["name"], cat["total_s"], cat["peak"], cat["present"]) == ("cat", 24.0, 0.875, False)
    assert (dog["name"], dog["appeared"], dog["present"]) == ("<dog>", 1, True)
    # 24 steps of 2.5 s: cat fills 9.6 of them, <dog> the last 9.6.
    assert cat["shares"][:11] == pytest.approx([1.0] * 9 + [0.6, 0.0])
    assert sum(dog["shares"]) == pytest.approx(9.6)
    assert "&lt;dog&gt;" in page.html
    assert "1 stream over 0.02 hours, 2 labels seen: longest cat, <dog>." in page.summary


def test_a_last_line_that_is_still_written_is_left_out(tmp_path: Path) -> None:
    lines = a_minute()
    page = show(tmp_path, write(tmp_path, [*lines, lines[-1][:30]], end=""))
    assert page.at("/sections/watch/rows") == 7


def test_every_frame_is_counted_and_one_without_a_time_is_no_fault(tmp_path: Path) -> None:
    row: dict[str, Any] = {"type": "prediction", "stream": "door", "time": None, "labels": ["cat"]}
    page = show(tmp_path, write(tmp_path, [json.dumps(row)] * 3))
    assert page.at("/sections/watch/streams/0/frames") == 3
    assert page.at("/sections/watch/first") is None
    appeared = {**row, "type": "appeared", "label": "cat", "id": "1", "since": None, "score": 0.5}
    page = show(tmp_path, write(tmp_path, [json.dumps(appeared)]))
    assert page.at("/sections/watch/labels/0/present") is True
    assert page.at("/sections/watch/labels/0/shares") == [0.0] * 24


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("{", "line 8 is not JSON"),
        ('{"type": "gone", "stream": "door"}', "label is missing"),
        ('{"type": "seen", "stream": "door"}', "its type is 'seen'"),
        ('{"type": "prediction", "stream": "d", "time": "noon", "labels": []}', "noon"),
        (a_minute()[2].replace("4.0", "NaN"), "NaN"),
    ],
)
def test_a_damaged_line_is_named(tmp_path: Path, line: str, told: str) -> None:
    with pytest.raises(CdulEdgeError, match=told) as raised:
        show(tmp_path, write(tmp_path, [*a_minute(), line]))
    assert "watch.jsonl, line 8" in str(raised.value)
    assert "\n" not in str(raised.value)
