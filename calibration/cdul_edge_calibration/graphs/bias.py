"""Bias correction: what rounding the weights adds to each output on average is taken off its bias.

    b' = b - sum over inputs of (W_rounded - W) E[x]

The rounding errors of a channel's few weights do not cancel where its inputs are never negative, as
after a ReLU; a depthwise convolution has nine weights a channel, and a network of them drifts by
more than its activations' rounding costs. Nagel et al. 2019, Data-Free Quantization Through Weight
Equalization and Bias Correction, section 4.2. Here E[x] is measured on calibration pictures, and
each of a kernel's weights counts as often as it lies over the picture and not over the padding.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import helper, numpy_helper

from cdul_edge_calibration.data.ranges import Means
from cdul_edge_calibration.graphs.layers import drop_unused, list_layers, tensor_shapes

Floats = npt.NDArray[np.float32]
Errors = npt.NDArray[np.float64]

_STEPS = 127  # of a weight's sign, symmetric, one scale per output channel


def correct_biases(model: onnx.ModelProto, means: Means, nodes: Collection[str]) -> None:
    """Correct the biases of those nodes, in place.

    Args:
        model: FP32, every node named.
        means: what `measure_means` found; a layer whose input it does not know keeps its bias.
        nodes: names of the nodes that will have 8-bit weights; those without weights are left out.
    """
    graph = model.graph
    shapes = tensor_shapes(model)
    constants = {tensor.name: tensor for tensor in graph.initializer}
    by_name = {node.name: node for node in graph.node}
    for layer in list_layers(model):
        node = by_name[layer.node]
        before = node.input[2] if len(node.input) > 2 else ""
        computed = before and before not in constants
        if node.name not in nodes or node.input[0] not in means or computed or _scaled(node):
            continue
        weights = numpy_helper.to_array(constants[node.input[1]])
        bias = numpy_helper.to_array(constants[before]) if before else np.zeros(1, np.float32)
        error = _rounding_error(node, weights) * _coverage(node, shapes.get(node.input[0], ()))
        added = _expect(node, error, np.array(means[node.input[0]]))
        own = f"{node.name}/bias"  # layers may share one
        corrected = np.asarray(bias - added, np.float32)
        graph.initializer.append(numpy_helper.from_array(corrected, own))
        kept = list(node.input[:2])
        del node.input[:]
        node.input.extend([*kept, own])
    drop_unused(graph)


def _scaled(node: onnx.NodeProto) -> bool:
    """Whether a Gemm multiplies its product or its bias, which our exporter's never do."""
    values = _attributes(node)
    return any(values.get(name, 1.0) != 1.0 for name in ("alpha", "beta"))


def _rounding_error(node: onnx.NodeProto, weights: Floats) -> Errors:
    """(O, I of its group, kernel) rounded minus exact; a Gemm's has no kernel."""
    if node.op_type == "Gemm" and not _attributes(node).get("transB", 0):
        weights = weights.T
    scale = np.abs(weights).reshape(len(weights), -1).max(axis=1) / _STEPS
    scale = np.maximum(scale, np.finfo(np.float32).tiny).reshape(-1, *[1] * (weights.ndim - 1))
    return np.asarray(np.round(weights / scale) * scale - weights, np.float64)


def _coverage(node: onnx.NodeProto, shape: tuple[int, ...]) -> Errors:
    """(kernel) share of a convolution's places at which each weight meets the picture.

    Args:
        shape: of its input; where that is not known, padding counts as picture.
    """
    attributes = _attributes(node)
    kernel, sides = attributes.get("kernel_shape", ()), shape[2:]
    if (
        len(sides) != len(kernel)
        or not all(sides)
        or attributes.get("auto_pad", b"NOTSET") != b"NOTSET"
    ):
        return np.ones((1,) * len(kernel))
    axes = len(kernel)
    pads = attributes.get("pads", [0] * 2 * axes)
    strides, dilations = (attributes.get(n, [1] * axes) for n in ("strides", "dilations"))
    shares = np.ones(())
    for axis, (size, taps) in enumerate(zip(sides, kernel, strict=True)):
        reach = dilations[axis] * (taps - 1) + 1
        places = (size + pads[axis] + pads[axis + axes] - reach) // strides[axis] + 1
        first = np.arange(places)[:, None] * strides[axis] - pads[axis]
        met = first + dilations[axis] * np.arange(taps)
        inside = ((met >= 0) & (met < size)).mean(axis=0)
        shares = np.multiply.outer(shares, inside)
    return shares


def _expect(node: onnx.NodeProto, error: Errors, mean: Errors) -> Errors:
    """(O,) what errors (O, I of its group, kernel) add on average to inputs with (I,) means."""
    outputs, groups = len(error), _attributes(node).get("group", 1)
    summed = error.reshape(*error.shape[:2], -1).sum(axis=2)
    of_output = np.arange(outputs) // (outputs // groups)
    return np.asarray((summed * mean.reshape(groups, -1)[of_output]).sum(axis=1))


def _attributes(node: onnx.NodeProto) -> dict[str, Any]:
    return {one.name: helper.get_attribute_value(one) for one in node.attribute}
