from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator

from cdul_edge_calibration.data.ranges import Ranges, measure_ranges
from cdul_edge_calibration.graphs.fp16 import LARGEST, find_fp16_hazards, to_fp16
from cdul_edge_runtime.errors import CdulEdgeError
from tests.fakes.residual_network import (
    LAYERS,
    build_residual,
    constant,
    maker,
    node,
    pictures,
    run,
    set_constant,
)

HALF, FLOAT = TensorProto.FLOAT16, TensorProto.FLOAT


def tensor_types(model: onnx.ModelProto) -> dict[str, int]:
    inferred = onnx.shape_inference.infer_shapes(model, check_type=True, strict_mode=True).graph
    types = {t.name: t.data_type for t in model.graph.initializer}
    for value in (*inferred.input, *inferred.value_info, *inferred.output):
        types[value.name] = value.type.tensor_type.elem_type
    return types


def source_of(model: onnx.ModelProto, tensor: str) -> str:
    """The tensor before a cast that the converter put in."""
    made_by = maker(model, tensor)
    assert made_by is not None
    return made_by.input[0] if made_by.op_type == "Cast" else tensor


def measured(model: onnx.ModelProto, folder: Path) -> Ranges:
    path = folder / "measured.onnx"
    onnx.save(model, path)
    return measure_ranges(path, lambda: iter([pictures(32)]))


def small_graph(
    nodes: Sequence[onnx.NodeProto], **constants: npt.NDArray[np.generic]
) -> onnx.ModelProto:
    """(N, 2, 2, 3) uint8 `images` to float `scores` of the same shape."""
    shape: list[str | int | None] = ["batch", 2, 2, 3]
    graph = helper.make_graph(
        nodes,
        "small",
        [helper.make_tensor_value_info("images", TensorProto.UINT8, shape)],
        [helper.make_tensor_value_info("scores", FLOAT, shape)],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def test_uint8_goes_in_float32_comes_out_and_fp16_is_between(residual: onnx.ModelProto) -> None:
    half = to_fp16(residual)
    types = tensor_types(half)
    assert types["images"] == TensorProto.UINT8
    assert types["scores"] == FLOAT
    for layer in LAYERS:
        assert [types[name] for name in node(half, f"node_{layer}").input] == [HALF] * 3
        assert types[layer] == HALF
    assert types["linear"] == HALF
    onnx.checker.check_model(half, full_check=True)


def test_no_fp32_weight_is_left_in_the_file(residual: onnx.ModelProto) -> None:
    half = to_fp16(residual)
    assert {t.data_type for t in half.graph.initializer} == {HALF}
    assert half.ByteSize() < 0.6 * residual.ByteSize()


def test_the_source_its_opset_and_its_metadata_stay(residual: onnx.ModelProto) -> None:
    before = residual.SerializeToString()
    half = to_fp16(residual)
    assert residual.SerializeToString() == before
    assert (half.opset_import[0].version, half.ir_version) == (17, 8)
    assert {p.key: p.value for p in half.metadata_props} == {"made by": "a test"}


def test_scores_are_those_of_fp32(residual: onnx.ModelProto, tmp_path: Path) -> None:
    inputs = pictures(32, seed=1)
    found = run(to_fp16(residual), tmp_path, inputs)
    expected = run(residual, tmp_path, inputs)
    assert found.dtype == np.float32
    # Ten roundings of 2**-11 each: 0.005 of a logit, 0.00125 of a score at the steepest.
    assert np.abs(found - expected).max() < 2e-3
    assert (found != expected).any()


def test_the_sigmoid_is_fp32_and_reads_a_cast(residual: onnx.ModelProto) -> None:
    half = to_fp16(residual)
    types = tensor_types(half)
    (logits,) = node(half, "node_sigmoid").input
    assert types[logits] == FLOAT
    assert source_of(half, logits) == "linear"


def test_the_cast_of_the_pixels_goes_straight_to_fp16(residual: onnx.ModelProto) -> None:
    half = to_fp16(residual)
    (to,) = [a.i for a in node(half, "node_cast").attribute]
    assert to == HALF
    assert node(half, "node_permute").input[0] == "floats"


def test_a_node_that_is_kept_is_fp32_with_casts_around_it(
    residual: onnx.ModelProto, tmp_path: Path
) -> None:
    half = to_fp16(residual, ["node_layer1.0.add"])
    types = tensor_types(half)
    kept = node(half, "node_layer1.0.add")
    assert [types[name] for name in kept.input] == [FLOAT] * 2
    assert source_of(half, kept.input[0]) == "layer1.0.conv2"
    relu = node(half, "node_layer1.0.relu")
    assert [types[name] for name in relu.input] == [HALF]
    assert source_of(half, relu.input[0]) == "layer1.0.sum"
    inputs = pictures(8)
    difference = run(half, tmp_path, inputs) - run(residual, tmp_path, inputs)
    assert np.abs(difference).max() < 2e-3


def test_what_computes_with_a_kept_product_is_kept_too(residual: onnx.ModelProto) -> None:
    """Else a convolution with casts on both sides is FP16 again in TensorRT for RTX."""
    pooling = node(residual, "node_max_pool")
    turn = helper.make_node("Transpose", ["conv1"], ["turned"], "turn", perm=[0, 1, 3, 2])
    residual.graph.node.insert(list(residual.graph.node).index(pooling) - 1, turn)
    node(residual, "node_conv1.relu").input[0] = "turned"
    types = tensor_types(to_fp16(residual, ["node_conv1"]))
    assert [types[name] for name in ("conv1", "turned", "conv1.relu")] == [FLOAT] * 3
    assert types["pooled"] == HALF


def test_readers_of_one_tensor_share_one_cast(residual: onnx.ModelProto) -> None:
    # Both read "layer1.0": the block's first convolution and the skip's.
    half = to_fp16(residual, ["node_layer2.0.conv1", "node_layer2.0.downsample.0"])
    first, second = (node(half, f"node_layer2.0.{n}").input[0] for n in ("conv1", "downsample.0"))
    assert first == second
    casts = [n for n in half.graph.node if n.op_type == "Cast" and n.input[0] == "layer1.0"]
    assert len(casts) == 1


def test_nodes_kept_side_by_side_have_no_cast_between_them(residual: onnx.ModelProto) -> None:
    half = to_fp16(residual, ["node_conv1", "node_conv1.relu"])
    assert node(half, "node_conv1.relu").input[0] == "conv1"
    assert sum(n.op_type == "Cast" for n in half.graph.node) == 1 + 1 + 1 + 1  # in, two, scores


def test_with_all_nodes_kept_the_scores_are_fp32_to_the_bit(
    residual: onnx.ModelProto, tmp_path: Path
) -> None:
    half = to_fp16(residual, [n.name for n in residual.graph.node])
    inputs = pictures(8)
    assert np.array_equal(run(half, tmp_path, inputs), run(residual, tmp_path, inputs))


@pytest.fixture
def overflowing(residual: onnx.ModelProto) -> onnx.ModelProto:
    """A block whose first convolution reaches 1e6, and whose second takes that back."""
    for name, factor in (("conv1", 3e5), ("conv2", 1 / 3e5)):
        weights = constant(residual, f"network.layer1.0.{name}.weight")
        set_constant(residual, f"network.layer1.0.{name}.weight", weights * np.float32(factor))
    return residual


def test_an_overflow_is_found_at_its_producer_and_at_its_readers(
    overflowing: onnx.ModelProto, tmp_path: Path
) -> None:
    extremes = measured(overflowing, tmp_path)
    assert max(map(abs, extremes["layer1.0.conv1"])) > 65504
    hazards = find_fp16_hazards(overflowing, extremes)
    assert set(hazards) == {
        "node_layer1.0.conv1",
        "node_layer1.0.conv1.relu",
        "node_layer1.0.conv2",
    }
    assert "layer1.0.conv1.relu reaches " in hazards["node_layer1.0.conv2"]
    assert "FP16 ends at 65504" in hazards["node_layer1.0.conv2"]


def test_what_would_overflow_stays_fp32_and_the_scores_are_right(
    overflowing: onnx.ModelProto, tmp_path: Path
) -> None:
    hazards = find_fp16_hazards(overflowing, measured(overflowing, tmp_path))
    guarded = to_fp16(overflowing, hazards)
    types = tensor_types(guarded)
    assert [types[f"layer1.0.conv1{end}"] for end in ("", ".relu")] == [FLOAT] * 2
    assert types["layer2.0.conv1"] == HALF
    inputs = pictures(32)
    expected = run(overflowing, tmp_path, inputs)
    assert np.abs(run(guarded, tmp_path, inputs) - expected).max() < 2e-3
    # Without the guard the weights of the second convolution are 0 at best, or inf x 0 = NaN.
    careless = run(to_fp16(overflowing), tmp_path, inputs)
    assert not np.abs(careless - expected).max() < 0.01


@pytest.mark.parametrize(("edge", "found"), [(LARGEST * 0.99, False), (-LARGEST * 1.01, True)])
def test_half_of_what_fp16_holds_is_left_as_room(
    residual: onnx.ModelProto, ranges: Ranges, edge: float, found: bool
) -> None:
    assert LARGEST == 32752
    hazards = find_fp16_hazards(residual, {**ranges, "layer1.0.conv2": (min(edge, 0), abs(edge))})
    expected = {"node_layer1.0.conv2", "node_layer1.0.add"} if found else set()
    assert set(hazards) == expected


def test_a_good_network_has_no_hazard(residual: onnx.ModelProto, ranges: Ranges) -> None:
    assert find_fp16_hazards(residual, ranges) == {}


def test_a_weight_that_fp16_cannot_hold_is_found(residual: onnx.ModelProto, ranges: Ranges) -> None:
    bias = constant(residual, "network.conv1.bias").copy()
    bias[2] = -7e4
    set_constant(residual, "network.conv1.bias", bias)
    hazards = find_fp16_hazards(residual, ranges)
    assert hazards == {"node_conv1": "network.conv1.bias holds 7e+04; FP16 ends at 65504"}


def test_a_scale_that_vanishes_is_found_and_kept(
    residual: onnx.ModelProto, ranges: Ranges, tmp_path: Path
) -> None:
    set_constant(residual, "scale", np.full((1, 3, 1, 1), 1e-9, np.float32))
    hazards = find_fp16_hazards(residual, ranges)
    assert set(hazards) == {"node_mul"}
    assert "holds the scale 1e-09, which is 0 in FP16" in hazards["node_mul"]
    assert tensor_types(to_fp16(residual, hazards))["scale"] == FLOAT


def test_a_weight_that_vanishes_among_others_is_no_hazard(
    residual: onnx.ModelProto, ranges: Ranges
) -> None:
    weights = constant(residual, "network.conv1.weight").copy()
    weights[0, 0, 0, 0] = 1e-9
    set_constant(residual, "network.conv1.weight", weights)
    assert find_fp16_hazards(residual, ranges) == {}


def test_an_unknown_operator_is_named(residual: onnx.ModelProto) -> None:
    node(residual, "node_layer1.0.relu").op_type = "Elu"
    node(residual, "node_layer2.0.relu").op_type = "Celu"
    with pytest.raises(CdulEdgeError, match="the graph has Celu, Elu, which the FP16 converter"):
        to_fp16(residual)


def test_masks_of_minus_infinity_and_less_than_fp16_become_its_lowest(tmp_path: Path) -> None:
    mask = np.array([[0.0, -np.inf, -1e30]], np.float32)
    model = small_graph(
        [
            helper.make_node("Cast", ["images"], ["floats"], to=FLOAT),
            helper.make_node("Add", ["floats", "mask"], ["masked"]),
            helper.make_node("Softmax", ["masked"], ["scores"], axis=-1),
        ],
        mask=mask,
    )
    half = to_fp16(model)
    assert constant(half, "mask_fp16").tolist() == [[0.0, -65504.0, -65504.0]]
    path = tmp_path / "masked.onnx"
    onnx.save(half, path)
    import onnxruntime

    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    images = np.full((1, 2, 2, 3), 200, np.uint8)
    scores = session.run(None, {"images": images})[0]
    assert scores[0, 0, 0].tolist() == [1, 0, 0]


def test_constants_in_attributes_and_casts_to_float_become_fp16() -> None:
    three = numpy_helper.from_array(np.float32(3), "three")
    model = small_graph(
        [
            helper.make_node("Constant", [], ["three"], value=three),
            helper.make_node("Cast", ["images"], ["whole"], to=TensorProto.INT32),
            helper.make_node("Cast", ["whole"], ["floats"], to=FLOAT),
            helper.make_node("Mul", ["floats", "three"], ["thrice"]),
            helper.make_node("Relu", ["thrice"], ["scores"]),
        ]
    )
    types = tensor_types(to_fp16(model))
    assert (types["whole"], types["floats"], types["thrice"]) == (TensorProto.INT32, HALF, HALF)
    assert types["three"] == HALF
    kept = tensor_types(to_fp16(model, ["Mul_3"]))  # a node without a name is named by its place
    assert kept["thrice"] == FLOAT


def test_sums_of_squares_stay_fp32_as_they_leave_its_range() -> None:
    """Of 4 pixels of 200: sqrt(4 * 200 ** 2) = 400, and 160,000 on the way, beyond 65,504."""
    nodes = [
        helper.make_node("Cast", ["images"], ["floats"], "cast", to=FLOAT),
        helper.make_node("ReduceL2", ["floats"], ["norm"], "norm", axes=[1, 2], keepdims=1),
        helper.make_node("Mul", ["norm", "ones"], ["scores"], "scale"),
    ]
    model = small_graph(nodes, ones=np.ones((1, 2, 2, 3), np.float32))
    half = to_fp16(model)
    types = tensor_types(half)
    assert types[node(half, "norm").input[0]] == types["norm"] == FLOAT
    bright = np.full((1, 2, 2, 3), 200, np.uint8)
    scores = np.asarray(ReferenceEvaluator(half).run(["scores"], {"images": bright}))
    assert scores.ravel().tolist() == [400.0] * 12


def test_the_scales_of_a_resize_stay_fp32() -> None:
    nodes = [
        helper.make_node("Cast", ["images"], ["floats"], "cast", to=FLOAT),
        helper.make_node("Resize", ["floats", "", "scales"], ["large"], "up", mode="nearest"),
        helper.make_node("MaxPool", ["large"], ["scores"], "last", kernel_shape=[1, 1]),
    ]
    half = to_fp16(small_graph(nodes, scales=np.ones(4, np.float32)))
    types = tensor_types(half)
    assert [types[name] for name in node(half, "up").input if name] == [HALF, FLOAT]


def test_a_maximum_over_an_axis_becomes_fp16() -> None:
    """Hiera pools its queries by it; the largest of FP16 numbers is one of them."""
    nodes = [
        helper.make_node("Cast", ["images"], ["floats"], "cast", to=FLOAT),
        helper.make_node("ReduceMax", ["floats"], ["largest"], "pool", axes=[1], keepdims=1),
        helper.make_node("Sub", ["floats", "largest"], ["below"], "compare"),
        helper.make_node("Relu", ["below"], ["scores"], "last"),
    ]
    types = tensor_types(to_fp16(small_graph(nodes)))
    assert (types["floats"], types["largest"]) == (HALF, HALF)


@pytest.mark.parametrize("value", [None, 2.5])
def test_a_filled_shape_becomes_fp16_with_and_without_its_value(value: float | None) -> None:
    filling = {}
    if value is not None:
        filling["value"] = numpy_helper.from_array(np.array([value], np.float32))
    model = small_graph(
        [
            helper.make_node("Cast", ["images"], ["floats"], to=FLOAT),
            helper.make_node("ConstantOfShape", ["shape"], ["filled"], **filling),
            helper.make_node("Add", ["floats", "filled"], ["sum"]),
            helper.make_node("Relu", ["sum"], ["scores"]),
        ],
        shape=np.array([1, 2, 2, 3]),
    )
    types = tensor_types(to_fp16(model))
    assert (types["filled"], types["sum"], types["shape"]) == (HALF, HALF, TensorProto.INT64)


def test_permuting_classes_permutes_columns(tmp_path: Path) -> None:
    order, permuted = [2, 0, 1], build_residual()
    for name in ("network.fc.weight", "network.fc.bias"):
        set_constant(permuted, name, constant(permuted, name)[order])
    inputs = pictures(8)
    plain = run(to_fp16(build_residual()), tmp_path, inputs)
    assert run(to_fp16(permuted), tmp_path, inputs) == pytest.approx(plain[:, order], abs=1e-6)
