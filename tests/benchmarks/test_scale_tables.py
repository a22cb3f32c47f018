"""The figures of sets of any size as the pages show them."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.measured_rows.figures import FiguresRow, at_least, at_most
from benchmarks.measured_rows.result_file import RowsFile
from benchmarks.scale.rows import BENCHMARK
from benchmarks.scale.same_bytes import differing
from benchmarks.tables import markdown, scale

RATE = FiguresRow(
    name="rate", title="Rate", command="python -m benchmarks.scale --only rate",
    measured="2026-01-02T03:04:05+00:00", commit="abc", machine={"cpu": "x"}, versions={},
    figures=(
        at_least(0.95, "rate", "Ray against one process", "x", 0.9, 0.96, 0.98),
        at_most(15, "fixed", "beyond", "s", 15.25),
    ),
)  # fmt: skip


def test_the_guide_shows_medians_and_what_is_wanted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(markdown, "RESULTS", tmp_path)
    assert scale.draw_scale_summary() == ""
    assert scale.draw_scale() == ()
    BENCHMARK.write(tmp_path / "scale.json", RowsFile({"rate": RATE}))
    assert scale.draw_scale_summary().splitlines()[-2:] == [
        "| steady rate, Ray against one process | 0.96x | ≥ 0.95x |",
        "| Ray's fixed cost | 15.2 s | ≤ 15 s |",
    ]
    (page,) = scale.draw_scale()
    assert "| Rate: beyond | 15.2 s | ≤ 15 s | no | `rate` |" in page


def test_every_figure_that_the_guide_shows_belongs_to_a_row() -> None:
    assert {row for row, _, _ in scale.SHOWN} <= {row.name for row in BENCHMARK.rows}


def test_files_that_one_side_lacks_differ() -> None:
    assert differing({"a": b"1", "b": b"2"}, {"a": b"1", "b": b"3", "c": b""}) == 2
