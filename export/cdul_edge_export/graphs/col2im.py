"""Col2Im of opset 18 as a transposed convolution, which opset 17 and TensorRT have."""

from __future__ import annotations

import numpy as np
import onnx
from onnx import helper, numpy_helper

from cdul_edge_export.graphs.folding import Constants


def lower_col2im(
    node: onnx.NodeProto, graph: onnx.GraphProto, constants: Constants, channels: int | None
) -> list[onnx.NodeProto]:
    """Add overlapping patches up (torch's `fold`) by a convolution with fixed weights.

    Each of the C x kh x kw channels of patches holds the value of one place in a patch. A
    transposed convolution in C groups, whose weights are 1 at that place, writes it there and adds
    up what meets.

    Args:
        node: Col2Im of (N, C kh kw, L) to (N, C, H, W).
        graph: gets the weights and the shape.
        constants: the sizes of image and patch must be among them.
        channels: C kh kw; None where it is not known.

    Returns:
        Reshape and ConvTranspose, or the node itself where it has no such equal.
    """
    sizes = [constants.get(name) for name in node.input[1:3]]
    if sizes[0] is None or sizes[1] is None or len(sizes[0]) != 2 or channels is None:
        return [node]
    image, block = (np.asarray(size, np.int64) for size in sizes)
    attributes = {a.name: helper.get_attribute_value(a) for a in node.attribute}
    strides = np.array(attributes.get("strides", [1, 1]))
    dilations = np.array(attributes.get("dilations", [1, 1]))
    pads = np.array(attributes.get("pads", [0, 0, 0, 0]))  # before, before, after, after
    reach = image + pads[:2] + pads[2:] - dilations * (block - 1) - 1
    steps, missed = reach // strides + 1, reach % strides
    pads[2:] -= missed  # what no patch reaches of the padding
    if (pads < 0).any() or channels % block.prod():
        return [node]
    name, groups = node.name or node.output[0], int(channels // block.prod())
    places = np.eye(block.prod(), dtype=np.float32).reshape(-1, 1, *block)
    graph.initializer.extend(
        [
            numpy_helper.from_array(np.tile(places, (groups, 1, 1, 1)), f"{name}_places"),
            numpy_helper.from_array(np.array([0, channels, *steps], np.int64), f"{name}_grid"),
        ]
    )
    grid = helper.make_node(
        "Reshape", [node.input[0], f"{name}_grid"], [f"{name}_patches"], f"{name}_reshape"
    )
    added = helper.make_node(
        "ConvTranspose", [f"{name}_patches", f"{name}_places"], node.output, name,
        group=groups, strides=strides.tolist(), dilations=dilations.tolist(), pads=pads.tolist(),
        kernel_shape=block.tolist(),
    )  # fmt: skip
    return [grid, added]
