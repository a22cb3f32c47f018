"""Every row of the figures of streams can be measured, with the tests' own bundle."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.streams.row import Row, Setting
from benchmarks.streams.rows import ROWS, what_is_missing

WITH_CAMERAS = [row for row in ROWS if row.camera]


@pytest.mark.slow
@pytest.mark.parametrize("row", WITH_CAMERAS, ids=[row.name for row in WITH_CAMERAS])
def test_a_row_gives_its_figures(row: Row, bundle: Path, tmp_path: Path) -> None:
    if reason := what_is_missing(row):
        pytest.skip(reason)
    (tmp_path / "tiny-96").symlink_to(bundle)  # what `prepare` would export with torch
    measured = row.measure(Setting(rounds=1, soak_s=6, work=tmp_path, quick=True))
    assert len({figure.key for figure in measured.figures}) == len(measured.figures) > 0
    assert all(figure.values for figure in measured.figures)
