"""Every row of the figures of streams can be measured, with the tests' own bundle."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.measured_rows.figures import Measured
from benchmarks.measured_rows.row import Row
from benchmarks.streams.row import Setting
from benchmarks.streams.rows import BENCHMARK, WITH_CAMERAS


@pytest.mark.slow
@pytest.mark.parametrize("row", WITH_CAMERAS, ids=[row.name for row in WITH_CAMERAS])
def test_a_row_gives_its_figures(row: Row, bundle: Path, tmp_path: Path) -> None:
    if reason := row.what_is_missing():
        pytest.skip(reason)
    (tmp_path / "tiny-96").symlink_to(bundle)  # what `prepare` would export with torch
    setting = Setting(rounds=1, soak_s=6, work=tmp_path, quick=True)
    measured = BENCHMARK.measure(row, setting)
    assert isinstance(measured, Measured)
    assert len({figure.key for figure in measured.figures}) == len(measured.figures) > 0
    assert all(figure.values for figure in measured.figures)
