"""The cheap rows with tiny networks, so that they still run when someone measures."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.peers.row import Measured, Setting
from benchmarks.peers.rows import BENCHMARK


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Exported networks, which the rows share."""
    return tmp_path_factory.mktemp("work")


def measure(name: str, work: Path) -> Measured:
    (row,) = BENCHMARK.find_rows((name,))
    if missing := row.what_is_missing():
        pytest.skip(missing)
    setting = Setting(rounds=2, threads=1, work=work, quick=True)
    BENCHMARK.prepare(row, setting)
    measured = BENCHMARK.measure(row, setting)
    assert isinstance(measured, Measured)
    return measured


@pytest.mark.parametrize(
    ("name", "keys"),
    [
        ("overhead", ["frame"]),
        ("predict", ["tiny-fp32", "tiny-auto"]),
        ("openvino", ["tiny-fp32", "tiny-bf16", "tiny-int8-cpu"]),
        ("torchvision", ["tiny-fp32", "tiny-auto"]),
    ],
)
def test_every_side_is_measured_in_every_round(name: str, keys: list[str], work: Path) -> None:
    found = measure(name, work).comparisons
    assert [one.key for one in found] == keys
    for one in found:
        assert len(one.ours) == len(one.theirs) == 2
        assert min(*one.ours, *one.theirs) > 0
