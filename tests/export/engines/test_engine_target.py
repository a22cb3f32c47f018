"""Which of NVIDIA's libraries is used, by what is there."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from cdul_edge_export.engines import engine_target
from cdul_edge_export.engines.compute_capabilities import GpuSet
from cdul_edge_export.engines.engine_target import choose_target
from cdul_edge_runtime.backends.trt.cudart import CudaRuntime
from cdul_edge_runtime.errors import CdulEdgeError, MissingExtraError
from tests.fakes.engine_machine import Machine
from tests.fakes.fake_cuda import FakeLibcudart

RECORDED = Path(__file__).parents[2] / "fakes" / "tensorrt_api" / "rtx-1.7.1.116.json"
MEMBERS = dict.fromkeys(json.loads(RECORDED.read_text())["ComputeCapability"])
RTX = SimpleNamespace(
    __name__="tensorrt_rtx",
    __version__="1.7.1.116",
    ComputeCapability=SimpleNamespace(__members__=MEMBERS),
)
NO_TENSORRT = MissingExtraError("TensorRT is not installed")
NO_RTX = MissingExtraError('TensorRT for RTX is not installed: pip install "cdul-edge[rtx]"')
BROKEN = CdulEdgeError("tensorrt is installed but does not load")
ADA, HOPPER = ("NVIDIA GeForce RTX 4090", (8, 9)), ("NVIDIA H100", (9, 0))
Arrange = Callable[..., None]


@pytest.fixture
def arrange(monkeypatch: pytest.MonkeyPatch) -> Arrange:
    """A machine with these modules, where an exception is raised, and this GPU."""

    def arrange(
        tensorrt: Any = NO_TENSORRT, rtx: Any = RTX, here: Any = None, driver: bool = False
    ) -> None:
        def import_one(flavor: str = "tensorrt") -> Any:
            found = {"tensorrt": tensorrt, "rtx": rtx}[flavor]
            if isinstance(found, Exception):
                raise found
            return found

        def cuda(*, gpu: int) -> CudaRuntime:
            return CudaRuntime(FakeLibcudart(*here) if here else FakeLibcudart(driver=0), gpu)

        monkeypatch.setattr(engine_target, "import_tensorrt", import_one)
        monkeypatch.setattr(engine_target, "CudaRuntime", cuda)
        monkeypatch.setattr(engine_target, "nvidia_driver_there", lambda: driver)

    return arrange


def test_auto_is_tensorrt_where_it_and_a_gpu_are_there(arrange: Arrange) -> None:
    arrange(Machine.make("10.3.0").trt, here=ADA)
    target = choose_target()
    assert (target.platform.flavor, target.gpus, target.notes) == ("tensorrt", None, ())
    assert target.platform.gpu == "NVIDIA GeForce RTX 4090"


def test_without_tensorrt_auto_is_rtx_for_the_gpu_that_is_here(arrange: Arrange) -> None:
    arrange(here=ADA)
    target = choose_target()
    assert (target.platform.flavor, target.gpus) == ("rtx", GpuSet(("8.9",)))
    assert target.notes == ("engines for RTX GPUs only: TensorRT is not installed",)
    assert target.cuda is not None


def test_without_a_gpu_auto_is_rtx_for_all_from_ampere_on_and_says_so(arrange: Arrange) -> None:
    arrange()
    target = choose_target()
    assert target.gpus == GpuSet(("8.0", "8.6", "8.9", "12.0", "12.1"), newer_gpus=True)
    assert (target.platform.gpu, target.platform.compute_capability) == ("", "")
    assert (
        target.notes[1] == "no GPU here: building for every GPU from Ampere on; --for names others"
    )


def test_a_driver_that_does_not_answer_is_named_as_there_may_be_a_gpu(arrange: Arrange) -> None:
    arrange(driver=True)
    (note,) = choose_target("rtx").notes
    assert "no GPU here (no NVIDIA driver answers" in note


@pytest.mark.parametrize("tensorrt", [BROKEN, Machine.make("10.3.0").trt])
def test_why_tensorrt_was_left_out_is_said(tensorrt: Any, arrange: Arrange) -> None:
    arrange(tensorrt)
    note = choose_target().notes[0]
    assert note.startswith("engines for RTX GPUs only: ")
    assert ("does not load" in note) is (tensorrt is BROKEN)


def test_gpus_that_are_named_are_for_rtx_whatever_else_is_there(arrange: Arrange) -> None:
    arrange(Machine.make("10.3.0").trt, here=ADA)
    target = choose_target("auto", ("sm89", "sm86"))
    assert (target.platform.flavor, target.gpus) == ("rtx", GpuSet(("8.6", "8.9")))
    assert target.notes == ()
    (note,) = choose_target("rtx", ("sm86",)).notes
    assert "this machine's NVIDIA GeForce RTX 4090" in note
    assert note.endswith("will not run what is built for compute capability 8.6")
    with pytest.raises(CdulEdgeError, match="for the GPU that is here and for no other: leave --f"):
        choose_target("tensorrt", ("sm86",))


def test_a_gpu_that_rtx_does_not_support_is_refused_and_others_can_be_named(
    arrange: Arrange,
) -> None:
    arrange(here=HOPPER)
    with pytest.raises(CdulEdgeError) as raised:
        choose_target()
    for part in ("TensorRT is not installed", "does not support NVIDIA H100", "--flavor tensorrt"):
        assert part in str(raised.value)
    assert choose_target("rtx", ("all",)).gpus == choose_target("auto", ("all",)).gpus


def test_where_nothing_can_be_built_every_way_out_is_named(arrange: Arrange) -> None:
    arrange(rtx=NO_RTX)
    with pytest.raises(MissingExtraError) as raised:
        choose_target()
    assert "TensorRT is not installed; or, to build for RTX GPUs, which" in str(raised.value)
    assert 'pip install "cdul-edge[rtx]"' in str(raised.value)
    with pytest.raises(MissingExtraError, match="TensorRT for RTX is not installed"):
        choose_target("rtx")
    arrange(Machine.make("10.3.0").trt, rtx=NO_RTX)
    with pytest.raises(CdulEdgeError, match=r"no NVIDIA driver answers.*cdul-edge\[rtx\]") as told:
        choose_target()
    assert not isinstance(told.value, MissingExtraError)


def test_a_flavor_that_does_not_exist_is_refused(arrange: Arrange) -> None:
    arrange()
    with pytest.raises(CdulEdgeError, match="unknown flavor 'cuda': expected auto, tensorrt, rtx"):
        choose_target("cuda")  # type: ignore[arg-type]


def test_tensorrt_by_name_needs_its_gpu(arrange: Arrange) -> None:
    arrange(Machine.make("10.3.0").trt)
    with pytest.raises(CdulEdgeError, match="no NVIDIA driver answers"):
        choose_target("tensorrt")


def test_one_of_several_gpus_is_asked_for_or_refused(arrange: Arrange) -> None:
    arrange(rtx=RTX, here=ADA)
    assert choose_target("rtx", gpu=0).platform.gpu == ADA[0]
    for flavor in ("rtx", "auto"):
        with pytest.raises(CdulEdgeError, match="there is no GPU 1: CUDA shows one GPU, number 0"):
            choose_target(flavor, gpu=1)
    with pytest.raises(CdulEdgeError, match="--for for those that it names: give one of them"):
        choose_target("rtx", ("sm86",), gpu=1)
