"""What each step needs, and all of them in their smallest form."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from shutil import which

import pytest

from benchmarks.gpu import onnxruntime_step, tensorrt_step
from benchmarks.gpu.check import check
from benchmarks.gpu.machine import CheckedMachine
from benchmarks.gpu.request import CheckRequest
from benchmarks.gpu.roots import ROOT, child_environment
from benchmarks.gpu.step import Setting
from benchmarks.gpu.steps import STEPS
from benchmarks.gpu.tests_step import find_files

HOPPER = CheckedMachine(
    gpu="NVIDIA H100", capability="9.0", gpu_memory_mib=81559, driver="580.1", cuda="13.0",
    providers=("CPUExecutionProvider",), versions={}, machine={},
    rtx_capabilities=("8.6", "8.9"),
)  # fmt: skip
ON_HOPPER = Setting("cuda", False, HOPPER)


def test_the_process_that_starts_the_steps_loads_no_library_of_a_gpu() -> None:
    code = (
        "import sys, benchmarks.gpu.__main__, benchmarks.gpu.steps\n"
        "heavy = 'torch onnxruntime onnx tensorrt tensorrt_rtx timm pyarrow pytest'\n"
        "print(sorted(set(heavy.split()) & set(sys.modules)))"
    )
    run = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env=child_environment(), capture_output=True,
        text=True, check=True,
    )  # fmt: skip
    assert run.stdout == "[]\n"


@pytest.mark.skipif(which("make") is None, reason="there is no make")
def test_make_takes_a_given_python_as_it_is_and_makes_no_environment() -> None:
    words = ["make", "--dry-run", "gpu-check", "PYTHON=/opt/torch/python", "GPU_CHECK=--minutes 4"]
    plain = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}
    run = subprocess.run(words, cwd=ROOT, env=plain, capture_output=True, text=True, check=True)
    assert run.stdout == "/opt/torch/python -m benchmarks.gpu --minutes 4\n"


def test_onnxruntime_without_cuda_is_skipped_on_a_gpu_with_that_reason() -> None:
    assert onnxruntime_step.needs(ON_HOPPER) == "onnxruntime lists only CPUExecutionProvider"
    assert onnxruntime_step.needs(Setting("cpu", True, HOPPER)) is None
    cuda = replace(HOPPER, providers=("CUDAExecutionProvider", "CPUExecutionProvider"))
    assert onnxruntime_step.needs(Setting("cuda", False, cuda)) is None
    nothing = replace(HOPPER, providers=())
    assert onnxruntime_step.needs(Setting("cpu", True, nothing)) == "onnxruntime is not installed"


@pytest.mark.skipif(find_spec("tensorrt_rtx") is None, reason="TensorRT for RTX is not installed")
def test_tensorrt_for_rtx_is_skipped_on_a_gpu_that_it_is_not_for() -> None:
    reason = "tensorrt_rtx is not for compute capability 9.0 but 8.6, 8.9"
    assert tensorrt_step.why_not(ON_HOPPER, "rtx") == reason
    ada = Setting("cuda", False, replace(HOPPER, capability="8.9"))
    assert tensorrt_step.why_not(ada, "rtx") is None
    assert tensorrt_step.needs(ada) is None


@pytest.mark.skipif(find_spec("tensorrt") is not None, reason="TensorRT is installed")
def test_what_is_not_installed_is_named() -> None:
    assert tensorrt_step.why_not(ON_HOPPER, "tensorrt") == "tensorrt is not installed"


def test_files_with_tests_of_a_gpu_are_found_and_no_others() -> None:
    names = [Path(file).relative_to(ROOT / "tests").as_posix() for file in find_files("gpu")]
    assert "training/test_cuda.py" in names
    assert "labels/test_quality.py" not in names


@pytest.mark.slow
def test_every_step_runs_on_a_cpu_in_its_smallest_form(tmp_path: Path) -> None:
    code = check(CheckRequest(device="cpu", quick=True, minutes=20, out=tmp_path))
    found = [json.loads((tmp_path / f"{step.name}.json").read_text()) for step in STEPS]
    assert [one["failures"] for one in found] == [[]] * len(STEPS)
    assert [one["status"] for one in found] == ["passed"] * len(STEPS)
    assert code == 0
    assert max(file.stat().st_size for file in tmp_path.glob("*.json")) < 1 << 20
    for one in found:
        assert os.fspath(tmp_path) not in json.dumps(one)
