"""The real TensorRT for RTX: what it refuses without a GPU, and with one everything else.

The tests that are marked have never been executed: no GPU of that kind was at hand.
"""

from __future__ import annotations

import gc
import warnings
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cdul_edge_export.engines.engine import build_engine
from cdul_edge_export.engines.engine_config import BuildSettings
from cdul_edge_export.engines.engine_target import rtx_target
from cdul_edge_runtime.backends.profile import Profile
from cdul_edge_runtime.backends.trt.backend import TrtBackend
from cdul_edge_runtime.backends.trt.cudart import CudaRuntime
from cdul_edge_runtime.backends.trt.engine_stamp import StampedEngine
from cdul_edge_runtime.backends.trt.library import import_tensorrt
from cdul_edge_runtime.bundle.bundle import Bundle
from cdul_edge_runtime.bundle.manifest import Precision
from cdul_edge_runtime.classifier import Classifier
from cdul_edge_runtime.errors import CdulEdgeError, CdulEdgeWarning, DeviceError
from cdul_edge_runtime.host.machine import nvidia_driver_there
from tests.fakes.conv_bundle import expected, write_conv_bundle
from tests.fakes.fake_cuda import FakeLibcudart
from tests.fakes.fake_rtx import damage
from tests.fakes.noise import pictures

pytest.importorskip("tensorrt_rtx", reason="no TensorRT for RTX on this platform")

# Half has 11 bits, and the sums here have 27 and 64 terms.
TOLERANCE = {Precision.FP32: 1e-5, Precision.FP16: 5e-3, Precision.INT8: 5e-3}
real = pytest.mark.tensorrt


@pytest.fixture
def conv_bundle(bundle: Path) -> Bundle:
    return write_conv_bundle(bundle)


def build(bundle: Bundle, *gpus: str, precision: Precision = Precision.FP32) -> StampedEngine:
    """For GPUs that are named, without one; otherwise for the one that is here."""
    settings = BuildSettings(precision, Profile(1, 4, 8), workspace_mib=256)
    try:
        target = rtx_target(import_tensorrt("rtx"), gpus, None if gpus else CudaRuntime())
    except CdulEdgeError as error:
        pytest.skip(str(error))  # no GPU, or one that this library does not support
    return build_engine(bundle, settings, target, force=True)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda plan: plan, "cudaError 35"),
        (lambda plan: plan[:-100], "header.size == blobSize failed"),
        (lambda plan: plan[:40], " failed."),
        (lambda plan: b"no engine" * 1000, "header.magicTag == kEXPECTED_MAGIC_TAG failed"),
        (lambda plan: b"", "empty memory buffer"),
    ],
    ids=["whole, but no driver", "truncated", "its beginning", "nonsense", "empty"],
)
def test_what_the_library_refuses_is_one_line_with_its_reason(
    change: Any, reason: str, conv_bundle: Bundle
) -> None:
    """The GPU is a fake, so that the real library is asked; it has no driver to start."""
    if nvidia_driver_there():
        pytest.skip("with a driver the library would run what lies at a fake GPU's addresses")
    engine = build(conv_bundle, "sm89")
    plan = change(engine.path.read_bytes())
    engine.path.write_bytes(plan)
    stamp = replace(engine.stamp, sha256=sha256(plan).hexdigest(), bytes=len(plan))
    library = FakeLibcudart("RTX 4090", (8, 9))
    with pytest.raises(DeviceError) as raised:
        TrtBackend(StampedEngine(engine.path, stamp), cuda=CudaRuntime(library))
    message = str(raised.value)
    assert message.startswith(f"TensorRT for RTX cannot load {engine.path} (")
    assert reason in message
    assert message.endswith(
        "build again here with `cdul-edge build --force`, or end other programs"
    )
    assert "\n" not in message
    assert library.left() == []


def test_without_a_driver_the_bundle_says_so_in_one_line(conv_bundle: Bundle) -> None:
    if nvidia_driver_there():
        pytest.skip("there is a driver")
    build(conv_bundle, "sm86", "sm89")
    missing = "no NVIDIA driver|CUDA runtime was not found"
    with pytest.raises(CdulEdgeError, match=missing) as raised:
        Classifier.load(conv_bundle.folder, device="tensorrt-rtx", precision="fp32")
    assert "\n" not in str(raised.value)
    with Classifier.load(conv_bundle.folder, precision="fp32") as classifier:
        assert classifier.selection is not None
        assert classifier.selection.device == "cpu"


@real
@pytest.mark.parametrize("precision", list(TOLERANCE))
@pytest.mark.parametrize("use_graph", [True, False])
def test_an_engine_gives_the_expected_scores_at_every_batch_size(
    precision: Precision, use_graph: bool, conv_bundle: Bundle
) -> None:
    backend = TrtBackend(build(conv_bundle, precision=precision), use_graph=use_graph)
    for seed, count in enumerate([1, 1, 8, 1, 3, 8, 8, 8]):
        images = pictures(count, seed)
        scores = backend.infer(images)
        np.testing.assert_allclose(scores, expected(images, precision), atol=TOLERANCE[precision])
    assert backend.device_memory_mib is not None
    backend.close()


@real
def test_a_batch_has_the_same_scores_from_its_first_run_on(conv_bundle: Bundle) -> None:
    """Kernels for a size are there before it runs, and recording them changes nothing."""
    backend = TrtBackend(build(conv_bundle, precision=Precision.FP16))
    images = pictures(4)
    first = backend.infer(images)
    for _ in range(200):
        np.testing.assert_array_equal(backend.infer(images), first)
    backend.close()


@real
def test_kernels_are_kept_and_taken_again_without_a_word(conv_bundle: Bundle) -> None:
    engine, images = build(conv_bundle), pictures(2)
    first = TrtBackend(engine)
    scores = first.infer(images)
    (path,) = engine.path.parent.glob("*.kernels")
    first.close()
    kept = path.read_bytes()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        second = TrtBackend(engine)
        np.testing.assert_array_equal(second.infer(images), scores)
        second.close()
    assert path.read_bytes() == kept  # nothing was compiled


@real
def test_damaged_kernels_never_reach_the_gpu(conv_bundle: Bundle) -> None:
    engine, images = build(conv_bundle), pictures(2)
    first = TrtBackend(engine)
    scores = first.infer(images)
    first.close()
    (path,) = engine.path.parent.glob("*.kernels")
    damage(path)
    with pytest.warns(CdulEdgeWarning, match="is damaged"):
        second = TrtBackend(engine)
    np.testing.assert_array_equal(second.infer(images), scores)
    second.close()


@real
def test_threads_get_their_own_answers(conv_bundle: Bundle) -> None:
    backend = TrtBackend(build(conv_bundle))
    batches = [pictures(1 + seed % 8, seed) for seed in range(100)]
    with ThreadPoolExecutor(8) as pool:
        for images, scores in zip(batches, pool.map(backend.infer, batches), strict=True):
            np.testing.assert_allclose(scores, expected(images, Precision.FP32), atol=1e-5)
    backend.close()


@real
def test_loading_and_closing_thirty_times_keeps_no_memory(conv_bundle: Bundle) -> None:
    engine, cuda, images = build(conv_bundle), CudaRuntime(), pictures(2)

    def load_and_close() -> float:
        backend = TrtBackend(engine)
        for _ in range(3):
            backend.infer(images)
        backend.close()
        gc.collect()
        return cuda.memory_mib()[0]

    load_and_close()  # the first leaves CUDA's own context behind
    before = load_and_close()
    after = [load_and_close() for _ in range(30)][-1]
    assert before - after < 16
