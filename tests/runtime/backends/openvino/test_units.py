"""What each device is asked for, and why one is refused; GPU and NPU are never here."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from cdul_edge_runtime.backends.openvino.units import (
    check_precision,
    check_unit,
    most_pictures,
    properties_for,
)
from cdul_edge_runtime.backends.openvino.words import explain_no_start, reason_of
from cdul_edge_runtime.bundle.manifest import Precision
from cdul_edge_runtime.device_choice import CpuThreads
from cdul_edge_runtime.errors import BundleError, CdulEdgeError, DeviceError

_NO_OPENCL = """Exception from src/inference/src/cpp/core.cpp:268:
Cannot load library "/x/libopenvino_intel_gpu_plugin.so": libOpenCL.so.1: cannot open shared object\
 file: No such file or directory
"""


class FakeCore:
    """A machine with these devices; one that is not there says what is missing."""

    def __init__(self, *devices: str) -> None:
        self._devices = list(devices)

    @property
    def available_devices(self) -> list[str]:
        return self._devices

    def get_property(self, device_name: str, property: str) -> object:
        raise RuntimeError(_NO_OPENCL if device_name == "GPU" else "Unsupported key")


@pytest.mark.parametrize(
    ("unit", "precision", "computed"),
    [
        ("CPU", Precision.FP32, "f32"),
        ("CPU", Precision.BF16, "bf16"),
        ("CPU", Precision.FP16, "f32"),
        ("CPU", Precision.INT8_CPU, "f32"),
        ("GPU", Precision.FP32, "f32"),
        ("GPU.1", Precision.FP16, "f16"),
        ("GPU", Precision.INT8, "f32"),
        ("NPU", Precision.FP16, "f16"),
        ("NPU", Precision.INT8_CPU, "f16"),
    ],
)
def test_a_file_is_computed_in_what_it_says(unit: str, precision: Precision, computed: str) -> None:
    properties = properties_for(unit, precision, CpuThreads())
    assert properties["INFERENCE_PRECISION_HINT"] == computed
    assert properties["PERFORMANCE_HINT"] == "LATENCY"
    assert properties.get("EXECUTION_MODE_HINT") == ("ACCURACY" if computed == "f32" else None)
    assert ("ENABLE_CPU_PINNING" in properties) == (unit == "CPU")


def test_threads_are_those_of_each_batch_that_runs_at_once() -> None:
    alone = properties_for("CPU", Precision.FP32, CpuThreads(3, 1))
    assert (alone["INFERENCE_NUM_THREADS"], alone.get("NUM_STREAMS")) == ("3", None)
    two = properties_for("CPU", Precision.FP32, CpuThreads(3, 2))
    assert (two["INFERENCE_NUM_THREADS"], two["NUM_STREAMS"]) == ("6", "2")
    assert "INFERENCE_NUM_THREADS" not in properties_for("CPU", Precision.FP32, CpuThreads(None, 2))
    assert "INFERENCE_NUM_THREADS" not in properties_for("GPU", Precision.FP32, CpuThreads(3, 1))


def test_an_npu_takes_one_picture_at_once() -> None:
    assert [most_pictures(unit) for unit in ("CPU", "GPU", "NPU", "NPU.1")] == [None, None, 1, 1]


def test_one_of_a_kind_needs_no_number() -> None:
    check_unit(FakeCore("CPU", "GPU"), "GPU.0", "1")
    check_unit(FakeCore("CPU", "GPU.0", "GPU.1"), "GPU", "1")
    check_unit(FakeCore("CPU", "GPU.0", "GPU.1"), "GPU.1", "1")
    check_unit(FakeCore("NPU"), "NPU", "1")


@pytest.mark.parametrize(
    ("devices", "unit", "message"),
    [
        (
            ["CPU"],
            "GPU",
            "openvino:GPU was asked for, and OpenVINO 2026.4.1 sees only CPU here (libOpenCL.so.1: "
            "cannot open shared object file): install Intel's compute runtime (on Debian and "
            "Ubuntu: intel-opencl-icd), and let this user open /dev/dri (group render)",
        ),
        (
            ["CPU", "GPU"],
            "NPU",
            "openvino:NPU was asked for, and OpenVINO 2026.4.1 sees only CPU, GPU here: install "
            "Intel's NPU driver (intel-level-zero-npu), which makes /dev/accel",
        ),
        (
            ["CPU", "GPU.0", "GPU.1"],
            "GPU.2",
            "openvino:GPU.2 was asked for, and OpenVINO 2026.4.1 sees only CPU, GPU.0, GPU.1 here: "
            "give one of these",
        ),
    ],
)
def test_a_device_that_is_not_here_is_told_with_those_that_are(
    devices: list[str], unit: str, message: str
) -> None:
    end = "; `cdul-edge doctor` shows what is here"
    with pytest.raises(CdulEdgeError, match=f"^{re.escape(message + end)}$"):
        check_unit(FakeCore(*devices), unit, "2026.4.1")


@pytest.mark.parametrize(
    ("unit", "expected"),
    [("CPU", "openvino (an old CPU)"), ("GPU.1", "openvino:GPU.1 (an old CPU)")],
)
def test_bf16_is_refused_where_it_would_only_be_pretended(unit: str, expected: str) -> None:
    others = "fp32 or int8-cpu" if unit == "CPU" else "fp16 or fp32"
    message = f"bf16 was asked for, and {expected} does not compute in it: give precision {others}"
    with pytest.raises(CdulEdgeError, match=f"^{re.escape(message)}$"):
        check_precision(unit, Precision.BF16, ["FP32", "INT8"], "an old CPU")
    check_precision(unit, Precision.BF16, ["FP32", "BF16"], "a CPU")
    check_precision(unit, Precision.INT8, ["FP32"], "an old CPU")


def test_reasons_come_without_the_places_in_its_source() -> None:
    said = (
        "Exception from src/inference/src/cpp/infer_request.cpp:224:\n"
        "[CPU] Convert node with name 'c' Check 'ptr' failed at src/plugins/memory.cpp:257:\n"
        "Failed to allocate 11 bytes of memory\n\n"
    )
    reason = "[CPU] Convert node with name 'c' Failed to allocate 11 bytes of memory"
    assert reason_of(RuntimeError(said)) == reason
    assert reason_of(RuntimeError("Exception from a.cpp:1:")) == "Exception from a.cpp:1:"


def test_a_start_that_fails_blames_memory_the_file_or_the_device() -> None:
    model, fp32 = Path("m.onnx"), Precision.FP32
    memory = explain_no_start(
        "GPU", model, fp32, RuntimeError("CL_OUT_OF_RESOURCES: out of memory")
    )
    assert isinstance(memory, DeviceError)
    assert str(memory).startswith("openvino:GPU has not enough memory for m.onnx (CL_OUT_OF")
    assert isinstance(explain_no_start("CPU", model, fp32, RuntimeError("no such op")), BundleError)
    other = str(explain_no_start("NPU", model, fp32, RuntimeError("L0 said no")))
    assert other.startswith("openvino:NPU cannot start with m.onnx (L0 said no): `cdul-edge doc")
    half = str(explain_no_start("CPU", model, Precision.BF16, RuntimeError("no pooling")))
    assert half == (
        "bf16 was asked for, and openvino cannot compute m.onnx in it here (no pooling): give "
        "precision fp32"
    )
