"""Does TensorRT 8.6 to 11 take this Q/DQ graph, and fuse it into INT8 convolutions?

The rules were read in onnx-tensorrt's importer, TensorRT's documentation of explicit quantization,
NVIDIA's answers in issues, and modelopt's placement of pairs. No TensorRT was run to confirm them.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper, numpy_helper

from cdul_edge_calibration.graphs.layers import drop_unused, producers, residual_adds

OPSET = 17  # the newest that TensorRT 8.6 reads

Array = npt.NDArray[Any]


class _Graph:
    """A graph with what the rules ask of it: constants by name, makers and readers of tensors."""

    def __init__(self, model: onnx.ModelProto) -> None:
        self.model = model
        self.nodes: list[onnx.NodeProto] = list(model.graph.node)
        self.types = {tensor.name: tensor.data_type for tensor in model.graph.initializer}
        self._tensors = {tensor.name: tensor for tensor in model.graph.initializer}
        self.makers = producers(model.graph)
        self.inputs = {value.name for value in model.graph.input}

    def constant(self, name: str) -> Array | None:
        tensor = self._tensors.get(name)
        return None if tensor is None else numpy_helper.to_array(tensor)

    def constant_input(self, node: onnx.NodeProto, position: int) -> Array | None:
        return self.constant(node.input[position]) if position < len(node.input) else None

    def dimensions(self, name: str) -> tuple[int, ...]:
        return tuple(self._tensors[name].dims) if name in self._tensors else ()

    def pair_source(self, name: str) -> str | None:
        """The tensor before the Q/DQ pair that ends in `name`; None where there is no pair."""
        dequantize = self.makers.get(name)
        if dequantize is None or dequantize.op_type != "DequantizeLinear":
            return None
        quantize = self.makers.get(dequantize.input[0])
        return quantize.input[0] if quantize and quantize.op_type == "QuantizeLinear" else ""


def find_violations(model: onnx.ModelProto, *, opset: int = OPSET) -> list[str]:
    """Every rule that the graph breaks, one clause each with the node's name; empty when none.

    Args:
        model: the Q/DQ graph.
        opset: the newest that is allowed; above 17 TensorRT 8.6 is given up.
    """
    graph = _Graph(model)
    found = [*_check_model(graph, opset)]
    for node in graph.nodes:
        if node.op_type in ("QuantizeLinear", "DequantizeLinear"):
            found += _check_scale(node, graph)
        if node.op_type == "DequantizeLinear":
            found += _check_pair(node, graph)
        if node.op_type == "Conv":
            found += _check_convolution(node, graph)
        if node.op_type in ("Relu", "Clip"):
            found += _check_activation(node, graph)
    found += _check_residuals(graph)
    return found


def count_int8_convolutions(model: onnx.ModelProto) -> tuple[int, int]:
    """(convolutions that run in INT8, all convolutions)."""
    graph = _Graph(model)
    convolutions = [node for node in graph.nodes if node.op_type == "Conv"]
    int8 = [n for n in convolutions if all(graph.pair_source(i) for i in n.input[:2])]
    return len(int8), len(convolutions)


def _check_model(graph: _Graph, opset: int) -> Iterator[str]:
    opsets = {entry.domain: entry.version for entry in graph.model.opset_import}
    if opsets.get("", 0) > opset:
        yield f"opset {opsets.get('')}: TensorRT 8.6 reads up to {OPSET}"
    for node in graph.nodes:
        if node.domain not in ("", "ai.onnx"):
            yield f"{node.name}: operator {node.domain}.{node.op_type} is not ONNX's own"
        if set(node.input) & graph.inputs and node.op_type != "Cast":
            yield f"{node.name}: {node.op_type} reads uint8 pixels; only Cast may"


def _check_scale(node: onnx.NodeProto, graph: _Graph) -> Iterator[str]:
    if len(node.input) < 3 or not node.input[2]:
        yield f"{node.name}: no zero point (TensorRT 8.6 wants three inputs)"
        return
    scale, zero = graph.constant(node.input[1]), graph.constant(node.input[2])
    if scale is None or zero is None:
        yield f"{node.name}: scale and zero point must be constants"
        return
    if zero.dtype != np.int8:
        yield f"{node.name}: zero point is {zero.dtype}, expected int8"
    if zero.any():
        yield f"{node.name}: zero point is not 0 (TensorRT is symmetric)"
    if scale.dtype != np.float32:
        yield f"{node.name}: scale is {scale.dtype}, expected float32"
    if not (np.isfinite(scale).all() and (scale > 0).all()):
        yield f"{node.name}: a scale is not above 0"
    elif (scale > np.finfo(np.float16).max).any():
        yield f"{node.name}: a scale of {scale.max():.3g} is beyond FP16"
    elif (scale.astype(np.float16) == 0).any():
        yield f"{node.name}: a scale vanishes in FP16"
    if zero.shape != scale.shape:
        yield f"{node.name}: {zero.size} zero points for {scale.size} scales"


def _check_pair(node: onnx.NodeProto, graph: _Graph) -> Iterator[str]:
    source = graph.pair_source(node.output[0])
    if not source:
        kind = graph.types.get(node.input[0])
        name = TensorProto.DataType.Name(kind) if kind else "a tensor"
        yield f"{node.name}: dequantizes {name}, which no QuantizeLinear made"
        return
    quantize = graph.makers[node.input[0]]
    for position in (1, 2):
        ours, theirs = (graph.constant_input(n, position) for n in (node, quantize))
        if ours is not None and theirs is not None and not np.array_equal(ours, theirs):
            yield f"{node.name}: scale or zero point differs from its QuantizeLinear's"
    scale = graph.constant(node.input[1])
    if source not in graph.types and scale is not None and scale.size != 1:
        yield f"{node.name}: an activation has {scale.size} scales, expected one"


def _check_convolution(node: onnx.NodeProto, graph: _Graph) -> Iterator[str]:
    data, weights = (graph.pair_source(name) for name in node.input[:2])
    if (data is None) != (weights is None):
        which = "weights" if data is None else "input"
        yield f"{node.name}: only its {which} are quantized, expected input and weights or none"
    if len(node.input) > 2 and graph.types.get(node.input[2]) != TensorProto.FLOAT:
        yield f"{node.name}: its bias is no float constant (TensorRT 8 refuses INT32 bias)"
    if not weights:
        return
    if graph.types.get(weights) != TensorProto.FLOAT:
        yield f"{node.name}: its weights are not quantized from FP32 constants"
        return
    for maker in _pair(node.input[1], graph):
        attributes = {a.name: helper.get_attribute_value(a) for a in maker.attribute}
        scale = graph.constant(maker.input[1])
        channels = graph.dimensions(weights)[0]
        if scale is None or scale.shape != (channels,) or attributes.get("axis", 1) != 0:
            yield f"{maker.name}: weights need {channels} scales on axis 0"


def _check_activation(node: onnx.NodeProto, graph: _Graph) -> Iterator[str]:
    source = graph.pair_source(node.input[0])
    maker = graph.makers.get(source or "")
    if maker is not None and maker.op_type in ("Conv", "Add"):
        yield f"{node.name}: a pair between {maker.op_type} and {node.op_type} stops their fusion"


def _check_residuals(graph: _Graph) -> Iterator[str]:
    """The rule needs the graph as it was before the pairs: they are looked through."""
    plain = onnx.ModelProto()
    plain.CopyFrom(graph.model)
    makers = producers(plain.graph)
    for node in plain.graph.node:
        for position, name in enumerate(node.input):
            maker = makers.get(name)
            if maker is not None and maker.op_type == "DequantizeLinear":
                quantize = makers.get(maker.input[0])
                if quantize is not None:
                    node.input[position] = quantize.input[0]
    drop_unused(plain.graph)  # a pair reads what it stands on: nothing else may
    adds = set(residual_adds(plain))
    for node in graph.nodes:
        if node.name in adds and any(_is_int8(name, graph) for name in node.input):
            pairs = [graph.pair_source(name) is not None for name in node.input]
            if sum(pairs) != 1:
                which = "both operands" if all(pairs) else "neither operand"
                yield f"{node.name}: pairs on {which} of a residual Add, expected the skip alone"
            elif not _is_convolution(node.input[pairs.index(False)], graph):
                yield f"{node.name}: the pair is on the main path of a residual Add"


def _is_convolution(name: str, graph: _Graph) -> bool:
    maker = graph.makers.get(name)
    return maker is not None and maker.op_type == "Conv"


def _is_int8(name: str, graph: _Graph) -> bool:
    """Whether an INT8 convolution made this tensor, before any pair on it."""
    maker = graph.makers.get(graph.pair_source(name) or name)
    return maker is not None and maker.op_type == "Conv" and bool(graph.pair_source(maker.input[1]))


def _pair(name: str, graph: _Graph) -> tuple[onnx.NodeProto, onnx.NodeProto]:
    dequantize = graph.makers[name]
    return dequantize, graph.makers[dequantize.input[0]]
