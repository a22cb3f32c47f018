from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import onnx
import pytest

from cdul_edge_calibration import sensitivity
from cdul_edge_calibration.accuracy import Cost
from cdul_edge_calibration.data.ranges import Ranges
from cdul_edge_calibration.sensitivity import Fit, fit_budget, measure_sensitivity
from cdul_edge_runtime.bundle.precision_record import Accuracy, Limits
from tests.fakes.residual_network import LAYERS, constant, pictures, set_constant

LIMITS = Limits(0.5, 0.02, 1.0)
HALF = np.full(3, 0.5, np.float32)


class Laboratory:
    """Holds the budget when at least `needed` of the ranked layers are float; counts its work."""

    def __init__(self, needed: float) -> None:
        self.needed = needed
        self.tried: list[int] = []

    def quantize(self, layers: Sequence[str]) -> onnx.ModelProto:
        return onnx.ModelProto(doc_string=str(len(layers)))

    def measure(self, graph: onnx.ModelProto) -> Cost:
        self.tried.append(int(graph.doc_string))
        flips = 0.0 if self.tried[-1] >= self.needed else 0.1
        accuracy = Accuracy(1, "", 90.0, 90.0, flips, 0.0, 0.0, "")
        return Cost(accuracy, accuracy)

    def fit(self, layers: int) -> tuple[Fit, Fit | None]:
        ranked = [f"layer{n}" for n in range(layers)]
        return fit_budget(ranked, LIMITS, self.quantize, self.measure)


@pytest.mark.parametrize("layers", [2, 3, 7, 20, 104])
def test_the_fewest_layers_are_found_by_halving(layers: int) -> None:
    for needed in range(1, layers // 2 + 1):
        laboratory = Laboratory(needed)
        full, best = laboratory.fit(layers)
        assert best is not None
        assert best.float_layers == tuple(f"layer{n}" for n in range(needed))
        assert best.model.doc_string == str(needed)
        assert best.cost.accuracy.flip_rate == 0
        assert (full.float_layers, full.cost.accuracy.flip_rate) == ((), 0.1)
        assert len(laboratory.tried) <= 2 + math.log2(layers) + 1


def test_nothing_more_is_measured_where_all_in_int8_hold() -> None:
    laboratory = Laboratory(0)
    full, best = laboratory.fit(104)
    assert best is full
    assert laboratory.tried == [0]


@pytest.mark.parametrize("needed", [53, math.inf])
def test_more_than_half_of_the_layers_in_float_is_no_fit(needed: float) -> None:
    laboratory = Laboratory(needed)
    full, best = laboratory.fit(104)
    assert best is None
    assert full.float_layers == ()
    assert laboratory.tried == [0, 52]


@pytest.mark.parametrize("layers", [0, 1])
def test_a_network_too_small_to_halve_fits_or_does_not(layers: int) -> None:
    assert Laboratory(0).fit(layers)[1] is not None
    assert Laboratory(1).fit(layers)[1] is None


def test_a_layer_with_a_terrible_range_ranks_first(
    residual: onnx.ModelProto, ranges: Ranges
) -> None:
    # 255 steps over +-4000 leave the layer's input, which ends at 4, a single step.
    terrible = {**ranges, "layer2.0.conv1.relu": (0.0, 4000.0)}
    told: list[int] = []
    rows = measure_sensitivity(residual, terrible, pictures(8), HALF, told.append)
    assert rows[0].layer == "layer2.0.conv2"
    assert rows[0].mean_error > 5 * rows[1].mean_error
    assert {row.layer for row in rows} == set(LAYERS)  # convolutions; the linear layer is float
    assert told == [1] * 6
    errors = [row.mean_error for row in rows]
    assert errors == sorted(errors, reverse=True)


def test_each_layer_is_measured_alone(residual: onnx.ModelProto, ranges: Ranges) -> None:
    before = measure_sensitivity(residual, ranges, pictures(8), HALF)
    terrible = {**ranges, "layer2.0.conv1.relu": (0.0, 4000.0)}
    after = measure_sensitivity(residual, terrible, pictures(8), HALF)
    changed = {row.layer for row in before} - {row.layer for row in after if row in before}
    assert changed == {"layer2.0.conv2"}


def test_a_layer_whose_rounding_costs_nothing_has_no_error(
    residual: onnx.ModelProto, ranges: Ranges
) -> None:
    name = "network.layer2.0.downsample.0.weight"
    set_constant(residual, name, 0 * constant(residual, name))
    rows = {r.layer: r for r in measure_sensitivity(residual, ranges, pictures(8), HALF)}
    quiet = rows["layer2.0.downsample.0"]
    assert quiet.max_error < 1e-6
    assert quiet.flip_rate == 0
    assert quiet.weights == 16 * 8
    assert rows["conv1"].mean_error > 1e-4


def test_errors_and_flips_are_those_of_the_scores(
    residual: onnx.ModelProto, ranges: Ranges, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [[0.6, 0.4, 0.4]] + [[0.4, 0.4, 0.3]] * 6  # FP32, and each layer in turn
    answers = iter([np.array([row], np.float32) for row in rows])
    monkeypatch.setattr(sensitivity, "score_batches", lambda *a: (next(answers), "a test"))
    row = measure_sensitivity(residual, ranges, pictures(1), HALF)[0]
    assert row.max_error == pytest.approx(0.2)
    assert row.mean_error == pytest.approx(0.1)
    assert row.flip_rate == pytest.approx(1 / 3)
