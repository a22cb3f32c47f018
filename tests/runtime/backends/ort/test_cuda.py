"""ONNX Runtime's GPU providers on a real GPU: `pytest -m gpu`."""

from __future__ import annotations

import ctypes
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import onnxruntime
import pytest

from cdul_edge_runtime.backends.ort.backend import OrtBackend
from cdul_edge_runtime.backends.ort.failures import missing_library
from cdul_edge_runtime.backends.ort.providers import PROVIDERS, free_memory_mib, ready_for_gpu
from cdul_edge_runtime.backends.trt.cuda_library import load_cuda_library
from cdul_edge_runtime.bundle.manifest import Precision
from cdul_edge_runtime.choices import Device
from cdul_edge_runtime.classifier import Classifier
from cdul_edge_runtime.errors import CdulEdgeError
from cdul_edge_runtime.host.machine import nvidia_driver_there
from tests.fakes.conv_bundle import expected, write_conv_bundle
from tests.fakes.noise import pictures

# Half has 11 bits, and the sums have 27 and 64 terms. INT8's rounding is in the expected scores.
TOLERANCE = {Precision.FP32: 1e-4, Precision.FP16: 5e-3, Precision.INT8: 5e-3}


def _require(device: Device) -> None:
    """Skip where this build of ONNX Runtime has no such provider, or where it cannot load."""
    if PROVIDERS[device] not in onnxruntime.get_available_providers():
        pytest.skip(f"onnxruntime {onnxruntime.__version__} here has no {PROVIDERS[device]}")
    if not nvidia_driver_there():
        pytest.skip("no NVIDIA driver here")
    if device == "ort-tensorrt":
        with ready_for_gpu(device):
            missing = missing_library(device)
        if missing and "undefined symbol" not in missing:
            pytest.skip(f"{PROVIDERS[device]} is not complete: {missing}")


@pytest.fixture
def _cuda() -> None:
    _require("cuda")


@pytest.fixture
def _tensorrt() -> None:
    _require("ort-tensorrt")


@pytest.mark.gpu
@pytest.mark.usefixtures("_cuda")
def test_cuda_agrees_with_the_cpu_at_every_batch_size(bundle: Path) -> None:
    with (
        Classifier.load(bundle, device="cpu", precision="fp32") as cpu,
        Classifier.load(bundle, device="cuda", precision="fp32") as cuda,
    ):
        assert "CUDAExecutionProvider" in cuda.backend.name
        for count in (1, 3, 16, 1):
            inputs = pictures(count, seed=count)
            found, reference = cuda.backend.infer(inputs), cpu.backend.infer(inputs)
            # 64 sums in another order, 24-bit mantissas: 64 * 2**-24 relative, scores under 1.
            assert np.abs(found - reference).max() <= 64 * 2**-24
            strided = np.ascontiguousarray(inputs[..., ::-1])[..., ::-1]
            assert np.array_equal(cuda.backend.infer(strided), found)


@pytest.mark.gpu
@pytest.mark.usefixtures("_cuda")
@pytest.mark.parametrize("precision", list(TOLERANCE))
def test_every_precision_gives_the_expected_scores(precision: Precision, bundle: Path) -> None:
    model = write_conv_bundle(bundle).model_path(precision)
    backend = OrtBackend(model, device="cuda", precision=precision)
    for count in (1, 8):
        images = pictures(count, seed=count)
        scores = backend.infer(images)
        np.testing.assert_allclose(scores, expected(images, precision), atol=TOLERANCE[precision])
    backend.close()


@pytest.mark.gpu
@pytest.mark.usefixtures("_cuda")
def test_threads_share_a_session_and_no_memory(bundle: Path) -> None:
    backend = OrtBackend(bundle / "model.fp32.onnx", device="cuda")
    inputs = [pictures(1 + seed % 2, seed) for seed in range(64)]
    alone = [backend.infer(images) for images in inputs]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(backend.infer, inputs))
    for one, other in zip(alone, together, strict=True):
        np.testing.assert_allclose(one, other, atol=64 * 2**-24)


@pytest.mark.gpu
@pytest.mark.usefixtures("_cuda")
def test_a_stream_of_batches_takes_no_more_memory_of_the_gpu(bundle: Path) -> None:
    backend = OrtBackend(write_conv_bundle(bundle).model_path(Precision.FP32), device="cuda")

    def run(times: int) -> float:
        for seed in range(times):
            backend.infer(pictures((1024, 1, 512)[seed % 3], seed))
        free_mib = free_memory_mib("cuda")
        if free_mib is None:
            pytest.skip("no libcudart to ask for the free memory")
        return free_mib

    # Other programs on this GPU come and go. A leak of one batch a call would be 50 MiB each time.
    run(30)
    assert min(run(500) - run(500) for _ in range(3)) < 1


@pytest.mark.gpu
@pytest.mark.usefixtures("_cuda")
def test_a_gpu_that_is_not_there_is_one_line(bundle: Path) -> None:
    with pytest.raises(CdulEdgeError, match="`nvidia-smi` lists") as caught:
        OrtBackend(bundle / "model.fp32.onnx", device="cuda", gpu=99)
    assert "\n" not in str(caught.value)


@pytest.mark.gpu
@pytest.mark.usefixtures("_cuda")
@pytest.mark.parametrize("ours", [0, 1])
def test_a_thread_at_another_gpu_stays_there(ours: int, bundle: Path) -> None:
    library, current = load_cuda_library(), ctypes.c_int()
    if library.cudaGetDeviceCount(ctypes.byref(current)) or current.value < 2:
        pytest.skip("this needs two GPUs")
    inputs = pictures(2)
    with (
        Classifier.load(bundle, device="cpu", precision="fp32") as cpu,
        Classifier.load(bundle, device=f"cuda:{ours}", precision="fp32") as cuda,
    ):
        for theirs in (1, 0, 1, 0):
            assert library.cudaSetDevice(theirs) == 0
            found, reference = cuda.backend.infer(inputs), cpu.backend.infer(inputs)
            assert np.abs(found - reference).max() <= 1e-4
            assert library.cudaGetDevice(ctypes.byref(current)) == 0
            assert current.value == theirs


@pytest.mark.gpu
@pytest.mark.usefixtures("_cuda")
def test_auto_takes_cuda_where_it_starts(bundle: Path) -> None:
    with Classifier.load(bundle) as classifier:
        assert classifier.selection is not None
        assert classifier.selection.device == "cuda", str(classifier.selection)


@pytest.mark.gpu
@pytest.mark.tensorrt
@pytest.mark.usefixtures("_tensorrt")
def test_the_tensorrt_provider_keeps_its_engine_in_the_bundle(bundle: Path) -> None:
    inputs = pictures(3)
    with (
        Classifier.load(bundle, device="cpu") as cpu,
        Classifier.load(bundle, device="ort-tensorrt", precision="fp32") as provider,
    ):
        assert provider.backend.max_batch == 16
        found, reference = provider.backend.infer(inputs), cpu.backend.infer(inputs)
        assert np.abs(found - reference).max() <= 1e-4
    assert list((bundle / "engines").rglob("*.engine"))
