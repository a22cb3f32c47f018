"""What NVIDIA's own compiler says of graphs that break one of our rules each."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path

import onnx

from benchmarks.graph_ranges import graph_ranges
from benchmarks.nvidia_compiler import Stage, compile_graph
from benchmarks.record import RESULTS
from cdul_edge_calibration.graphs.quantize import quantize_for_tensorrt
from cdul_edge_calibration.graphs.tensorrt_graph import Kind
from cdul_edge_runtime.host.files import read_json
from cdul_edge_runtime.host.json_record import parse_record
from tests.fakes.broken_graphs import BREAKAGES, HARMLESS
from tests.fakes.residual_network import build_residual, pictures

NAME = "tensorrt_rules"
PATH = RESULTS / f"{NAME}.json"


@dataclass(frozen=True)
class RuleVerdict:
    """What we say of a broken graph, and what NVIDIA does.

    Attributes:
        rule: our words; None where no rule speaks, and none should.
        kind: what we say comes of it.
        refused_by: NVIDIA's parser or builder; None where there is an engine.
        node: that NVIDIA names.
        message: NVIDIA's.
        warnings: NVIDIA's.
        int8_convolutions: of the six, in the engine.
        kernels: of the engine.
    """

    rule: str | None
    kind: Kind | None
    refused_by: Stage | None
    node: str
    message: str
    warnings: tuple[str, ...]
    int8_convolutions: int
    kernels: int


def good_graph() -> onnx.ModelProto:
    """The residual network in INT8, with every rule kept."""
    model = build_residual()
    ranges = graph_ranges(model, pictures(64))
    return quantize_for_tensorrt(model, ranges)


def judge(
    good: onnx.ModelProto,
    change: Callable[[onnx.ModelProto], object] = lambda model: None,
    rule: str | None = None,
    kind: Kind | None = None,
) -> RuleVerdict:
    """NVIDIA's verdict on the graph with one change."""
    changed = deepcopy(good)
    change(changed)
    found = compile_graph(changed.SerializeToString())
    return RuleVerdict(
        rule,
        kind,
        found.refused_by,
        found.node,
        found.message,
        found.warnings,
        found.int8_convolutions,
        len(found.kernels),
    )


def judge_rules() -> dict[str, RuleVerdict]:
    """By the name of the fault; "good" is the graph without one."""
    good = good_graph()
    return {
        "good": judge(good),
        **{b.name: judge(good, b.spoil, b.rule, b.kind) for b in BREAKAGES},
        **{change.__name__: judge(good, change) for change in HARMLESS},
    }


def read_verdicts(path: Path = PATH) -> tuple[str, dict[str, RuleVerdict]]:
    """The version of TensorRT for RTX that was asked, and its recorded verdicts."""
    figures = read_json(path)["figures"]
    rules = {name: parse_record(RuleVerdict, row, name) for name, row in figures["rules"].items()}
    return str(figures["tensorrt_rtx"]), rules
