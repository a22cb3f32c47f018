"""The figures of live streams as the pages show them, and the file they stand in."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.measured_rows.figures import Figure, FiguresRow, at_most
from benchmarks.measured_rows.result_file import RowsFile
from benchmarks.measured_rows.row import Bar
from benchmarks.streams.rows import BENCHMARK
from benchmarks.tables import markdown, streams

GLASS = FiguresRow(
    name="glass", title="Glass to result", command="python -m benchmarks.streams --only glass",
    measured="2026-01-02T03:04:05+00:00", commit="abc", machine={"cpu": "x"}, versions={},
    figures=(
        at_most(100, "pyav", "p95, PyAV", "ms", 64.25, 70.5, 66),
        at_most(60, "gst", "p95, gst", "ms", 123.4),
        Figure("least", "the least", "%", (7.126,)),
        Figure("fps", "results a second", "", (6.0,), Bar("at least", 5)),
    ),
    notes=("frames are drawn",),
)  # fmt: skip
MISSING = replace(
    GLASS, name="soak", title="Soak", figures=(), notes=(), not_measured="not measured: no camera"
)


@pytest.fixture
def results(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(markdown, "RESULTS", tmp_path)
    return tmp_path


def test_nothing_is_drawn_of_what_was_never_run(results: Path) -> None:
    assert streams.draw_streams() == ()
    assert streams.draw_streams_summary() == ""


def test_the_guide_shows_a_median_and_what_is_wanted(results: Path) -> None:
    BENCHMARK.write(results / "streams.json", RowsFile({"glass": GLASS}))
    told, _, head, _, *rows = streams.draw_streams_summary().splitlines()
    assert "`python -m benchmarks.streams`" in told
    assert head == "|  | measured | wanted |"
    assert rows == [
        "| drawn to result, 640x480 at 25 fps, p95 | 66 ms | ≤ 100 ms |",
        "| the same, `gst:` | 123 ms | ≤ 60 ms |",
    ]


def test_the_page_of_all_figures_says_what_is_met_and_what_was_not_measured(results: Path) -> None:
    BENCHMARK.write(results / "streams.json", RowsFile({"glass": GLASS, "soak": MISSING}))
    (page,) = streams.draw_streams()
    assert "| Soak |  |  | not measured: no camera | `soak` |" in page
    assert "| Glass to result: p95, PyAV | 66 ms | ≤ 100 ms | yes | `glass` |" in page
    assert "| Glass to result: p95, gst | 123 ms | ≤ 60 ms | no | `glass` |" in page
    assert "| Glass to result: the least | 7.13 % |  | stated | `glass` |" in page
    assert "| Glass to result: results a second | 6 | ≥ 5 | yes | `glass` |" in page
    assert "- frames are drawn" in page


def test_every_figure_that_the_guide_shows_belongs_to_a_row() -> None:
    assert {row for row, _, _ in streams.SHOWN} <= {row.name for row in BENCHMARK.rows}
