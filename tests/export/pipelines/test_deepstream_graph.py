"""The variant of a graph that DeepStream's stock rule labels by, decides as the bundle does."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

onnx = pytest.importorskip("onnx")
ort = pytest.importorskip("onnxruntime")

from cdul_edge_export.pipelines.deepstream_graph import (  # noqa: E402
    LEAST,
    PROVENANCE_KEY,
    deepstream_graph,
    layer_names,
)
from cdul_edge_runtime.bundle.manifest import METADATA_KEY, Precision  # noqa: E402
from cdul_edge_runtime.errors import CdulEdgeError  # noqa: E402
from tests.fakes.conv_bundle import write_conv_bundle  # noqa: E402
from tests.fakes.deepstream_rule import stock_attributes  # noqa: E402

Pictures = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float32]


def pictures(count: int) -> Pictures:
    return np.random.default_rng(0).integers(0, 256, (count, 8, 8, 3), dtype=np.uint8)


def run(model: Any, inputs: npt.NDArray[np.generic]) -> list[Floats]:
    session = ort.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    outputs: list[Floats] = session.run(None, {session.get_inputs()[0].name: inputs})
    return outputs


def stock_decisions(variant: Any, shown: Pictures) -> npt.NDArray[np.bool_]:
    """(N, C): what the stock rule says with `classifier-threshold=0`."""
    layers = run(variant, shown.transpose(0, 3, 1, 2).astype(np.float32))
    names = [[str(column)] for column in range(len(layers))]
    decided = np.zeros((len(shown), len(layers)), bool)
    for row in range(len(shown)):
        for label, _ in stock_attributes([layer[row] for layer in layers], names, 0.0):
            assert label is not None
            decided[row, int(label)] = True
    return decided


def widest_gaps(scores: Floats) -> Floats:
    """(C,) thresholds, each in the middle of the widest gap between scores of its class."""
    ranked = np.sort(scores, axis=0)
    below = np.diff(ranked, axis=0).argmax(axis=0)
    columns = np.arange(scores.shape[1])
    middle: Floats = (ranked[below, columns] + ranked[below + 1, columns]) / 2
    return middle


def test_every_kind_of_threshold_decides_as_score_at_or_above_it(
    make_graph: Callable[..., Any],
) -> None:
    """0 is always, above 1 never; a threshold that is a score of the network itself is reached."""
    graph, shown = make_graph(classes=8), pictures(5)
    scores = run(graph, shown)[0]
    same = scores[2, 3]
    thresholds = np.array(
        [0, np.inf, 1, same, np.nextafter(same, np.float32(1)), 1.5, 0.018, 0.5], np.float32
    )
    thresholds[4], thresholds[6] = np.nextafter(scores[2, 4], np.float32(1)), scores[:, 6].min()
    decided = stock_decisions(deepstream_graph(graph, thresholds, {}), shown)
    np.testing.assert_array_equal(decided, scores >= thresholds)
    assert decided[:, 0].all()
    assert not decided[:, 1].any()
    assert not decided[:, 5].any()
    assert decided[2, 3]
    assert not decided[2, 4]


def test_the_probability_is_the_score_and_never_zero(make_graph: Callable[..., Any]) -> None:
    graph = make_graph()
    bias = next(t for t in graph.graph.initializer if t.name == "bias")
    bias.CopyFrom(onnx.numpy_helper.from_array(np.array([-4, -200, 0], np.float32), "bias"))
    shown = pictures(2)
    scores = run(graph, shown)[0]
    thresholds = np.array([0, 0, 0.99999], np.float32)
    layers = run(
        deepstream_graph(graph, thresholds, {}), shown.transpose(0, 3, 1, 2).astype(np.float32)
    )
    np.testing.assert_array_equal(layers[0], scores[:, :1])
    assert scores[:, 1].max() < LEAST  # a label all the same, as its threshold is 0
    np.testing.assert_array_equal(layers[1], [[LEAST], [LEAST]])
    np.testing.assert_array_equal(
        layers[2], np.where(scores[:, 2:] >= thresholds[2], scores[:, 2:], 0)
    )


@pytest.mark.parametrize("classes", [1, 1000])
def test_one_layer_a_class_in_an_order_that_sorting_keeps(
    classes: int, make_graph: Callable[..., Any]
) -> None:
    names = layer_names(classes)
    assert sorted(names) == names
    variant = deepstream_graph(make_graph(classes=classes), np.full(classes, 0.1, np.float32), {})
    assert [output.name for output in variant.graph.output] == names
    layers = run(variant, np.full((2, 3, 8, 8), 128, np.float32))
    assert {layer.shape for layer in layers} == {(2, 1)}


@pytest.mark.parametrize("precision", [Precision.FP32, Precision.FP16, Precision.INT8])
def test_reduced_precisions_decide_as_their_own_file(precision: Precision, bundle: Path) -> None:
    graph = onnx.load(write_conv_bundle(bundle).model_path(precision))
    shown = pictures(40)
    scores = run(graph, shown)[0]
    thresholds = widest_gaps(scores)  # no tie: convolutions may be rounded in another order
    variant = deepstream_graph(graph, thresholds, {})
    assert variant.graph.input[0].type.tensor_type.elem_type == onnx.TensorProto.FLOAT
    np.testing.assert_array_equal(stock_decisions(variant, shown), scores >= thresholds)


def test_our_own_planes_are_not_made_twice_and_a_shape_is_still_there(
    make_graph: Callable[..., Any],
) -> None:
    """The Cast and Transpose go; a class token that asks for the batch size gets the same shape."""
    graph = make_graph()
    helper = onnx.helper
    graph.graph.node.insert(1, helper.make_node("Shape", ["floats"], ["dims"]))
    graph.graph.node.insert(2, helper.make_node("Cast", ["dims"], ["sizes"], to=1))
    graph.graph.node.insert(3, helper.make_node("ReduceMax", ["sizes"], ["widest"], keepdims=1))
    graph.graph.node.insert(4, helper.make_node("Mul", ["widest", "tiny"], ["extra"]))
    graph.graph.initializer.append(
        onnx.numpy_helper.from_array(np.array([1e-3], np.float32), "tiny")
    )
    last = graph.graph.node[-1]
    last.input[0] = "moved"
    graph.graph.node.insert(
        len(graph.graph.node) - 1, helper.make_node("Add", ["logits", "extra"], ["moved"])
    )
    shown, thresholds = pictures(4), np.array([0.3, 0.5, 0.7], np.float32)
    scores = run(graph, shown)[0]
    variant = deepstream_graph(graph, thresholds, {})
    assert variant.graph.node[-1].op_type == "Split"
    pooling = next(n for n in variant.graph.node if n.op_type == "GlobalAveragePool")
    assert pooling.input[0] == "images"
    np.testing.assert_array_equal(stock_decisions(variant, shown), scores >= thresholds)


def test_the_file_says_where_it_is_from_and_is_no_classifier_of_ours(
    make_graph: Callable[..., Any],
) -> None:
    graph = make_graph({METADATA_KEY: "{}"})
    variant = deepstream_graph(graph, np.full(3, 0.5, np.float32), {"version": "1"})
    assert {p.key: p.value for p in variant.metadata_props} == {PROVENANCE_KEY: '{"version": "1"}'}
    assert graph.graph.input[0].type.tensor_type.elem_type == onnx.TensorProto.UINT8  # a copy


def test_a_graph_of_another_kind_is_refused(make_graph: Callable[..., Any]) -> None:
    with pytest.raises(CdulEdgeError, match="expected images"):
        deepstream_graph(make_graph(classes=2), np.full(3, 0.5, np.float32), {})
