"""What NVIDIA's own parser and compiler say of our graphs; TensorRT for RTX needs no GPU for it."""

from __future__ import annotations

from copy import deepcopy

import onnx
import pytest

from benchmarks.nvidia_compiler import (
    Compiled,
    compile_graph,
    compiler_version,
    supported_operators,
)
from benchmarks.rule_verdicts import RuleVerdict, judge, read_verdicts
from cdul_edge_calibration.data.ranges import Ranges
from cdul_edge_calibration.graphs.fp16 import CONVERTED, to_fp16
from cdul_edge_calibration.graphs.quantize import quantize_for_cpu, quantize_for_tensorrt
from cdul_edge_calibration.graphs.tensorrt_graph import UNREAD
from cdul_edge_calibration.graphs.tensorrt_rules import count_int8_convolutions
from tests.fakes.breakage import Breakage
from tests.fakes.broken_graphs import BREAKAGES, HARMLESS
from tests.fakes.residual_network import build_residual

pytest.importorskip("tensorrt_rtx", reason="NVIDIA has no TensorRT for RTX for this platform")

AGAIN = "run `python -m benchmarks.tensorrt_rules --rules-only`, and see what this version changed"


def compiled(model: onnx.ModelProto) -> Compiled:
    return compile_graph(model.SerializeToString())


def kinds(found: Compiled) -> set[str]:
    return {tensor.kind for kernel in found.convolutions for tensor in kernel.inputs}


def test_each_precision_runs_its_convolutions_in_its_own_type(ranges: Ranges) -> None:
    fp32, fp16, int8 = (
        compiled(model)
        for model in (
            build_residual(),
            to_fp16(build_residual()),
            quantize_for_tensorrt(build_residual(), ranges),
        )
    )
    assert [found.refused_by for found in (fp32, fp16, int8)] == [None] * 3
    assert [len(found.convolutions) for found in (fp32, fp16, int8)] == [6, 6, 6]
    assert [kinds(found) for found in (fp32, fp16, int8)] == [{"Float"}, {"Half"}, {"Int8"}]
    assert [found.int8_convolutions for found in (fp32, fp16, int8)] == [0, 0, 6]


def test_the_cpu_file_is_refused_with_its_node_named(ranges: Ranges) -> None:
    found = compiled(quantize_for_cpu(build_residual(), ranges))
    assert found.refused_by == "parser"
    assert found.node == "network.conv1.bias_DequantizeLinear"
    assert "input has type Int32 but must have type" in found.message
    assert "cudaError" not in found.message  # the missing driver says nothing of the graph


@pytest.fixture(scope="module")
def recorded() -> dict[str, RuleVerdict]:
    """The table of benchmarks/results/tensorrt_rules.json."""
    return read_verdicts()[1]


@pytest.fixture(scope="module")
def good(ranges: Ranges) -> onnx.ModelProto:
    return quantize_for_tensorrt(build_residual(), ranges)


def test_the_table_has_every_fault_and_nothing_else(recorded: dict[str, RuleVerdict]) -> None:
    harmless = {change.__name__ for change in HARMLESS}
    assert set(recorded) == {"good", *harmless, *(breakage.name for breakage in BREAKAGES)}
    for breakage in BREAKAGES:
        row = recorded[breakage.name]
        assert (row.rule, row.kind) == (breakage.rule, breakage.kind), breakage.name


@pytest.mark.parametrize("breakage", BREAKAGES, ids=[breakage.name for breakage in BREAKAGES])
def test_nvidia_says_of_a_broken_graph_what_the_table_says(
    good: onnx.ModelProto, recorded: dict[str, RuleVerdict], breakage: Breakage
) -> None:
    version = read_verdicts()[0]
    if compiler_version() != version:
        pytest.skip(f"the table is of {version}, here is {compiler_version()}: {AGAIN}")
    row = recorded[breakage.name]
    said = judge(good, breakage.spoil, breakage.rule, breakage.kind)
    assert (said.refused_by, said.node) == (row.refused_by, row.node)
    assert said.int8_convolutions == row.int8_convolutions
    assert (said.message, said.warnings) == (row.message, row.warnings)


def test_nvidia_refuses_what_a_rule_calls_refused_and_takes_the_rest(
    recorded: dict[str, RuleVerdict],
) -> None:
    for name, row in recorded.items():
        if row.kind != "invalid":  # of what is not ONNX it takes some
            assert (row.refused_by is not None) == (row.kind == "refused"), name


def test_what_is_counted_as_int8_is_what_nvidia_runs_in_int8(
    good: onnx.ModelProto, recorded: dict[str, RuleVerdict]
) -> None:
    changes = {b.name: b.spoil for b in BREAKAGES} | {f.__name__: f for f in HARMLESS}
    assert recorded["good"].int8_convolutions == count_int8_convolutions(good)[0] == 6
    for name, change in changes.items():
        changed = deepcopy(good)
        change(changed)
        if recorded[name].refused_by is None:
            counted = count_int8_convolutions(changed)[0]
            assert counted == recorded[name].int8_convolutions, name


def test_nvidia_reads_every_operator_that_becomes_fp16_and_none_that_a_rule_refuses() -> None:
    reads = supported_operators(sorted(UNREAD | CONVERTED))
    assert {name for name in CONVERTED if not reads[name]} == set()
    assert {name for name in UNREAD if reads[name]} == {"NonZero", "RoiAlign"}  # by plugins


def test_nvidia_takes_what_only_looks_like_a_fault(good: onnx.ModelProto) -> None:
    for change in HARMLESS:
        said = judge(good, change)
        assert (said.refused_by, said.int8_convolutions) == (None, 6), change.__name__
