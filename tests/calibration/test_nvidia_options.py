"""What `calibrate` makes, whatever it was asked for, through NVIDIA's own compiler."""

from __future__ import annotations

from itertools import combinations
from pathlib import Path

import numpy as np
import onnx
import pytest

from benchmarks.nvidia_compiler import Compiled, compile_graph
from cdul_edge_calibration import CalibrateRequest, calibrate
from cdul_edge_calibration.data.ranges import Ranges
from cdul_edge_calibration.graphs.fp16 import find_fp16_hazards, to_fp16
from cdul_edge_calibration.graphs.quantize import quantize_for_tensorrt
from cdul_edge_calibration.graphs.tensorrt_rules import count_int8_convolutions
from cdul_edge_runtime.bundle.bundle import Bundle
from cdul_edge_runtime.bundle.manifest import Precision
from cdul_edge_runtime.choices import RangeMethod
from cdul_edge_runtime.host.console import Console
from cdul_edge_runtime.pictures.images import find_images
from tests.fakes.residual_network import (
    LAYERS,
    build_residual,
    constant,
    pictures,
    set_constant,
    write_pictures,
)

pytest.importorskip("tensorrt_rtx", reason="no TensorRT for RTX on this platform")


def compiled(model: onnx.ModelProto) -> Compiled:
    found = compile_graph(model.SerializeToString())
    assert found.refused_by is None, found.message
    return found


def test_fp16_is_half_from_the_pixels_to_the_scores() -> None:
    half = to_fp16(build_residual())
    assert sum(node.op_type == "Cast" for node in half.graph.node) == 2  # the ends
    first, *inner, last = compiled(half).kernels
    assert [tensor.kind for tensor in first.inputs] == ["UInt8"]
    assert [tensor.kind for tensor in last.outputs] == ["Float"]
    between = {tensor.kind for kernel in inner for tensor in kernel.inputs}
    assert between == {"Half"}


PRODUCTS = [f"node_{name}" for name in LAYERS]


def weights_of(found: Compiled, product: str) -> set[str]:
    """The types of what its kernel reads, apart from a scalar that it is scaled with."""
    kernel = next(k for k in found.kernels if product in k.nodes and k.kind != "kgen")
    read = (*kernel.inputs[:1], *kernel.constants)
    return {tensor.kind for tensor in read if tensor.shape != (1,)}


def test_a_product_that_stays_fp32_has_fp32_weights_in_the_engine() -> None:
    """Casts on both sides of a convolution would let NVIDIA make its weights FP16."""
    for product in PRODUCTS:
        found = compiled(to_fp16(build_residual(), [product]))
        assert weights_of(found, product) == {"Float"}, product
        others = set(PRODUCTS) - {product}
        assert {"Half"} in [weights_of(found, other) for other in others], product


def test_weights_that_are_too_large_for_fp16_are_not_infinite_in_the_engine() -> None:
    model = build_residual()
    weights = constant(model, "network.layer1.0.conv1.weight") * np.float32(1e6)
    set_constant(model, "network.layer1.0.conv1.weight", weights)
    hazards = find_fp16_hazards(model, {})
    assert set(hazards) == {"node_layer1.0.conv1"}
    found = compiled(to_fp16(model, hazards))
    assert weights_of(found, "node_layer1.0.conv1") == {"Float"}


def test_no_node_is_refused_for_being_kept_in_fp32() -> None:
    for kept in (["node_mul"], ["node_max_pool"], ["node_layer1.0.add"], ["node_linear"]):
        compiled(to_fp16(build_residual(), kept))


def test_layers_that_stay_in_floating_point_leave_the_others_in_int8(ranges: Ranges) -> None:
    sets = [*combinations(LAYERS, 1), LAYERS[:3], LAYERS[2:], LAYERS]
    for kept in sets:
        model = quantize_for_tensorrt(build_residual(), ranges, kept)
        found = compiled(model)
        assert found.int8_convolutions == count_int8_convolutions(model)[0] == 6 - len(kept), kept


@pytest.mark.parametrize("method", ["minmax", "percentile"])
def test_files_of_either_method_are_built(
    residual_bundle: Path, tmp_path: Path, console: Console, method: RangeMethod
) -> None:
    pool = find_images(write_pictures(tmp_path / "pool", pictures(48)))
    request = CalibrateRequest(
        residual_bundle,
        pool,
        (Precision.FP16, Precision.INT8),
        count=24,
        check_count=24,
        method=method,
        force=True,
    )
    calibrate(request, console)
    bundle = Bundle.load(residual_bundle)
    fp16, int8 = (
        compile_graph(bundle.model_path(precision).read_bytes())
        for precision in (Precision.FP16, Precision.INT8)
    )
    assert (fp16.refused_by, int8.refused_by, int8.int8_convolutions) == (None, None, 6)
