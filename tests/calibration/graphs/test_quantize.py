from __future__ import annotations

from collections.abc import Callable, Collection
from itertools import combinations
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest

from cdul_edge_calibration.data.ranges import Ranges
from cdul_edge_calibration.graphs.quantize import quantize_for_cpu, quantize_for_tensorrt
from cdul_edge_calibration.graphs.tensorrt_rules import count_int8_convolutions, find_violations
from cdul_edge_runtime.bundle.manifest import Precision
from tests.fakes.residual_network import (
    LAYERS,
    build_residual,
    constant,
    maker,
    node,
    paired,
    pictures,
    run,
    scale_of,
    set_constant,
)

Quantize = Callable[[onnx.ModelProto, Ranges, Collection[str]], onnx.ModelProto]
BOTH = pytest.mark.parametrize(
    ("quantize", "precision"),
    [(quantize_for_tensorrt, Precision.INT8), (quantize_for_cpu, Precision.INT8_CPU)],
    ids=["tensorrt", "cpu"],
)
# What eight bits a tensor leave of scores that span 0.04 to 0.99: measured 0.036, with room.
FAR = 0.06


def weights_of(layer: str) -> str:
    return f"network.{layer}.weight"


def int8_layers(model: onnx.ModelProto) -> list[str]:
    """Layers whose input and weights come from eight bits."""
    return [
        name
        for name in LAYERS
        if all(from_int8(model, source) for source in node(model, f"node_{name}").input[:2])
    ]


def from_int8(model: onnx.ModelProto, tensor: str) -> bool:
    made_by = maker(model, tensor)
    return made_by is not None and made_by.op_type == "DequantizeLinear"


def optimized_operators(model: onnx.ModelProto, folder: Path) -> list[str]:
    """What ONNX Runtime's CPU makes of the graph."""
    options = onnxruntime.SessionOptions()
    options.optimized_model_filepath = str(folder / "optimized.onnx")
    options.log_severity_level = 3
    onnxruntime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    return [node.op_type for node in onnx.load(options.optimized_model_filepath).graph.node]


def test_every_convolution_is_int8_for_tensorrt_and_no_rule_is_broken(
    residual: onnx.ModelProto, ranges: Ranges
) -> None:
    quantized = quantize_for_tensorrt(residual, ranges)
    assert int8_layers(quantized) == list(LAYERS)
    assert count_int8_convolutions(quantized) == (6, 6)
    assert find_violations(quantized) == []


def test_weights_have_a_scale_a_channel_of_their_largest_over_127(
    residual: onnx.ModelProto, ranges: Ranges
) -> None:
    name = weights_of("layer2.0.conv1")
    weights = constant(residual, name).copy()
    weights[0], weights[1], weights[2] = 0.01, 0.01, 0.01
    weights[0, 0, 0, 0], weights[1, 7, 2, 2], weights[2, 3, 1, 1] = 1.27, -2.54, 0.127
    set_constant(residual, name, weights)
    quantized = quantize_for_tensorrt(residual, ranges)
    pair = node(quantized, "node_layer2.0.conv1").input[1]
    scales = scale_of(quantized, pair)
    assert scales.shape == (16,)
    assert scales[:3] == pytest.approx([0.01, 0.02, 0.001], rel=1e-5)
    assert scales == pytest.approx(np.abs(weights).max(axis=(1, 2, 3)) / 127, rel=1e-5)
    assert paired(quantized, pair) == name  # FP32 weights -> Q -> DQ
    assert constant(quantized, name).dtype == np.float32
    dequantize = maker(quantized, pair)
    assert dequantize is not None
    axes = {a.name: a.i for a in dequantize.attribute}
    assert axes["axis"] == 0


def test_an_activation_has_one_scale_of_its_larger_edge_over_127(
    residual: onnx.ModelProto, ranges: Ranges
) -> None:
    known = {**ranges, "shifted": (-2.54, 1.0), "layer1.0.conv1.relu": (0.0, 12.7)}
    quantized = quantize_for_tensorrt(residual, known)
    for layer, scale in (("conv1", 0.02), ("layer1.0.conv2", 0.1)):
        pair = node(quantized, f"node_{layer}").input[0]
        assert scale_of(quantized, pair) == pytest.approx(scale, rel=1e-5)


def test_zero_points_are_int8_zeros_and_biases_stay_float(
    residual: onnx.ModelProto, ranges: Ranges
) -> None:
    quantized = quantize_for_tensorrt(residual, ranges)
    pairs = [n for n in quantized.graph.node if n.op_type.lower().endswith("quantizelinear")]
    # Six convolutions: weights each; five inputs (two share the block's); the plain skip shares
    # its tensor with the block's input, the other is the downsample's output.
    assert sum(n.op_type == "QuantizeLinear" for n in pairs) == 6 + 5 + 1
    for pair in pairs:
        zero = constant(quantized, pair.input[2])
        assert zero.dtype == np.int8
        assert not zero.any()
    for layer in LAYERS:
        bias = node(quantized, f"node_{layer}").input[2]
        assert np.array_equal(constant(quantized, bias), constant(residual, bias))


def test_a_pair_stands_on_the_skip_alone(residual: onnx.ModelProto, ranges: Ranges) -> None:
    quantized = quantize_for_tensorrt(residual, ranges)
    main, skip = node(quantized, "node_layer1.0.add").input
    assert (main, paired(quantized, skip)) == ("layer1.0.conv2", "pooled")


@pytest.mark.parametrize("swap", [False, True], ids=["main first", "skip first"])
def test_of_two_convolutions_the_deeper_is_the_main_path(
    residual: onnx.ModelProto, ranges: Ranges, swap: bool
) -> None:
    if swap:
        operands = node(residual, "node_layer2.0.add").input
        operands[0], operands[1] = operands[1], operands[0]
    quantized = quantize_for_tensorrt(residual, ranges)
    operands = list(node(quantized, "node_layer2.0.add").input)
    if swap:
        operands.reverse()
    assert operands[0] == "layer2.0.conv2"
    assert paired(quantized, operands[1]) == "layer2.0.downsample.0"


def test_relu_follows_its_convolution_directly(residual: onnx.ModelProto, ranges: Ranges) -> None:
    quantized = quantize_for_tensorrt(residual, ranges)
    assert node(quantized, "node_conv1.relu").input[0] == "conv1"
    assert node(quantized, "node_layer2.0.relu").input[0] == "layer2.0.sum"


@BOTH
def test_opset_ir_version_metadata_and_source_stay(
    residual: onnx.ModelProto, ranges: Ranges, quantize: Quantize, precision: Precision
) -> None:
    before = residual.SerializeToString()
    quantized = quantize(residual, ranges, ())
    assert residual.SerializeToString() == before
    assert [(e.domain, e.version) for e in quantized.opset_import] == [("", 17)]
    assert quantized.ir_version == 8
    assert {p.key: p.value for p in quantized.metadata_props} == {"made by": "a test"}
    assert [i.name for i in quantized.graph.input] == ["images"]


@BOTH
@pytest.mark.parametrize(
    "float_layers", [(), ("conv1",), ("layer1.0.conv2", "layer2.0.conv2"), LAYERS]
)
def test_scores_stay_near_fp32_whatever_is_float(
    residual: onnx.ModelProto,
    ranges: Ranges,
    tmp_path: Path,
    quantize: Quantize,
    precision: Precision,
    float_layers: tuple[str, ...],
) -> None:
    inputs = pictures(32, seed=1)
    expected = run(residual, tmp_path, inputs)
    found = run(quantize(residual, ranges, float_layers), tmp_path, inputs, precision)
    assert np.abs(found - expected).max() < FAR
    assert np.abs(found - expected).mean() < FAR / 5
    assert np.ptp(expected, axis=0).min() > 10 * FAR  # so that near means something


def test_with_every_layer_float_the_tensorrt_graph_is_the_fp32_graph(
    residual: onnx.ModelProto, ranges: Ranges
) -> None:
    quantized = quantize_for_tensorrt(residual, ranges, LAYERS)
    found = {n.name: n.SerializeToString() for n in quantized.graph.node}
    assert found == {n.name: n.SerializeToString() for n in residual.graph.node}


@BOTH
@pytest.mark.parametrize("float_layers", [("conv1",), ("layer1.0.conv2",), LAYERS[3:]])
def test_float_layers_are_float_and_the_others_int8(
    residual: onnx.ModelProto,
    ranges: Ranges,
    quantize: Quantize,
    precision: Precision,
    float_layers: tuple[str, ...],
) -> None:
    quantized = quantize(residual, ranges, float_layers)
    assert int8_layers(quantized) == [name for name in LAYERS if name not in float_layers]
    for name in float_layers:
        sources = node(quantized, f"node_{name}").input
        assert not any(from_int8(quantized, source) for source in sources)
    if precision is Precision.INT8:
        assert find_violations(quantized) == []


@BOTH
def test_an_add_whose_convolution_is_float_has_no_pair(
    residual: onnx.ModelProto, ranges: Ranges, quantize: Quantize, precision: Precision
) -> None:
    quantized = quantize(residual, ranges, ("layer1.0.conv2",))
    add = node(quantized, "node_layer1.0.add")
    assert [paired(quantized, name) for name in add.input] == [None, None]
    other = node(quantized, "node_layer2.0.add")  # its own convolutions are INT8
    assert any(paired(quantized, name) for name in other.input)


def test_a_float_skip_convolution_leaves_the_main_path_swallowing_its_add(
    residual: onnx.ModelProto, ranges: Ranges
) -> None:
    quantized = quantize_for_tensorrt(residual, ranges, ("layer2.0.downsample.0",))
    main, skip = node(quantized, "node_layer2.0.add").input
    assert main == "layer2.0.conv2"
    assert paired(quantized, skip) == "layer2.0.downsample.0"
    assert find_violations(quantized) == []


def test_whatever_layers_are_float_the_others_fuse_as_tensorrt_wants(
    residual: onnx.ModelProto, ranges: Ranges
) -> None:
    """Also where the main path of a residual is float and its skip is an INT8 convolution."""
    for count in range(len(LAYERS) + 1):
        for kept in combinations(LAYERS, count):
            assert find_violations(quantize_for_tensorrt(residual, ranges, kept)) == [], kept


@pytest.mark.parametrize("dead", [0.0, 1e-12, -1e-30])
def test_a_dead_channel_keeps_a_scale_that_fp16_can_hold(
    residual: onnx.ModelProto, ranges: Ranges, tmp_path: Path, dead: float
) -> None:
    name = weights_of("layer1.0.conv1")
    weights = constant(residual, name).copy()
    weights[3] = dead
    set_constant(residual, name, weights)
    quantized = quantize_for_tensorrt(residual, ranges)
    scales = scale_of(quantized, node(quantized, "node_layer1.0.conv1").input[1])
    assert (scales.astype(np.float16) > 0).all()
    assert find_violations(quantized) == []
    inputs = pictures(16, seed=1)
    found = run(quantized, tmp_path, inputs, Precision.INT8)
    assert np.abs(found - run(residual, tmp_path, inputs)).max() < FAR


def test_a_tensor_that_is_always_zero_keeps_a_scale_above_zero(
    residual: onnx.ModelProto, ranges: Ranges
) -> None:
    quantized = quantize_for_tensorrt(residual, {**ranges, "layer1.0.conv1.relu": (0.0, 0.0)})
    assert find_violations(quantized) == []
    quantize_for_cpu(residual, {**ranges, "layer1.0.conv1.relu": (0.0, 0.0)})


def test_onnxruntime_runs_every_convolution_of_the_cpu_graph_in_eight_bits(
    residual: onnx.ModelProto, ranges: Ranges, tmp_path: Path
) -> None:
    operators = optimized_operators(quantize_for_cpu(residual, ranges), tmp_path)
    assert operators.count("QLinearConv") == 6
    assert operators.count("QLinearAdd") == 2
    assert operators.count("Conv") == 1  # the image's normalization
    assert not set(operators) & {"Mul", "Add", "FusedConv", "Relu"}


def test_the_cpu_graph_reads_unsigned_activations_and_signed_weights(
    residual: onnx.ModelProto, ranges: Ranges
) -> None:
    quantized = quantize_for_cpu(residual, ranges)
    for layer in LAYERS:
        activation, weights = node(quantized, f"node_{layer}").input[:2]
        kinds = []
        for name in (activation, weights):
            dequantize = maker(quantized, name)
            assert dequantize is not None
            kinds.append(constant(quantized, dequantize.input[2]).dtype)
        assert kinds == [np.uint8, np.int8]


@BOTH
def test_logits_are_not_quantized(
    residual: onnx.ModelProto, ranges: Ranges, quantize: Quantize, precision: Precision
) -> None:
    quantized = quantize(residual, ranges, ())
    readers = [n.op_type for n in quantized.graph.node if "linear" in n.input]
    assert readers == ["Sigmoid"]


def test_the_relu_before_a_float_layer_is_not_lost(
    residual: onnx.ModelProto, ranges: Ranges, tmp_path: Path
) -> None:
    # With a zero point of 0 a pair does what Relu does, so ONNX Runtime's quantizer drops the Relu.
    quantized = quantize_for_cpu(residual, ranges, ("layer1.0.conv2",))
    source = node(quantized, "node_layer1.0.conv2").input[0]
    made_by = maker(quantized, source)
    assert made_by is not None
    assert made_by.op_type == "Relu"
    inputs = pictures(32, seed=1)
    found = run(quantized, tmp_path, inputs, Precision.INT8_CPU)
    assert np.abs(found - run(residual, tmp_path, inputs)).max() < FAR


@BOTH
def test_a_batch_of_n_equals_n_batches_of_one(
    residual: onnx.ModelProto,
    ranges: Ranges,
    tmp_path: Path,
    quantize: Quantize,
    precision: Precision,
) -> None:
    quantized, inputs = quantize(residual, ranges, ()), pictures(5, seed=2)
    alone = [run(quantized, tmp_path, inputs[n : n + 1], precision) for n in range(5)]
    together = run(quantized, tmp_path, inputs, precision)
    assert together == pytest.approx(np.concatenate(alone), abs=1e-6)


@BOTH
def test_permuting_classes_permutes_columns(
    ranges: Ranges, tmp_path: Path, quantize: Quantize, precision: Precision
) -> None:
    order, permuted = [2, 0, 1], build_residual()
    for name in ("network.fc.weight", "network.fc.bias"):
        set_constant(permuted, name, constant(permuted, name)[order])
    inputs = pictures(8, seed=2)
    plain = run(quantize(build_residual(), ranges, ()), tmp_path, inputs, precision)
    found = run(quantize(permuted, ranges, ()), tmp_path, inputs, precision)
    assert found == pytest.approx(plain[:, order], abs=1e-6)


def test_nodes_without_names_are_named_and_found(residual: onnx.ModelProto, ranges: Ranges) -> None:
    for unnamed in residual.graph.node:
        unnamed.name = ""
    assert count_int8_convolutions(quantize_for_tensorrt(residual, ranges)) == (6, 6)
    one_float = quantize_for_tensorrt(residual, ranges, ("conv1",))
    assert count_int8_convolutions(one_float) == (5, 6)


def test_the_addition_of_the_normalization_is_no_residual(
    residual: onnx.ModelProto, ranges: Ranges
) -> None:
    quantized = quantize_for_tensorrt(residual, ranges)
    assert list(node(quantized, "node_add").input) == ["scaled", "shift"]
