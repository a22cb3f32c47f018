"""Means over deployed runs, and which photographs a contact sheet shows."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType

import numpy as np
import numpy.typing as npt
import pytest

pytest.importorskip("torch", reason="the benchmark runs PyTorch beside the bundle")

from benchmarks import real_contact_sheet, real_deployment
from benchmarks.photographs import REPORTED
from benchmarks.real_contact_sheet import choose_rows
from benchmarks.real_deployment import DeployedRun, Side, summarize
from benchmarks.tables.records import Deployment
from cdul_edge_runtime.bundle.classes import ClassList
from cdul_edge_runtime.host.json_record import parse_record
from cdul_edge_runtime.metrics.metrics import evaluate_scores

TRUTH = np.tile(np.eye(8, dtype=np.int8), (3, 1))  # each class in 3 of 24 photographs
HALF = np.full(8, 0.5, np.float32)


def side(scores: npt.NDArray[np.float32], float_layers: int = 0) -> Side:
    report = evaluate_scores(scores, TRUTH, ClassList(REPORTED), HALF)
    return Side(scores, HALF, report, best_f1=100.0, size_mib=4.0, float_layers=float_layers)


def run(flips: int, float_layers: int, ms: float) -> DeployedRun:
    """FP32 is perfect; so many of INT8's 192 decisions are wrong, all of them misses."""
    right = np.where(TRUTH == 1, 0.9, 0.1).astype(np.float32)
    reduced = right.copy()
    missed = np.argwhere(TRUTH == 1)[:flips]
    reduced[missed[:, 0], missed[:, 1]] = 0.05
    return DeployedRun(
        network="timm:tiny",
        truth=TRUTH,
        sides={"fp32": side(right), "int8-cpu": side(reduced, float_layers)},
        layers=10,
        p50_ms={"torch": 20.0, "fp32": 8.0, "int8-cpu": ms},
        about={},
    )


def test_runs_are_averaged_and_every_photograph_is_drawn_for_all_of_them_together() -> None:
    figures = summarize([run(8, 0, 3.0), run(0, 2, 5.0)], threads=1)
    found = parse_record(Deployment, figures)
    int8, fp32 = found.precisions["int8-cpu"], found.precisions["fp32"]
    assert (fp32.map.value, fp32.map_drop.value, fp32.flips_percent.value) == (100.0, 0.0, 0.0)
    assert fp32.f1_share == 100.0
    assert int8.flips_percent.value == pytest.approx(100 * 8 / (2 * 24 * 8), abs=1e-3)
    assert int8.map.value == pytest.approx(100 - int8.map_drop.value)
    assert int8.map_drop.low < int8.map_drop.value < int8.map_drop.high
    assert (int8.float_layers, int8.layers, int8.p50_ms) == ((0, 2), 10, 4.0)
    assert (found.torch_ms, found.heldout, len(found.networks)) == (20.0, 24, 2)


def test_a_contact_sheet_shows_each_class_in_turn_and_no_photograph_twice() -> None:
    rows = choose_rows(TRUTH, 20, seed=0)
    assert len(set(rows)) == len(rows) == 20
    assert TRUTH[rows[:8]].sum(axis=0).tolist() == [1] * 8
    assert rows != choose_rows(TRUTH, 20, seed=1)
    assert sorted(choose_rows(TRUTH, 30, seed=0)) == list(range(24))  # there are no more


@pytest.mark.parametrize(
    ("script", "option"), [(real_deployment, "--run"), (real_contact_sheet, "--bundle")]
)
@pytest.mark.parametrize("there", [False, True])
def test_without_photographs_a_run_or_a_bundle_one_line_says_what_to_give(
    script: ModuleType,
    option: str,
    there: bool,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    if there:  # then it is the run or the bundle that is missing
        for name in ("train", "heldout"):
            (tmp_path / name).mkdir()
    with pytest.raises(SystemExit) as end:
        script.main([option, str(tmp_path / "nothing"), "--data", str(tmp_path)])
    assert end.value.code == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert ("nothing" if there else "--data") in line
