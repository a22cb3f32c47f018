"""From the graph that the exporter makes to the one that every device reads: opset 17, IR 8."""

from __future__ import annotations

import numpy as np
import onnx
from onnx import defs, helper, numpy_helper, shape_inference

from cdul_edge_export.graphs.col2im import lower_col2im
from cdul_edge_export.graphs.folding import Constants, fold_nodes
from cdul_edge_runtime.errors import CdulEdgeError

OPSET = 17  # the newest that TensorRT 8.5 to 11 all read
IR_VERSION = 8  # the one that belongs to it

Shape = tuple[int | None, ...]
Shapes = dict[str, Shape]

_GLOBAL_POOLING = {"ReduceMean": "GlobalAveragePool", "ReduceMax": "GlobalMaxPool"}
# What Resize of opset 18 can do beside that of opset 13, and how it says that it does not.
_RESIZE_18 = {"antialias": 0, "keep_aspect_ratio_policy": b"stretch"}
_REDUCTIONS = {
    f"Reduce{name}"
    for name in "L1 L2 LogSum LogSumExp Max Mean Min Prod SumSquare".split()  # ReduceSum: since 13
}


def lower_opset(model: onnx.ModelProto) -> tuple[str, ...]:
    """Rewrite an opset-18 graph in place as opset 17, where its operators allow it.

    Pooling over height and width becomes GlobalAveragePool or GlobalMaxPool (and a Reshape after
    it Flatten), which int8 and TensorRT handle best; other reductions take their axes as an
    attribute again; Split loses `num_outputs`; Resize to a known size gets constant scales; Col2Im
    becomes a transposed convolution. What operators make of constants alone is a constant. Every
    other operator must mean the same in both.

    Returns:
        Operators that have no equal in opset 17, sorted; the model is then left at its opset.
    """
    strip_notes(model)
    # On a copy: a graph that cannot be lowered wholly stays valid at its own opset.
    lowered = onnx.ModelProto()
    lowered.CopyFrom(model)
    graph = lowered.graph
    constants = _constants(graph)
    _replace_nodes(graph, constants, _shapes(model))
    opset = _opset(model)
    fold_nodes(graph, constants, lambda node: not _same_in_17(node, opset), opsets=(OPSET, opset))
    drop_unused(graph)
    newer = {node.op_type for node in graph.node if not _same_in_17(node, opset)}
    if newer:
        return tuple(sorted(newer))
    del lowered.opset_import[:]
    lowered.opset_import.append(helper.make_opsetid("", OPSET))
    lowered.ir_version = IR_VERSION
    model.CopyFrom(lowered)
    return ()


def check_graph(model: onnx.ModelProto) -> None:
    """Run ONNX's full checker and strict shape inference; a fault is a `CdulEdgeError`."""
    try:
        onnx.checker.check_model(model, full_check=True)
        shape_inference.infer_shapes(model, check_type=True, strict_mode=True, data_prop=True)
    except (onnx.checker.ValidationError, shape_inference.InferenceError) as error:
        raise CdulEdgeError(f"the exported graph is not valid ONNX ({error})") from error


def strip_notes(model: onnx.ModelProto) -> None:
    """Drop stack traces and exporter notes: they hold paths, and belong to newer IR versions."""
    graph = model.graph
    for part in (*graph.node, *graph.value_info, *graph.input, *graph.output, *graph.initializer):
        part.doc_string = ""
        del part.metadata_props[:]
    del graph.metadata_props[:]
    del graph.value_info[:]
    del model.metadata_props[:]
    model.doc_string = graph.doc_string = ""


def _replace_nodes(graph: onnx.GraphProto, constants: Constants, shapes: Shapes) -> None:
    nodes: list[onnx.NodeProto] = []
    for node in graph.node:
        if node.op_type in _REDUCTIONS:
            nodes += _lower_reduction(node, constants, shapes)
        elif node.op_type == "Split":
            nodes.append(_lower_split(node, shapes))
        elif node.op_type == "Resize":
            nodes.append(_lower_resize(node, graph, shapes))
        elif node.op_type == "Col2Im":
            channels = next(iter(shapes.get(node.input[0], ())[1:2]), None)
            nodes += lower_col2im(node, graph, constants, channels)
        elif _flattens(node, constants, shapes):
            nodes.append(
                helper.make_node("Flatten", node.input[:1], node.output, node.name, axis=1)
            )
        else:
            nodes.append(node)
    copies = [onnx.NodeProto.FromString(node.SerializeToString()) for node in nodes]
    del graph.node[:]
    graph.node.extend(copies)


def _lower_reduction(
    node: onnx.NodeProto, constants: Constants, shapes: Shapes
) -> list[onnx.NodeProto]:
    attributes = {a.name: helper.get_attribute_value(a) for a in node.attribute}
    axes_name = node.input[1] if len(node.input) > 1 else ""
    keep, source, output = attributes.get("keepdims", 1), node.input[:1], node.output[0]
    if axes_name and axes_name not in constants:
        return [node]  # axes computed at run time: opset 17 has no word for it
    if not axes_name and attributes.get("noop_with_empty_axes", 0):
        return [helper.make_node("Identity", source, [output], node.name)]
    axes = [int(axis) for axis in constants[axes_name].reshape(-1)] if axes_name else None
    if node.op_type not in _GLOBAL_POOLING or not _spatial(axes, shapes.get(node.input[0])):
        kept = {"keepdims": keep} if axes is None else {"keepdims": keep, "axes": axes}
        return [helper.make_node(node.op_type, source, [output], node.name, **kept)]
    pooled = output if keep else f"{output}_pooled"
    nodes = [helper.make_node(_GLOBAL_POOLING[node.op_type], source, [pooled], node.name)]
    if not keep:
        nodes.append(helper.make_node("Flatten", [pooled], [output], f"{node.name}_flat", axis=1))
    return nodes


def _spatial(axes: list[int] | None, shape: Shape | None) -> bool:
    """Whether axes are height and width of an (N, C, H, W) tensor."""
    four = shape is not None and len(shape) == 4
    return four and axes is not None and sorted(axis % 4 for axis in axes) == [2, 3]


def _flattens(node: onnx.NodeProto, constants: Constants, shapes: Shapes) -> bool:
    """Whether a Reshape takes (N, C, 1, 1) to (N, C)."""
    if node.op_type != "Reshape" or node.input[1] not in constants:
        return False
    shape = shapes.get(node.input[0], ())
    target = constants[node.input[1]].tolist()
    return len(shape) == 4 and shape[2:] == (1, 1) and target in ([-1, shape[1]], [0, -1])


def _lower_split(node: onnx.NodeProto, shapes: Shapes) -> onnx.NodeProto:
    attributes = {a.name: helper.get_attribute_value(a) for a in node.attribute}
    shape, axis = shapes.get(node.input[0], ()), attributes.get("axis", 0)
    size = shape[axis] if -len(shape) <= axis < len(shape) else None
    if size is None or size % attributes.get("num_outputs", 1):
        return node  # opset 17 splits without sizes only into equal parts
    return helper.make_node("Split", node.input, node.output, node.name, axis=axis)


def _lower_resize(node: onnx.NodeProto, graph: onnx.GraphProto, shapes: Shapes) -> onnx.NodeProto:
    """The same without what opset 18 added, where it is not used.

    With constant scales the target size is not computed from the picture's at run time.
    """
    attributes = {a.name: helper.get_attribute_value(a) for a in node.attribute}
    used = any(attributes.get(name, none) != none for name, none in _RESIZE_18.items())
    if used or "axes" in attributes:
        return node
    inputs = list(node.input)
    scales = _whole_scales(shapes.get(inputs[0], ()), shapes.get(node.output[0], ()))
    if len(inputs) == 4 and inputs[3] and scales:
        inputs = [inputs[0], "", f"{node.name}_scales"]
        values = np.array([1, 1, *scales], np.float32)
        graph.initializer.append(numpy_helper.from_array(values, inputs[2]))
    kept = {name: value for name, value in attributes.items() if name not in _RESIZE_18}
    return helper.make_node("Resize", inputs, node.output, node.name, **kept)


def _whole_scales(before: Shape, after: Shape) -> list[int]:
    """How often height and width go into the new ones; empty where not a whole number of times.

    Of others a float32 scale would not say the size: 3 x 2.3333333 is less than 7.
    """
    if len(before) != 4 or len(after) != 4:
        return []
    sides = [(a, b) for a, b in zip(before[2:], after[2:], strict=True) if a and b]
    return (
        [b // a for a, b in sides] if len(sides) == 2 and not any(b % a for a, b in sides) else []
    )


def _constants(graph: onnx.GraphProto) -> Constants:
    found = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}
    for node in graph.node:
        if node.op_type == "Constant" and node.attribute[0].name == "value":
            found[node.output[0]] = numpy_helper.to_array(node.attribute[0].t)
    return found


def _shapes(model: onnx.ModelProto) -> Shapes:
    inferred = shape_inference.infer_shapes(model, data_prop=True).graph
    known = (*inferred.value_info, *inferred.input, *inferred.output)
    return {
        value.name: tuple(
            dim.dim_value if dim.HasField("dim_value") else None
            for dim in value.type.tensor_type.shape.dim
        )
        for value in known
    }


def drop_unused(graph: onnx.GraphProto) -> None:
    """Remove nodes and constants that no output needs, in place."""
    nodes = [onnx.NodeProto.FromString(n.SerializeToString()) for n in graph.node]
    outputs = {output.name for output in graph.output}
    while True:
        used = {name for node in nodes for name in node.input} | outputs
        kept_nodes = [node for node in nodes if used & set(node.output)]
        if len(kept_nodes) == len(nodes):
            break
        nodes = kept_nodes
    kept = [tensor for tensor in graph.initializer if tensor.name in used]
    tensors = [onnx.TensorProto.FromString(t.SerializeToString()) for t in kept]
    del graph.node[:]
    del graph.initializer[:]
    graph.node.extend(nodes)
    graph.initializer.extend(tensors)


def _same_in_17(node: onnx.NodeProto, opset: int) -> bool:
    attributes = {a.name: a for a in node.attribute}
    if node.domain not in ("", "ai.onnx") or any(a.HasField("g") for a in node.attribute):
        return False
    if node.op_type in _REDUCTIONS:
        return len(node.input) == 1
    if node.op_type == "Split":
        return "num_outputs" not in attributes
    if node.op_type == "Resize":
        return not attributes.keys() & {*_RESIZE_18, "axes"}
    if node.op_type == "Pad":
        return len(node.input) <= 3  # the fourth, axes, came with 18
    if node.op_type in ("ScatterND", "ScatterElements"):
        reduction = attributes["reduction"].s.decode() if "reduction" in attributes else "none"
        return reduction in ("none", "add", "mul")
    try:
        there = defs.get_schema(node.op_type, OPSET, node.domain).since_version
        here = defs.get_schema(node.op_type, opset, node.domain).since_version
    except defs.SchemaError:
        return False
    return bool(there == here)


def _opset(model: onnx.ModelProto) -> int:
    return max((entry.version for entry in model.opset_import if entry.domain == ""), default=0)
