"""The real TensorRT on a real GPU: `pytest -m tensorrt`. None of it runs on the build machines."""

from __future__ import annotations

import ctypes
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from cdul_edge.cli import app
from cdul_edge_export.engines.engine import build_engine
from cdul_edge_export.engines.engine_config import BuildSettings
from cdul_edge_export.engines.engine_target import choose_target
from cdul_edge_runtime.backends.profile import Profile
from cdul_edge_runtime.backends.trt.backend import TrtBackend
from cdul_edge_runtime.backends.trt.cuda_library import load_cuda_library
from cdul_edge_runtime.backends.trt.cudart import CudaRuntime
from cdul_edge_runtime.backends.trt.engine_choice import find_engine
from cdul_edge_runtime.backends.trt.engine_stamp import StampedEngine
from cdul_edge_runtime.bundle.bundle import Bundle
from cdul_edge_runtime.bundle.manifest import Precision
from cdul_edge_runtime.errors import CdulEdgeError, DeviceError
from tests.fakes.conv_bundle import expected, write_conv_bundle
from tests.fakes.noise import pictures

# Half has 11 bits, and the sums here have 27 and 64 terms. INT8's rounding is in the expected
# scores, but TensorRT 8 may run the float layers around it in half.
TOLERANCE = {Precision.FP32: 1e-5, Precision.FP16: 5e-3, Precision.INT8: 5e-3}
real = pytest.mark.tensorrt


def build(bundle: Bundle, precision: Precision = Precision.FP32, **options: bool) -> StampedEngine:
    pytest.importorskip("tensorrt", reason="TensorRT for RTX has tests of its own")
    settings = BuildSettings(precision, Profile(1, 4, 8), workspace_mib=256, **options)
    return build_engine(bundle, settings, choose_target("tensorrt"), force=True)


@pytest.fixture
def conv_bundle(bundle: Path) -> Bundle:
    return write_conv_bundle(bundle)


@pytest.mark.parametrize("precision", list(TOLERANCE))
def test_the_files_themselves_give_the_expected_scores(
    precision: Precision, conv_bundle: Bundle
) -> None:
    """On the CPU, so that a difference on the GPU is TensorRT's and not the test's."""
    onnxruntime = pytest.importorskip("onnxruntime")
    session = onnxruntime.InferenceSession(
        str(conv_bundle.model_path(precision)), providers=["CPUExecutionProvider"]
    )
    images = pictures(8)
    (scores,) = session.run(None, {"images": images})
    np.testing.assert_allclose(scores, expected(images, precision), atol=TOLERANCE[precision])


@real
@pytest.mark.parametrize("precision", list(TOLERANCE))
@pytest.mark.parametrize("use_graph", [True, False])
def test_an_engine_gives_the_expected_scores_at_every_batch_size(
    precision: Precision, use_graph: bool, conv_bundle: Bundle
) -> None:
    build(conv_bundle, precision)
    backend = TrtBackend(find_engine(conv_bundle, precision), use_graph=use_graph)
    for seed, count in enumerate([1, 1, 8, 1, 3, 8, 8, 8]):
        images = pictures(count, seed)
        scores = backend.infer(images)
        np.testing.assert_allclose(scores, expected(images, precision), atol=TOLERANCE[precision])
    assert backend.graph_fault is None
    assert backend.device_memory_mib is not None
    with pytest.raises(CdulEdgeError, match="a batch of 9, this engine takes 1 to 8"):
        backend.infer(pictures(9))
    backend.close()


@real
def test_a_replayed_graph_gives_exactly_what_the_layers_give(conv_bundle: Bundle) -> None:
    engine = build(conv_bundle, Precision.FP16)
    with_graph, without = TrtBackend(engine), TrtBackend(engine, use_graph=False)
    images = pictures(4)
    for _ in range(3):
        np.testing.assert_array_equal(with_graph.infer(images), without.infer(images))
    with_graph.close()
    without.close()


@real
def test_a_batch_is_its_pictures_one_by_one(conv_bundle: Bundle) -> None:
    backend = TrtBackend(build(conv_bundle))
    images = pictures(8)
    alone = np.concatenate([backend.infer(images[i : i + 1]) for i in range(8)])
    np.testing.assert_allclose(backend.infer(images), alone, atol=TOLERANCE[Precision.FP32])
    backend.close()


@real
def test_threads_get_their_own_answers(conv_bundle: Bundle) -> None:
    backend = TrtBackend(build(conv_bundle))
    batches = [pictures(1 + seed % 8, seed) for seed in range(200)]
    with ThreadPoolExecutor(8) as pool:
        for images, scores in zip(batches, pool.map(backend.infer, batches), strict=True):
            np.testing.assert_allclose(scores, expected(images, Precision.FP32), atol=1e-5)
    backend.close()


@real
def test_loading_and_closing_a_hundred_times_keeps_no_memory(conv_bundle: Bundle) -> None:
    engine, cuda, images = build(conv_bundle), CudaRuntime(), pictures(2)

    def load_and_close() -> float:
        backend = TrtBackend(engine)
        for _ in range(3):
            backend.infer(images)
        backend.close()
        return cuda.memory_mib()[0]

    load_and_close()  # the first leaves CUDA's own context behind
    before = load_and_close()
    after = [load_and_close() for _ in range(100)][-1]
    assert before - after < 16


@real
def test_what_is_no_engine_is_refused_and_not_a_crash(conv_bundle: Bundle) -> None:
    engine = build(conv_bundle)
    engine.path.write_bytes(b"no engine" * 1000)
    stamp = replace(engine.stamp, sha256=sha256(engine.path.read_bytes()).hexdigest())
    with pytest.raises(DeviceError, match="TensorRT cannot load"):
        TrtBackend(StampedEngine(engine.path, stamp))


@real
def test_a_file_that_is_no_onnx_is_refused_with_the_parsers_words(conv_bundle: Bundle) -> None:
    path = conv_bundle.model_path(Precision.FP16)
    path.write_bytes(b"no graph")
    made = sha256(b"no graph").hexdigest()
    replace(conv_bundle.record(Precision.FP16), sha256=made).write(conv_bundle.folder)
    with pytest.raises(CdulEdgeError, match="TensorRT cannot read"):
        build(conv_bundle, Precision.FP16)


@real
def test_a_version_compatible_engine_runs_where_it_was_built(conv_bundle: Bundle) -> None:
    backend = TrtBackend(build(conv_bundle, version_compatible=True))
    images = pictures(2)
    np.testing.assert_allclose(backend.infer(images), expected(images, Precision.FP32), atol=1e-5)
    backend.close()


@real
def test_the_command_builds_all_three_and_keeps_a_timing_cache(conv_bundle: Bundle) -> None:
    pytest.importorskip("tensorrt", reason="TensorRT for RTX has tests of its own")
    result = CliRunner().invoke(app, ["build", str(conv_bundle.folder), "--flavor", "tensorrt"])
    assert result.exit_code == 0, result.output
    platform = choose_target("tensorrt").platform
    for precision in TOLERANCE:
        stamp = find_engine(conv_bundle, precision).stamp
        assert stamp.platform == platform
        assert stamp.build["seconds"] > 0
    (cache,) = (conv_bundle.folder / "engines").glob("timing-*.cache")
    assert cache.stat().st_size > 0


@real
@pytest.mark.parametrize("ours", [0, 1])
def test_an_engine_runs_at_its_gpu_in_threads_that_are_at_any(
    ours: int, conv_bundle: Bundle
) -> None:
    pytest.importorskip("tensorrt", reason="TensorRT for RTX has tests of its own")
    library = load_cuda_library()
    try:
        cuda = CudaRuntime(gpu=1)
    except CdulEdgeError as error:
        pytest.skip(f"this needs two GPUs: {error}")
    settings = BuildSettings(Precision.FP32, Profile(1, 4, 8), workspace_mib=256)
    cuda = CudaRuntime(gpu=ours)
    build_engine(conv_bundle, settings, choose_target("tensorrt", gpu=ours), force=True)
    backend = TrtBackend.open(conv_bundle, Precision.FP32, gpu=ours)
    free_mib = cuda.memory_mib()[0]

    def score(seed: int) -> int:
        assert library.cudaSetDevice(seed % 2) == 0
        images = pictures(1 + seed % 8, seed)
        scores = backend.infer(images)
        np.testing.assert_allclose(scores, expected(images, Precision.FP32), atol=1e-5)
        current = ctypes.c_int()
        assert library.cudaGetDevice(ctypes.byref(current)) == 0
        return current.value

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(score, range(40))) == [seed % 2 for seed in range(40)]
    with ThreadPoolExecutor(1) as pool:
        pool.submit(backend.close).result(60)
    assert cuda.memory_mib()[0] >= free_mib
