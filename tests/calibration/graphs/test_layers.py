from __future__ import annotations

import onnx
import pytest
from onnx import helper

from cdul_edge_calibration.graphs.layers import (
    Layer,
    drop_unused,
    list_layers,
    name_nodes,
    producers,
    residual_adds,
    work_share,
)
from tests.fakes.residual_network import LAYERS, node


def test_layers_come_in_running_order_with_names_as_in_the_network(
    residual: onnx.ModelProto,
) -> None:
    layers = list_layers(residual)
    assert tuple(layer.name for layer in layers) == (*LAYERS, "fc")
    assert layers[1] == Layer("layer1.0.conv1", "node_layer1.0.conv1", "Conv", 8 * 8 * 3 * 3)
    assert layers[-1] == Layer("fc", "node_linear", "Gemm", 3 * 16)


def test_a_layer_without_constant_weights_is_none(residual: onnx.ModelProto) -> None:
    node(residual, "node_conv1").input[1] = "images"
    assert "conv1" not in {layer.name for layer in list_layers(residual)}


def test_residual_adds_are_those_that_a_convolution_swallows(residual: onnx.ModelProto) -> None:
    assert residual_adds(residual) == ("node_layer1.0.add", "node_layer2.0.add")


def test_an_add_without_a_convolution_of_its_own_is_no_residual(residual: onnx.ModelProto) -> None:
    # Someone else reads the convolution's output too: it cannot be swallowed.
    node(residual, "node_layer1.0.relu").input[0] = "layer1.0.conv2"
    assert residual_adds(residual) == ("node_layer2.0.add",)
    node(residual, "node_layer2.0.add").input[1] = "network.fc.bias"  # a constant operand
    assert residual_adds(residual) == ()


def test_nodes_and_constants_that_nothing_reads_go(residual: onnx.ModelProto) -> None:
    before = residual.SerializeToString()
    drop_unused(residual.graph)
    assert residual.SerializeToString() == before
    nodes = {n.name for n in residual.graph.node}
    constants = {t.name for t in residual.graph.initializer}
    node(residual, "node_layer2.0.add").input[1] = "layer2.0.conv2"
    dead = helper.make_node("Relu", ["layer2.0.downsample.0"], ["dead"], "dead")
    residual.graph.node.append(dead)
    drop_unused(residual.graph)
    assert nodes - {n.name for n in residual.graph.node} == {"node_layer2.0.downsample.0"}
    gone = {f"network.layer2.0.downsample.0.{end}" for end in ("weight", "bias")}
    assert constants - {t.name for t in residual.graph.initializer} == gone


def test_every_node_gets_a_name_of_its_own_and_good_names_stay(residual: onnx.ModelProto) -> None:
    relus = [n for n in residual.graph.node if n.op_type == "Relu"]
    relus[0].name, relus[1].name, relus[2].name = "", "same", "same"
    name_nodes(residual)
    names = [n.name for n in residual.graph.node]
    assert len(set(names)) == len(names)
    assert all(names)
    assert relus[1].name == "same"
    assert node(residual, "node_conv1").output[0] == "conv1"
    again = list(names)
    name_nodes(residual)
    assert [n.name for n in residual.graph.node] == again


def test_a_producer_is_found_by_its_tensor(residual: onnx.ModelProto) -> None:
    makers = producers(residual.graph)
    assert makers["layer1.0"].name == "node_layer1.0.relu"
    assert "images" not in makers


def test_the_share_of_the_work_counts_multiplications(residual: onnx.ModelProto) -> None:
    # Places x filters x weights of a filter; 8 x 8 px at first, then 4 x 4, then 2 x 2.
    work = [64 * 8 * 27, 16 * 8 * 72, 16 * 8 * 72, 4 * 16 * 72, 4 * 16 * 144, 4 * 16 * 8]
    linear = 3 * 16
    total = sum(work) + linear
    assert work_share(residual, ["Gemm"]) == pytest.approx(linear / total)
    assert work_share(residual, ["Conv"]) == pytest.approx(sum(work) / total)
    assert work_share(residual, ["Conv", "Gemm"]) == 1
