"""docs/networks.md: what the edge families become."""

from __future__ import annotations

from typing import Any

from benchmarks.tables.markdown import figures, table

_LITTLE = 0.5  # share of the work in INT8 below which calibration warns


def draw_edge() -> str:
    """The table, and what INT8 costs the one network whose weights are trained."""
    found = figures("edge_networks")
    heads = (
        "network", "parameters, M", "side, px", "differs from PyTorch", "FP32, ms", "int8-cpu, ms",
        "speed-up", "work in INT8", "INT8 convolutions in TensorRT",
    )  # fmt: skip
    rows = [
        (
            f"`{name}`", f"{one['parameters'] / 1e6:.1f}", one["side_px"],
            f"{one['parity_max_error']:.0e}", f"{one['fp32_ms']:.1f}", f"{one['int8_cpu_ms']:.1f}",
            f"{one['int8_cpu_speed_up']:.2f}x", _share(one), _rules(one),
        )
        for name, one in found.items()
    ]  # fmt: skip
    costs = "".join(_tell(name, one["cost"]) for name, one in found.items() if one["cost"])
    return f"{table(heads, rows)}\n{costs}"


def _share(one: dict[str, Any]) -> str:
    percent = f"{100 * one['share_of_work_in_int8']:.0f} %"
    return percent if one["share_of_work_in_int8"] >= _LITTLE else f"{percent}: not worth it"


def _rules(one: dict[str, Any]) -> str:
    broken = one["tensorrt_violations"]
    counted = f"{one['convolutions_in_int8']}/{one['convolutions']}"
    return f"{counted}, {broken} rules broken" if broken else counted


def _tell(name: str, cost: dict[str, Any]) -> str:
    told = [
        f"`{precision}` {100 * one['flip_rate']:.1f} % (95 % interval "
        f"{100 * one['flip_rate_interval'][0]:.1f} to {100 * one['flip_rate_interval'][1]:.1f}; "
        f"{one['float_layers']} layers in floating point; verdict {one['verdict']})"
        for precision, one in cost.items()
    ]
    pictures = next(iter(cost.values()))["pictures"]
    return f"Decisions of the trained `{name}` that change on {pictures} photographs: " + (
        f"{', '.join(told)}.\n"
    )
