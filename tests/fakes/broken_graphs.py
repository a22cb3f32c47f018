"""Graphs broken in one way each: operators, names, types, inputs; and what breaks nothing."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import onnx
from onnx import TensorProto, helper

from cdul_edge_calibration.graphs.layers import replace_nodes
from tests.fakes.breakage import (
    Breakage,
    add_constant,
    breaks,
    insert_after,
    own_constant,
    pair_of,
    replace_node,
    set_attribute,
    set_opset,
)
from tests.fakes.broken_pairs import PAIRS
from tests.fakes.residual_network import constant, node, set_constant

GRAPHS: list[Breakage] = []
INVALID = "not valid ONNX"


@breaks(GRAPHS, "TensorRT 8.6 reads up to 17", "old")
def newer_opset(model: onnx.ModelProto) -> str:
    model.opset_import[0].version = 18
    return "opset 18"


@breaks(GRAPHS, "operator com.microsoft.Relu is not ONNX's own", "wrong")
def foreign_operator(model: onnx.ModelProto) -> str:
    node(model, "node_layer1.0.relu").domain = "com.microsoft"
    return "node_layer1.0.relu"


@breaks(GRAPHS, "Transpose reads uint8 pixels; only Cast may", "refused")
def pixels_read_by_transpose(model: onnx.ModelProto) -> str:
    node(model, "node_permute").input[0] = "images"
    return "node_permute"


@breaks(GRAPHS, "TensorRT 8.6 reads up to 17", "old")
def opset_of_next_year(model: onnx.ModelProto) -> str:
    set_opset(model, 25, 13)
    return "opset 25"


@breaks(GRAPHS, "operator com.microsoft.QuickGelu is not ONNX's own", "refused")
def unknown_foreign_operator(model: onnx.ModelProto) -> str:
    relu = node(model, "node_conv1.relu")
    relu.op_type, relu.domain = "QuickGelu", "com.microsoft"
    return "node_conv1.relu"


@breaks(GRAPHS, INVALID, "invalid")
def misspelled_operator(model: onnx.ModelProto) -> str:
    node(model, "node_sigmoid").op_type = "Sigmod"
    return INVALID


@breaks(GRAPHS, "TensorRT does not read QLinearConv", "refused")
def quantized_operator(model: onnx.ModelProto) -> str:
    (data, _), (weights, _) = (pair_of(model, "conv1", place) for place in (0, 1))
    end = [add_constant(model, "s", np.float32(0.1)), add_constant(model, "z", np.int8(0))]
    inputs = [data.output[0], *data.input[1:], weights.output[0], *weights.input[1:], *end]
    replace_node(
        model,
        node(model, "node_conv1"),
        helper.make_node("QLinearConv", inputs, ["int8"], "quantized", pads=[1] * 4),
        helper.make_node("DequantizeLinear", ["int8", *end], ["conv1"], "dequantized"),
    )
    return "quantized"


@breaks(GRAPHS, "TensorRT does not read ConvInteger", "refused")
def integer_operator(model: onnx.ModelProto) -> str:
    inputs = [pair_of(model, "conv1", place)[0].output[0] for place in (0, 1)]
    replace_node(
        model,
        node(model, "node_conv1"),
        helper.make_node("ConvInteger", inputs, ["int32"], "integer", pads=[1] * 4),
        helper.make_node("Cast", ["int32"], ["conv1"], "back", to=TensorProto.FLOAT),
    )
    return "integer"


@breaks(GRAPHS, "TensorRT does not read DynamicQuantizeLinear", "refused")
def quantized_by_what_is_seen(model: onnx.ModelProto) -> str:
    quantize, dequantize = pair_of(model, "conv1", 0)
    made = ["int8", "seen scale", "seen zero"]
    seen = helper.make_node("DynamicQuantizeLinear", [quantize.input[0]], made, "seeing")
    insert_after(model, quantize, seen)
    dequantize.input[:] = made
    return "seeing"


@breaks(GRAPHS, "TensorRT does not read NonZero", "refused")
def shape_that_depends_on_values(model: onnx.ModelProto) -> str:
    last = node(model, "node_sigmoid")
    last.output[0] = "all"
    places = helper.make_node("NonZero", ["all"], ["places"], "finding")
    insert_after(model, last, places)
    cast = helper.make_node("Cast", ["places"], ["scores"], "back", to=TensorProto.FLOAT)
    insert_after(model, places, cast)
    return "finding"


@breaks(GRAPHS, "its equation has capital letters", "refused")
def equation_in_capitals(model: onnx.ModelProto) -> str:
    linear = node(model, "node_linear")
    inputs = [linear.input[0], linear.input[1]]
    product = helper.make_node("Einsum", inputs, ["linear"], "summing", equation="NC,KC->NK")
    replace_node(model, linear, product)
    return "summing"


@breaks(GRAPHS, "MaxPool that tells places, too", "refused")
def pooling_with_places(model: onnx.ModelProto) -> str:
    node(model, "node_max_pool").output.append("places")
    return "node_max_pool"


@breaks(GRAPHS, "MaxPool with dilations", "refused")
def pooling_with_gaps(model: onnx.ModelProto) -> str:
    pads = [0, 0, 1, 1]
    set_attribute(node(model, "node_max_pool"), kernel_shape=[2, 2], strides=[2, 2], pads=pads)
    node(model, "node_max_pool").attribute.append(helper.make_attribute("dilations", [2, 2]))
    return "node_max_pool"


def resize(model: onnx.ModelProto, *sizes: str, **attributes: object) -> str:
    """Put a Resize that changes nothing before the pooling."""
    pooling = node(model, "node_max_pool")
    inputs = [pooling.input[0], *sizes]
    made = helper.make_node("Resize", inputs, ["resized"], "resizing")
    set_attribute(made, mode="linear", **attributes)
    model.graph.node.insert(list(model.graph.node).index(pooling), made)
    pooling.input[0] = "resized"
    return "resizing"


@breaks(GRAPHS, "Resize with antialiasing", "refused")
def resizing_with_antialiasing(model: onnx.ModelProto) -> str:
    set_opset(model, 18, 8)
    scales = add_constant(model, "scales", np.ones(4, np.float32))
    return resize(model, "", scales, antialias=1)


@breaks(GRAPHS, "Resize of a part of the image", "refused")
def resizing_a_part(model: onnx.ModelProto) -> str:
    scales = add_constant(model, "scales", np.ones(4, np.float32))
    part = add_constant(model, "part", np.array([0, 0, 0, 0, 1, 1, 1, 1], np.float32))
    return resize(model, part, scales, coordinate_transformation_mode="tf_crop_and_resize")


@breaks(GRAPHS, "ScatterND with a reduction", "refused")
def scattering_sums(model: onnx.ModelProto) -> str:
    place = add_constant(model, "place", np.zeros((1, 1), np.int64))
    value = add_constant(model, "value", np.zeros((1, 3), np.float32))
    last = node(model, "node_sigmoid")
    inputs = [last.input[0], place, value]
    adding = helper.make_node("ScatterND", inputs, ["summed"], "scattering", reduction="add")
    model.graph.node.insert(list(model.graph.node).index(last), adding)
    last.input[0] = "summed"
    return "scattering"


@breaks(GRAPHS, "46 nodes have this name", "refused")
def one_name_for_all(model: onnx.ModelProto) -> str:
    for made in model.graph.node:
        made.name = "same"
    return "same"


@breaks(GRAPHS, INVALID, "invalid")
def nodes_in_reverse(model: onnx.ModelProto) -> str:
    replace_nodes(model.graph, list(model.graph.node)[::-1])
    return INVALID


@breaks(GRAPHS, INVALID, "invalid")
def input_from_nowhere(model: onnx.ModelProto) -> str:
    node(model, "node_conv1.relu").input[0] = "nowhere"
    return INVALID


@breaks(GRAPHS, INVALID, "invalid")
def ring(model: onnx.ModelProto) -> str:
    node(model, "node_conv1.relu").input[0] = "layer1.0"
    return INVALID


@breaks(GRAPHS, INVALID, "invalid")
def tensor_made_twice(model: onnx.ModelProto) -> str:
    node(model, "node_layer1.0.relu").output[0] = "conv1.relu"
    return INVALID


@breaks(GRAPHS, INVALID, "invalid")
def scores_that_nothing_makes(model: onnx.ModelProto) -> str:
    model.graph.output[0].name = "elsewhere"
    return INVALID


@breaks(GRAPHS, "its values lie in a file that is not there", "refused")
def values_in_a_lost_file(model: onnx.ModelProto) -> str:
    weights = next(t for t in model.graph.initializer if t.name == "network.fc.weight")
    weights.ClearField("raw_data")
    weights.data_location = TensorProto.EXTERNAL
    weights.external_data.add(key="location", value="gone.bin")
    return "network.fc.weight"


@breaks(GRAPHS, "TensorRT has no STRING", "refused")
def constant_of_words(model: onnx.ModelProto) -> str:
    return add_constant(model, "words", np.array(["cat"], object))


@breaks(GRAPHS, "TensorRT has no UINT32", "refused")
def constant_of_uint32(model: onnx.ModelProto) -> str:
    return add_constant(model, "counts", np.array([1], np.uint32))


@breaks(GRAPHS, "a value is no number", "wrong")
def weights_that_are_no_numbers(model: onnx.ModelProto) -> str:
    quantize, _ = pair_of(model, "conv1", 1)
    weights = constant(model, quantize.input[0]).copy()
    weights[0, 0, 0, 0] = np.nan
    own_constant(model, quantize, 0, weights)
    return str(quantize.input[0])


@breaks(GRAPHS, "its batch is fixed at 1, expected any", "refused")
def batch_of_one(model: onnx.ModelProto) -> str:
    model.graph.input[0].type.tensor_type.shape.dim[0].dim_value = 1
    return "images"


@breaks(GRAPHS, "its number of channels is open", "refused")
def open_channels(model: onnx.ModelProto) -> str:
    model.graph.input[0].type.tensor_type.shape.dim[3].dim_param = "channels"
    return "images"


@breaks(GRAPHS, INVALID, "invalid")
def input_without_a_shape(model: onnx.ModelProto) -> str:
    model.graph.input[0].type.tensor_type.ClearField("shape")
    return INVALID


@breaks(GRAPHS, "the input is UINT16, expected UINT8", "refused")
def pixels_of_sixteen_bits(model: onnx.ModelProto) -> str:
    model.graph.input[0].type.tensor_type.elem_type = TensorProto.UINT16
    return "images"


@breaks(GRAPHS, "the input is INT8, expected UINT8", "wrong")
def pixels_with_a_sign(model: onnx.ModelProto) -> str:
    model.graph.input[0].type.tensor_type.elem_type = TensorProto.INT8
    return "images"


@breaks(GRAPHS, "a second input, expected pixels alone", "refused")
def second_input(model: onnx.ModelProto) -> str:
    extra = helper.make_tensor_value_info("temperature", TensorProto.FLOAT, ["batch"])
    model.graph.input.append(extra)
    return "temperature"


@breaks(GRAPHS, "casts pixels to INT32, expected a float type", "old")
def pixels_cast_to_integers_first(model: onnx.ModelProto) -> str:
    cast = node(model, "node_cast")
    set_attribute(cast, to=TensorProto.INT32)
    cast.output[0] = "integers"
    insert_after(
        model,
        cast,
        helper.make_node("Cast", ["integers"], ["floats"], "then", to=TensorProto.FLOAT),
    )
    return "node_cast"


@breaks(GRAPHS, INVALID, "invalid")
def half_in_fp16(model: onnx.ModelProto) -> str:
    set_constant(model, "scale", constant(model, "scale").astype(np.float16))
    return INVALID


@breaks(GRAPHS, INVALID, "invalid")
def half_in_bfloat16(model: onnx.ModelProto) -> str:
    set_attribute(node(model, "node_cast"), to=TensorProto.BFLOAT16)
    return INVALID


@breaks(GRAPHS, INVALID, "invalid")
def one_constant_of_float64(model: onnx.ModelProto) -> str:
    set_constant(model, "scale", constant(model, "scale").astype(np.float64))
    return INVALID


BREAKAGES = (*PAIRS, *GRAPHS)


# What looks like a fault, and is none: no rule may speak, and every convolution runs in INT8.


def axis_counted_from_the_end(model: onnx.ModelProto) -> None:
    for made in pair_of(model, "conv1", 1):
        set_attribute(made, axis=-4)


def one_pair_for_two_convolutions(model: onnx.ModelProto) -> None:
    shared = node(model, "node_layer1.0.conv1").input[1]
    node(model, "node_layer1.0.conv2").input[1] = shared


def one_quantizer_for_two_dequantizers(model: onnx.ModelProto) -> None:
    quantize, dequantize = pair_of(model, "conv1", 0)
    inputs = [quantize.output[0], *dequantize.input[1:]]
    insert_after(model, quantize, helper.make_node("DequantizeLinear", inputs, ["own"], "own"))
    node(model, "node_conv1").input[0] = "own"


def nodes_without_names(model: onnx.ModelProto) -> None:
    for made in model.graph.node:
        made.name = ""


def reshape_by_int64(model: onnx.ModelProto) -> None:
    shape = add_constant(model, "shape", np.array([-1, 16], np.int64))
    reshape = helper.make_node("Reshape", ["mean", shape], ["view"], "reshape")
    replace_node(model, node(model, "node_view"), reshape)


def mask_of_minus_infinity(model: onnx.ModelProto) -> None:
    mask = add_constant(model, "mask", np.float32(-np.inf))
    last = node(model, "node_sigmoid")
    masking = helper.make_node("Max", [last.input[0], mask], ["masked"], "masking")
    model.graph.node.insert(list(model.graph.node).index(last), masking)
    last.input[0] = "masked"


def open_height_and_width(model: onnx.ModelProto) -> None:
    for place, name in ((1, "height"), (2, "width")):
        model.graph.input[0].type.tensor_type.shape.dim[place].dim_param = name


HARMLESS: tuple[Callable[[onnx.ModelProto], None], ...] = (
    axis_counted_from_the_end,
    one_pair_for_two_convolutions,
    one_quantizer_for_two_dequantizers,
    nodes_without_names,
    reshape_by_int64,
    mask_of_minus_infinity,
    open_height_and_width,
)
