"""What can be quantized in a graph: convolutions, linear layers, and the additions of residuals."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass

import onnx


@dataclass(frozen=True)
class Layer:
    """One Conv or Gemm with constant weights.

    Attributes:
        name: the name of its weights in the network, such as "layer1.0.conv2".
        node: the ONNX node's name.
        kind: "Conv" or "Gemm".
        weights: how many.
    """

    name: str
    node: str
    kind: str
    weights: int


def list_layers(model: onnx.ModelProto) -> tuple[Layer, ...]:
    """Every Conv and Gemm whose weights are constant, in the order in which they run."""
    sizes = {tensor.name: math.prod(tensor.dims) for tensor in model.graph.initializer}
    return tuple(
        Layer(_readable(node.input[1]), node.name, node.op_type, sizes[node.input[1]])
        for node in model.graph.node
        if node.op_type in ("Conv", "Gemm") and node.input[1] in sizes
    )


def work_share(model: onnx.ModelProto, kinds: Collection[str]) -> float:
    """Share of the multiplications of one picture that are in nodes of these kinds, in [0, 1].

    Counted in Conv, Gemm and MatMul, from the shapes that the graph tells; a side that it does not
    tell, such as the batch, counts as 1.
    """
    work: Counter[str] = Counter()
    shapes = tensor_shapes(model)
    for node in model.graph.node:
        if node.op_type in ("Conv", "Gemm", "MatMul"):
            outputs, weights = (shapes.get(name, ()) for name in (node.output[0], node.input[1]))
            if node.op_type == "Conv":  # each output is made of the weights of one filter
                terms = weights[1:]
            else:
                terms = shapes.get(node.input[0], ())[-1:]
            work[node.op_type] += math.prod(max(1, side) for side in (*outputs, *terms))
    return sum(work[kind] for kind in kinds) / max(1, work.total())


def residual_adds(model: onnx.ModelProto) -> tuple[str, ...]:
    """Names of the Add nodes that a convolution can swallow: Conv + skip.

    The convolution's output goes nowhere else, and the other operand is computed too: not a
    constant, as in the image's normalization or a position embedding.
    """
    constants = {tensor.name for tensor in model.graph.initializer}
    makers = producers(model.graph)
    readers = Counter(name for node in model.graph.node for name in node.input)

    def swallows(name: str) -> bool:
        return name in makers and makers[name].op_type == "Conv" and readers[name] == 1

    return tuple(
        node.name
        for node in model.graph.node
        if node.op_type == "Add"
        and not set(node.input) & constants
        and any(map(swallows, node.input))
    )


def tensor_shapes(model: onnx.ModelProto) -> dict[str, tuple[int, ...]]:
    """Of every tensor of which at least the rank is known; 0 for a side that is not."""
    inferred = onnx.shape_inference.infer_shapes(model, data_prop=True).graph
    found = {
        value.name: tuple(dim.dim_value for dim in value.type.tensor_type.shape.dim)
        for value in (*inferred.value_info, *inferred.input, *inferred.output)
    }
    return found | {tensor.name: tuple(tensor.dims) for tensor in model.graph.initializer}


def gate_nodes(model: onnx.ModelProto) -> set[str]:
    """Names of each Mul that takes a gate between 0 and 1, and of each Sigmoid that is one."""
    makers = producers(model.graph)
    found = set()
    for node in model.graph.node:
        for name in node.input if node.op_type == "Mul" else ():
            if name in makers and makers[name].op_type in ("Sigmoid", "HardSigmoid"):
                found |= {node.name, makers[name].name}
    return found


def producers(graph: onnx.GraphProto) -> dict[str, onnx.NodeProto]:
    """The node that makes each tensor."""
    return {output: node for node in graph.node for output in node.output}


def drop_unused(graph: onnx.GraphProto) -> None:
    """Remove nodes and constants that nothing reads, until none is left."""
    while True:
        used = {name for node in graph.node for name in node.input} | {o.name for o in graph.output}
        nodes = [node for node in graph.node if used & set(node.output)]
        if len(nodes) == len(graph.node):
            break
        replace_nodes(graph, nodes)
    kept = [tensor for tensor in graph.initializer if tensor.name in used]
    if len(kept) < len(graph.initializer):
        copies = [onnx.TensorProto.FromString(tensor.SerializeToString()) for tensor in kept]
        del graph.initializer[:]
        graph.initializer.extend(copies)


def replace_nodes(graph: onnx.GraphProto, nodes: list[onnx.NodeProto]) -> None:
    """Put these nodes in place of all; they may be nodes of the graph itself."""
    copies = [onnx.NodeProto.FromString(node.SerializeToString()) for node in nodes]
    del graph.node[:]
    graph.node.extend(copies)


def name_nodes(model: onnx.ModelProto) -> None:
    """Give every node a name of its own, in place: what is excluded is excluded by name."""
    taken: set[str] = set()
    for number, node in enumerate(model.graph.node):
        if not node.name or node.name in taken:
            node.name = f"{node.op_type}_{number}"
        taken.add(node.name)


def _readable(weights: str) -> str:
    return weights.removeprefix("network.").removesuffix(".weight")
