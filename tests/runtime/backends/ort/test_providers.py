from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from cdul_edge_runtime.backends.ort import backend as ort
from cdul_edge_runtime.backends.ort.backend import OrtBackend
from cdul_edge_runtime.backends.ort.providers import (
    check_listed,
    cuda_providers,
    gpu_of_threads,
    tensorrt_providers,
)
from cdul_edge_runtime.backends.profile import Profile
from cdul_edge_runtime.backends.trt import cudart
from cdul_edge_runtime.bundle.manifest import Precision
from cdul_edge_runtime.choices import Device
from cdul_edge_runtime.errors import CdulEdgeError
from tests.fakes.fake_cuda import FakeLibcudart


def test_fp32_on_cuda_is_fp32_and_not_tf32() -> None:
    ((name, options),) = cuda_providers()
    assert (name, options["use_tf32"]) == ("CUDAExecutionProvider", "0")


def test_another_gpu_is_named_to_each_provider(tmp_path: Path) -> None:
    assert cuda_providers()[0][1]["device_id"] == "0"
    providers = tensorrt_providers(Precision.FP32, tmp_path, (8, 8), Profile(1, 1, 1), gpu=2)
    assert [options["device_id"] for _, options in providers] == ["2", "2"]


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


def test_memory_on_the_gpu_is_what_is_no_longer_free(
    bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert OrtBackend(bundle / "model.fp32.onnx").device_memory_mib is None
    free = iter([1000.0, 700.0, None])
    monkeypatch.setattr(ort, "free_memory_mib", lambda device, gpu: next(free))
    backend = OrtBackend(bundle / "model.fp32.onnx")
    assert backend.device_memory_mib == 300
    assert backend.device_memory_mib is None


def test_a_thread_that_has_chosen_another_gpu_keeps_it(
    bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """ONNX Runtime moves every thread that calls it to its own GPU."""
    library = FakeLibcudart(devices=2)
    cudart.CudaRuntime(library)  # declares its functions
    monkeypatch.setattr(cudart, "load_cuda_library", lambda: library)
    seen = []

    class Bound:
        def infer(self, images: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
            seen.append(library.current)
            assert library.cudaSetDevice(1) == 0
            return np.zeros((len(images), 3), np.float32)

    for theirs in (0, 1):
        assert library.cudaSetDevice(theirs) == 0
        backend = OrtBackend(bundle / "model.fp32.onnx")
        monkeypatch.setattr(backend, "_bound", Bound())
        monkeypatch.setattr(backend, "_at_gpu", gpu_of_threads("cuda", 1))
        backend.infer(np.zeros((1, 8, 8, 3), np.uint8))
        assert library.current == theirs
        backend.close()
        backend.close()
        assert library.current == theirs
    assert seen == [1, 1]


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
