from __future__ import annotations

import json
import sys

import pytest
from typer.testing import CliRunner

from cdul_edge.cli import app
from cdul_edge.front import machine_report
from cdul_edge.front.machine_report import ChildAnswer, Gpu, ask_python, judge, name_versions

JETSON = Gpu("device files are there", "# R36")


def only_has(monkeypatch: pytest.MonkeyPatch, installed: set[str]) -> None:
    monkeypatch.setattr(machine_report, "find_spec", lambda name: installed & {name} or None)


def test_it_names_the_machine_the_packages_and_what_works() -> None:
    result = CliRunner().invoke(app, ["doctor", "--json", "-"])
    assert result.exit_code == 0
    facts = json.loads(result.stdout)
    assert facts["machine"]["python"] == ".".join(map(str, sys.version_info[:3]))
    assert facts["packages"]["numpy"][0].isdigit()
    assert "CPUExecutionProvider" in facts["onnxruntime_providers"]
    assert facts["works"]["predict, verify"] == "yes, on the CPU"


def test_with_everything_missing_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine_report, "find_spec", lambda name: None)
    monkeypatch.setenv("PATH", "")
    result = CliRunner().invoke(app, ["doctor"])
    assert result.exit_code == 0
    assert "cdul-edge[cpu]" in result.stdout
    assert "cdul-edge[train]" in result.stdout
    assert "nvidia-smi does not answer" in result.stdout


def test_a_package_that_crashes_on_import_is_reported_not_raised() -> None:
    broken = ask_python("raise ImportError('libcudart.so.13 is missing')")
    assert broken.to_dict() == {"error": "ImportError: libcudart.so.13 is missing"}
    assert ask_python("import os; os.abort()").error
    assert ask_python("print('no JSON')").error


@pytest.mark.parametrize(
    ("installed", "gpu", "expected"),
    [
        (set(), Gpu("none"), 'no: TensorRT is not installed (pip install "cdul-edge[trt]")'),
        (
            set(),
            JETSON,
            "no: TensorRT is not installed (apt install python3-libnvi",
        ),
        (
            {"tensorrt"},
            Gpu("none (no device files)", "# R36"),
            "no: TensorRT is installed, and the dr",
        ),
        ({"tensorrt"}, Gpu("none (nvidia-smi)"), "no: TensorRT is installed, and the dr"),
        ({"tensorrt"}, Gpu("H200"), "yes: build and run"),
        ({"tensorrt"}, JETSON, "yes: build and run"),
        ({"tensorrt_lean"}, Gpu("H200"), "run: yes, version-compatible ones; build: no"),
    ],
)
def test_tensorrt_is_judged_by_what_is_installed_and_seen(
    monkeypatch: pytest.MonkeyPatch, installed: set[str], gpu: Gpu, expected: str
) -> None:
    monkeypatch.setattr(
        machine_report, "find_spec", lambda name: name if name in installed else None
    )
    works = judge(gpu, ChildAnswer({}), ("CUDAExecutionProvider", "CPUExecutionProvider"))
    assert works["TensorRT engines"].startswith(expected)
    assert works["GPU seen by the driver"] == ("yes" if gpu.present else "no")
    on_gpu = "try --device cuda" in works["predict, verify"]
    assert on_gpu == gpu.present


@pytest.mark.parametrize(
    ("installed", "providers", "expected"),
    [
        ({"tensorrt"}, (), "yes, on TensorRT engines; on the CPU and verify --images: no: ONNX Ru"),
        ({"tensorrt_lean"}, (), "yes, on version-compatible TensorRT engines; on the CPU"),
        ({"tensorrt"}, ("CPUExecutionProvider",), "yes, on the CPU and on TensorRT engines"),
        (set(), ("does not load",), "no: ONNX Runtime is missing or broken"),
    ],
)
def test_engines_are_run_without_onnx_runtime(
    monkeypatch: pytest.MonkeyPatch, installed: set[str], providers: tuple[str, ...], expected: str
) -> None:
    monkeypatch.setattr(
        machine_report, "find_spec", lambda name: name if name in installed else None
    )
    works = judge(JETSON, ChildAnswer({}), providers)
    assert works["predict, verify"].startswith(expected)
    blind = judge(Gpu("none (no device files)", "# R36"), ChildAnswer({}), providers)
    assert "engines" not in blind["predict, verify"]


def test_tensorrt_under_another_package_name_is_not_missing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(
        machine_report, "find_spec", lambda name: name if name == "tensorrt" else None
    )
    found = name_versions({"numpy": "2"})
    assert found["tensorrt"] == "installed, as part of another package"
    assert (found["tensorrt_lean"], found["numpy"]) == ("not installed", "2")
