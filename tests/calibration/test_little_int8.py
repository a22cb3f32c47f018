"""Networks that multiply where INT8 does not run: calibration says how little there is to gain."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
from onnx import helper, numpy_helper

from cdul_edge_calibration import CalibrateRequest, calibrate
from cdul_edge_runtime.bundle.manifest import Precision
from cdul_edge_runtime.pictures.images import find_images
from tests.fakes.recorded_console import RecordedConsole
from tests.fakes.residual_network import (
    build_residual,
    node,
    pictures,
    write_pictures,
    write_residual_bundle,
)


def with_products(model: onnx.ModelProto) -> onnx.ModelProto:
    """The same with 16 values multiplied into 22,800 and back, 15 times the work of the rest."""
    spread = np.eye(16, 22_800, dtype=np.float32)
    for name, values in (("spread", spread), ("gather", np.ascontiguousarray(spread.T))):
        model.graph.initializer.append(numpy_helper.from_array(values, name))
    last = node(model, "node_linear")
    position = list(model.graph.node).index(last)
    wide = helper.make_node("MatMul", [last.input[0], "spread"], ["wide"], "node_spread")
    narrow = helper.make_node("MatMul", ["wide", "gather"], ["narrow"], "node_gather")
    last.input[0] = "narrow"
    model.graph.node.insert(position, narrow)
    model.graph.node.insert(position, wide)
    return model


def warnings_of(model: onnx.ModelProto, folder: Path) -> list[str]:
    """What calibration warns of, with a budget that everything holds."""
    console = RecordedConsole()
    bundle = write_residual_bundle(folder / "bundle", model)
    pool = find_images(write_pictures(folder / "pool", pictures(12)))
    request = CalibrateRequest(
        bundle, pool, (Precision.INT8, Precision.INT8_CPU), count=6, check_count=6,
        max_map_drop=100, max_flip_rate=1,
    )  # fmt: skip
    calibrate(request, console)
    return console.warned


def test_a_network_of_products_gains_little_in_either_file(tmp_path: Path) -> None:
    warned = warnings_of(with_products(build_residual()), tmp_path)
    little = [line for line in warned if "expect little of it" in line]
    assert [line.partition(":")[0] for line in little] == ["int8", "int8-cpu"]
    assert "convolutions do 6 % of this network's work" in little[0]


def test_a_network_of_convolutions_is_not_warned_of(tmp_path: Path) -> None:
    assert not any("expect little" in line for line in warnings_of(build_residual(), tmp_path))
