from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from cdul_edge_runtime.backends.ort import backend as ort
from cdul_edge_runtime.backends.ort.backend import OrtBackend
from cdul_edge_runtime.backends.ort.providers import (
    check_listed,
    cpu_providers,
    cuda_providers,
    explain_failure,
    explain_fallback,
    tensorrt_providers,
)
from cdul_edge_runtime.backends.profile import Profile
from cdul_edge_runtime.bundle.manifest import Precision
from cdul_edge_runtime.choices import Device
from cdul_edge_runtime.classifier import Classifier
from cdul_edge_runtime.errors import CdulEdgeError


def test_fp32_on_cuda_is_fp32_and_not_tf32() -> None:
    assert cuda_providers() == [("CUDAExecutionProvider", {"use_tf32": "0", "device_id": "0"})]


def test_the_number_of_a_gpu_reaches_both_of_nvidias_providers(tmp_path: Path) -> None:
    both = tensorrt_providers(Precision.FP32, tmp_path, (8, 8), Profile(1, 1, 1), 3)
    assert [(name, options["device_id"]) for name, options in both] == [
        ("TensorrtExecutionProvider", "3"),
        ("CUDAExecutionProvider", "3"),
    ]


@pytest.mark.parametrize(
    ("precision", "flags"),
    [
        (Precision.FP32, set()),
        (Precision.FP16, {"trt_fp16_enable"}),
        (Precision.INT8, {"trt_int8_enable"}),
    ],
)
def test_tensorrt_gets_a_profile_a_cache_and_the_precision_of_the_file(
    tmp_path: Path, precision: Precision, flags: set[str]
) -> None:
    (name, options), cuda = tensorrt_providers(precision, tmp_path, (448, 224), Profile(1, 4, 16))
    assert name == "TensorrtExecutionProvider"
    assert cuda == cuda_providers()[0]  # takes the operators that TensorRT refuses
    assert options["trt_profile_min_shapes"] == "images:1x448x224x3"
    assert options["trt_profile_opt_shapes"] == "images:4x448x224x3"
    assert options["trt_profile_max_shapes"] == "images:16x448x224x3"
    assert options["trt_engine_cache_path"] == options["trt_timing_cache_path"] == str(tmp_path)
    assert {key for key in options if key in ("trt_fp16_enable", "trt_int8_enable")} == flags


def test_a_silent_fallback_is_an_error_that_says_what_runs_and_what_to_install(
    bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Listed and yet not there: what onnxruntime-gpu does on a machine without CUDA.
    monkeypatch.setattr(ort, "check_listed", lambda device: None)
    monkeypatch.setattr(ort, "cuda_providers", lambda gpu: cpu_providers())
    with pytest.raises(CdulEdgeError, match="cuda was asked for") as caught:
        OrtBackend(bundle / "model.fp32.onnx", device="cuda")
    assert "runs on CPUExecutionProvider instead" in str(caught.value)
    assert "cuDNN" in str(caught.value)
    assert "\n" not in str(explain_fallback("ort-tensorrt", "CUDAExecutionProvider"))


def test_too_little_memory_is_one_line_with_the_batch() -> None:
    said = RuntimeError("CUDA failure 2: out of memory\n; GPU=0 ; Requested 17179869184")
    message = str(explain_failure("onnxruntime, CUDA", (64, 448, 448, 3), said))
    assert "\n" not in message
    assert "not enough memory for a batch of 64 pictures of 448x448 px" in message
    assert "Requested 17179869184" in message
    other = str(explain_failure("x", (1, 8, 8, 3), RuntimeError("CUDNN_STATUS_INTERNAL_ERROR")))
    assert other == "x failed on a batch of 1 pictures of 8x8 px (CUDNN_STATUS_INTERNAL_ERROR)"


@pytest.mark.parametrize(
    ("system", "advice"),
    [
        ("x86_64", r'pip install "cdul-edge\[gpu\]"'),
        ("aarch64", r"does not fit JetPack 6.*give --device tensorrt"),
    ],
)
def test_where_there_is_no_wheel_for_it_nobody_is_sent_for_one(
    system: str, advice: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    import onnxruntime

    monkeypatch.setattr("platform.machine", lambda: system)
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: ["CPUExecutionProvider"])
    said = []
    devices: tuple[Device, ...] = ("cuda", "ort-tensorrt")
    for device in devices:
        with pytest.raises(CdulEdgeError, match=advice) as caught:
            check_listed(device)
        said.append(str(caught.value).removeprefix(f"{device} was asked for, and "))
        assert ("cdul-edge[gpu]" in said[-1]) == (system == "x86_64")
    assert said[0] == said[1]  # so that a list of what is not here names it once


def test_a_failing_run_is_an_error_of_ours(bundle: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    backend = OrtBackend(bundle / "model.fp32.onnx")

    class Session:
        def run(self, *_: object) -> None:
            raise RuntimeError("Failed to allocate memory for requested buffer of size 9")

    monkeypatch.setattr(backend, "_session", Session())
    with pytest.raises(CdulEdgeError, match="not enough memory for a batch of 2 pictures"):
        backend.infer(np.zeros((2, 8, 8, 3), np.uint8))


def test_memory_on_the_gpu_is_what_is_no_longer_free(
    bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert OrtBackend(bundle / "model.fp32.onnx").device_memory_mib is None
    free = iter([1000.0, 700.0, None])
    monkeypatch.setattr(ort, "free_memory_mib", lambda device, gpu: next(free))
    backend = OrtBackend(bundle / "model.fp32.onnx")
    assert backend.device_memory_mib == 300
    assert backend.device_memory_mib is None


def test_int8_for_tensorrt_keeps_its_float_bias_on_the_cpu(
    bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import onnxruntime

    seen = []
    real = onnxruntime.InferenceSession

    def record(*words: object, **options: object) -> object:
        seen.append(options.get("disabled_optimizers"))
        return real(*words, **options)

    monkeypatch.setattr(onnxruntime, "InferenceSession", record)
    for precision in (Precision.FP32, Precision.INT8):
        OrtBackend(bundle / "model.fp32.onnx", precision=precision)
    assert seen == [None, ["WeightBiasQuantization"]]


@pytest.mark.gpu
def test_cuda_agrees_with_the_cpu_at_every_batch_size(bundle: Path) -> None:
    rng = np.random.default_rng(0)
    with (
        Classifier.load(bundle, device="cpu", precision="fp32") as cpu,
        Classifier.load(bundle, device="cuda", precision="fp32") as cuda,
    ):
        assert "CUDAExecutionProvider" in cuda.backend.name
        for count in (1, 3, 16):
            inputs = rng.integers(0, 256, (count, 8, 8, 3), dtype=np.uint8)
            found, expected = cuda.backend.infer(inputs), cpu.backend.infer(inputs)
            # 64 sums in another order, 24-bit mantissas: 64 * 2**-24 relative, scores under 1.
            assert np.abs(found - expected).max() <= 64 * 2**-24
            strided = np.ascontiguousarray(inputs[..., ::-1])[..., ::-1]
            assert np.array_equal(cuda.backend.infer(strided), found)


@pytest.mark.gpu
def test_auto_takes_cuda_where_it_starts(bundle: Path) -> None:
    with Classifier.load(bundle) as classifier:
        assert classifier.selection is not None
        assert classifier.selection.device == "cuda"


@pytest.mark.gpu
@pytest.mark.tensorrt
def test_the_tensorrt_provider_keeps_its_engine_in_the_bundle(bundle: Path) -> None:
    inputs = np.random.default_rng(0).integers(0, 256, (3, 8, 8, 3), dtype=np.uint8)
    with (
        Classifier.load(bundle, device="cpu") as cpu,
        Classifier.load(bundle, device="ort-tensorrt", precision="fp32") as provider,
    ):
        assert provider.backend.max_batch == 16
        found, expected = provider.backend.infer(inputs), cpu.backend.infer(inputs)
        assert np.abs(found - expected).max() <= 1e-4
    assert list((bundle / "engines").rglob("*.engine"))
