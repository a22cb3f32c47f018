"""What NVIDIA's library makes of each precision; TensorRT for RTX needs no GPU to build."""

from __future__ import annotations

from pathlib import Path

import pytest

from cdul_edge_export.engines.bundle_engines import BuildRequest, build
from cdul_edge_runtime.bundle.bundle import Bundle
from cdul_edge_runtime.bundle.manifest import Precision
from cdul_edge_runtime.errors import CdulEdgeError
from cdul_edge_runtime.host.console import SilentConsole
from tests.fakes.conv_bundle import write_conv_bundle

pytest.importorskip("tensorrt_rtx", reason="no TensorRT for RTX on this platform")


class Lines(SilentConsole):
    def __init__(self) -> None:
        self.said: list[str] = []

    def say(self, line: str) -> None:
        self.said.append(line)


@pytest.fixture
def conv_bundle(bundle: Path) -> Bundle:
    return write_conv_bundle(bundle)


def size(bundle: Bundle, precision: Precision, gpu: str = "sm86") -> int:
    request = BuildRequest(bundle.folder, (precision,), flavor="rtx", for_gpus=(gpu,), force=True)
    return build(request, SilentConsole()).engines[0].stamp.bytes


def test_who_builds_int8_for_rtx_is_told_that_fp16_is_the_file_to_run(conv_bundle: Bundle) -> None:
    for precisions, times in ((None, 1), ((Precision.INT8,), 1), ((Precision.FP16,), 0)):
        console = Lines()
        request = BuildRequest(
            conv_bundle.folder, precisions, flavor="rtx", for_gpus=("sm86",), force=True
        )
        build(request, console)
        assert sum("fp16 is the file to run" in line for line in console.said) == times


def test_an_engine_is_the_same_after_a_build_that_turing_made_fail(conv_bundle: Bundle) -> None:
    before = size(conv_bundle, Precision.INT8)
    with pytest.raises(CdulEdgeError, match="Turing"):
        size(conv_bundle, Precision.FP32, "sm75")
    # A few bytes differ from build to build; within Turing's limits it would be a third larger.
    assert size(conv_bundle, Precision.INT8) == pytest.approx(before, rel=0.01)


def test_turing_gets_an_fp16_engine_and_the_rest_is_told(conv_bundle: Bundle) -> None:
    console = Lines()
    request = BuildRequest(conv_bundle.folder, flavor="rtx", for_gpus=("sm75",))
    built = build(request, console).engines
    assert [one.stamp.precision for one in built] == [Precision.FP16]
    assert sum("FP16 only: fp32, int8 left out" in line for line in console.said) == 1
