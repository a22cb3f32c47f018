"""What NVIDIA's own parser and compiler say of our graphs; TensorRT for RTX needs no GPU for it."""

from __future__ import annotations

import onnx
import pytest

from benchmarks.nvidia_compiler import Compiled, compile_graph
from cdul_edge_calibration.data.ranges import Ranges
from cdul_edge_calibration.graphs.fp16 import to_fp16
from cdul_edge_calibration.graphs.quantize import quantize_for_cpu, quantize_for_tensorrt
from tests.fakes.residual_network import build_residual

pytest.importorskip("tensorrt_rtx", reason="NVIDIA has no TensorRT for RTX for this platform")


def compiled(model: onnx.ModelProto) -> Compiled:
    return compile_graph(model.SerializeToString())


def kinds(found: Compiled) -> set[str]:
    return {tensor.kind for kernel in found.convolutions for tensor in kernel.inputs}


def test_each_precision_runs_its_convolutions_in_its_own_type(ranges: Ranges) -> None:
    fp32, fp16, int8 = (
        compiled(model)
        for model in (
            build_residual(),
            to_fp16(build_residual()),
            quantize_for_tensorrt(build_residual(), ranges),
        )
    )
    assert [found.refused_by for found in (fp32, fp16, int8)] == [None] * 3
    assert [len(found.convolutions) for found in (fp32, fp16, int8)] == [6, 6, 6]
    assert [kinds(found) for found in (fp32, fp16, int8)] == [{"Float"}, {"Half"}, {"Int8"}]
    assert [found.int8_convolutions for found in (fp32, fp16, int8)] == [0, 0, 6]


def test_the_cpu_file_is_refused_with_its_node_named(ranges: Ranges) -> None:
    found = compiled(quantize_for_cpu(build_residual(), ranges))
    assert found.refused_by == "parser"
    assert found.node == "network.conv1.bias_DequantizeLinear"
    assert "input has type Int32 but must have type" in found.message
    assert "cudaError" not in found.message  # the missing driver says nothing of the graph
