from __future__ import annotations

import json
import re
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from cdul_edge.cli import app
from cdul_edge.front import engine_libraries, machine_report, openvino_facts
from cdul_edge.front.engine_libraries import EngineLibrary, Libraries
from cdul_edge.front.machine_facts import ChildAnswer, Gpu, ask_python
from cdul_edge.front.machine_report import judge
from cdul_edge_runtime.pictures.resizer import resizer_name
from tests.fakes.openvino_agreement import needs_openvino

_ASK = openvino_facts._ASK
JETSON = Gpu("device files are there", "# R36")
TENSORRT = EngineLibrary("10.3.0")
LEAN = EngineLibrary("10.3.0", lean=True)
RTX = EngineLibrary("1.7.1.116", builds_for=("sm86", "sm89"))


def libraries(tensorrt: EngineLibrary | None = None, rtx: EngineLibrary | None = None) -> Libraries:
    return {"tensorrt": tensorrt or EngineLibrary(), "rtx": rtx or EngineLibrary()}


def test_it_names_the_machine_the_packages_and_what_works() -> None:
    result = CliRunner().invoke(app, ["doctor", "--json", "-"])
    assert result.exit_code == 0
    facts = json.loads(result.stdout)
    assert facts["machine"]["python"] == ".".join(map(str, sys.version_info[:3]))
    assert facts["packages"]["numpy"][0].isdigit()
    assert facts["resizer"] == resizer_name()
    assert "CPUExecutionProvider" in facts["onnxruntime_providers"]
    assert facts["works"]["predict, verify"] == "yes, on the CPU"
    assert facts["packages"]["openvino"]
    assert facts["works"]["predict --device openvino"]
    for package, use in (
        ("av", "watch videos, cameras"),
        ("rosbags", "watch bag:"),
        ("paho-mqtt", "watch --mqtt"),
    ):
        is_there = facts["packages"][package] != "not installed"
        assert (facts["works"][use] == "yes") == is_there
    assert facts["works"]["watch gst:"].startswith(("yes", "no: gst: pipelines need "))


def test_with_everything_missing_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (machine_report, engine_libraries, openvino_facts):
        monkeypatch.setattr(module, "find_spec", lambda name: None)
    monkeypatch.setenv("PATH", "")
    result = CliRunner().invoke(app, ["doctor"])
    assert result.exit_code == 0
    assert "cdul-edge[cpu]" in result.stdout
    assert "cdul-edge[train]" in result.stdout
    assert "cdul-edge[rtx]" in result.stdout
    assert "cdul-edge[openvino]" in result.stdout
    assert "nvidia-smi does not answer" in result.stdout


def test_a_package_that_crashes_on_import_is_reported_not_raised() -> None:
    broken = ask_python("raise ImportError('libcudart.so.13 is missing')")
    assert broken.to_dict() == {"error": "ImportError: libcudart.so.13 is missing"}
    assert ask_python("import os; os.abort()").error
    assert ask_python("print('no JSON')").error


@pytest.mark.parametrize("gpu", [Gpu("none (nvidia-smi)"), Gpu("H200", None, ("9.0",))])
def test_onnx_runtime_is_said_to_reach_a_gpu_that_the_driver_sees(gpu: Gpu) -> None:
    providers = ("CUDAExecutionProvider", "CPUExecutionProvider")
    works = judge(gpu, ChildAnswer({}), providers, libraries())
    assert works["GPU seen by the driver"] == ("yes" if gpu.present else "no")
    on_gpu = "try --device cuda" in works["predict, verify"]
    assert on_gpu == gpu.present


@pytest.mark.parametrize(
    ("installed", "providers", "expected"),
    [
        (TENSORRT, (), "yes, on TensorRT engines; on the CPU and verify --images: no: ONNX Ru"),
        (LEAN, (), "yes, on version-compatible TensorRT engines; on the CPU"),
        (TENSORRT, ("CPUExecutionProvider",), "yes, on the CPU and on TensorRT engines"),
        (EngineLibrary(), ("does not load",), "no: onnxruntime is damaged (it does not load)"),
    ],
)
def test_engines_are_run_without_onnx_runtime(
    installed: EngineLibrary, providers: tuple[str, ...], expected: str
) -> None:
    works = judge(JETSON, ChildAnswer({}), providers, libraries(installed))
    assert works["predict, verify"].startswith(expected)
    blind = judge(Gpu("none (no device files)", "# R36"), ChildAnswer({}), providers, libraries())
    assert "engines" not in blind["predict, verify"]


def test_engines_of_both_kinds_run_on_a_gpu_that_both_support() -> None:
    ada = Gpu("RTX 4090", None, ("8.9",))
    works = judge(ada, ChildAnswer({}), (), libraries(TENSORRT, RTX))
    assert works["predict, verify"].startswith(
        "yes, on TensorRT engines and on TensorRT for RTX engines; "
    )
    hopper = Gpu("H200", None, ("9.0",))
    works = judge(hopper, ChildAnswer({}), (), libraries(TENSORRT, RTX))
    assert works["predict, verify"].startswith("yes, on TensorRT engines; ")


@needs_openvino
def test_openvino_names_its_version_and_each_device_with_what_it_computes_in() -> None:
    found = openvino_facts.judge_openvino()
    assert re.fullmatch(r"yes, with OpenVINO 20\d\d\.\d+\.\d+ on CPU \(.+\).*", found)


def test_a_damaged_openvino_is_a_part_of_the_answer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "openvino").mkdir()
    monkeypatch.setattr(openvino_facts, "find_spec", lambda name: object())
    for code, reason in (
        ("raise OSError('cut')", "is damaged .cut"),
        ("import os; os.abort()", ""),
    ):
        (tmp_path / "openvino" / "__init__.py").write_text(code)
        monkeypatch.setattr(
            openvino_facts, "_ASK", f"import sys; sys.path.insert(0, {str(tmp_path)!r})" + _ASK
        )
        assert re.match(f"no: .*{reason}", openvino_facts.judge_openvino())
