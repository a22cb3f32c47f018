"""Engines of TensorRT for RTX: how they run, and the kernels that are kept between runs."""

from __future__ import annotations

import errno
import gc
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from cdul_edge_runtime.backends.trt import backend as trt_backend
from cdul_edge_runtime.backends.trt import kernel_file
from cdul_edge_runtime.backends.trt.backend import TrtBackend
from cdul_edge_runtime.backends.trt.cudart import CudaRuntime
from cdul_edge_runtime.classifier import Classifier
from cdul_edge_runtime.errors import BundleError, CdulEdgeError, CdulEdgeWarning, DeviceError
from tests.fakes.engine_machine import Machine
from tests.fakes.fake_rtx import RtxMachine, damage
from tests.fakes.noise import pictures

Images = npt.NDArray[np.uint8]
Expected = Callable[[Images], npt.NDArray[np.float32]]
AGAIN = "kernels are compiled at the start, which takes longer; nothing else is lost"


@pytest.fixture
def machine() -> RtxMachine:
    return RtxMachine.make()


def load(machine: RtxMachine, bundle: Path, **options: Any) -> TrtBackend:
    engine = machine.write_engine(bundle)
    return TrtBackend(engine, trt=machine.trt, cuda=machine.cuda, **options)


def kernels(bundle: Path) -> Path:
    (path,) = (bundle / "engines").glob("*.kernels")
    return path


@pytest.mark.parametrize("use_graph", [True, False])
def test_every_batch_gets_its_own_answers_and_nothing_is_recorded_by_hand(
    use_graph: bool, machine: RtxMachine, bundle: Path, tiny_scores: Expected
) -> None:
    backend = load(machine, bundle, use_graph=use_graph)
    for seed, count in enumerate([1, 1, 8, 1, 3, 8, 8, 8]):
        images = pictures(count, seed)
        np.testing.assert_allclose(backend.infer(images), tiny_scores(images), atol=1e-6)
    assert "cudaStreamBeginCapture" not in machine.library.calls
    assert machine.world.graphs == ([1, 8, 3] if use_graph else [])
    # not LAZY: scores would change where other kernels take over
    graphs = "WHOLE_GRAPH_CAPTURE" if use_graph else "DISABLED"
    assert machine.world.strategies == [(graphs, "EAGER")]
    words = "CUDA graphs" if use_graph else "no CUDA graphs"
    assert backend.name == f"TensorRT for RTX 1.7.1.116, fp32 engine, {words}"
    assert backend.graph_fault is None
    # 1 MiB of activations, 8 pictures of 8x8x3 bytes, 8x3 scores of 4 bytes
    assert backend.device_memory_mib == pytest.approx(1 + (8 * 192 + 8 * 12) / 2**20)


def test_kernels_are_compiled_once_and_for_good(machine: RtxMachine, bundle: Path) -> None:
    backend = load(machine, bundle)
    for count in (1, 4, 1):
        backend.infer(pictures(count))
    backend.close()
    assert machine.world.compiled == ["engine", "batch of 1", "batch of 4"]
    path = kernels(bundle)
    assert path.name == "fp32-rtx1.7.1.116-sm86-sm89.rtx-4090-sm89-128mp.kernels"
    again = load(machine, bundle)
    for count in (4, 1):
        again.infer(pictures(count))
    assert len(machine.world.compiled) == 3
    again.infer(pictures(2))
    again.close()
    assert machine.world.compiled[3:] == ["batch of 2"]
    assert kernels(bundle) == path  # and no file of a write that was cut off


def test_a_process_that_is_killed_has_kept_every_size_that_it_ran(
    machine: RtxMachine, bundle: Path
) -> None:
    killed = load(machine, bundle)
    for count in (1, 8):
        killed.infer(pictures(count))
    next_one = load(machine, bundle)
    for count in (1, 8):
        next_one.infer(pictures(count))
    assert machine.world.compiled == ["engine", "batch of 1", "batch of 8"]


def test_nothing_is_written_while_nothing_is_compiled(
    machine: RtxMachine, bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    backend = load(machine, bundle)
    backend.infer(pictures(1))
    monkeypatch.setattr(kernel_file, "atomic_write", None)  # a call would fail
    for _ in range(3):
        backend.infer(pictures(1))
    backend.close()


def other_version(bundle: Path) -> RtxMachine:
    machine = RtxMachine.make()
    machine.world.version = "1.8.0.1"  # in the cache alone: an engine of it is refused before
    return machine


def flip(bundle: Path) -> RtxMachine:
    damage(kernels(bundle))
    return RtxMachine.make()


def cut(bundle: Path) -> RtxMachine:
    path = kernels(bundle)
    path.write_bytes(path.read_bytes()[:-7])
    return RtxMachine.make()


def empty(bundle: Path) -> RtxMachine:
    kernels(bundle).write_bytes(b"")
    return RtxMachine.make()


def nonsense(bundle: Path) -> RtxMachine:
    kernels(bundle).write_bytes(b"\x00no kernels\n" * 100)
    return RtxMachine.make()


@pytest.mark.parametrize(
    ("spoil", "what"),
    [
        *((change, "is damaged") for change in (flip, cut, empty, nonsense)),
        (other_version, "is of another TensorRT, driver or GPU"),
        (lambda bundle: RtxMachine.make(driver=13000), "is of another TensorRT, driver or GPU"),
    ],
)
def test_kernels_that_do_not_fit_cost_time_and_are_replaced(
    spoil: Callable[[Path], RtxMachine],
    what: str,
    machine: RtxMachine,
    bundle: Path,
    tiny_scores: Expected,
) -> None:
    first = load(machine, bundle)
    first.infer(pictures(1))
    first.close()
    engine = machine.write_engine(bundle)
    later = spoil(bundle)
    with pytest.warns(CdulEdgeWarning, match=f"kernels {what}: {AGAIN}") as told:
        backend = TrtBackend(engine, trt=later.trt, cuda=later.cuda)
    assert len(told) == 1
    images = pictures(1)
    np.testing.assert_allclose(backend.infer(images), tiny_scores(images), atol=1e-6)
    assert later.world.compiled == ["engine", "batch of 1"]
    backend.close()
    TrtBackend(engine, trt=later.trt, cuda=later.cuda).infer(images)  # and says nothing
    assert later.world.compiled == ["engine", "batch of 1"]


def test_an_engine_that_was_built_again_starts_anew_without_a_word(
    machine: RtxMachine, bundle: Path
) -> None:
    load(machine, bundle).infer(pictures(1))
    older = kernels(bundle).read_bytes()
    machine.world.compiled.clear()
    again = machine.write_engine(bundle, best=2)
    for _ in range(2):
        backend = TrtBackend(again, trt=machine.trt, cuda=machine.cuda)
        backend.infer(pictures(1))
        backend.close()
    assert machine.world.compiled == ["engine", "batch of 1"]
    assert kernels(bundle).read_bytes() != older


@pytest.mark.parametrize("fault", [errno.ENOSPC, errno.EROFS, errno.EACCES])
def test_a_full_disk_or_a_folder_that_cannot_be_written_is_told_once(
    fault: int,
    machine: RtxMachine,
    bundle: Path,
    tiny_scores: Expected,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    @contextmanager
    def refuse(path: Path) -> Iterator[Path]:
        raise OSError(fault, "no room")
        yield path

    monkeypatch.setattr(kernel_file, "atomic_write", refuse)
    backend = load(machine, bundle)
    images = pictures(1)
    with pytest.warns(CdulEdgeWarning, match=rf"kernels cannot be written \(no room\): {AGAIN}"):
        np.testing.assert_allclose(backend.infer(images), tiny_scores(images), atol=1e-6)
    for count in (2, 3):
        images = pictures(count)
        np.testing.assert_allclose(backend.infer(images), tiny_scores(images), atol=1e-6)
    backend.close()
    assert machine.library.left() == []
    assert not list((bundle / "engines").glob("*.kernels*"))


def test_kernels_that_cannot_be_read_are_said_and_stop_nothing(
    machine: RtxMachine, bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    load(machine, bundle).infer(pictures(1))
    real = Path.read_bytes

    def refuse(path: Path) -> bytes:
        if path.suffix == ".kernels":
            raise OSError(errno.EIO, "Input/output error")
        return real(path)

    monkeypatch.setattr(Path, "read_bytes", refuse)
    with pytest.warns(CdulEdgeWarning, match=rf"cannot be read \(Input/output error\): {AGAIN}"):
        load(machine, bundle)


def test_what_another_process_kept_meanwhile_is_not_replaced_by_less(
    machine: RtxMachine, bundle: Path
) -> None:
    one, other = load(machine, bundle), load(machine, bundle)
    for count in (1, 2, 3):
        other.infer(pictures(count))
    other.close()
    more = kernels(bundle).read_bytes()
    one.infer(pictures(1))
    one.close()
    assert kernels(bundle).read_bytes() == more


def test_a_bundle_that_is_gone_is_not_made_again(machine: RtxMachine, bundle: Path) -> None:
    backend = load(machine, bundle)
    for path in (bundle / "engines").iterdir():
        path.unlink()
    (bundle / "engines").rmdir()
    backend.infer(pictures(1))
    backend.close()
    assert not (bundle / "engines").exists()


def test_without_room_for_a_cache_an_engine_runs(
    machine: RtxMachine, bundle: Path, tiny_scores: Expected
) -> None:
    machine.world.makes_cache = False
    backend = load(machine, bundle)
    images = pictures(2)
    np.testing.assert_allclose(backend.infer(images), tiny_scores(images), atol=1e-6)
    backend.close()
    assert not list((bundle / "engines").glob("*.kernels"))


@pytest.mark.parametrize("how", ["closed", "dropped"])
def test_what_a_context_needs_goes_after_it(how: str, machine: RtxMachine, bundle: Path) -> None:
    held = [load(machine, bundle)]
    held[0].infer(pictures(2))
    machine.library.events.clear()
    if how == "closed":
        held[0].close()
    held.clear()
    gc.collect()
    assert machine.library.left() == []
    assert machine.library.events == [
        *("context released", "config released", "cache released"),
        *("engine released", "runtime released"),
        *2 * ["host memory freed", "device memory freed"],
        "stream destroyed",
    ]


def test_each_gpu_has_its_kernels(bundle: Path, tiny_scores: Expected) -> None:
    machine = RtxMachine.make(others=(("RTX 3060", (8, 6)),))
    engine = machine.write_engine(bundle)
    images = pictures(1)
    for gpu in (0, 1, 0, 1):
        there = machine.at(gpu)
        backend = TrtBackend(engine, trt=there.trt, cuda=there.cuda)
        np.testing.assert_allclose(backend.infer(images), tiny_scores(images), atol=1e-6)
        backend.close()
        assert machine.library.current == 0
    assert machine.world.compiled == 2 * ["engine", "batch of 1"]
    assert len(list((bundle / "engines").glob("*.kernels"))) == 2


def test_an_engine_that_is_refused_is_one_line(machine: RtxMachine, bundle: Path) -> None:
    engine = machine.write_engine(bundle)
    machine.world.loads = False
    refused = "TensorRT for RTX cannot load .*engine .Version tag does not match; 64 of 64 MiB"
    with pytest.raises(DeviceError, match=refused):
        TrtBackend(engine, trt=machine.trt, cuda=machine.cuda)
    machine.world.loads, machine.world.makes_context = True, False
    with pytest.raises(DeviceError, match="out of memory; 64 of 64 MiB are free"):
        TrtBackend(engine, trt=machine.trt, cuda=machine.cuda)
    assert machine.library.left() == []


def test_neither_library_is_given_the_others_engines(machine: RtxMachine, bundle: Path) -> None:
    tensorrt = Machine.make(gpu="RTX 4090", capability=(8, 9), multiprocessors=128)
    ours, theirs = machine.write_engine(bundle), tensorrt.build(bundle)
    with pytest.raises(BundleError, match="for TensorRT, not TensorRT for RTX"):
        TrtBackend(theirs, trt=machine.trt, cuda=machine.cuda)
    with pytest.raises(BundleError, match="for TensorRT for RTX, not TensorRT"):
        TrtBackend(ours, trt=tensorrt.trt, cuda=tensorrt.cuda)
    hopper = RtxMachine.make(gpu="H100", capability=(9, 0))
    with pytest.raises(BundleError, match=r"built for compute capability 8\.6, 8\.9, here is H100"):
        TrtBackend(ours, trt=hopper.trt, cuda=hopper.cuda)
    newer = RtxMachine.make("1.8.0.1")
    with pytest.raises(
        BundleError, match=r"built with TensorRT for RTX 1\.7\.1\.116, here is 1\.8"
    ):
        TrtBackend(ours, trt=newer.trt, cuda=newer.cuda)


@pytest.fixture
def installed(machine: RtxMachine, monkeypatch: pytest.MonkeyPatch) -> RtxMachine:
    """The fake is what imports find."""

    def find(flavor: str = "tensorrt", **_: object) -> Any:
        if flavor == "tensorrt":
            raise CdulEdgeError("TensorRT is not installed")
        return machine.trt

    monkeypatch.setattr(trt_backend, "import_tensorrt", find)
    monkeypatch.setattr(trt_backend, "CudaRuntime", lambda gpu=0: CudaRuntime(machine.library, gpu))
    return machine


def test_it_is_a_device_of_its_own(
    installed: RtxMachine, bundle: Path, tiny_scores: Expected
) -> None:
    installed.write_engine(bundle)
    images = pictures(1)
    with Classifier.load(bundle, device="tensorrt-rtx", precision="fp32") as classifier:
        assert str(classifier.selection) == "fp32 on tensorrt-rtx (as asked)"
        scores = classifier.predict_inputs(images)[0].scores
    np.testing.assert_allclose(scores, tiny_scores(images)[0], atol=1e-6)
    with pytest.raises(CdulEdgeError, match="TensorRT is not installed"):
        Classifier.load(bundle, device="tensorrt", precision="fp32")
    with pytest.raises(CdulEdgeError, match="there is no GPU 1: CUDA shows one GPU"):
        Classifier.load(bundle, device="tensorrt-rtx:1", precision="fp32")


def test_one_engine_file_runs_with_the_classes_of_its_bundle(
    installed: RtxMachine, bundle: Path, tiny_scores: Expected, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = installed.write_engine(bundle).path
    images = pictures(1)
    for device, precision in (("auto", "auto"), ("tensorrt-rtx:0", "auto"), ("auto", "fp32")):
        with Classifier.load(path, device=device, precision=precision) as classifier:
            assert str(classifier.selection) == "fp32 on tensorrt-rtx (one engine)"
            scores = classifier.predict_inputs(images)[0].scores
            np.testing.assert_allclose(scores, tiny_scores(images)[0], atol=1e-6)
    for device, precision in (("cuda", "auto"), ("tensorrt", "auto"), ("auto", "fp16")):
        with pytest.raises(CdulEdgeError, match="an fp32 engine for tensorrt-rtx: give no other"):
            Classifier.load(path, device=device, precision=precision)
    with monkeypatch.context() as patch:
        patch.chdir(path.parent)
        Classifier.load(path.name).close()
    alone = path.rename(bundle.parent / path.name)
    with pytest.raises(BundleError, match="is an engine, which holds no classes: leave it in its"):
        Classifier.load(alone)
    path.write_bytes(b"another")
    with pytest.raises(BundleError, match=r"does not fit this machine or bundle .*was changed"):
        Classifier.load(path)


def test_warnings_that_a_program_turns_into_errors_lose_no_memory(
    machine: RtxMachine, bundle: Path
) -> None:
    load(machine, bundle).infer(pictures(1))
    damage(kernels(bundle))
    gc.collect()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(CdulEdgeWarning):
            load(machine, bundle)
    gc.collect()
    assert machine.library.left() == []
