from __future__ import annotations

from pathlib import Path

import numpy as np
import onnxruntime
import pytest

from cdul_edge_runtime.backends.ort import backend as ort
from cdul_edge_runtime.backends.ort import failures
from cdul_edge_runtime.backends.ort.backend import OrtBackend
from cdul_edge_runtime.backends.ort.failures import explain_fallback, explain_no_start
from cdul_edge_runtime.backends.ort.providers import cpu_providers
from cdul_edge_runtime.backends.run_failure import explain_failure
from cdul_edge_runtime.errors import CdulEdgeError, DeviceError

# What onnxruntime-gpu 1.31.1 said where a driver was too old for it, and where it had no TensorRT.
_OLD_DRIVER = (
    "/onnxruntime_src/onnxruntime/core/providers/cuda/cuda_execution_provider_info.cc:63 static "
    "onnxruntime::CUDAExecutionProviderInfo FromProviderOptions(const ProviderOptions&) "
    "[ONNXRuntimeError] : 1 : FAIL : provider_options_utils.h:187 Parse Failed to parse provider "
    'option "device_id": CUDA failure 35: CUDA driver version is insufficient for CUDA runtime '
    "version ; GPU=-1 ; hostname=vm ; file=/onnxruntime_src/cuda_execution_provider_info.cc"
)
_NO_TENSORRT = (
    "onnxruntime_pybind_state.cc:729 void RegisterTensorRTPluginsAsCustomOps(PySessionOptions&) "
    "Please install TensorRT libraries as mentioned in the GPU requirements page, make sure "
    "they're in the PATH or LD_LIBRARY_PATH, and that your GPU is supported."
)


@pytest.fixture
def driver(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine with NVIDIA's driver, and a build of ONNX Runtime without providers' libraries."""
    monkeypatch.setattr(failures, "nvidia_driver_there", lambda: True)
    monkeypatch.setattr(onnxruntime, "__file__", "/nowhere/onnxruntime/__init__.py")


@pytest.mark.usefixtures("driver")
def test_a_silent_fallback_is_an_error_that_says_what_runs_and_what_to_install(
    bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Listed and yet not there: what onnxruntime-gpu does on a machine without CUDA.
    monkeypatch.setattr(ort, "check_listed", lambda device: None)
    monkeypatch.setattr(ort, "cuda_providers", lambda gpu: cpu_providers())
    with pytest.raises(CdulEdgeError, match="cuda was asked for") as caught:
        OrtBackend(bundle / "model.fp32.onnx", device="cuda")
    assert "runs on CPUExecutionProvider instead" in str(caught.value)
    assert 'pip install "onnxruntime-gpu[cuda,cudnn]"' in str(caught.value)
    assert "\n" not in str(explain_fallback("ort-tensorrt", "CUDAExecutionProvider"))


@pytest.mark.usefixtures("driver")
def test_the_loader_s_own_words_name_the_library_that_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "capi").mkdir()
    (tmp_path / "capi/libonnxruntime_providers_cuda.so").write_bytes(b"cut")
    monkeypatch.setattr(onnxruntime, "__file__", str(tmp_path / "__init__.py"))
    assert "file too short): install" in str(explain_fallback("cuda", "CPUExecutionProvider"))
    # It has no library of TensorRT's provider at all: nothing to say about it.
    assert "instead: install" in str(explain_fallback("ort-tensorrt", "CPUExecutionProvider"))


def test_without_a_driver_nobody_is_sent_for_a_library(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(failures, "nvidia_driver_there", lambda: False)
    said = [explain_no_start("ort-tensorrt", Path(m), RuntimeError(_NO_TENSORRT)) for m in "ab"]
    assert str(said[0]) == str(said[1])  # no model in it, so that lists name it once
    for error in (said[0], explain_fallback("cuda", "CPUExecutionProvider")):
        assert "(no NVIDIA driver here): install the GPU's driver" in str(error)
        assert "pip" not in str(error)
        assert "onnxruntime_src" not in str(error)


@pytest.mark.usefixtures("driver")
@pytest.mark.parametrize(
    ("said", "found", "advice"),
    [
        (_OLD_DRIVER, "CUDA driver version is insufficient for CUDA runtime version", "update the"),
        (
            'Failed to parse provider option "device_id": Invalid device ID: 3, must be between 0 '
            "(inclusive) and 1 (exclusive).",
            "Invalid device ID: 3, must be between 0 (inclusive) and 1 (exclusive)",
            "give the number of a GPU",
        ),
        (
            "Invalid device id. Device id should be less than total number of devices (1)",
            "should be less than total number of devices (1)",
            "give the number of a GPU",
        ),
        (
            "CUDA failure 101: invalid device ordinal ; GPU=0 ; hostname=vm",
            "CUDA failure 101: invalid device ordinal",
            "give the number of a GPU",
        ),
        (
            "CUDA failure 100: no CUDA-capable device is detected ; GPU=0 ; hostname=vm",
            "CUDA failure 100: no CUDA-capable device is detected",
            "check `nvidia-smi`, CUDA_VISIBLE_DEVICES",
        ),
    ],
)
def test_what_cuda_says_is_taken_out_of_what_onnxruntime_says(
    said: str, found: str, advice: str
) -> None:
    message = str(explain_no_start("cuda", Path("model.onnx"), RuntimeError(said)))
    assert f"{found}): {advice}" in message
    for noise in ("onnxruntime_src", "hostname", "model.onnx", "provider option"):
        assert noise not in message


@pytest.mark.usefixtures("driver")
def test_another_reason_keeps_its_words_and_the_model() -> None:
    error = explain_no_start("cuda", Path("model.onnx"), RuntimeError("an operator\nis not there"))
    assert "cuda cannot start with model.onnx (an operator is not there)" in str(error)
    memory = explain_no_start("cuda", Path("model.onnx"), RuntimeError("CUDA out of memory"))
    assert isinstance(memory, DeviceError)


def test_too_little_memory_is_one_line_with_the_batch() -> None:
    said = RuntimeError("CUDA failure 2: out of memory\n; GPU=0 ; Requested 17179869184")
    message = str(explain_failure("onnxruntime, CUDA", (64, 448, 448, 3), said))
    assert "\n" not in message
    assert "not enough memory for a batch of 64 pictures of 448x448 px" in message
    assert "Requested 17179869184" in message
    other = str(explain_failure("x", (1, 8, 8, 3), RuntimeError("CUDNN_STATUS_INTERNAL_ERROR")))
    assert other == "x failed on a batch of 1 picture of 8x8 px (CUDNN_STATUS_INTERNAL_ERROR)"


def test_a_failing_run_is_an_error_of_ours(bundle: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    backend = OrtBackend(bundle / "model.fp32.onnx")

    class Session:
        def run(self, *_: object) -> None:
            raise RuntimeError("Failed to allocate memory for requested buffer of size 9")

    monkeypatch.setattr(backend, "_session", Session())
    with pytest.raises(CdulEdgeError, match="not enough memory for a batch of 2 pictures"):
        backend.infer(np.zeros((2, 8, 8, 3), np.uint8))
