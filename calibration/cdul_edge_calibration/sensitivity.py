"""Which layers INT8 hurts, and the fewest of them that must stay in floating point."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import numpy.typing as npt
import onnx

from cdul_edge_calibration.accuracy import Cost, score_batches
from cdul_edge_calibration.data.ranges import Ranges
from cdul_edge_calibration.graphs.layers import Layer, list_layers
from cdul_edge_calibration.graphs.quantize import quantize_for_tensorrt, restore_float
from cdul_edge_runtime.bundle.manifest import Precision
from cdul_edge_runtime.bundle.precision_record import Limits
from cdul_edge_runtime.host.console import Advance

Scores = npt.NDArray[np.float32]
Inputs = npt.NDArray[np.uint8]

PICTURES = 8  # enough to rank layers: each is measured alone, so the cost is layers x pictures
LARGEST_FLOAT_SHARE = 0.5  # with more than half of the layers in float it is no INT8 model


@dataclass(frozen=True)
class LayerSensitivity:
    """What INT8 in this layer alone does to the scores.

    Attributes:
        layer: its name, such as "layer1.0.conv2".
        weights: how many it has.
        mean_error: mean absolute score difference to FP32 on a few pictures.
        max_error: largest such difference.
        flip_rate: share of decisions that differ, in [0, 1].
    """

    layer: str
    weights: int
    mean_error: float
    max_error: float
    flip_rate: float


@dataclass(frozen=True)
class Fit:
    """An INT8 graph with its cost, and the layers that had to stay in floating point for it."""

    model: onnx.ModelProto
    cost: Cost
    float_layers: tuple[str, ...]


def measure_sensitivity(
    model: onnx.ModelProto,
    ranges: Ranges,
    inputs: Inputs,
    thresholds: Scores,
    advance: Advance = lambda steps: None,
) -> tuple[LayerSensitivity, ...]:
    """Quantize one convolution at a time and look at the scores.

    Args:
        model: FP32.
        inputs: (K, H, W, 3) uint8.
        thresholds: (C,).
        advance: told after each layer.

    Returns:
        One row a convolution, the most sensitive (largest mean error) first.
    """
    full = quantize_for_tensorrt(model, ranges)
    layers = [layer for layer in list_layers(model) if layer.kind == "Conv"]
    rows = []
    with TemporaryDirectory(prefix="cdul-edge-") as folder:
        path = Path(folder, "one-layer.onnx")
        onnx.save(model, path)
        expected, _ = score_batches(path, [inputs])
        for layer in layers:
            onnx.save(_only(full, layer, layers), path)
            scores, _ = score_batches(path, [inputs], Precision.INT8)
            rows.append(_describe(layer, scores, expected, thresholds))
            advance(1)
    return tuple(sorted(rows, key=lambda row: -row.mean_error))


def fit_budget(
    ranked: Sequence[str],
    limits: Limits,
    quantize: Callable[[Sequence[str]], onnx.ModelProto],
    measure: Callable[[onnx.ModelProto], Cost],
) -> tuple[Fit, Fit | None]:
    """Give the most sensitive layers back to floating point, until no limit is broken.

    A loss that so few pictures cannot tell from the limit gives no layer back: it may be noise.

    The number of layers is found by halving, so that a hundred layers cost seven measurements.

    Args:
        ranked: layers, the most sensitive first.
        limits: the budget.
        quantize: makes the INT8 graph with these layers in floating point.
        measure: what a graph costs.

    Returns:
        All in INT8; and the fit with the fewest float layers that breaks no limit: None where even
        `LARGEST_FLOAT_SHARE` of the layers in float do.
    """

    def attempt(count: int) -> Fit:
        layers = tuple(ranked[:count])
        graph = quantize(layers)
        return Fit(graph, measure(graph), layers)

    def holds(fit: Fit) -> bool:
        return fit.cost.judge(limits) != "broken"

    full = attempt(0)
    if holds(full):
        return full, full
    enough = int(LARGEST_FLOAT_SHARE * len(ranked))
    best = attempt(enough)
    if not holds(best):
        return full, None
    too_few = 0
    while enough - too_few > 1:
        middle = (too_few + enough) // 2
        candidate = attempt(middle)
        if holds(candidate):
            best, enough = candidate, middle
        else:
            too_few = middle
    return full, best


def _only(full: onnx.ModelProto, layer: Layer, layers: Sequence[Layer]) -> onnx.ModelProto:
    """The graph in which no convolution but this one, and no residual, is in INT8."""
    graph = onnx.ModelProto()
    graph.CopyFrom(full)
    adds = [node.name for node in graph.graph.node if node.op_type == "Add"]
    restore_float(graph, {*adds, *(other.node for other in layers)} - {layer.node})
    return graph


def _describe(
    layer: Layer, scores: Scores, expected: Scores, thresholds: Scores
) -> LayerSensitivity:
    error = np.abs(scores - expected)
    return LayerSensitivity(
        layer=layer.name,
        weights=layer.weights,
        mean_error=float(error.mean()),
        max_error=float(error.max()),
        flip_rate=float(((scores >= thresholds) != (expected >= thresholds)).mean()),
    )
