from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static

from cdul_edge_calibration.data.ranges import Ranges
from cdul_edge_calibration.graphs.quantize import quantize_for_cpu, quantize_for_tensorrt
from cdul_edge_calibration.graphs.tensorrt_rules import count_int8_convolutions, find_violations
from tests.fakes.residual_network import constant, maker, node, paired, pictures, set_constant


@pytest.fixture
def good(residual: onnx.ModelProto, ranges: Ranges) -> onnx.ModelProto:
    return quantize_for_tensorrt(residual, ranges)


def pair_of(
    model: onnx.ModelProto, layer: str, position: int
) -> tuple[onnx.NodeProto, onnx.NodeProto]:
    """(Q, DQ) before that input of a convolution."""
    dequantize = maker(model, node(model, f"node_{layer}").input[position])
    assert dequantize is not None
    quantize = maker(model, dequantize.input[0])
    assert quantize is not None
    return quantize, dequantize


def own_constant(
    model: onnx.ModelProto, where: onnx.NodeProto, position: int, values: object
) -> None:
    """Give one input of one node a constant of its own."""
    name = f"{where.name}_{position}_own"
    model.graph.initializer.append(numpy_helper.from_array(np.asarray(values), name))
    where.input[position] = name


def test_the_fp32_graph_and_the_good_graph_break_no_rule(
    residual: onnx.ModelProto, good: onnx.ModelProto
) -> None:
    assert find_violations(residual) == []
    assert find_violations(good) == []
    assert count_int8_convolutions(residual) == (0, 6)
    assert count_int8_convolutions(good) == (6, 6)


# Each of these breaks one rule of the good graph and returns the name of the node at fault.


def newer_opset(model: onnx.ModelProto) -> str:
    model.opset_import[0].version = 18
    return "opset 18"


def foreign_operator(model: onnx.ModelProto) -> str:
    node(model, "node_layer1.0.relu").domain = "com.microsoft"
    return "node_layer1.0.relu"


def pixels_read_by_transpose(model: onnx.ModelProto) -> str:
    node(model, "node_permute").input[0] = "images"
    return "node_permute"


def no_zero_point(model: onnx.ModelProto) -> str:
    quantize, _ = pair_of(model, "conv1", 0)
    del quantize.input[2]
    return str(quantize.name)


def computed_scale(model: onnx.ModelProto) -> str:
    quantize, _ = pair_of(model, "conv1", 0)
    scale = quantize.input[1]
    model.graph.node.insert(0, helper.make_node("Identity", [scale], ["computed"], "computing"))
    quantize.input[1] = "computed"
    return str(quantize.name)


def zero_point_of_uint8(model: onnx.ModelProto) -> str:
    quantize, _ = pair_of(model, "conv1", 0)
    own_constant(model, quantize, 2, np.uint8(0))
    return str(quantize.name)


def zero_point_of_three(model: onnx.ModelProto) -> str:
    quantize, dequantize = pair_of(model, "conv1", 0)
    own_constant(model, dequantize, 2, np.int8(3))
    quantize.input[2] = dequantize.input[2]
    return str(quantize.name)


def scale_of_fp16(model: onnx.ModelProto) -> str:
    quantize, _ = pair_of(model, "conv1", 0)
    own_constant(model, quantize, 1, constant(model, quantize.input[1]).astype(np.float16))
    return str(quantize.name)


def scale_of(value: float) -> Callable[[onnx.ModelProto], str]:
    def spoil(model: onnx.ModelProto) -> str:
        quantize, dequantize = pair_of(model, "conv1", 0)
        own_constant(model, quantize, 1, np.float32(value))
        dequantize.input[1] = quantize.input[1]
        return str(quantize.name)

    return spoil


def one_zero_point_for_eight_scales(model: onnx.ModelProto) -> str:
    quantize, dequantize = pair_of(model, "conv1", 1)
    own_constant(model, quantize, 2, np.zeros(1, np.int8))
    dequantize.input[2] = quantize.input[2]
    return str(quantize.name)


def weights_of_int8(model: onnx.ModelProto) -> str:
    quantize, dequantize = pair_of(model, "conv1", 1)
    model.graph.initializer.append(
        numpy_helper.from_array(np.zeros((8, 3, 3, 3), np.int8), "whole weights")
    )
    dequantize.input[0] = "whole weights"
    model.graph.node.remove(quantize)
    return str(dequantize.name)


def bias_of_int32(model: onnx.ModelProto) -> str:
    for name, values in (("bias", np.zeros(8, np.int32)), ("bias scale", np.ones(8, np.float32))):
        model.graph.initializer.append(numpy_helper.from_array(values, name))
    biases = helper.make_node(
        "DequantizeLinear", ["bias", "bias scale"], ["float bias"], "dequantized_bias", axis=0
    )
    model.graph.node.insert(0, biases)
    node(model, "node_conv1").input[2] = "float bias"
    return "dequantized_bias"


def other_scale_after(model: onnx.ModelProto) -> str:
    _, dequantize = pair_of(model, "conv1", 0)
    own_constant(model, dequantize, 1, 2 * constant(model, dequantize.input[1]))
    return str(dequantize.name)


def scales_by_channel_of_an_activation(model: onnx.ModelProto) -> str:
    quantize, dequantize = pair_of(model, "layer1.0.conv2", 0)
    own_constant(model, quantize, 1, np.full(8, 0.1, np.float32))
    own_constant(model, quantize, 2, np.zeros(8, np.int8))
    dequantize.input[1], dequantize.input[2] = quantize.input[1:]
    return str(dequantize.name)


def float_input(model: onnx.ModelProto) -> str:
    broken = node(model, "node_conv1")
    broken.input[0] = "shifted"
    return str(broken.name)


def float_weights(model: onnx.ModelProto) -> str:
    broken = node(model, "node_conv1")
    broken.input[1] = "network.conv1.weight"
    return str(broken.name)


def computed_bias(model: onnx.ModelProto) -> str:
    bias = node(model, "node_conv1").input[2]
    model.graph.node.insert(0, helper.make_node("Identity", [bias], ["computed bias"], "biasing"))
    node(model, "node_conv1").input[2] = "computed bias"
    return "node_conv1"


def weights_of_fp16(model: onnx.ModelProto) -> str:
    name = "network.conv1.weight"
    set_constant(model, name, constant(model, name).astype(np.float16))
    return "node_conv1"


def weights_on_axis_one(model: onnx.ModelProto) -> str:
    quantize, dequantize = pair_of(model, "layer1.0.conv1", 1)
    for made_by in (quantize, dequantize):
        del made_by.attribute[:]
        made_by.attribute.append(helper.make_attribute("axis", 1))
    return str(dequantize.name)


def one_scale_for_all_weights(model: onnx.ModelProto) -> str:
    quantize, dequantize = pair_of(model, "layer1.0.conv1", 1)
    own_constant(model, quantize, 1, np.float32(0.1))
    own_constant(model, quantize, 2, np.int8(0))
    dequantize.input[1], dequantize.input[2] = quantize.input[1:]
    return str(dequantize.name)


def add_pair(model: onnx.ModelProto, reader: onnx.NodeProto, position: int) -> None:
    """Put a good pair before one input of a node."""
    source = reader.input[position]
    names = ("good scale", "good zero")
    for name, value in zip(names, (np.float32(0.1), np.int8(0)), strict=True):
        model.graph.initializer.append(numpy_helper.from_array(np.asarray(value), name))
    place = list(model.graph.node).index(reader)
    reader.input[position] = "good"
    pair = (
        helper.make_node("QuantizeLinear", [source, *names], ["good int8"], "good_q"),
        helper.make_node("DequantizeLinear", ["good int8", *names], ["good"], "good_dq"),
    )
    for made_by in reversed(pair):
        model.graph.node.insert(place, made_by)


def pair_between_conv_and_relu(model: onnx.ModelProto) -> str:
    add_pair(model, node(model, "node_conv1.relu"), 0)
    return "node_conv1.relu"


def pair_between_add_and_relu(model: onnx.ModelProto) -> str:
    add_pair(model, node(model, "node_layer1.0.relu"), 0)
    return "node_layer1.0.relu"


def pairs_on_both_operands(model: onnx.ModelProto) -> str:
    add_pair(model, node(model, "node_layer1.0.add"), 0)
    return "node_layer1.0.add"


def pair_on_neither_operand(model: onnx.ModelProto) -> str:
    node(model, "node_layer1.0.add").input[1] = "pooled"
    return "node_layer1.0.add"


def pair_on_the_main_path(model: onnx.ModelProto) -> str:
    add = node(model, "node_layer1.0.add")
    add_pair(model, add, 0)
    add.input[1] = "pooled"
    return str(add.name)


RULES: list[tuple[Callable[[onnx.ModelProto], str], str]] = [
    (newer_opset, "TensorRT 8.6 reads up to 17"),
    (foreign_operator, "operator com.microsoft.Relu is not ONNX's own"),
    (pixels_read_by_transpose, "Transpose reads uint8 pixels; only Cast may"),
    (no_zero_point, "no zero point"),
    (computed_scale, "scale and zero point must be constants"),
    (zero_point_of_uint8, "zero point is uint8, expected int8"),
    (zero_point_of_three, "zero point is not 0"),
    (scale_of_fp16, "scale is float16, expected float32"),
    (scale_of(0.0), "a scale is not above 0"),
    (scale_of(-0.1), "a scale is not above 0"),
    (scale_of(np.nan), "a scale is not above 0"),
    (scale_of(1e-9), "a scale vanishes in FP16"),
    (scale_of(1e5), "a scale of 1e+05 is beyond FP16"),
    (one_zero_point_for_eight_scales, "1 zero points for 8 scales"),
    (weights_of_int8, "dequantizes INT8, which no QuantizeLinear made"),
    (bias_of_int32, "dequantizes INT32, which no QuantizeLinear made"),
    (other_scale_after, "scale or zero point differs from its QuantizeLinear's"),
    (scales_by_channel_of_an_activation, "an activation has 8 scales, expected one"),
    (float_input, "only its weights are quantized"),
    (float_weights, "only its input are quantized"),
    (computed_bias, "its bias is no float constant"),
    (weights_of_fp16, "its weights are not quantized from FP32 constants"),
    (weights_on_axis_one, "weights need 8 scales on axis 0"),
    (one_scale_for_all_weights, "weights need 8 scales on axis 0"),
    (pair_between_conv_and_relu, "a pair between Conv and Relu stops their fusion"),
    (pair_between_add_and_relu, "a pair between Add and Relu stops their fusion"),
    (pairs_on_both_operands, "pairs on both operands of a residual Add"),
    (pair_on_neither_operand, "pairs on neither operand of a residual Add"),
    (pair_on_the_main_path, "the pair is on the main path of a residual Add"),
]


@pytest.mark.parametrize(
    ("spoil", "rule"), RULES, ids=[f"{n}-{spoil.__name__}" for n, (spoil, _) in enumerate(RULES)]
)
def test_a_graph_that_breaks_a_rule_is_told_with_node_and_rule(
    good: onnx.ModelProto, spoil: Callable[[onnx.ModelProto], str], rule: str
) -> None:
    name = spoil(good)
    told = [line for line in find_violations(good) if rule in line]
    assert told
    assert all(line.startswith(name) for line in told[:1])
    # What one fault brings with it may be told too; nothing else is.
    related = {n.name for n in good.graph.node if n.op_type.lower().endswith("quantizelinear")}
    assert all(line.startswith((name, *related, "node_conv1:")) for line in find_violations(good))


def test_one_fault_in_a_graph_is_one_line(good: onnx.ModelProto) -> None:
    pair_between_conv_and_relu(good)
    pair_on_neither_operand(good)
    assert len(find_violations(good)) == 2


class OneBatch(CalibrationDataReader):  # type: ignore[misc]
    def __init__(self) -> None:
        self._batches = [{"images": pictures(8)}]

    def get_next(self) -> object:
        return self._batches.pop() if self._batches else None


@pytest.mark.parametrize(
    ("unsigned", "rule"),
    [(False, "dequantizes INT32"), (True, "zero point is uint8, expected int8")],
)
def test_what_onnxruntime_makes_by_default_breaks_the_rules(
    residual: onnx.ModelProto, tmp_path: Path, unsigned: bool, rule: str
) -> None:
    source, made = tmp_path / "fp32.onnx", tmp_path / "int8.onnx"
    onnx.save(residual, source)
    kind = QuantType.QUInt8 if unsigned else QuantType.QInt8
    logging.disable(logging.WARNING)
    try:
        quantize_static(
            source, made, OneBatch(), quant_format=QuantFormat.QDQ, activation_type=kind
        )
    finally:
        logging.disable(logging.NOTSET)
    found = find_violations(onnx.load(made))
    assert len(found) > 10
    assert any(rule in line for line in found)


def test_the_cpu_file_breaks_the_rules(residual: onnx.ModelProto, ranges: Ranges) -> None:
    found = find_violations(quantize_for_cpu(residual, ranges))
    assert any("zero point is uint8" in line for line in found)
    assert any("dequantizes INT32" in line for line in found)


def test_the_addition_of_a_constant_is_no_residual(good: onnx.ModelProto) -> None:
    assert list(node(good, "node_add").input) == ["scaled", "shift"]
    assert paired(good, "scaled") is None


def test_a_range_that_is_missing_is_never_guessed(
    residual: onnx.ModelProto, ranges: Ranges
) -> None:
    without = {name: edge for name, edge in ranges.items() if name != "pooled"}
    with pytest.raises(ValueError, match="pooled"):
        quantize_for_tensorrt(residual, without)


def test_a_graph_that_is_for_tensorrt_10_anyway_may_keep_its_opset(
    residual: onnx.ModelProto, ranges: Ranges
) -> None:
    quantized = quantize_for_tensorrt(residual, ranges)
    newer_opset(quantized)
    assert len(find_violations(quantized)) == 1
    assert find_violations(quantized, opset=18) == []
