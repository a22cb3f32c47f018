"""One of several GPUs, and threads that have chosen another: CUDA has a current device a thread."""

from __future__ import annotations

import gc
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from cdul_edge_runtime.backends.trt import backend as trt_backend
from cdul_edge_runtime.backends.trt.backend import TrtBackend
from cdul_edge_runtime.backends.trt.cudart import CudaRuntime
from cdul_edge_runtime.classifier import Classifier
from cdul_edge_runtime.errors import CdulEdgeError
from tests.fakes.engine_machine import Machine
from tests.fakes.fake_cuda import OUT_OF_MEMORY
from tests.fakes.noise import pictures

Images = npt.NDArray[np.uint8]
Expected = Callable[[Images], npt.NDArray[np.float32]]


@pytest.fixture
def machine() -> Machine:
    """GPU 0 is an RTX 4090, GPU 1 an RTX 3060."""
    return Machine.make(gpu="RTX 4090", capability=(8, 9), others=(("RTX 3060", (8, 6)),))


def choose(machine: Machine, gpu: int) -> None:
    """What another part of the program does in this thread."""
    assert machine.library.cudaSetDevice(gpu) == 0


def load(machine: Machine, bundle: Path, gpu: int) -> TrtBackend:
    there = machine.at(gpu)
    return TrtBackend(there.build(bundle, force=True), trt=there.trt, cuda=there.cuda)


@pytest.mark.parametrize(("ours", "theirs"), [(0, 0), (0, 1), (1, 0), (1, 1)])
def test_a_thread_at_any_gpu_loads_runs_and_closes_and_keeps_its_own(
    ours: int, theirs: int, machine: Machine, bundle: Path, tiny_scores: Expected
) -> None:
    choose(machine, theirs)
    backend = load(machine, bundle, ours)
    for seed in range(4):  # layer by layer, recorded, replayed
        images = pictures(2, seed)
        np.testing.assert_allclose(backend.infer(images), tiny_scores(images), atol=1e-6)
        assert machine.library.current == theirs
    assert backend.graph_fault is None
    assert {gpu for _, gpu, _ in machine.library.memory.values()} == {ours}
    backend.close()
    assert machine.library.current == theirs
    assert machine.library.left() == []
    assert not [event for event in machine.library.events if " at GPU " in event]


def test_one_gpu_is_asked_for_and_never_changed(machine: Machine, bundle: Path) -> None:
    backend = load(machine, bundle, 0)
    backend.infer(pictures(1))
    backend.close()
    assert "cudaSetDevice" not in machine.library.calls


def test_threads_at_different_gpus_share_one_engine(
    machine: Machine, bundle: Path, tiny_scores: Expected
) -> None:
    backend = load(machine, bundle, 1)

    def score(seed: int) -> tuple[bool, npt.NDArray[np.float32]]:
        choose(machine, seed % 2)
        scores = backend.infer(pictures(1 + seed % 8, seed))
        return machine.library.current == seed % 2, scores

    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(score, range(32)))
    for seed, (kept, scores) in enumerate(answers):
        assert kept
        images = pictures(1 + seed % 8, seed)
        np.testing.assert_allclose(scores, tiny_scores(images), atol=1e-6)


@pytest.mark.parametrize("how", ["closed", "dropped"])
def test_what_goes_in_another_thread_goes_at_its_own_gpu(
    how: str, machine: Machine, bundle: Path
) -> None:
    held = [load(machine, bundle, 1)]
    for _ in range(3):
        held[0].infer(pictures(2))

    def end() -> int:
        if how == "closed":
            held[0].close()
        held.clear()
        gc.collect()
        return machine.library.current

    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(end).result(10) == 0  # a new thread is at the first GPU, and stays there
    assert machine.library.left() == []
    assert not [event for event in machine.library.events if " at GPU " in event]


def test_a_gpu_that_cannot_be_chosen_is_one_line_and_takes_nothing(
    machine: Machine, bundle: Path
) -> None:
    there = machine.at(1)
    engine = there.build(bundle)
    machine.library.failures["cudaSetDevice"] = [OUT_OF_MEMORY]
    with pytest.raises(CdulEdgeError, match="cudaSetDevice failed with error 2"):
        TrtBackend(engine, trt=there.trt, cuda=there.cuda)
    assert machine.library.left() == []
    assert machine.library.current == 0


def test_a_thread_whose_gpu_cannot_be_given_back_has_its_answer(
    machine: Machine, bundle: Path, tiny_scores: Expected
) -> None:
    backend = load(machine, bundle, 1)
    machine.library.failures["cudaSetDevice"] = [0, OUT_OF_MEMORY]
    images = pictures(2)
    np.testing.assert_allclose(backend.infer(images), tiny_scores(images), atol=1e-6)


def test_a_lost_gpu_is_closed_in_whatever_thread(machine: Machine, bundle: Path) -> None:
    backend = load(machine, bundle, 1)
    choose(machine, 1)
    machine.library.failures["cudaGetDevice"] = [700]
    backend.close()
    assert machine.library.left() == []


def test_memory_is_that_of_its_gpu(machine: Machine) -> None:
    first, second = machine.cuda, machine.at(1).cuda
    with second.current():
        address = second.allocate(4 << 20)
    assert (first.memory_mib(), second.memory_mib()) == ((64, 64), (60, 64))
    with second.current():
        second.free(address)


@pytest.mark.parametrize(
    ("count", "there"), [(1, "one GPU, number 0"), (3, "3 GPUs, numbers 0 to 2")]
)
def test_a_gpu_that_is_not_there_is_refused_with_those_that_are(count: int, there: str) -> None:
    library = Machine.make(devices=count).library
    for gpu in (count, 7):
        with pytest.raises(CdulEdgeError, match=f"there is no GPU {gpu}: CUDA shows {there}: see"):
            CudaRuntime(library, gpu)


def test_an_engine_is_built_at_its_own_gpu(machine: Machine, bundle: Path) -> None:
    choose(machine, 0)
    stamp = machine.at(1).build(bundle).stamp
    assert (stamp.platform.gpu, stamp.platform.compute_capability) == ("RTX 3060", "8.6")
    assert [built["gpu"] for built in machine.world.built] == [1]
    assert machine.library.current == 0


def test_each_gpu_gets_the_engine_that_was_built_for_it(
    machine: Machine, bundle: Path, monkeypatch: pytest.MonkeyPatch, tiny_scores: Expected
) -> None:
    for gpu in (0, 1):
        machine.at(gpu).build(bundle)
    monkeypatch.setattr(trt_backend, "import_tensorrt", lambda *_, **__: machine.trt)
    monkeypatch.setattr(
        trt_backend, "CudaRuntime", lambda gpu: CudaRuntime(machine.library, gpu=gpu)
    )
    images = pictures(2)
    for device, gpu in (("tensorrt", 0), ("tensorrt:0", 0), ("tensorrt:1", 1)):
        with Classifier.load(bundle, device=device, precision="fp32") as classifier:
            assert classifier.selection is not None
            assert str(classifier.selection.where) == device.removesuffix(":0")
            assert {gpu for _, gpu, _ in machine.library.memory.values()} == {gpu}
            scores = np.stack([p.scores for p in classifier.predict_inputs(images)])
            np.testing.assert_allclose(scores, tiny_scores(images), atol=1e-6)
    with pytest.raises(CdulEdgeError, match="there is no GPU 7: CUDA shows 2 GPUs"):
        Classifier.load(bundle, device="tensorrt:7")
