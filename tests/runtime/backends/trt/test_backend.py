from __future__ import annotations

import gc
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from cdul_edge_runtime.backends import Backend
from cdul_edge_runtime.backends.profile import Profile
from cdul_edge_runtime.backends.trt.backend import TrtBackend
from cdul_edge_runtime.errors import BundleError, CdulEdgeError, DeviceError
from tests.fakes.engine_machine import Machine
from tests.fakes.fake_cuda import CAPTURE_UNSUPPORTED, OUT_OF_MEMORY
from tests.fakes.fake_tensorrt import VERSIONS
from tests.fakes.noise import pictures

Images = npt.NDArray[np.uint8]
Expected = Callable[[Images], npt.NDArray[np.float32]]


def load(
    machine: Machine, bundle: Path, profile: Profile = Profile(1, 4, 8), **options: Any
) -> TrtBackend:
    engine = machine.build(bundle, profile=profile, force=True)
    return TrtBackend(engine, trt=machine.trt, cuda=machine.cuda, **options)


@pytest.fixture
def machine() -> Machine:
    return Machine.make()


@pytest.fixture
def backend(machine: Machine, bundle: Path) -> TrtBackend:
    return load(machine, bundle)


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("use_graph", [True, False])
def test_every_batch_within_the_profile_gets_its_own_answers(
    version: str, use_graph: bool, bundle: Path, tiny_scores: Expected
) -> None:
    backend: Backend = load(Machine.make(version), bundle, use_graph=use_graph)
    for seed, count in enumerate([1, 1, 8, 1, 3, 8, 8, 8, 1, 1, 1]):
        images = pictures(count, seed)
        scores = backend.infer(images)
        np.testing.assert_allclose(scores, tiny_scores(images), atol=1e-6)
        assert scores.dtype == np.float32


def test_answers_stay_when_the_next_batch_overwrites_the_buffers(backend: TrtBackend) -> None:
    first = backend.infer(pictures(2))
    before = first.copy()
    backend.infer(255 - pictures(2))
    np.testing.assert_array_equal(first, before)


def test_it_says_what_it_is(backend: TrtBackend) -> None:
    assert backend.name == "TensorRT 10.3.0, fp32 engine, CUDA graphs"
    assert (backend.input_shape, backend.class_count) == ((8, 8), 3)
    assert (backend.max_batch, backend.profile) == (8, Profile(1, 4, 8))
    # 1 MiB of activations, 8 pictures of 8x8x3 bytes, 8x3 scores of 4 bytes
    assert backend.device_memory_mib == pytest.approx(1 + (8 * 192 + 8 * 12) / 2**20)


def test_only_a_size_that_comes_twice_in_a_row_is_recorded(
    machine: Machine, backend: TrtBackend
) -> None:
    calls = machine.library.calls
    for count in (1, 3, 1, 3):
        backend.infer(pictures(count))
    assert calls.count("cudaStreamBeginCapture") == 0
    for _ in range(4):
        backend.infer(pictures(3))
    assert calls.count("cudaStreamBeginCapture") == 1
    assert calls.count("cudaGraphLaunch") == 4
    backend.infer(pictures(1))
    assert machine.library.runnables == {}


@pytest.mark.parametrize(
    "step",
    ["cudaStreamBeginCapture", "cudaStreamEndCapture", "cudaGraphInstantiateWithFlags"],
)
def test_where_recording_fails_batches_run_layer_by_layer_and_the_name_says_so(
    step: str, machine: Machine, backend: TrtBackend, tiny_scores: Expected
) -> None:
    machine.library.failures[step] = [CAPTURE_UNSUPPORTED]
    images = pictures(2)
    for _ in range(3):
        np.testing.assert_allclose(backend.infer(images), tiny_scores(images), atol=1e-6)
    assert machine.library.calls.count("cudaStreamBeginCapture") == 1
    assert backend.name == "TensorRT 10.3.0, fp32 engine, no CUDA graphs (recording failed)"
    assert backend.graph_fault is not None
    assert f"{step} failed with error 900" in backend.graph_fault
    assert "error cleared" in machine.library.events
    backend.close()
    assert machine.library.left() == []


@pytest.mark.parametrize("count", [0, 9])
def test_a_batch_outside_the_profile_is_refused_and_nothing_is_lost(
    count: int, backend: TrtBackend, tiny_scores: Expected
) -> None:
    with pytest.raises(CdulEdgeError, match=rf"a batch of {count}, this engine takes 1 to 8: .*-f"):
        backend.infer(pictures(count))
    images = pictures(2)
    np.testing.assert_allclose(backend.infer(images), tiny_scores(images), atol=1e-6)


@pytest.mark.parametrize("count", [1, 2, 3, 8])
def test_a_batch_under_the_profile_is_filled_up_and_its_answer_cut(
    count: int, machine: Machine, bundle: Path, tiny_scores: Expected
) -> None:
    backend = load(machine, bundle, profile=Profile(3, 4, 8))
    for seed in range(3):  # layer by layer, recorded, replayed
        images = pictures(count, seed)
        scores = backend.infer(images)
        assert scores.shape == (count, 3)
        np.testing.assert_allclose(scores, tiny_scores(images), atol=1e-6)
    assert machine.library.calls.count("cudaGraphLaunch") == 2


@pytest.mark.parametrize(
    "images",
    [
        np.zeros((1, 9, 8, 3), np.uint8),
        np.zeros((1, 8, 8, 1), np.uint8),  # numpy would broadcast it
        np.zeros((8, 8, 3), np.uint8),
        np.zeros((1, 8, 8, 3), np.float32),
    ],
)
def test_pictures_of_another_size_or_type_are_refused(images: Any, backend: TrtBackend) -> None:
    with pytest.raises(CdulEdgeError, match=r"the engine takes uint8 \(N, 8, 8, 3\), got"):
        backend.infer(images)


def test_threads_wait_for_one_another_and_get_their_own_answers(
    backend: TrtBackend, tiny_scores: Expected
) -> None:
    batches = [pictures(1 + seed % 8, seed) for seed in range(64)]
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(backend.infer, batches))
    for images, scores in zip(batches, answers, strict=True):
        np.testing.assert_allclose(scores, tiny_scores(images), atol=1e-6)


def test_closing_gives_everything_back_once_and_in_order(
    machine: Machine, backend: TrtBackend
) -> None:
    for _ in range(3):
        backend.infer(pictures(2))
    machine.library.events.clear()
    backend.close()
    backend.close()
    gc.collect()
    assert machine.library.left() == []
    assert machine.library.events == [
        "runnable destroyed",
        "context released",
        "engine released",
        "runtime released",
        *2 * ["host memory freed", "device memory freed"],
        "stream destroyed",
    ]
    assert machine.library.calls.count("cudaFreeHost") == 2
    with pytest.raises(CdulEdgeError, match="was closed: load it again"):
        backend.infer(pictures(2))


@pytest.mark.parametrize("allowed", range(4))
def test_want_of_memory_is_said_with_the_numbers_and_gives_back_what_was_taken(
    allowed: int, machine: Machine, bundle: Path
) -> None:
    step = ("cudaMalloc", "cudaHostAlloc")[allowed % 2]
    engine = machine.build(bundle)
    machine.library.failures[step] = [0] * (allowed // 2) + [OUT_OF_MEMORY]
    with pytest.raises(CdulEdgeError, match=r"out of .* memory: asked for 0.0 MiB, 64 MiB of 64"):
        TrtBackend(engine, trt=machine.trt, cuda=machine.cuda)
    assert machine.library.left() == []


def test_an_engine_that_tensorrt_refuses_is_an_error_that_says_to_build_again(
    machine: Machine, bundle: Path
) -> None:
    engine = machine.build(bundle)
    machine.world.loads = False
    with pytest.raises(DeviceError, match=r"Version tag does not match; 64 of 64 MiB.*--force"):
        TrtBackend(engine, trt=machine.trt, cuda=machine.cuda)
    machine.world.loads, machine.world.makes_context = True, False
    with pytest.raises(DeviceError, match="out of memory; 64 of 64 MiB are free"):
        TrtBackend(engine, trt=machine.trt, cuda=machine.cuda)
    assert machine.library.left() == []


def test_a_runtime_that_does_not_start_is_one_line(machine: Machine, bundle: Path) -> None:
    engine = machine.build(bundle)
    machine.world.starts = False
    with pytest.raises(DeviceError, match=r"TensorRT does not start on this GPU \(CUDA init.*: 2"):
        TrtBackend(engine, trt=machine.trt, cuda=machine.cuda)
    assert machine.library.left() == []


def test_an_engine_of_another_gpu_or_an_edited_one_never_reaches_tensorrt(
    machine: Machine, bundle: Path
) -> None:
    engine = machine.build(bundle)
    other = Machine.make(gpu="Thor", capability=(11, 0))
    with pytest.raises(BundleError, match=r"built for Orin \(.* 8.7, 16 mult.*\), here is Thor"):
        TrtBackend(engine, trt=other.trt, cuda=other.cuda)
    smaller = Machine.make(multiprocessors=8)
    with pytest.raises(BundleError, match=r"8.7, 16 mult.*here is Orin \(.* 8.7, 8 multipro"):
        TrtBackend(engine, trt=smaller.trt, cuda=smaller.cuda)
    engine.path.write_bytes(engine.path.read_bytes() + b" ")
    with pytest.raises(BundleError, match="missing or was changed"):
        TrtBackend(engine, trt=machine.trt, cuda=machine.cuda)
    assert machine.world.host_code == other.world.host_code == []
    assert machine.library.left() == other.library.left() == []


def test_host_code_is_allowed_to_version_compatible_engines_only(
    machine: Machine, bundle: Path
) -> None:
    load(machine, bundle)
    engine = machine.build(bundle, version_compatible=True, force=True)
    newer = Machine.make("10.13.3.9")
    TrtBackend(engine, trt=newer.trt, cuda=newer.cuda)
    assert machine.world.host_code == [False]
    assert newer.world.host_code == [True]


@pytest.mark.parametrize("fault", ["name", "mode", "dtype", "more"])
def test_an_engine_that_breaks_the_contract_is_refused(
    fault: str, machine: Machine, bundle: Path
) -> None:
    engine = machine.build(bundle)
    tensors = machine.world.tensors
    if fault == "name":
        tensors["probs"] = tensors.pop("scores")
    elif fault == "mode":
        tensors["scores"] = (tensors["images"][0], tensors["scores"][1])
    elif fault == "dtype":
        tensors["scores"] = (tensors["scores"][0], machine.trt.DataType.HALF)
    else:
        tensors["mask"] = tensors["scores"]
    with pytest.raises(BundleError, match="expected uint8 images"):
        TrtBackend(engine, trt=machine.trt, cuda=machine.cuda)
    assert machine.library.left() == []


def test_a_failed_run_is_an_error_with_tensorrts_reason(
    machine: Machine, backend: TrtBackend
) -> None:
    machine.world.executes = False
    with pytest.raises(CdulEdgeError, match="could not run the engine: an illegal memory access"):
        backend.infer(pictures(1))
    machine.library.failures["cudaStreamSynchronize"] = [700]
    machine.world.executes = True
    with pytest.raises(CdulEdgeError, match="cudaStreamSynchronize failed with error 700"):
        backend.infer(pictures(1))
    backend.infer(pictures(1))
    assert "cudaStreamBeginCapture" not in machine.library.calls
