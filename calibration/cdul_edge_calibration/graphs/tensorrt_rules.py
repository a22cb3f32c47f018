"""Does TensorRT 8.6 to 11 take this Q/DQ graph, and fuse it into INT8 convolutions?

The rules were read in onnx-tensorrt's importer, TensorRT's documentation of explicit quantization,
NVIDIA's answers in issues, and modelopt's placement of pairs. `benchmarks.tensorrt_rules` breaks
each of them and asks NVIDIA's own compiler, TensorRT for RTX, which decides what is "refused"; what
it takes and 8.6 does not is "old", and what no machine here can measure, "slow", is NVIDIA's word.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import onnx
from onnx import TensorProto

from cdul_edge_calibration.graphs.layers import drop_unused, name_nodes, producers, residual_adds
from cdul_edge_calibration.graphs.tensorrt_graph import (
    OPSET,
    Array,
    Graph,
    Kind,
    Violation,
    check_graph,
    check_onnx,
    check_shapes,
)

_WORST_FIRST: tuple[Kind, ...] = ("refused", "invalid", "wrong", "old", "slow")


def find_violations(model: onnx.ModelProto, *, opset: int = OPSET) -> list[Violation]:
    """Every rule that the graph breaks, those of the worst kind first; empty when none.

    Args:
        model: the Q/DQ graph.
        opset: the newest that is allowed; above 17 TensorRT 8.6 is given up.
    """
    graph = Graph(model)
    found = [*check_graph(graph, opset)]
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
    # What ONNX's own checker finds is told where no rule says it better.
    found = found or [*check_onnx(graph)] or [*check_shapes(graph)]
    return sorted(found, key=lambda violation: _WORST_FIRST.index(violation.kind))


def count_int8_convolutions(model: onnx.ModelProto) -> tuple[int, int]:
    """(convolutions that run in INT8, all convolutions)."""
    graph = Graph(model)
    convolutions = [node for node in graph.nodes if node.op_type == "Conv"]
    return sum(_runs_in_int8(node, graph) for node in convolutions), len(convolutions)


def _runs_in_int8(convolution: onnx.NodeProto, graph: Graph) -> bool:
    """Its input has one scale, a scalar, and its weights have one, or one per output channel."""
    pairs = [graph.makers.get(name) for name in convolution.input[:2]]
    data, weights = (n if n and n.op_type == "DequantizeLinear" else None for n in pairs)
    if data is None or weights is None:
        return False
    per_tensor = (None, ())
    return _scale_shape(data, graph) in per_tensor and (
        _scale_shape(weights, graph) in per_tensor or _axis(weights, graph) == 0
    )


def _check_scale(node: onnx.NodeProto, graph: Graph) -> Iterator[Violation]:
    if graph.types.get(node.input[0]) == TensorProto.INT32 and node.op_type == "QuantizeLinear":
        yield Violation(node.name, "quantizes INT32, expected a float type", "refused")
    if len(node.input) < 3 or not node.input[2]:
        yield Violation(node.name, "no zero point (TensorRT 8.6 wants three inputs)", "old")
        return
    scale, zero = graph.constant(node.input[1]), graph.constant(node.input[2])
    if scale is None or zero is None:
        yield Violation(node.name, "scale and zero point must be constants", "old")
        return
    faults = (*_zero_point_faults(zero), *_scale_faults(scale))
    yield from (Violation(node.name, text, kind) for text, kind in faults)
    if zero.shape != scale.shape:
        fault = f"{zero.size} zero points for {scale.size} scales"
        yield Violation(node.name, fault, "refused")


def _zero_point_faults(zero: Array) -> Iterator[tuple[str, Kind]]:
    if zero.dtype != np.int8:  # newer versions read uint8 and int32 as if they said int8
        kind: Kind = "wrong" if zero.dtype in (np.uint8, np.int32) else "refused"
        yield f"zero point is {zero.dtype}, expected int8", kind
    if zero.any():
        yield "zero point is not 0 (TensorRT is symmetric)", "refused"


def _scale_faults(scale: Array) -> Iterator[tuple[str, Kind]]:
    if scale.dtype != np.float32:
        yield f"scale is {scale.dtype}, expected float32", "old"
    if not (scale > 0).all():
        yield "a scale is not above 0", "refused"
    elif not np.isfinite(scale).all():
        yield "a scale is infinite", "wrong"
    elif (scale > np.finfo(np.float16).max).any():
        yield f"a scale of {scale.max():.3g} is beyond FP16", "old"
    elif (scale.astype(np.float16) == 0).any():
        yield "a scale vanishes in FP16", "old"


def _check_pair(node: onnx.NodeProto, graph: Graph) -> Iterator[Violation]:
    source = graph.pair_source(node.output[0])
    if not source:
        stored = graph.types.get(node.input[0])
        name = TensorProto.DataType.Name(stored) if stored else "a tensor"
        maker = graph.makers.get(node.input[0])
        is_float = maker is not None and maker.op_type == "DequantizeLinear"
        takes = stored in (None, TensorProto.INT8) and not is_float
        kind: Kind = "old" if takes else "refused"
        yield Violation(node.name, f"dequantizes {name}, which no QuantizeLinear made", kind)
        return
    quantize = graph.makers[node.input[0]]
    for position in (1, 2):
        ours, theirs = (graph.constant_input(n, position) for n in (node, quantize))
        if ours is not None and theirs is not None and not np.array_equal(ours, theirs):
            fault = "scale or zero point differs from its QuantizeLinear's"
            yield Violation(node.name, fault, "wrong")
    shape = _scale_shape(node, graph)
    if source not in graph.types and shape:
        # One scale in a list of one counts as per channel, and takes the convolution out of INT8.
        fault = f"an activation has scales of shape {shape}, expected one scalar"
        yield Violation(node.name, fault, "slow")


def _check_convolution(node: onnx.NodeProto, graph: Graph) -> Iterator[Violation]:
    for name in node.input[:2]:
        maker = graph.makers.get(name)
        if maker is not None and maker.op_type == "QuantizeLinear":
            yield Violation(node.name, f"reads {name}, which no DequantizeLinear ends", "refused")
    types = [_float_type(name, graph) for name in node.input]
    if len({kind for kind in types if kind}) > 1:
        fault = f"its input, weights and bias are of different types ({', '.join(map(str, types))})"
        yield Violation(node.name, fault, "refused")
    data, weights = (graph.pair_source(name) for name in node.input[:2])
    if (data is None) != (weights is None):
        which = "weights are" if data is None else "input is"
        fault = f"only its {which} quantized, expected input and weights or none"
        yield Violation(node.name, fault, "slow")
    bias = graph.types.get(node.input[2]) if len(node.input) > 2 else TensorProto.FLOAT
    if bias != TensorProto.FLOAT:
        fault = "its bias is no float constant (TensorRT 8 refuses INT32 bias)"
        yield Violation(node.name, fault, "old" if bias is None else "refused")
    if not weights:
        return
    if graph.types.get(weights) != TensorProto.FLOAT:
        yield Violation(node.name, "its weights are not quantized from FP32 constants", "old")
        return
    dimensions = graph.dimensions(weights)
    for maker in _pair(node.input[1], graph):
        shape, axis = _scale_shape(maker, graph), _axis(maker, graph)
        if shape != (dimensions[0],) or axis != 0:
            fits = shape in ((), (1,)) or (shape is not None and shape == dimensions[axis:][:1])
            fault = f"weights need {dimensions[0]} scales on axis 0"
            yield Violation(maker.name, fault, "slow" if fits else "refused")


def _check_activation(node: onnx.NodeProto, graph: Graph) -> Iterator[Violation]:
    source = graph.pair_source(node.input[0])
    maker = graph.makers.get(source or "")
    if maker is not None and maker.op_type in ("Conv", "Add"):
        fault = f"a pair between {maker.op_type} and {node.op_type} stops their fusion"
        yield Violation(node.name, fault, "slow")


def _check_residuals(graph: Graph) -> Iterator[Violation]:
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
    name_nodes(plain)
    adds = set(residual_adds(plain))
    sums = {node.output[0] for node in plain.graph.node if node.name in adds}
    for node in graph.nodes:
        if node.output[0] in sums and any(_is_int8(name, graph) for name in node.input):
            pairs = [graph.pair_source(name) is not None for name in node.input]
            if sum(pairs) != 1:
                which = "both operands" if all(pairs) else "neither operand"
                fault = f"pairs on {which} of a residual Add, expected the skip alone"
                yield Violation(node.name, fault, "slow")
            elif not _is_convolution(node.input[pairs.index(False)], graph):
                fault = "the pair is on the main path of a residual Add"
                yield Violation(node.name, fault, "slow")


def _is_convolution(name: str, graph: Graph) -> bool:
    maker = graph.makers.get(name)
    return maker is not None and maker.op_type == "Conv"


def _is_int8(name: str, graph: Graph) -> bool:
    """Whether an INT8 convolution made this tensor, before any pair on it."""
    maker = graph.makers.get(graph.pair_source(name) or name)
    return maker is not None and maker.op_type == "Conv" and bool(graph.pair_source(maker.input[1]))


def _pair(name: str, graph: Graph) -> tuple[onnx.NodeProto, onnx.NodeProto]:
    dequantize = graph.makers[name]
    return dequantize, graph.makers[dequantize.input[0]]


def _float_type(name: str, graph: Graph) -> str | None:
    """Of a constant, or of what a DQ makes: the type of its scale. None where it is not known."""
    maker = graph.makers.get(name)
    if maker is not None:
        name = maker.input[1] if maker.op_type == "DequantizeLinear" else ""
    if name not in graph.types:
        return None
    return str(TensorProto.DataType.Name(graph.types[name])).replace("DOUBLE", "FLOAT")  # as FP32


def _scale_shape(node: onnx.NodeProto, graph: Graph) -> tuple[int, ...] | None:
    """Of a Q or a DQ; None where the scale is computed."""
    scale = graph.constant(node.input[1])
    return None if scale is None else scale.shape


def _axis(node: onnx.NodeProto, graph: Graph) -> int:
    """Of a Q or a DQ on weights, counted from 0; ONNX's default is 1."""
    axis = next((a.i for a in node.attribute if a.name == "axis"), 1)
    weights = graph.pair_source(node.output[0]) or node.input[0]
    return int(axis) if axis >= 0 else axis + len(graph.dimensions(weights))
