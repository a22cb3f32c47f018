"""docs/precision.md: what NVIDIA's compiler says of our rules, and makes of an INT8 file."""

from __future__ import annotations

from typing import Any

from benchmarks.rule_verdicts import RuleVerdict, read_verdicts
from benchmarks.tables.markdown import figures, table

_KINDS = {
    "refused": (
        "is refused",
        "zero points other than 0, scales that are not above 0 or do not fit, INT32 biases, uint8 "
        "read by anything but a Cast, `QLinearConv`, mixed types, two nodes of one name",
    ),
    "invalid": ("is not ONNX", "unknown operators, tensors that nothing makes"),
    "wrong": ("computes something else", "unsigned zero points, infinite scales"),
    "old": (
        "needs more than TensorRT 8.6",
        "opset above 17, FP16 or computed scales, weights stored as INT8",
    ),
    "slow": (
        "is slower",
        "half a convolution quantized, scales per channel of an activation, pairs before a ReLU "
        "or on the main path of a residual addition",
    ),
}
_FILES = {
    "fp32": "`fp32`",
    "fp16": "`fp16`",
    "int8": "`int8`",
    "int8, FP16 scales": "(Q/DQ with FP16 scales)",
    "INT8 weights alone": "(INT8 weights alone)",
}


def draw_tensorrt() -> str:
    """Both tables, each with what it was measured on."""
    version, rows = read_verdicts()
    found = figures("int8_on_rtx")["networks"]["resnet50"]
    return (
        f"`python -m benchmarks.tensorrt_rules` puts {sum(1 for r in rows.values() if r.kind)} "
        f"faults into a good INT8 graph, one at a time, and asks TensorRT for RTX {version}, which "
        f"compiles without a GPU:\n\n{_draw_rules(list(rows.values()))}\n"
        "`python -m benchmarks.int8_on_rtx` lists the kernels of the engines, here of ResNet-50 at "
        f"224 px for compute capability 8.6:\n\n{_draw_int8(found)}"
    )


def _draw_rules(rows: list[RuleVerdict]) -> str:
    good = next(row for row in rows if row.kind is None)
    lines = []
    for kind, (effect, examples) in _KINDS.items():
        those = [row for row in rows if row.kind == kind]
        refused = sum(row.refused_by is not None for row in those)
        verdict = f"refuses {refused}" if refused else "takes all"
        if kind == "slow":
            left = sum(row.int8_convolutions < good.int8_convolutions for row in those)
            more = sum(row.kernels > good.kernels for row in those)
            verdict += f"; {left} lose an INT8 convolution, {more} run more kernels"
        lines.append((effect, len(those), verdict, examples))
    return table(("a graph with such a fault", "faults", "NVIDIA", "such as"), lines)


def _draw_int8(found: dict[str, dict[str, Any]]) -> str:
    heads = ("file", "engine, MB", "weights, MB", "kernels", "INT8 convolutions", "moved, MB")
    rows = [
        (
            shown,
            f"{found[file]['engine_bytes'] / 1e6:.0f}",
            f"{found[file]['weight_bytes'] / 1e6:.0f}",
            found[file]["kernels"],
            found[file]["int8_convolutions"],
            f"{found[file]['traffic_bytes'] / 1e6:.0f}",
        )
        for file, shown in _FILES.items()
    ]
    return table(heads, rows)
