"""Nodes that read constants alone become constants."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import helper, numpy_helper

Constants = dict[str, npt.NDArray[Any]]

_LARGEST_BYTES = 16 << 20  # a larger constant is left to the device to work out
_RANDOM = ("Random", "Bernoulli", "Multinomial")


def fold_nodes(
    graph: onnx.GraphProto,
    constants: Constants,
    newer: Callable[[onnx.NodeProto], bool],
    *,
    opsets: tuple[int, int],
) -> None:
    """Work out the nodes whose inputs are all known, in place, with ONNX Runtime.

    Such are the masks of Swin's shifted windows, which torch's exporter writes as a chain of
    ScatterND, standardized weights, and a position embedding that is resized to the input size: it
    folds only what is small.

    Args:
        graph: in topological order.
        constants: values by name, of initializers and Constant nodes; what is found is added.
        newer: which nodes have no equal in the older opset; they are folded even if they make much.
        opsets: the older one, in which the other nodes are written, and the newer nodes' own.
    """
    kept = []
    for node in graph.node:
        known = [name for name in node.input if name]
        found: Constants = {}
        if _is_pure(node) and known and all(name in constants for name in known):
            found = _run(node, {name: constants[name] for name in known}, opsets[newer(node)])
        size = sum(value.nbytes for value in found.values())
        if found and (size <= _LARGEST_BYTES or newer(node)):
            constants.update(found)
            graph.initializer.extend(numpy_helper.from_array(v, n) for n, v in found.items())
        else:
            kept.append(onnx.NodeProto.FromString(node.SerializeToString()))
    del graph.node[:]
    graph.node.extend(kept)


def _is_pure(node: onnx.NodeProto) -> bool:
    """Whether a node gives the same each time, and needs nothing but its inputs."""
    has_graph = any(attribute.HasField("g") for attribute in node.attribute)
    return not has_graph and not node.domain and not node.op_type.startswith(_RANDOM)


def _run(node: onnx.NodeProto, inputs: Constants, opset: int) -> Constants:
    import onnxruntime  # exporting needs it anyway, to compare

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    outputs = [name for name in node.output if name]
    graph = helper.make_graph(
        [node],
        "constant",
        [],
        [onnx.ValueInfoProto(name=name) for name in outputs],
        [numpy_helper.from_array(value, name) for name, value in inputs.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    found = session.run(outputs, {})
    return {name: np.asarray(value) for name, value in zip(outputs, found, strict=True)}
