"""Typed FP16: a graph that says FP16 itself, as strongly typed TensorRT wants it.

Written for the operators that our exporter makes. The general converters fail on a uint8 input, or
bring gigabytes with them.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper, numpy_helper

from cdul_edge_calibration.data.ranges import Ranges
from cdul_edge_calibration.graphs.layers import drop_unused, name_nodes, replace_nodes
from cdul_edge_runtime.errors import CdulEdgeError

# Half of the largest FP16 number: pictures brighter than those seen need room.
LARGEST = 65504 / 2

# Operators that take FP16 wherever they take FP32 (opset 17), and mean the same.
_KNOWN = frozenset(
    "Abs Add AveragePool BatchNormalization Cast Clip Concat Constant ConstantOfShape Conv "
    "ConvTranspose Div "
    "Einsum Equal Erf Exp Expand Flatten Gather GatherND Gemm GlobalAveragePool GlobalMaxPool "
    "HardSigmoid HardSwish Identity LayerNormalization LeakyRelu MatMul MaxPool Mul Neg Not Pad "
    "Pow Reciprocal ReduceMax ReduceMean ReduceSum Relu Reshape Resize ScatterND Shape Sigmoid "
    "Slice Softmax Split Sqrt Squeeze Sub Tanh Tile Transpose Unsqueeze Where".split()
)
# Sums of squares leave FP16's range over a feature map where no single value comes near it, and
# angles of position encodings have no digits left there. ONNX has no Range of FP16.
_STAY_FP32 = frozenset(
    "Cos CumSum InstanceNormalization Range ReduceL2 ReduceSumSquare Sin".split()
)
CONVERTED = _KNOWN | _STAY_FP32
# Inputs that are FP32 whatever the others are: a Resize's region and scales.
_ALWAYS_FP32 = {"Resize": (1, 2)}
_PRODUCTS = frozenset(("Conv", "Gemm", "MatMul"))
# Operators that a cast may be moved across: they choose among values, and compute none.
_MOVES = frozenset(
    "Concat Expand Flatten Gather GatherND GlobalMaxPool Identity MaxPool Pad Reshape Slice Split "
    "Squeeze Tile Transpose Unsqueeze".split()
)
# Inputs that multiply: one that becomes 0 wipes out a channel.
_SCALES = {
    "Mul": (0, 1),
    "Div": (0, 1),
    "BatchNormalization": (1, 4),
    "LayerNormalization": (1,),
}


def to_fp16(model: onnx.ModelProto, keep_fp32: Collection[str] = ()) -> onnx.ModelProto:
    """Convert an FP32 graph of our exporter: uint8 in, FP16 within, float32 scores out.

    Args:
        model: FP32; it is not changed.
        keep_fp32: names of nodes that stay FP32, with casts around them. What reads a convolution
            or a matrix product among them does too. The node that makes the scores always does: in
            FP16 a sigmoid near 1 has steps of 0.0005. So do sums of squares and angles.

    Raises:
        CdulEdgeError: an operator of which nobody has checked that it may become FP16.
    """
    half = onnx.ModelProto()
    half.CopyFrom(model)
    name_nodes(half)
    graph = half.graph
    unknown = sorted({node.op_type for node in graph.node} - CONVERTED)
    if unknown:
        raise CdulEdgeError(
            f"the graph has {', '.join(unknown)}, which the FP16 converter does not know: "
            "leave FP16 out with --precision int8 --precision int8-cpu"
        )
    last = {node.name for node in graph.node if set(node.output) & {o.name for o in graph.output}}
    fragile = {node.name for node in graph.node if node.op_type in _STAY_FP32}
    floats = _float_tensors(half)
    kept = _with_readers(graph, keep_fp32)
    _Converter(graph, floats, kept | last | fragile).run()
    drop_unused(graph)
    del graph.value_info[:]
    onnx.checker.check_model(half, full_check=True)
    onnx.shape_inference.infer_shapes(half, check_type=True, strict_mode=True)
    return half


def find_fp16_hazards(model: onnx.ModelProto, extremes: Ranges) -> dict[str, str]:
    """Nodes that must stay FP32, with the reason.

    Args:
        model: FP32.
        extremes: lowest and highest value of every tensor on calibration pictures, unclipped.

    Returns:
        By node name (`layers.name_nodes` gives the same names): a value that would become
        infinite, a weight that would, or a scale that would become 0.
    """
    named = onnx.ModelProto()
    named.CopyFrom(model)
    name_nodes(named)
    largest = {name: max(abs(low), abs(high)) for name, (low, high) in extremes.items()}
    constants = {t.name: numpy_helper.to_array(t) for t in named.graph.initializer}
    hazards: dict[str, str] = {}
    for node in named.graph.node:
        for name in (*node.input, *node.output):
            if largest.get(name, 0.0) > LARGEST:
                hazards[node.name] = f"{name} reaches {largest[name]:.3g}; FP16 ends at 65504"
        for position, name in enumerate(node.input):
            if name in constants and (fault := _constant_fault(node, position, constants[name])):
                hazards[node.name] = f"{name} {fault}"
    return hazards


def _constant_fault(node: onnx.NodeProto, position: int, values: npt.NDArray[Any]) -> str | None:
    if values.dtype != np.float32 or not values.size:
        return None
    if np.abs(values).max() > 65504:
        return f"holds {np.abs(values).max():.3g}; FP16 ends at 65504"
    if position in _SCALES.get(node.op_type, ()):
        vanishing = (values != 0) & (values.astype(np.float16) == 0)
        if vanishing.any():
            return f"holds the scale {np.abs(values[vanishing]).min():.3g}, which is 0 in FP16"
    return None


def _with_readers(graph: onnx.GraphProto, keep: Collection[str]) -> set[str]:
    """These nodes, and the first that computes with what a product among them makes.

    TensorRT for RTX 1.7 takes casts on both sides of a product into it, and makes its weights FP16:
    those that have no place in FP16, and are why the product was kept, would be infinite.
    """
    kept, bound = set(keep), set[str]()
    for node in graph.node:
        if bound & set(node.input):
            kept.add(node.name)
            bound |= set(node.output) if node.op_type in _MOVES else set()
        if node.name in keep and node.op_type in _PRODUCTS:
            bound |= set(node.output)
    return kept


def _float_tensors(model: onnx.ModelProto) -> set[str]:
    inferred = onnx.shape_inference.infer_shapes(model, data_prop=True).graph
    known = (*inferred.value_info, *inferred.input, *inferred.output)
    found = {v.name for v in known if v.type.tensor_type.elem_type == TensorProto.FLOAT}
    return found | {t.name for t in model.graph.initializer if t.data_type == TensorProto.FLOAT}


class _Converter:
    """Rewrites the nodes in order; each float tensor exists as FP32, as FP16, or as both."""

    def __init__(self, graph: onnx.GraphProto, floats: set[str], keep: set[str]) -> None:
        self.graph, self.floats, self.keep = graph, floats, keep
        self.constants = {t.name: t for t in graph.initializer if t.name in floats}
        self.made_half: set[str] = set()  # tensors whose own name now stands for FP16
        self.twins: dict[str, str] = {}  # the same values in the other type
        self.nodes: list[onnx.NodeProto] = []

    def run(self) -> None:
        for node in list(self.graph.node):
            self._convert(node)
        replace_nodes(self.graph, self.nodes)

    def _convert(self, node: onnx.NodeProto) -> None:
        half = node.name not in self.keep
        if half:
            _retype_attributes(node)
            self.made_half |= set(node.output) & self.floats
        # A Cast takes what comes; its own `to` says what it gives.
        for position, name in enumerate(node.input if node.op_type != "Cast" else ()):
            half_input = half and position not in _ALWAYS_FP32.get(node.op_type, ())
            if name in self.floats and half_input != (name in self.made_half):
                node.input[position] = self._twin(name)
        self.nodes.append(node)

    def _twin(self, name: str) -> str:
        """The tensor's values in the other of the two types."""
        if name not in self.twins:
            if name in self.constants:
                self.twins[name] = self._half_constant(name)
            else:
                to_half = name not in self.made_half
                self.twins[name] = f"{name}_{'fp16' if to_half else 'fp32'}"
                kind = TensorProto.FLOAT16 if to_half else TensorProto.FLOAT
                twin = self.twins[name]
                self.nodes.append(helper.make_node("Cast", [name], [twin], f"to_{twin}", to=kind))
        return self.twins[name]

    def _half_constant(self, name: str) -> str:
        values = numpy_helper.to_array(self.constants[name])
        bounds = np.finfo(np.float16)
        halved = np.clip(values, bounds.min, bounds.max).astype(np.float16)  # -inf masks stay low
        self.graph.initializer.append(numpy_helper.from_array(halved, f"{name}_fp16"))
        return f"{name}_fp16"


def _retype_attributes(node: onnx.NodeProto) -> None:
    if node.op_type == "ConstantOfShape" and not node.attribute:  # its default is a float32 zero
        zero = numpy_helper.from_array(np.zeros(1, np.float32))
        node.attribute.append(helper.make_attribute("value", zero))
    for attribute in node.attribute:
        if node.op_type == "Cast" and attribute.name == "to" and attribute.i == TensorProto.FLOAT:
            attribute.i = TensorProto.FLOAT16
        is_tensor = attribute.type == onnx.AttributeProto.TENSOR
        if is_tensor and attribute.t.data_type == TensorProto.FLOAT:
            values = numpy_helper.to_array(attribute.t).astype(np.float16)
            attribute.t.CopyFrom(numpy_helper.from_array(values, attribute.t.name))
