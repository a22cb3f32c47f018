"""Nodes that read constants alone become constants."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import helper, numpy_helper

Constants = dict[str, npt.NDArray[Any]]


def fold_nodes(
    graph: onnx.GraphProto,
    constants: Constants,
    wanted: Callable[[onnx.NodeProto], bool],
    *,
    opset: int,
) -> None:
    """Work out the wanted nodes whose inputs are all known, in place, with ONNX Runtime.

    A position embedding that is resized to the input size is such a one: torch's exporter folds
    only what is small.

    Args:
        graph: in topological order.
        constants: values by name, of initializers and Constant nodes; what is found is added.
        wanted: which nodes to fold; one with a graph of its own stays.
        opset: what the operators mean.
    """
    kept = []
    for node in graph.node:
        known = [name for name in node.input if name]
        simple = known and not any(attribute.HasField("g") for attribute in node.attribute)
        if simple and all(name in constants for name in known) and wanted(node):
            found = _run(node, {name: constants[name] for name in known}, opset)
            constants.update(found)
            graph.initializer.extend(numpy_helper.from_array(v, n) for n, v in found.items())
        else:
            kept.append(onnx.NodeProto.FromString(node.SerializeToString()))
    del graph.node[:]
    graph.node.extend(kept)


def _run(node: onnx.NodeProto, inputs: Constants, opset: int) -> Constants:
    from onnxruntime import InferenceSession  # exporting needs it anyway, to compare

    outputs = [name for name in node.output if name]
    graph = helper.make_graph(
        [node],
        "constant",
        [],
        [onnx.ValueInfoProto(name=name) for name in outputs],
        [numpy_helper.from_array(value, name) for name, value in inputs.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)
    session = InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    found = session.run(outputs, {})
    return {name: np.asarray(value) for name, value in zip(outputs, found, strict=True)}
