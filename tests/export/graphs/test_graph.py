from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from cdul_edge_export.graphs.graph import check_graph, lower_opset
from cdul_edge_runtime.errors import CdulEdgeError

PICTURE = np.arange(2 * 3 * 4 * 4, dtype=np.float32).reshape(2, 3, 4, 4)
Shape = Sequence[int | str]


def model_of(
    nodes: list[onnx.NodeProto],
    constants: dict[str, list[int]] | None = None,
    *,
    shape: Shape = ("batch", 3, 4, 4),
    outputs: Sequence[str] = ("y",),
    rank: int = 4,
) -> onnx.ModelProto:
    """An opset-18 model from "x" to `outputs`; integer `constants` are initializers."""
    tensors = [
        numpy_helper.from_array(np.array(value, np.int64), name)
        for name, value in (constants or {}).items()
    ]
    shapes = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, [None] * rank) for name in outputs
    ]
    graph = helper.make_graph(
        nodes, "g", [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)], shapes, tensors
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)


def run(model: onnx.ModelProto, x: npt.NDArray[np.float32] = PICTURE) -> npt.NDArray[np.float32]:
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    return np.concatenate([part.reshape(-1) for part in session.run(None, {"x": x})])


def assert_lowered(model: onnx.ModelProto, operators: list[str], **options: Any) -> None:
    before = run(model, **options)
    assert lower_opset(model) == ()
    assert [node.op_type for node in model.graph.node] == operators
    assert model.opset_import[0].version == 17
    assert model.ir_version == 8
    check_graph(model)
    assert np.array_equal(run(model, **options), before)


@pytest.mark.parametrize(
    ("reduction", "pooling"), [("ReduceMean", "GlobalAveragePool"), ("ReduceMax", "GlobalMaxPool")]
)
@pytest.mark.parametrize("axes", [[2, 3], [-1, -2]])
@pytest.mark.parametrize("keep", [0, 1])
def test_pooling_over_height_and_width_is_named_so(
    reduction: str, pooling: str, axes: list[int], keep: int
) -> None:
    node = helper.make_node(reduction, ["x", "axes"], ["y"], keepdims=keep)
    model = model_of([node], {"axes": axes}, rank=4 if keep else 2)
    assert_lowered(model, [pooling] if keep else [pooling, "Flatten"])
    assert len(model.graph.initializer) == 0


@pytest.mark.parametrize(
    ("reduction", "axes", "shape"),
    [
        ("ReduceMean", [1], (2, 3, 4, 4)),
        ("ReduceMean", [2, 3], (2, 3, 4, 2, 2)),  # of five dimensions it is no pooling
        ("ReduceMin", [2, 3], (2, 3, 4, 4)),
    ],
)
def test_other_reductions_keep_their_axes_as_an_attribute(
    reduction: str, axes: list[int], shape: tuple[int, ...]
) -> None:
    node = helper.make_node(reduction, ["x", "axes"], ["y"])
    model = model_of([node], {"axes": axes}, shape=("batch", *shape[1:]), rank=len(shape))
    assert_lowered(model, [reduction], x=PICTURE.reshape(shape))


def test_a_reduction_without_axes_takes_them_all_or_none() -> None:
    assert_lowered(model_of([helper.make_node("ReduceMean", ["x"], ["y"])]), ["ReduceMean"])
    nothing = helper.make_node("ReduceMean", ["x"], ["y"], noop_with_empty_axes=1)
    model = model_of([nothing])  # not run: ONNX Runtime before 1.24 fails on the original
    assert lower_opset(model) == ()
    assert [node.op_type for node in model.graph.node] == ["Identity"]


def test_a_reshape_of_pooled_channels_is_flatten() -> None:
    nodes = [
        helper.make_node("ReduceMean", ["x", "axes"], ["m"]),
        helper.make_node("Reshape", ["m", "shape"], ["y"]),
    ]
    model = model_of(nodes, {"axes": [2, 3], "shape": [-1, 3]}, rank=2)
    assert_lowered(model, ["GlobalAveragePool", "Flatten"])


def test_an_even_split_loses_its_count_and_an_uneven_one_stays() -> None:
    even = helper.make_node("Split", ["x"], ["y", "z"], axis=2, num_outputs=2)
    assert_lowered(model_of([even], outputs=("y", "z")), ["Split"])
    uneven = helper.make_node("Split", ["x"], ["y", "z"], axis=1, num_outputs=2)
    model = model_of([uneven], outputs=("y", "z"))
    assert lower_opset(model) == ("Split",)
    assert model.opset_import[0].version == 18


def test_pad_without_axes_means_the_same() -> None:
    node = helper.make_node("Pad", ["x", "pads"], ["y"])
    assert_lowered(model_of([node], {"pads": [0, 0, 1, 1, 0, 0, 1, 1]}), ["Pad"])


def resize(**options: Any) -> list[onnx.NodeProto]:
    """Nearest upsampling of (N, 3, 4, 4) to 8 x 12, as torch's exporter writes it."""
    settings: dict[str, Any] = {
        "mode": "nearest",
        "coordinate_transformation_mode": "asymmetric",
        "nearest_mode": "floor",
        "antialias": 0,
        "keep_aspect_ratio_policy": "stretch",
    }
    return [
        helper.make_node("Shape", ["x"], ["leading"], start=0, end=2),
        helper.make_node("Concat", ["leading", "sides"], ["size"], axis=0),
        helper.make_node("Resize", ["x", "", "", "size"], ["y"], "up", **(settings | options)),
    ]


def test_a_resize_to_a_known_size_takes_constant_scales() -> None:
    model = model_of(resize(), {"sides": [8, 12]}, shape=(2, 3, 4, 4))
    assert_lowered(model, ["Resize"])
    scales = {t.name: numpy_helper.to_array(t).tolist() for t in model.graph.initializer}
    assert scales == {"up_scales": [1.0, 1.0, 2.0, 3.0]}


def test_a_resize_by_no_whole_number_keeps_its_size() -> None:
    model = model_of(resize(), {"sides": [7, 12]}, shape=(2, 3, 4, 4))
    assert_lowered(model, ["Shape", "Concat", "Resize"])


def test_a_resize_that_smooths_keeps_the_graph_at_its_opset() -> None:
    model = model_of(resize(mode="linear", antialias=1), {"sides": [2, 2]}, shape=(2, 3, 4, 4))
    assert lower_opset(model) == ("Resize",)


def test_what_a_newer_operator_makes_of_constants_is_a_constant() -> None:
    """A position embedding is smoothed to the input size once, and not for every image."""
    grid = np.array([[0, 0, 8, 8]] * 4, np.float32).reshape(1, 1, 4, 4)
    smooth = helper.make_node(
        "Resize", ["grid", "", "", "size"], ["small"], mode="linear", antialias=1
    )
    model = model_of(
        [smooth, helper.make_node("Add", ["x", "small"], ["y"])],
        {"size": [1, 1, 2, 2]},
        shape=("batch", 3, 2, 2),
    )
    model.graph.initializer.append(numpy_helper.from_array(grid, "grid"))
    assert_lowered(model, ["Add"], x=np.zeros((2, 3, 2, 2), np.float32))
    (kept,) = model.graph.initializer
    # halving weighs the pixels around a new one 1 : 3 : 3 : 1, and repeats the edge
    assert numpy_helper.to_array(kept).tolist() == [[[[1, 7], [1, 7]]]]


@pytest.mark.parametrize(
    ("block", "options"),
    [
        ((2, 2), {"strides": [2, 2]}),  # side by side
        ((3, 3), {"strides": [2, 2], "pads": [1, 1, 0, 0]}),  # they meet
        ((3, 3), {"strides": [2, 2], "pads": [1, 1, 1, 1]}),  # as in VOLO: none reaches the edge
        ((2, 3), {"dilations": [2, 1], "pads": [1, 0, 1, 2]}),
    ],
)
def test_patches_are_added_up_by_a_transposed_convolution(
    block: tuple[int, int], options: dict[str, list[int]]
) -> None:
    strides, dilations = options.get("strides", [1, 1]), options.get("dilations", [1, 1])
    pads = options.get("pads", [0, 0, 0, 0])
    steps = [
        (4 + pads[side] + pads[side + 2] - dilations[side] * (block[side] - 1) - 1)
        // strides[side] + 1
        for side in (0, 1)
    ]  # fmt: skip
    shape = (2, 3 * block[0] * block[1], steps[0] * steps[1])
    node = helper.make_node("Col2Im", ["x", "image", "block"], ["y"])
    node.attribute.extend(helper.make_attribute(name, value) for name, value in options.items())
    sizes = {"image": [4, 4], "block": list(block)}
    model = model_of([node], sizes, shape=("batch", *shape[1:]))
    x = np.arange(np.prod(shape), dtype=np.float32).reshape(shape)
    assert_lowered(model, ["Reshape", "ConvTranspose"], x=x)


def test_patches_that_do_not_end_at_the_edge_stay_as_they_are() -> None:
    node = helper.make_node("Col2Im", ["x", "image", "block"], ["y"], strides=[2, 2])
    sizes = {"image": [5, 5], "block": [2, 2]}
    assert lower_opset(model_of([node], sizes, shape=("batch", 12, 4))) == ("Col2Im",)


def test_a_chain_on_constants_is_worked_out_and_chance_is_not() -> None:
    """The mask of shifted windows is such a chain, and ends in a ScatterND of nothing."""
    nodes = [
        helper.make_node("ConstantOfShape", ["sides"], ["empty"]),
        helper.make_node("ScatterND", ["empty", "nowhere", "nothing"], ["mask"]),
        helper.make_node("Unsqueeze", ["mask", "zero"], ["spread"]),
        helper.make_node("RandomUniformLike", ["mask"], ["noise"]),
        helper.make_node("Add", ["x", "spread"], ["masked"]),
        helper.make_node("Concat", ["masked", "x"], ["y"], axis=0),
        helper.make_node("Identity", ["noise"], ["z"]),
    ]
    model = model_of(nodes, {"sides": [3, 4, 4], "zero": [0]}, outputs=("y",))
    for name, shape, kind in (("nowhere", (0, 1), np.int64), ("nothing", (0, 4, 4), np.float32)):
        model.graph.initializer.append(numpy_helper.from_array(np.zeros(shape, kind), name))
    model.graph.output.append(helper.make_tensor_value_info("z", TensorProto.FLOAT, [None] * 3))
    assert lower_opset(model) == ()
    kept = [node.op_type for node in model.graph.node]
    assert kept == ["RandomUniformLike", "Add", "Concat", "Identity"]
    assert {t.name: list(t.dims) for t in model.graph.initializer} == {
        "mask": [3, 4, 4],
        "spread": [1, 3, 4, 4],
    }


def test_standardized_weights_are_worked_out() -> None:
    """As in NFNet, by a mean whose axes are an input in opset 18 and an attribute in 17."""
    nodes = [
        helper.make_node("ReduceMean", ["weights", "axes"], ["mean"], keepdims=1),
        helper.make_node("Sub", ["weights", "mean"], ["centered"]),
        helper.make_node("Mul", ["x", "centered"], ["y"]),
    ]
    model = model_of(nodes, {"axes": [1, 2]})
    weights = np.array([1, 2, 6], np.float32).reshape(3, 1, 1) * np.ones((3, 4, 4), np.float32)
    weights[0, 0, 0] = 17
    model.graph.initializer.append(numpy_helper.from_array(weights, "weights"))
    assert_lowered(model, ["Mul"])
    (kept,) = model.graph.initializer
    first = numpy_helper.to_array(kept)[0, 0].tolist()
    assert first == [15, -1, -1, -1]  # the mean of fifteen 1 and a 17 is 2


def test_an_operator_of_opset_18_keeps_the_whole_graph_there_and_valid() -> None:
    nodes = [
        helper.make_node("ReduceMean", ["x", "axes"], ["m"]),
        helper.make_node("Mish", ["m"], ["y"]),
    ]
    model = model_of(nodes, {"axes": [2, 3]})
    before = run(model)
    assert lower_opset(model) == ("Mish",)
    assert [node.op_type for node in model.graph.node] == ["ReduceMean", "Mish"]
    check_graph(model)
    assert np.array_equal(run(model), before)


def test_axes_known_only_at_run_time_keep_the_graph_at_its_opset() -> None:
    nodes = [
        helper.make_node("Identity", ["axes"], ["late"]),
        helper.make_node("ReduceMean", ["x", "late"], ["y"]),
    ]
    assert lower_opset(model_of(nodes, {"axes": [2, 3]})) == ("ReduceMean",)


def test_notes_that_hold_paths_are_gone() -> None:
    model = model_of([helper.make_node("Relu", ["x"], ["y"], doc_string="/home/me/secret.py")])
    entry = model.graph.node[0].metadata_props.add()
    entry.key, entry.value = "stack", "/home/me/secret.py"
    lower_opset(model)
    assert b"/home/me" not in model.SerializeToString()


def test_an_invalid_graph_is_an_error_that_says_so() -> None:
    model = model_of([helper.make_node("Relu", ["missing"], ["y"])])
    with pytest.raises(CdulEdgeError, match="not valid ONNX"):
        check_graph(model)
