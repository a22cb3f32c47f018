"""A graph as TensorRT's rules see it, and those of them that any precision must keep."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper, numpy_helper

from cdul_edge_calibration.graphs.layers import producers, tensor_shapes

OPSET = 17  # the newest that TensorRT 8.6 reads

# refused: by NVIDIA's parser or builder, as of TensorRT for RTX 1.7, and as far as known before.
# invalid: no valid ONNX, whatever TensorRT says of it.
# wrong: taken, and something else is computed than the graph says.
# old: newer versions take it; 8.6, the oldest that is supported, does not.
# slow: taken, but a convolution leaves INT8, or operators run by themselves that could be fused.
Kind = Literal["refused", "invalid", "wrong", "old", "slow"]

Array = npt.NDArray[Any]

# What TensorRT has no type for, as of TensorRT for RTX 1.7.
_NO_TYPE = frozenset(
    "UINT16 INT16 UINT32 UINT64 STRING COMPLEX64 COMPLEX128 FLOAT8E4M3FNUZ FLOAT8E5M2 "
    "FLOAT8E5M2FNUZ UINT4 FLOAT8E8M0 UINT2 INT2".split()
)
# ONNX operators that its parser does not read, or reads as plugins that it does not bring.
UNREAD = frozenset(
    "Bernoulli BitShift Compress ConvInteger DFT Det DynamicQuantizeLinear MatMulInteger "
    "MaxRoiPool MaxUnpool Multinomial NonZero QLinearConv QLinearMatMul RoiAlign Unique".split()
)


@dataclass(frozen=True)
class Violation:
    """One rule that a graph breaks.

    Attributes:
        node: the name of the node, or of the part of the graph, at fault.
        text: what is wrong, in one clause.
        kind: what comes of it.
    """

    node: str
    text: str
    kind: Kind

    def __str__(self) -> str:
        return f"{self.node}: {self.text}" if self.node else self.text


class Graph:
    """A graph with what the rules ask of it: constants by name, makers and readers of tensors."""

    def __init__(self, model: onnx.ModelProto) -> None:
        self.model = model
        self.nodes: list[onnx.NodeProto] = list(model.graph.node)
        self.types = {tensor.name: tensor.data_type for tensor in model.graph.initializer}
        self._tensors = {tensor.name: tensor for tensor in model.graph.initializer}
        self.makers = producers(model.graph)
        self.inputs = {value.name for value in model.graph.input} - set(self._tensors)

    def constant(self, name: str) -> Array | None:
        """The values of a constant; None for what is computed, or lies in a file that is gone."""
        tensor = self._tensors.get(name)
        if tensor is None or tensor.data_location == TensorProto.EXTERNAL:
            return None
        return numpy_helper.to_array(tensor)

    def constant_input(self, node: onnx.NodeProto, position: int) -> Array | None:
        """The values of an input that is constant."""
        return self.constant(node.input[position]) if position < len(node.input) else None

    def dimensions(self, name: str) -> tuple[int, ...]:
        """Of a constant; empty for anything else."""
        return tuple(self._tensors[name].dims) if name in self._tensors else ()

    def pair_source(self, name: str) -> str | None:
        """The tensor before the Q/DQ pair that ends in `name`; None where there is no pair."""
        dequantize = self.makers.get(name)
        if dequantize is None or dequantize.op_type != "DequantizeLinear":
            return None
        quantize = self.makers.get(dequantize.input[0])
        return quantize.input[0] if quantize and quantize.op_type == "QuantizeLinear" else ""


def check_graph(graph: Graph, opset: int) -> Iterator[Violation]:
    """Opset, operators, names, inputs, and constants.

    Args:
        graph: of any precision.
        opset: the newest that is allowed.
    """
    opsets = {entry.domain: entry.version for entry in graph.model.opset_import}
    if opsets.get("", 0) > opset:
        yield Violation("", f"opset {opsets.get('')}: TensorRT 8.6 reads up to {OPSET}", "old")
    yield from _check_names(graph)
    yield from _check_inputs(graph)
    yield from _check_constants(graph)
    for node in graph.nodes:
        if node.domain not in ("", "ai.onnx"):
            # TensorRT looks at the name alone, whatever the domain.
            operator = f"{node.domain}.{node.op_type}"
            kind: Kind = "wrong" if onnx.defs.has(node.op_type) else "refused"
            yield Violation(node.name, f"operator {operator} is not ONNX's own", kind)
        elif node.op_type in UNREAD:
            yield Violation(node.name, f"TensorRT does not read {node.op_type}", "refused")
        yield from (Violation(node.name, fault, "refused") for fault in _attribute_faults(node))
        if set(node.input) & graph.inputs:
            yield from _check_first(node)


def check_shapes(graph: Graph) -> Iterator[Violation]:
    """Weights and biases of convolutions that do not fit: ONNX's checker lets them pass."""
    shapes = tensor_shapes(graph.model)
    for node in graph.nodes:
        if node.op_type != "Conv" or len(shapes.get(node.input[1], ())) < 2:
            continue
        filters, channels = shapes[node.input[1]][:2]
        groups = next((a.i for a in node.attribute if a.name == "group"), 1)
        given = (*shapes.get(node.input[0], ()), 0, 0)[1]
        if given and given != channels * groups:
            fault = f"weights for {channels * groups} channels read {given}"
            yield Violation(node.name, fault, "refused")
        bias = shapes.get(node.input[2], ()) if len(node.input) > 2 else ()
        if bias and bias != (filters,):
            yield Violation(node.name, f"{bias[0]} biases for {filters} channels", "refused")


def check_onnx(graph: Graph) -> Iterator[Violation]:
    """What ONNX itself finds wrong, such as mixed types or an input that nothing makes."""
    try:
        onnx.checker.check_model(graph.model, full_check=True)
    except (onnx.checker.ValidationError, onnx.shape_inference.InferenceError) as error:
        first = str(error).strip().splitlines()[0]
        yield Violation("", f"not valid ONNX ({first})", "invalid")


def _check_names(graph: Graph) -> Iterator[Violation]:
    names = Counter(node.name for node in graph.nodes if node.name)
    for name, count in names.items():
        if count > 1:
            yield Violation(name, f"{count} nodes have this name", "refused")


def _check_inputs(graph: Graph) -> Iterator[Violation]:
    """Pixels are uint8, (N, H, W, 3), of any N: `build` makes a profile for nothing else."""
    inputs = [value for value in graph.model.graph.input if value.name in graph.inputs]
    for value in inputs[1:]:
        yield Violation(value.name, "a second input, expected pixels alone", "refused")
    for value in inputs[:1]:
        tensor = value.type.tensor_type
        kind = TensorProto.DataType.Name(tensor.elem_type)
        if not tensor.HasField("shape"):
            continue  # ONNX's checker refuses that
        if kind != "UINT8":
            effect: Kind = "refused" if kind in _NO_TYPE else "wrong"
            yield Violation(value.name, f"the input is {kind}, expected UINT8", effect)
        batch, *picture = tensor.shape.dim
        if batch.dim_value:
            fault = f"its batch is fixed at {batch.dim_value}, expected any"
            yield Violation(value.name, fault, "refused")
        if picture and not picture[-1].dim_value:
            yield Violation(value.name, "its number of channels is open", "refused")


def _check_constants(graph: Graph) -> Iterator[Violation]:
    for tensor in graph.model.graph.initializer:
        kind = TensorProto.DataType.Name(tensor.data_type)
        if kind in _NO_TYPE:
            yield Violation(tensor.name, f"TensorRT has no {kind}", "refused")
        if tensor.data_location == TensorProto.EXTERNAL:
            yield Violation(tensor.name, "its values lie in a file that is not there", "refused")
        values = graph.constant(tensor.name) if kind in ("FLOAT", "FLOAT16") else None
        if values is not None and np.isnan(values).any():  # a mask may well be infinite
            yield Violation(tensor.name, "a value is no number", "wrong")


def _attribute_faults(node: onnx.NodeProto) -> Iterator[str]:
    """What TensorRT lacks of an operator that it reads."""
    attributes = {a.name: helper.get_attribute_value(a) for a in node.attribute}
    if node.op_type == "Einsum" and attributes["equation"] != attributes["equation"].lower():
        yield "its equation has capital letters"
    if node.op_type == "Resize" and attributes.get("antialias"):
        yield "Resize with antialiasing"
    if attributes.get("coordinate_transformation_mode") == b"tf_crop_and_resize":
        yield "Resize of a part of the image"
    if node.op_type in ("AveragePool", "MaxPool") and set(attributes.get("dilations", ())) - {1}:
        yield f"{node.op_type} with dilations"
    if node.op_type == "MaxPool" and len(node.output) > 1:
        yield "MaxPool that tells places, too"
    if node.op_type == "ScatterND" and attributes.get("reduction", b"none") != b"none":
        yield "ScatterND with a reduction"


def _check_first(node: onnx.NodeProto) -> Iterator[Violation]:
    """`DataType.UINT8` in TensorRT's reference: only a cast to a float type reads it."""
    if node.op_type != "Cast":
        yield Violation(node.name, f"{node.op_type} reads uint8 pixels; only Cast may", "refused")
        return
    attributes = {a.name: helper.get_attribute_value(a) for a in node.attribute}
    kind = TensorProto.DataType.Name(attributes.get("to", 0))
    if kind not in ("FLOAT", "FLOAT16", "BFLOAT16"):
        yield Violation(node.name, f"casts pixels to {kind}, expected a float type", "old")
