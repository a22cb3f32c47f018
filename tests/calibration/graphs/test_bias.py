from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from cdul_edge_calibration.data.ranges import Means, Ranges
from cdul_edge_calibration.graphs.bias import correct_biases
from cdul_edge_calibration.graphs.means import measure_means
from cdul_edge_calibration.graphs.quantize import quantize_for_cpu, quantize_for_tensorrt
from cdul_edge_runtime.bundle.manifest import Precision
from tests.fakes.residual_network import (
    LAYERS,
    build_residual,
    constant,
    node,
    pictures,
    run,
    set_constant,
)

Quantize = Callable[..., onnx.ModelProto]


def one_layer(
    operator: str, weights: npt.NDArray[Any], bias: list[float] | None, **attributes: Any
) -> onnx.ModelProto:
    """A graph of one layer between "x" and "y"."""
    constants = {"w": weights.astype(np.float32)}
    if bias is not None:
        constants["b"] = np.array(bias, np.float32)
    graph = helper.make_graph(
        [helper.make_node(operator, ["x", *constants], ["y"], "layer", **attributes)],
        "one",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, None)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    return helper.make_model(graph)


def corrected(model: onnx.ModelProto, mean: list[float]) -> list[float]:
    correct_biases(model, {"x": mean}, {"layer"})
    return [round(float(value), 4) for value in constant(model, node(model, "layer").input[2])]


# Each row's largest weight is 127, so its step is 1: 0.4 is rounded to 0, and 0.7 to 1.
ROWS = np.array([[127, 0.4, 0.7], [-127, 0.4, 0.4]])


def test_what_rounding_adds_on_average_is_taken_off_the_bias() -> None:
    model = one_layer("Conv", ROWS.reshape(2, 3, 1, 1), [1.0, 2.0])
    # 1 - (-0.4 x 10 + 0.3 x 20), and 2 - (-0.4 x 10 - 0.4 x 20)
    assert corrected(model, [5.0, 10.0, 20.0]) == [-1.0, 14.0]
    np.testing.assert_array_equal(constant(model, "w"), ROWS.reshape(2, 3, 1, 1).astype(np.float32))


def test_a_depthwise_channel_has_its_own_mean_and_a_group_its_own_channels() -> None:
    depthwise = one_layer("Conv", ROWS.reshape(2, 1, 1, 3), [0.0, 0.0], group=2)
    assert corrected(depthwise, [10.0, 100.0]) == [1.0, 80.0]  # -(-0.4 + 0.3) x 10, 0.8 x 100
    grouped = one_layer("Conv", ROWS.reshape(2, 3, 1, 1), [0.0, 0.0], group=2)
    assert corrected(grouped, [0, 10.0, 20.0, 0, 100.0, 200.0]) == [-2.0, 120.0]


@pytest.mark.parametrize(
    ("size", "stride", "wanted"),
    # A kernel of 3 over 2 places and padding: its ends meet one of them, its middle both. Over 4
    # places with a stride of 4 it is laid once, beginning in the padding.
    [(2, 1, -(0.5 * 0.4 - 0.5 * 0.3) * 10), (4, 4, 0.3 * 10), (None, 1, -(0.4 - 0.3) * 10)],
)
def test_a_weight_over_the_padding_adds_nothing(
    size: int | None, stride: int, wanted: float
) -> None:
    kernel = np.array([0.6, 127, 0.3])[None, None, :, None]  # rounded up by 0.4, down by 0.3
    model = one_layer(
        "Conv", kernel, [0.0], kernel_shape=[3, 1], pads=[1, 0, 1, 0], strides=[stride, 1]
    )
    if size is not None:
        shape = model.graph.input[0].type.tensor_type.shape
        for side in (1, 1, size, 5):
            shape.dim.add().dim_value = side
    assert corrected(model, [10.0]) == [pytest.approx(wanted, abs=1e-4)]


@pytest.mark.parametrize("transposed", [0, 1])
def test_a_linear_layer_is_corrected_too_and_may_have_no_bias(transposed: int) -> None:
    model = one_layer("Gemm", ROWS if transposed else ROWS.T, None, transB=transposed)
    assert corrected(model, [5.0, 10.0, 20.0]) == [-2.0, 12.0]


@pytest.mark.parametrize("reason", ["not quantized", "unknown input", "scaled"])
def test_other_layers_keep_their_bias(reason: str) -> None:
    scaled = {"alpha": 2.0} if reason == "scaled" else {}
    model = one_layer("Gemm", ROWS, [1.0, 2.0], transB=1, **scaled)
    nodes = set() if reason == "not quantized" else {"layer"}
    tensor = "z" if reason == "unknown input" else "x"
    correct_biases(model, {tensor: [5.0, 10.0, 20.0]}, nodes)
    assert node(model, "layer").input[2] == "b"
    np.testing.assert_array_equal(constant(model, "b"), [1.0, 2.0])


@pytest.fixture
def means(residual: onnx.ModelProto, tmp_path: Path) -> Means:
    onnx.save(residual, tmp_path / "model.onnx")
    return measure_means(tmp_path / "model.onnx", iter([pictures(5), pictures(3, seed=4)]))


def test_means_are_those_of_every_channel_over_pictures_and_places(means: Means) -> None:
    inputs = np.concatenate([pictures(5), pictures(3, seed=4)])
    assert means["shifted"] == pytest.approx((inputs / 64 - 2).mean(axis=(0, 1, 2)), rel=1e-4)
    widths = {"shifted": 3, "pooled": 8, "layer1.0.conv1.relu": 8, "layer1.0": 8, "view": 16}
    assert {name: len(means[name]) for name in widths} == widths
    assert len(means) == len(LAYERS)  # two layers read layer1.0; the linear one reads view


def test_pictures_beyond_the_first_128_do_not_count(
    residual: onnx.ModelProto, tmp_path: Path
) -> None:
    path = tmp_path / "model.onnx"
    onnx.save(residual, path)
    batches = [pictures(100), pictures(60, seed=1), pictures(60, seed=2)]
    first = measure_means(path, iter([np.concatenate(batches)[:128]]))
    found = measure_means(path, iter(batches))
    for name, values in first.items():
        assert found[name] == pytest.approx(values, rel=1e-4, abs=1e-5)


@pytest.mark.parametrize(
    ("quantize", "precision"),
    [(quantize_for_tensorrt, Precision.INT8), (quantize_for_cpu, Precision.INT8_CPU)],
    ids=["tensorrt", "cpu"],
)
def test_a_network_whose_weights_are_all_rounded_down_stays_where_it_was(
    quantize: Quantize, precision: Precision, ranges: Ranges, means: Means, tmp_path: Path
) -> None:
    """Every weight but each channel's largest loses almost half a step."""
    model = build_residual()
    name = "network.layer2.0.conv2.weight"
    weights = constant(model, name).copy()
    step = np.abs(weights).max(axis=(1, 2, 3), keepdims=True) / 127
    whole = np.abs(weights) >= 126.5 * step
    set_constant(model, name, np.where(whole, weights, (np.floor(weights / step) + 0.49) * step))
    inputs = pictures(64, seed=7)
    wanted = run(model, tmp_path, inputs)

    def drift(quantized: onnx.ModelProto) -> float:
        found = run(quantized, tmp_path, inputs, precision)
        return float(np.abs((found - wanted).mean(axis=0)).max())

    plain, better = quantize(model, ranges), quantize(model, ranges, (), means)
    assert drift(better) < 0.5 * drift(plain)


def test_a_layer_that_stays_in_floating_point_keeps_its_bias(
    residual: onnx.ModelProto, ranges: Ranges, means: Means
) -> None:
    name = "layer1.0.conv2"
    for quantize in (quantize_for_tensorrt, quantize_for_cpu):
        mixed = quantize(residual, ranges, (name,), means)
        bias = constant(mixed, node(mixed, f"node_{name}").input[2])
        np.testing.assert_array_equal(bias, constant(residual, f"network.{name}.bias"))
