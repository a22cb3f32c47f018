"""How a good graph is broken in one way, and which rule says so."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import onnx
from onnx import helper, numpy_helper

from cdul_edge_calibration.graphs.tensorrt_graph import Kind
from tests.fakes.residual_network import maker, node

Spoil = Callable[[onnx.ModelProto], str]


@dataclass(frozen=True)
class Breakage:
    """One fault.

    Attributes:
        name: of the fault, in the table of benchmarks/results/tensorrt_rules.json too.
        spoil: puts it into the INT8 graph of the residual network, and returns how the rule's line
            begins: with the name of the node at fault.
        rule: what the rule says.
        kind: what comes of it.
    """

    name: str
    spoil: Spoil
    rule: str
    kind: Kind


def breaks(into: list[Breakage], rule: str, kind: Kind) -> Callable[[Spoil], Spoil]:
    """Enter the decorated function into a list."""

    def enter(spoil: Spoil) -> Spoil:
        into.append(Breakage(spoil.__name__, spoil, rule, kind))
        return spoil

    return enter


def pair_of(
    model: onnx.ModelProto, layer: str, position: int
) -> tuple[onnx.NodeProto, onnx.NodeProto]:
    """(Q, DQ) before that input of a convolution."""
    dequantize = maker(model, node(model, f"node_{layer}").input[position])
    assert dequantize is not None
    quantize = maker(model, dequantize.input[0])
    assert quantize is not None
    return quantize, dequantize


def add_constant(model: onnx.ModelProto, name: str, values: object) -> str:
    """A new constant; returns its name."""
    model.graph.initializer.append(numpy_helper.from_array(np.asarray(values), name))
    return name


def own_constant(
    model: onnx.ModelProto, where: onnx.NodeProto, position: int, values: object
) -> None:
    """Give one input of one node a constant of its own."""
    where.input[position] = add_constant(model, f"{where.name}_{position}_own", values)


def set_attribute(where: onnx.NodeProto, **values: object) -> None:
    """Replace all attributes of a node by these."""
    del where.attribute[:]
    where.attribute.extend(helper.make_attribute(name, values[name]) for name in values)


def insert_after(model: onnx.ModelProto, before: onnx.NodeProto, new: onnx.NodeProto) -> None:
    """Put a node behind another in the order of the graph."""
    model.graph.node.insert(list(model.graph.node).index(before) + 1, new)


def replace_node(model: onnx.ModelProto, old: onnx.NodeProto, *new: onnx.NodeProto) -> None:
    """Put these nodes where that one was."""
    place = list(model.graph.node).index(old)
    model.graph.node.remove(old)
    for made in reversed(new):
        model.graph.node.insert(place, made)


def set_opset(model: onnx.ModelProto, version: int, ir_version: int) -> None:
    """Stamp another opset; what it says of the operators here is the same."""
    model.opset_import[0].version = version
    model.ir_version = ir_version
