"""The tables of a GPU from its result files; without any, the page says so."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.gpu.machine import CheckedMachine
from benchmarks.gpu.result_file import StepResult
from benchmarks.gpu.step import Figure
from benchmarks.tables import gpu

H100 = CheckedMachine(
    gpu="NVIDIA H100", capability="9.0", gpu_memory_mib=81559, driver="580.1", cuda="13.0",
    providers=(), versions={"torch": "2.11.0"}, machine={},
)  # fmt: skip


@pytest.fixture
def results(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(gpu, "RESULTS", tmp_path / "gpu")
    return tmp_path / "gpu"


def write(folder: Path, name: str, *figures: Figure, failures: tuple[str, ...] = ()) -> None:
    StepResult(
        benchmark=name, title=name, command="python -m benchmarks.gpu", measured="2026-11-26",
        commit="abc1234", identity={}, on=H100, status="passed", seconds=9.0, allowed_seconds=10.0,
        figures=figures, failures=failures, notes=("TensorRT is not installed",),
    ).write(folder)  # fmt: skip


def test_a_gpu_that_was_never_proved_is_not_claimed(results: Path) -> None:
    assert gpu.draw_gpu() == "## On a GPU\n\n`make gpu-check` has not run on a GPU yet.\n"
    assert gpu.draw_gpu_line() == ""


def test_figures_stand_beside_their_bars_on_the_machine_that_was_measured(results: Path) -> None:
    ratio = Figure("over bare forward", 0.912345, at_least=0.85, costs=True)
    write(results, "labelling", ratio, Figure("pictures a second", 1234.5, "1/s"))
    write(results, "memory", Figure("grew by", 9, "MiB", at_most=4), failures=("one died",))
    told, _, *rows = gpu.draw_gpu().splitlines()[2:]
    assert told == (
        "`make gpu-check` on NVIDIA H100, compute capability 9.0, driver 580.1, PyTorch 2.11.0 "
        "for CUDA 13.0, commit abc1234."
    )
    assert rows[2:] == [
        "| labelling | over bare forward | 0.9123 | at least 0.85 | met |",
        "| labelling | TensorRT is not installed |  |  | left out |",
        "| memory | grew by | 9 MiB | at most 4 | missed |",
        "| memory | one died |  |  | failed |",
        "| memory | TensorRT is not installed |  |  | left out |",
    ]
    assert gpu.draw_gpu_line() == " On NVIDIA H100 1 of 2 GPU bars are met."
