"""The graph that DeepStream's own classifier reads as many labels: no plug-in, no custom parser.

`Gst-nvinfer` gives a network float planes of 0 to 255, and its classifier says at most one label
per output layer: the class with the largest value, if that is strictly above `classifier-threshold`
and above 0 (`ClassifyPostprocessor::parseAttributesFromSoftmaxLayers` in NVIDIA's
nvdsinfer_context_impl_output_parsing.cpp). On our own graph, one layer of C scores, that would be
one label per picture, and one threshold for all classes.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper, numpy_helper

from cdul_edge_export.graphs.graph import check_graph, drop_unused, strip_notes
from cdul_edge_runtime.errors import CdulEdgeError

PROVENANCE_KEY = "cdul_edge_deepstream"  # not `METADATA_KEY`: the variant is no classifier of ours
LEAST = 2.0**-14  # what a label with a score of 0 shows; the least that float16 holds in full
_ABOVE_ALL = 2.0  # a threshold for never, which is +inf in a bundle: no score reaches it
_TO_PLANES = [0, 3, 1, 2]


def layer_names(classes: int) -> list[str]:
    """The output layers, one a class; their order is also that of their names."""
    digits = len(str(classes - 1))
    return [f"label_{column:0{digits}d}" for column in range(classes)]


def deepstream_graph(
    model: onnx.ModelProto,
    thresholds: npt.NDArray[np.float32],
    provenance: Mapping[str, object],
) -> onnx.ModelProto:
    """A copy of a bundle's graph whose C outputs are what DeepStream's stock rule labels by.

    Output c is (N, 1): the score where it reaches its threshold, and 0 where it does not. With
    `classifier-threshold=0` the stock rule, strictly above 0, is then `score >= threshold` to the
    last bit, and the probability that DeepStream shows is the score itself. Only a score below
    2**-14 that is a label shows as that.

    Args:
        model: (N, H, W, 3) uint8 `images` to (N, C) float32 `scores`; of any precision.
        thresholds: (C,); above 1 means never.
        provenance: plain values for JSON, written into the file.

    Returns:
        (N, 3, H, W) float32 `images` of 0 to 255 to (N, 1) float32, `layer_names`.

    Raises:
        CdulEdgeError: the graph is not one of this program.
    """
    variant = onnx.ModelProto()
    variant.CopyFrom(model)
    strip_notes(variant)
    _require_contract(variant.graph, len(thresholds))
    _take_planes(variant.graph)
    _give_layers(variant.graph, thresholds)
    drop_unused(variant.graph)
    helper.set_model_props(variant, {PROVENANCE_KEY: json.dumps(provenance)})
    check_graph(variant)
    return variant


def _require_contract(graph: onnx.GraphProto, classes: int) -> None:
    inputs = [(value.name, *_shape(value)[1:]) for value in graph.input]
    outputs = [(value.name, *_shape(value)[1:]) for value in graph.output]
    if len(inputs) != 1 or inputs[0][-1] != 3 or outputs != [("scores", classes)]:
        raise CdulEdgeError(
            f"the graph takes {inputs} and gives {outputs}: expected images (N, H, W, 3) and "
            f"scores (N, {classes}); export the bundle again"
        )


def _take_planes(graph: onnx.GraphProto) -> None:
    """Float planes in place of uint8 pixels; the graph's own way to planes goes where it can."""
    pixels, source = graph.input[0], graph.input[0].name
    batch, height, width, _ = _shape(pixels)
    interleaved = f"{source}_interleaved"
    for node in graph.node:
        node.input[:] = [interleaved if name == source else name for name in node.input]
    first = [helper.make_node("Transpose", [source], [interleaved], perm=[0, 2, 3, 1])]
    for cast in list(_readers(graph, interleaved, "Cast")):
        kind = helper.get_attribute_value(cast.attribute[0])
        planes = source
        if kind != TensorProto.FLOAT:
            planes = f"{cast.output[0]}_planes"
            first.append(helper.make_node("Cast", [source], [planes], to=kind))
        ways = [n for n in _readers(graph, cast.output[0], "Transpose") if _perm(n) == _TO_PLANES]
        for way in ways:
            for node in graph.node:
                node.input[:] = [planes if name == way.output[0] else name for name in node.input]
    for node in reversed(first):
        graph.node.insert(0, node)
    shape = [batch, 3, height, width]
    pixels.CopyFrom(helper.make_tensor_value_info(source, TensorProto.FLOAT, shape))


def _give_layers(graph: onnx.GraphProto, thresholds: npt.NDArray[np.float32]) -> None:
    """One output a class: its score where it is a label, else 0."""
    scores = graph.output[0].name
    batch = _shape(graph.output[0])[0]
    names = layer_names(len(thresholds))
    constants: dict[str, npt.NDArray[np.generic]] = {
        "stock_thresholds": np.minimum(thresholds, _ABOVE_ALL).astype(np.float32),
        "stock_least": np.array(LEAST, np.float32),
        "stock_none": np.array(0, np.float32),
        "stock_sizes": np.ones(len(names), np.int64),
    }
    graph.initializer.extend(numpy_helper.from_array(v, name) for name, v in constants.items())
    graph.node.extend(
        (
            helper.make_node("GreaterOrEqual", [scores, "stock_thresholds"], ["stock_reached"]),
            helper.make_node("Max", [scores, "stock_least"], ["stock_shown"]),
            helper.make_node(
                "Where", ["stock_reached", "stock_shown", "stock_none"], ["stock_all"]
            ),
            helper.make_node("Split", ["stock_all", "stock_sizes"], names, axis=1),
        )
    )
    del graph.output[:]
    graph.output.extend(
        helper.make_tensor_value_info(name, TensorProto.FLOAT, [batch, 1]) for name in names
    )


def _readers(graph: onnx.GraphProto, name: str, kind: str) -> Iterator[onnx.NodeProto]:
    return (node for node in graph.node if node.op_type == kind and node.input[0] == name)


def _perm(node: onnx.NodeProto) -> list[int]:
    return list(helper.get_attribute_value(node.attribute[0])) if node.attribute else []


def _shape(value: onnx.ValueInfoProto) -> tuple[int | str, ...]:
    dims = value.type.tensor_type.shape.dim
    return tuple(dim.dim_value if dim.HasField("dim_value") else dim.dim_param for dim in dims)
