from __future__ import annotations

import json
import sys

import pytest
from typer.testing import CliRunner

from cdul_edge.cli import app

DOCTOR = sys.modules["cdul_edge.cli.doctor"]  # the command of that name hides its module


def test_it_names_the_machine_the_packages_and_what_works() -> None:
    result = CliRunner().invoke(app, ["doctor", "--json", "-"])
    assert result.exit_code == 0
    facts = json.loads(result.stdout)
    assert facts["machine"]["python"] == ".".join(map(str, sys.version_info[:3]))
    assert facts["packages"]["numpy"][0].isdigit()
    assert "CPUExecutionProvider" in facts["onnxruntime_providers"]
    assert facts["works"]["predict, verify"] == "yes, on the CPU"


def test_with_everything_missing_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(DOCTOR, "find_spec", lambda name: None)
    monkeypatch.setenv("PATH", "")
    result = CliRunner().invoke(app, ["doctor"])
    assert result.exit_code == 0
    assert "cdul-edge[cpu]" in result.stdout
    assert "cdul-edge[train]" in result.stdout
    assert "nvidia-smi does not answer" in result.stdout


def test_a_package_that_crashes_on_import_is_reported_not_raised() -> None:
    ask = DOCTOR._ask_python
    assert ask("raise ImportError('libcudart.so.13 is missing')") == {
        "error": "ImportError: libcudart.so.13 is missing"
    }
    assert "error" in ask("import os; os.abort()")
    assert "error" in ask("print('no JSON')")


@pytest.mark.parametrize(
    ("installed", "gpu", "expected"),
    [
        (set(), {"nvidia": "none"}, 'no: TensorRT is not installed (pip install "cdul-edge[trt]")'),
        (set(), {"jetson": "# R36"}, "no: TensorRT is not installed (apt install python3-libnvi"),
        (
            {"tensorrt"},
            {"jetson": "# R36", "nvidia": "none (no device files)"},
            "no: TensorRT is installed, and the dr",
        ),
        ({"tensorrt"}, {"nvidia": "none (nvidia-smi)"}, "no: TensorRT is installed, and the dr"),
        ({"tensorrt"}, {"nvidia": "H200"}, "yes: build and run"),
        ({"tensorrt"}, {"jetson": "# R36"}, "yes: build and run"),
        ({"tensorrt_lean"}, {"nvidia": "H200"}, "run: yes, version-compatible ones; build: no"),
    ],
)
def test_tensorrt_is_judged_by_what_is_installed_and_seen(
    monkeypatch: pytest.MonkeyPatch, installed: set[str], gpu: dict[str, str], expected: str
) -> None:
    monkeypatch.setattr(DOCTOR, "find_spec", lambda name: name if name in installed else None)
    works = DOCTOR._judge(gpu, {}, ["CUDAExecutionProvider", "CPUExecutionProvider"])
    assert works["TensorRT engines"].startswith(expected)
    assert works["GPU seen by the driver"] == ("no" if "none" in str(gpu.get("nvidia")) else "yes")
    on_gpu = "try --device cuda" in works["predict, verify"]
    assert on_gpu == ("none" not in str(gpu.get("nvidia")))


@pytest.mark.parametrize(
    ("installed", "providers", "expected"),
    [
        ({"tensorrt"}, [], "yes, on TensorRT engines; on the CPU and verify --images: no: ONNX Ru"),
        ({"tensorrt_lean"}, [], "yes, on version-compatible TensorRT engines; on the CPU"),
        ({"tensorrt"}, ["CPUExecutionProvider"], "yes, on the CPU and on TensorRT engines"),
        (set(), ["does not load"], "no: ONNX Runtime is missing or broken"),
    ],
)
def test_engines_are_run_without_onnx_runtime(
    monkeypatch: pytest.MonkeyPatch, installed: set[str], providers: list[str], expected: str
) -> None:
    monkeypatch.setattr(DOCTOR, "find_spec", lambda name: name if name in installed else None)
    jetson = {"jetson": "# R36", "nvidia": "device files are there"}
    assert DOCTOR._judge(jetson, {}, providers)["predict, verify"].startswith(expected)
    blind = jetson | {"nvidia": "none (no device files)"}
    assert "engines" not in DOCTOR._judge(blind, {}, providers)["predict, verify"]


def test_tensorrt_under_another_package_name_is_not_missing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(DOCTOR, "find_spec", lambda name: name if name == "tensorrt" else None)
    found = DOCTOR._name_versions({"numpy": "2"})
    assert found["tensorrt"] == "installed, as part of another package"
    assert (found["tensorrt_lean"], found["numpy"]) == ("not installed", "2")
