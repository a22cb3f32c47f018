"""Q/DQ pairs broken in one way each: the rules of explicit quantization."""

from __future__ import annotations

import ml_dtypes
import numpy as np
import onnx
from onnx import helper, numpy_helper

from cdul_edge_calibration.graphs.tensorrt_graph import Kind
from tests.fakes.breakage import (
    Breakage,
    Spoil,
    breaks,
    insert_after,
    own_constant,
    pair_of,
    set_attribute,
    set_opset,
)
from tests.fakes.residual_network import constant, node, set_constant

PAIRS: list[Breakage] = []
_SCALES: tuple[tuple[float, str, Kind], ...] = (
    (0.0, "a scale is not above 0", "refused"),
    (-0.1, "a scale is not above 0", "refused"),
    (np.nan, "a scale is not above 0", "refused"),
    (np.inf, "a scale is infinite", "wrong"),
    (1e-9, "a scale vanishes in FP16", "old"),
    (1e-42, "a scale vanishes in FP16", "old"),
    (1e5, "a scale of 1e+05 is beyond FP16", "old"),
)


@breaks(PAIRS, "no zero point", "old")
def no_zero_point(model: onnx.ModelProto) -> str:
    quantize, _ = pair_of(model, "conv1", 0)
    del quantize.input[2]
    return str(quantize.name)


@breaks(PAIRS, "scale and zero point must be constants", "old")
def computed_scale(model: onnx.ModelProto) -> str:
    quantize, _ = pair_of(model, "conv1", 0)
    scale = quantize.input[1]
    model.graph.node.insert(0, helper.make_node("Identity", [scale], ["computed"], "computing"))
    quantize.input[1] = "computed"
    return str(quantize.name)


@breaks(PAIRS, "zero point is uint8, expected int8", "wrong")
def zero_point_of_uint8(model: onnx.ModelProto) -> str:
    quantize, _ = pair_of(model, "conv1", 0)
    own_constant(model, quantize, 2, np.uint8(0))
    return str(quantize.name)


@breaks(PAIRS, "zero point is not 0", "refused")
def zero_point_of_three(model: onnx.ModelProto) -> str:
    quantize, dequantize = pair_of(model, "conv1", 0)
    own_constant(model, dequantize, 2, np.int8(3))
    quantize.input[2] = dequantize.input[2]
    return str(quantize.name)


@breaks(PAIRS, "scale is float16, expected float32", "old")
def scale_of_fp16(model: onnx.ModelProto) -> str:
    quantize, _ = pair_of(model, "conv1", 0)
    own_constant(model, quantize, 1, constant(model, quantize.input[1]).astype(np.float16))
    return str(quantize.name)


def scale_of(value: float) -> Spoil:
    def spoil(model: onnx.ModelProto) -> str:
        quantize, dequantize = pair_of(model, "conv1", 0)
        own_constant(model, quantize, 1, np.float32(value))
        dequantize.input[1] = quantize.input[1]
        return str(quantize.name)

    return spoil


@breaks(PAIRS, "1 zero points for 8 scales", "refused")
def one_zero_point_for_eight_scales(model: onnx.ModelProto) -> str:
    quantize, dequantize = pair_of(model, "conv1", 1)
    own_constant(model, quantize, 2, np.zeros(1, np.int8))
    dequantize.input[2] = quantize.input[2]
    return str(quantize.name)


@breaks(PAIRS, "dequantizes INT8, which no QuantizeLinear made", "old")
def weights_of_int8(model: onnx.ModelProto) -> str:
    quantize, dequantize = pair_of(model, "conv1", 1)
    model.graph.initializer.append(
        numpy_helper.from_array(np.zeros((8, 3, 3, 3), np.int8), "whole weights")
    )
    dequantize.input[0] = "whole weights"
    model.graph.node.remove(quantize)
    return str(dequantize.name)


@breaks(PAIRS, "dequantizes INT32, which no QuantizeLinear made", "refused")
def bias_of_int32(model: onnx.ModelProto) -> str:
    for name, values in (("bias", np.zeros(8, np.int32)), ("bias scale", np.ones(8, np.float32))):
        model.graph.initializer.append(numpy_helper.from_array(values, name))
    biases = helper.make_node(
        "DequantizeLinear", ["bias", "bias scale"], ["float bias"], "dequantized_bias", axis=0
    )
    model.graph.node.insert(0, biases)
    node(model, "node_conv1").input[2] = "float bias"
    return "dequantized_bias"


@breaks(PAIRS, "scale or zero point differs from its QuantizeLinear's", "wrong")
def other_scale_after(model: onnx.ModelProto) -> str:
    _, dequantize = pair_of(model, "conv1", 0)
    own_constant(model, dequantize, 1, 2 * constant(model, dequantize.input[1]))
    return str(dequantize.name)


@breaks(PAIRS, "an activation has scales of shape (8,), expected one", "slow")
def scales_by_channel_of_an_activation(model: onnx.ModelProto) -> str:
    quantize, dequantize = pair_of(model, "layer1.0.conv2", 0)
    own_constant(model, quantize, 1, np.full(8, 0.1, np.float32))
    own_constant(model, quantize, 2, np.zeros(8, np.int8))
    dequantize.input[1], dequantize.input[2] = quantize.input[1:]
    return str(dequantize.name)


@breaks(PAIRS, "only its weights are quantized", "slow")
def float_input(model: onnx.ModelProto) -> str:
    broken = node(model, "node_conv1")
    broken.input[0] = "shifted"
    return str(broken.name)


@breaks(PAIRS, "only its input is quantized", "slow")
def float_weights(model: onnx.ModelProto) -> str:
    broken = node(model, "node_conv1")
    broken.input[1] = "network.conv1.weight"
    return str(broken.name)


@breaks(PAIRS, "its bias is no float constant", "old")
def computed_bias(model: onnx.ModelProto) -> str:
    bias = node(model, "node_conv1").input[2]
    model.graph.node.insert(0, helper.make_node("Identity", [bias], ["computed bias"], "biasing"))
    node(model, "node_conv1").input[2] = "computed bias"
    return "node_conv1"


@breaks(PAIRS, "its weights are not quantized from FP32 constants", "old")
def weights_of_fp16(model: onnx.ModelProto) -> str:
    name = "network.conv1.weight"
    set_constant(model, name, constant(model, name).astype(np.float16))
    return "node_conv1"


@breaks(PAIRS, "weights need 8 scales on axis 0", "slow")
def weights_on_axis_one(model: onnx.ModelProto) -> str:
    quantize, dequantize = pair_of(model, "layer1.0.conv1", 1)
    for made_by in (quantize, dequantize):
        del made_by.attribute[:]
        made_by.attribute.append(helper.make_attribute("axis", 1))
    return str(dequantize.name)


@breaks(PAIRS, "weights need 8 scales on axis 0", "slow")
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


@breaks(PAIRS, "a pair between Conv and Relu stops their fusion", "slow")
def pair_between_conv_and_relu(model: onnx.ModelProto) -> str:
    add_pair(model, node(model, "node_conv1.relu"), 0)
    return "node_conv1.relu"


@breaks(PAIRS, "a pair between Add and Relu stops their fusion", "slow")
def pair_between_add_and_relu(model: onnx.ModelProto) -> str:
    add_pair(model, node(model, "node_layer1.0.relu"), 0)
    return "node_layer1.0.relu"


@breaks(PAIRS, "pairs on both operands of a residual Add", "slow")
def pairs_on_both_operands(model: onnx.ModelProto) -> str:
    add_pair(model, node(model, "node_layer1.0.add"), 0)
    return "node_layer1.0.add"


@breaks(PAIRS, "pairs on neither operand of a residual Add", "slow")
def pair_on_neither_operand(model: onnx.ModelProto) -> str:
    node(model, "node_layer1.0.add").input[1] = "pooled"
    return "node_layer1.0.add"


@breaks(PAIRS, "the pair is on the main path of a residual Add", "slow")
def pair_on_the_main_path(model: onnx.ModelProto) -> str:
    add = node(model, "node_layer1.0.add")
    add_pair(model, add, 0)
    add.input[1] = "pooled"
    return str(add.name)


def _share(model: onnx.ModelProto, layer: str, position: int, **values: object) -> str:
    """Give both nodes of a pair another scale, zero point, or both; returns the name of the Q."""
    quantize, dequantize = pair_of(model, layer, position)
    for place, name in ((1, "scale"), (2, "zero")):
        if name in values:
            own_constant(model, quantize, place, values[name])
            dequantize.input[place] = quantize.input[place]
    return str(quantize.name)


for _value, _rule, _kind in _SCALES:
    PAIRS.append(Breakage(f"scale_of_{_value:g}", scale_of(_value), _rule, _kind))


@breaks(PAIRS, "zero point is uint8, expected int8", "wrong")
def zero_points_of_uint8(model: onnx.ModelProto) -> str:
    return _share(model, "conv1", 0, zero=np.uint8(0))


@breaks(PAIRS, "zero point is not 0", "refused")
def zero_points_of_uint8_128(model: onnx.ModelProto) -> str:
    return _share(model, "conv1", 0, zero=np.uint8(128))


@breaks(PAIRS, "zero point is int16, expected int8", "refused")
def zero_points_of_int16(model: onnx.ModelProto) -> str:
    set_opset(model, 21, 10)
    return _share(model, "conv1", 0, zero=np.int16(0))


@breaks(PAIRS, "zero point is int32, expected int8", "wrong")
def zero_points_of_int32(model: onnx.ModelProto) -> str:
    return _share(model, "conv1", 0, zero=np.int32(0))


@breaks(PAIRS, "zero point is int4, expected int8", "refused")
def zero_points_of_int4(model: onnx.ModelProto) -> str:
    set_opset(model, 21, 10)
    return _share(model, "conv1", 1, zero=np.zeros(8, ml_dtypes.int4))


@breaks(PAIRS, "zero point is float8_e4m3fn, expected int8", "refused")
def zero_points_of_fp8(model: onnx.ModelProto) -> str:
    set_opset(model, 19, 9)
    return _share(model, "conv1", 0, zero=np.zeros((), ml_dtypes.float8_e4m3fn))


@breaks(PAIRS, "a scale is not above 0", "refused")
def one_scale_of_weights_is_zero(model: onnx.ModelProto) -> str:
    scales = constant(model, pair_of(model, "conv1", 1)[0].input[1]).copy()
    scales[3] = 0
    return _share(model, "conv1", 1, scale=scales)


@breaks(PAIRS, "scale is float64, expected float32", "old")
def scales_of_float64(model: onnx.ModelProto) -> str:
    return _share(model, "conv1", 0, scale=np.float64(0.1))


@breaks(PAIRS, "of different types (BFLOAT16, FLOAT, FLOAT)", "refused")
def scales_of_bfloat16(model: onnx.ModelProto) -> str:
    set_opset(model, 19, 9)
    _share(model, "conv1", 0, scale=np.asarray(0.1, ml_dtypes.bfloat16))
    return "node_conv1"


@breaks(PAIRS, "of different types (FLOAT16, FLOAT, FLOAT)", "refused")
def scales_of_fp16_beside_fp32(model: onnx.ModelProto) -> str:
    set_opset(model, 19, 9)
    _share(model, "conv1", 0, scale=np.float16(0.1))
    return "node_conv1"


@breaks(PAIRS, "an activation has scales of shape (1,), expected one scalar", "slow")
def scale_of_an_activation_in_a_list(model: onnx.ModelProto) -> str:
    _share(model, "conv1", 0, scale=np.array([0.1], np.float32), zero=np.zeros(1, np.int8))
    return str(pair_of(model, "conv1", 0)[1].name)


@breaks(PAIRS, "weights need 8 scales on axis 0", "refused")
def two_scales_for_eight_filters(model: onnx.ModelProto) -> str:
    return _of_weights(model, np.ones(2, np.float32), np.zeros(2, np.int8))


@breaks(PAIRS, "weights need 8 scales on axis 0", "refused")
def scales_of_weights_in_two_dimensions(model: onnx.ModelProto) -> str:
    return _of_weights(model, np.ones((8, 1), np.float32), np.zeros((8, 1), np.int8))


@breaks(PAIRS, "weights need 8 scales on axis 0", "refused")
def scales_of_weights_in_four_dimensions(model: onnx.ModelProto) -> str:
    return _of_weights(model, np.ones((8, 1, 1, 1), np.float32), np.zeros((8, 1, 1, 1), np.int8))


def _of_weights(model: onnx.ModelProto, scale: object, zero: object) -> str:
    _share(model, "conv1", 1, scale=scale, zero=zero)
    return str(pair_of(model, "conv1", 1)[1].name)


@breaks(PAIRS, "weights need 8 scales on axis 0", "refused")
def weights_without_an_axis(model: onnx.ModelProto) -> str:
    return _on_axis(model)  # the default, 1, has 3 channels


@breaks(PAIRS, "weights need 8 scales on axis 0", "refused")
def weights_on_axis_nine(model: onnx.ModelProto) -> str:
    return _on_axis(model, axis=9)


def _on_axis(model: onnx.ModelProto, **axis: int) -> str:
    pair = pair_of(model, "conv1", 1)
    for made in pair:
        set_attribute(made, **axis)
    return str(pair[1].name)


@breaks(PAIRS, "weights need 8 scales on axis 0", "refused")
def weights_in_blocks(model: onnx.ModelProto) -> str:
    set_opset(model, 21, 10)
    blocks = (8, 2, 3, 3)
    _share(
        model,
        "layer1.0.conv1",
        1,
        scale=np.full(blocks, 0.01, np.float32),
        zero=np.zeros(blocks, np.int8),
    )
    pair = pair_of(model, "layer1.0.conv1", 1)
    for made in pair:
        set_attribute(made, axis=1, block_size=4)
    return str(pair[1].name)


@breaks(PAIRS, "which no DequantizeLinear ends", "refused")
def int8_read_by_a_convolution(model: onnx.ModelProto) -> str:
    node(model, "node_conv1").input[0] = pair_of(model, "conv1", 0)[0].output[0]
    return "node_conv1"


@breaks(PAIRS, "dequantizes a tensor, which no QuantizeLinear made", "refused")
def dequantized_twice(model: onnx.ModelProto) -> str:
    _, dequantize = pair_of(model, "conv1", 0)
    inputs = [dequantize.output[0], *dequantize.input[1:]]
    again = helper.make_node("DequantizeLinear", inputs, ["twice"], "dequantized_again")
    insert_after(model, dequantize, again)
    node(model, "node_conv1").input[0] = "twice"
    return "dequantized_again"


@breaks(PAIRS, "not valid ONNX", "invalid")
def quantized_twice(model: onnx.ModelProto) -> str:
    quantize, dequantize = pair_of(model, "conv1", 0)
    inputs = [quantize.output[0], *quantize.input[1:]]
    again = helper.make_node("QuantizeLinear", inputs, ["twice"], "quantized_again")
    insert_after(model, quantize, again)
    dequantize.input[0] = "twice"
    return "not valid ONNX"


@breaks(PAIRS, "quantizes INT32, expected a float type", "refused")
def int32_quantized(model: onnx.ModelProto) -> str:
    quantize, _ = pair_of(model, "conv1", 1)
    own_constant(model, quantize, 0, np.ones((8, 3, 3, 3), np.int32))
    return str(quantize.name)


@breaks(PAIRS, "dequantizes a tensor, which no QuantizeLinear made", "old")
def relu_between_the_nodes_of_a_pair(model: onnx.ModelProto) -> str:
    quantize, dequantize = pair_of(model, "conv1", 0)
    relu = helper.make_node("Relu", [quantize.output[0]], ["int8 relu"], "int8_relu")
    insert_after(model, quantize, relu)
    dequantize.input[0] = "int8 relu"
    return str(dequantize.name)


@breaks(PAIRS, "its weights are not quantized from FP32 constants", "old")
def computed_weights(model: onnx.ModelProto) -> str:
    quantize, _ = pair_of(model, "conv1", 1)
    computing = helper.make_node("Identity", [quantize.input[0]], ["computed"], "computing")
    model.graph.node.insert(0, computing)
    quantize.input[0] = "computed"
    return "node_conv1"


@breaks(PAIRS, "of different types (FLOAT, FLOAT, FLOAT16)", "refused")
def bias_of_fp16(model: onnx.ModelProto) -> str:
    own_constant(model, node(model, "node_conv1"), 2, np.zeros(8, np.float16))
    return "node_conv1"


@breaks(PAIRS, "5 biases for 8 channels", "refused")
def too_few_biases(model: onnx.ModelProto) -> str:
    own_constant(model, node(model, "node_conv1"), 2, np.zeros(5, np.float32))
    return "node_conv1"


@breaks(PAIRS, "weights for 4 channels read 3", "refused")
def weights_for_other_channels(model: onnx.ModelProto) -> str:
    own_constant(model, pair_of(model, "conv1", 1)[0], 0, np.zeros((8, 4, 3, 3), np.float32))
    return "node_conv1"
