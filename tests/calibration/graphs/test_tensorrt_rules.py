from __future__ import annotations

import logging
from collections.abc import Callable
from copy import deepcopy
from pathlib import Path

import onnx
import pytest
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static

from cdul_edge_calibration.data.ranges import Ranges
from cdul_edge_calibration.graphs.quantize import quantize_for_cpu, quantize_for_tensorrt
from cdul_edge_calibration.graphs.tensorrt_rules import count_int8_convolutions, find_violations
from tests.fakes.breakage import Breakage
from tests.fakes.broken_graphs import BREAKAGES, HARMLESS, newer_opset, pooling_with_places
from tests.fakes.broken_pairs import pair_between_conv_and_relu, pair_on_neither_operand
from tests.fakes.residual_network import build_residual, node, paired, pictures


@pytest.fixture(scope="module")
def quantized(ranges: Ranges) -> onnx.ModelProto:
    return quantize_for_tensorrt(build_residual(), ranges)


@pytest.fixture
def good(quantized: onnx.ModelProto) -> onnx.ModelProto:
    """A copy that a test may break."""
    return deepcopy(quantized)


def test_the_fp32_graph_and_the_good_graph_break_no_rule(
    residual: onnx.ModelProto, good: onnx.ModelProto
) -> None:
    assert find_violations(residual) == []
    assert find_violations(good) == []
    assert count_int8_convolutions(residual) == (0, 6)
    assert count_int8_convolutions(good) == (6, 6)


@pytest.mark.parametrize("breakage", BREAKAGES, ids=[breakage.name for breakage in BREAKAGES])
def test_a_graph_that_breaks_a_rule_is_told_with_node_and_rule(
    good: onnx.ModelProto, breakage: Breakage
) -> None:
    name = breakage.spoil(good)
    found = find_violations(good)
    told = [violation for violation in found if breakage.rule in str(violation)]
    assert told, found
    assert str(told[0]).startswith(name)
    assert told[0].kind == breakage.kind


@pytest.mark.parametrize("change", HARMLESS)
def test_what_only_looks_like_a_fault_breaks_no_rule(
    good: onnx.ModelProto, change: Callable[[onnx.ModelProto], None]
) -> None:
    change(good)
    assert find_violations(good) == []
    assert count_int8_convolutions(good) == (6, 6)


def test_one_fault_in_a_graph_is_one_line(good: onnx.ModelProto) -> None:
    pair_between_conv_and_relu(good)
    pair_on_neither_operand(good)
    assert len(find_violations(good)) == 2


def test_what_weighs_most_is_told_first(good: onnx.ModelProto) -> None:
    pair_between_conv_and_relu(good)
    newer_opset(good)
    pooling_with_places(good)
    assert [violation.kind for violation in find_violations(good)] == ["refused", "old", "slow"]


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
    assert any(rule in str(violation) for violation in found)


def test_the_cpu_file_breaks_the_rules(residual: onnx.ModelProto, ranges: Ranges) -> None:
    found = find_violations(quantize_for_cpu(residual, ranges))
    assert any("zero point is uint8" in str(violation) for violation in found)
    assert any("dequantizes INT32" in str(violation) for violation in found)


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
    good: onnx.ModelProto,
) -> None:
    newer_opset(good)
    assert len(find_violations(good)) == 1
    assert find_violations(good, opset=18) == []
