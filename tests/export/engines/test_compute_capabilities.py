from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from cdul_edge_export.engines.compute_capabilities import (
    GpuSet,
    every_gpu,
    known_capabilities,
    parse_gpus,
    these_gpus,
)
from cdul_edge_runtime.backends.trt.platform import GpuPlatform
from cdul_edge_runtime.errors import CdulEdgeError

RECORDED = Path(__file__).parents[2] / "fakes" / "tensorrt_api" / "rtx-1.7.1.116.json"


def module(*members: str) -> Any:
    """TensorRT for RTX as far as its list of GPUs goes."""
    names = dict.fromkeys(members or json.loads(RECORDED.read_text())["ComputeCapability"])
    return SimpleNamespace(
        __version__="1.7.1.116", ComputeCapability=SimpleNamespace(__members__=names)
    )


RTX = module()


def test_what_there_is_to_build_for_is_asked_of_the_module() -> None:
    assert known_capabilities(RTX) == ("7.5", "8.0", "8.6", "8.9", "12.0", "12.1")
    assert known_capabilities(module("NONE", "CURRENT", "SM130", "SM89")) == ("8.9", "13.0")


@pytest.mark.parametrize(
    "spelling",
    ["sm89", "SM89", "sm_89", "sm-89", "sm 89", "8.9", "89", " 8.9 ", "sm8.9", "compute_89"],
)
def test_a_capability_may_be_spelled_in_any_usual_way(spelling: str) -> None:
    assert parse_gpus(RTX, (spelling,)) == GpuSet(("8.9",))


def test_the_oldest_comes_first_and_one_that_comes_twice_counts_once() -> None:
    gpus = parse_gpus(RTX, ("sm120,8.6", "SM_120", "", "86"))
    assert parse_gpus(RTX, "sm120,86") == gpus  # type: ignore[arg-type]  # as people will write it
    assert gpus == GpuSet(("8.6", "12.0"))
    assert gpus.suffix == "-sm86-sm120"
    assert str(gpus) == "compute capability 8.6, 12.0"


def test_all_is_every_gpu_but_turing_and_newer_ones() -> None:
    gpus = parse_gpus(RTX, ("all",))
    assert gpus == every_gpu(RTX) == GpuSet(("8.0", "8.6", "8.9", "12.0", "12.1"), newer_gpus=True)
    assert gpus.suffix == "-all"
    assert str(gpus) == "compute capability 8.0, 8.6, 8.9, 12.0, 12.1 and later"
    held = {one: gpus.hold(one) for one in ("7.5", "8.6", "8.7", "9.0", "12.1", "13.0", "")}
    assert [one for one, holds in held.items() if holds] == ["8.6", "12.1", "13.0"]
    assert not GpuSet((), newer_gpus=True).hold("13.0")


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (("sm88",), r"builds for no such GPU \(did you mean sm89 or sm86\?\)"),
        (("sm12",), r"did you mean sm121 or sm120\?"),
        (("sm120a",), "did you mean sm120"),
        (("rtx4090",), "--for rtx4090: TensorRT for RTX 1.7.1.116 builds for no such GPU: exp"),
        (("sm89", "8"), "--for 8: "),
        (("sm90",), r"does not support Hopper \(9.0\): .* --flavor tensorrt"),
        (
            ("sm87",),
            r"does not support Jetson Orin \(8.7\): .* tensorrt, or name others",
        ),
        (("11.0",), r"does not support Jetson Thor \(11.0\)"),
        (("", " "), "--for names no GPU: expected all, sm75"),
        (("all", "sm75"), "name no others with it"),
        (("current",), "builds for no such GPU"),
        (("None",), "--for None: TensorRT for RTX 1.7.1.116 builds for no such GPU"),
        (("SM86", "ALL"), "name no others with it"),
    ],
)
def test_a_gpu_that_cannot_be_built_for_is_refused_with_what_can(
    names: tuple[str, ...], message: str
) -> None:
    with pytest.raises(CdulEdgeError, match=message) as raised:
        parse_gpus(RTX, names)
    assert "\n" not in str(raised.value)
    if "name no others" not in message:
        assert (
            "sm75 (RTX 20), sm80 (A100), sm86 (RTX 30), sm89 (RTX 40), sm120 (RTX 50), sm121 (GB10)"
        ) in str(raised.value)


def test_a_gpu_that_a_newer_module_supports_is_no_longer_refused() -> None:
    assert parse_gpus(module("SM90", "SM89"), ("sm90",)) == GpuSet(("9.0",))


def test_the_gpu_that_is_here_is_built_for_where_it_is_supported() -> None:
    here = GpuPlatform("1.7.1.116", "NVIDIA GeForce RTX 4090", "8.9", 128, "x86_64", "rtx")
    assert these_gpus(RTX, ("8.9",), here) == GpuSet(("8.9",))
    assert these_gpus(RTX, ("12.0", "9.0", "8.9", "12.0"), here) == GpuSet(("8.9", "12.0"))
    assert these_gpus(RTX, ("13.0", "8.9"), here) == every_gpu(RTX)  # newer than the module
    hopper = GpuPlatform("1.7.1.116", "NVIDIA H100", "9.0", 132, "x86_64", "rtx")
    with pytest.raises(CdulEdgeError, match=r"does not support NVIDIA H100 .*--flavor tensorrt"):
        these_gpus(RTX, ("9.0",), hopper)
