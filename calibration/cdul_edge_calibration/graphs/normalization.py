"""The image's normalization as one depthwise convolution, for ONNX Runtime's CPU kernels.

Around INT8 convolutions ONNX Runtime moves the transpose from NHWC behind Mul and Add, which then
broadcast over an innermost dimension of three, which is slow. A convolution it leaves in place.
"""

from __future__ import annotations

import onnx
from onnx import helper, numpy_helper

NODE = "normalize"


def fuse_normalization(model: onnx.ModelProto) -> None:
    """Turn Mul and Add by (1, C, 1, 1) constants into a 1x1 Conv of C groups, in place.

    The arithmetic stays the same, in FP32. A graph without that pattern is left as it is.
    """
    graph = model.graph
    constants = {t.name: t for t in graph.initializer if tuple(t.dims)[2:] == (1, 1)}
    adds = {node.input[0]: node for node in graph.node if node.op_type == "Add"}
    for position, scale in enumerate(graph.node):
        shift = adds.get(scale.output[0])
        if scale.op_type != "Mul" or shift is None:
            continue
        if scale.input[1] not in constants or shift.input[1] not in constants:
            continue
        weights = numpy_helper.to_array(constants[scale.input[1]])
        biases = numpy_helper.to_array(constants[shift.input[1]])
        if weights.shape != biases.shape or weights.shape[0] != 1:
            continue
        channels = weights.shape[1]
        graph.initializer.append(
            numpy_helper.from_array(weights.reshape(channels, 1, 1, 1), f"{NODE}.weight")
        )
        graph.initializer.append(numpy_helper.from_array(biases.reshape(-1), f"{NODE}.bias"))
        convolution = helper.make_node(
            "Conv",
            [scale.input[0], f"{NODE}.weight", f"{NODE}.bias"],
            list(shift.output),
            NODE,
            group=channels,
            kernel_shape=[1, 1],
        )
        graph.node.remove(shift)
        graph.node.remove(scale)
        graph.node.insert(position, convolution)
        return
