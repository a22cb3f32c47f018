from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

from cdul_edge_calibration.accuracy import (
    SOFT_TRUTH,
    find_limits,
    measure_accuracy,
    score_batches,
)
from cdul_edge_runtime.bundle.precision_record import Accuracy, Limits
from cdul_edge_runtime.errors import CdulEdgeError
from tests.fakes.residual_network import pictures, run

FP32 = np.array([[0.9, 0.1], [0.6, 0.4], [0.2, 0.8]], np.float32)
REDUCED = np.array([[0.9, 0.1], [0.4, 0.4], [0.2, 0.7]], np.float32)
THRESHOLDS = np.array([0.5, np.inf], np.float32)
GOOD = Accuracy(3, "truth", 90.0, 89.5, 0.02, 0.1, 0.01, "a test")
LIMITS = Limits(max_map_drop=0.5, max_flip_rate=0.02, max_score_error=1.0)


def test_errors_and_flips_are_over_pictures_and_classes() -> None:
    found = measure_accuracy(REDUCED, FP32, THRESHOLDS, near=0.0, against="a test")
    assert found.max_error == pytest.approx(0.2)
    assert found.mean_error == pytest.approx((0.2 + 0.1) / 6)
    assert found.flip_rate == pytest.approx(1 / 6)  # 0.6 fell to 0.4; 0.8 was no decision at inf
    assert (found.pictures, found.truth, found.against) == (3, SOFT_TRUTH, "a test")


@pytest.mark.parametrize(
    ("score", "fp32", "near", "flips"),
    [
        (0.49, 0.5, 0.0, 0.0),  # FP32 stands on the threshold itself: nothing tells it apart
        (0.49, 0.51, 0.0, 1.0),
        (0.49, 0.51, 0.02, 0.0),
        (0.3, 0.51, 0.02, 0.0),
        (0.5, 0.45, 0.02, 1.0),  # a score at its threshold counts as predicted
        (0.51, 0.9, 0.0, 0.0),
    ],
)
def test_a_decision_flips_unless_fp32_was_as_near_as_that_to_its_threshold(
    score: float, fp32: float, near: float, flips: float
) -> None:
    ours, theirs = (np.array([[value]], np.float32) for value in (score, fp32))
    half = np.array([0.5], np.float32)
    assert measure_accuracy(ours, theirs, half, near=near, against="").flip_rate == flips


def test_map_against_truth_is_that_of_the_ranking() -> None:
    truth = np.array([[1, 0], [1, 0], [0, 1]], np.int8)
    reduced = REDUCED.copy()
    reduced[2, 0] = 0.5  # now between the two cats: hits at ranks 1 and 3, (1 + 2/3) / 2
    found = measure_accuracy(
        reduced, FP32, THRESHOLDS, near=0.0, against="", truth=truth, truth_name="truth.csv"
    )
    assert found.map_fp32 == pytest.approx(100)
    assert found.map == pytest.approx(100 * (5 / 6 + 1) / 2)
    assert found.map_drop == pytest.approx(100 / 12)
    assert found.truth == "truth.csv"


def test_without_truth_fp32_scores_weigh_the_pictures() -> None:
    fp32 = np.array([[0.8], [0.2]], np.float32)
    found = measure_accuracy(
        np.array([[0.1], [0.9]], np.float32),
        fp32,
        np.array([0.5], np.float32),
        near=0.0,
        against="",
    )
    # FP32 ranks 0.8 first: 0.8 x 0.8/1 + 0.2 x 1.0/2 of 1.0; swapped: 0.2 x 0.2/1 + 0.8 x 1.0/2.
    assert found.map_fp32 == pytest.approx(74)
    assert found.map == pytest.approx(44)


def test_unknown_truth_is_left_out() -> None:
    truth = np.array([[1, -1], [-1, 0], [0, 1]], np.int8)
    reduced = REDUCED.copy()
    reduced[1] = 0.99  # of a cat nothing is known there; of a dog it is wrong: rank 2 of 2
    found = measure_accuracy(reduced, FP32, THRESHOLDS, near=0.0, against="", truth=truth)
    assert found.map_fp32 == pytest.approx(100)
    assert found.map == pytest.approx(100 * (1 + 1 / 2) / 2)


def test_nan_scores_are_an_error_and_never_good() -> None:
    broken = REDUCED.copy()
    broken[0, 0] = np.nan
    with pytest.raises(CdulEdgeError, match="NaN"):
        measure_accuracy(broken, FP32, THRESHOLDS, near=0.0, against="")


def test_limits_hold_up_to_and_with_their_value() -> None:
    assert GOOD.judge(LIMITS) == "ok"
    assert find_limits(GOOD, LIMITS, "broken") == []
    assert replace(GOOD, map=95.0).judge(LIMITS) == "ok"  # better than FP32


@pytest.mark.parametrize(
    ("change", "clause"),
    [
        ({"map": 89.4}, "mAP falls by 0.60 points, limit 0.5"),
        ({"flip_rate": 0.021}, "2.10 % of decisions flip, limit 2 %"),
        ({"map": np.nan}, "mAP falls by nan points"),
        ({"flip_rate": np.nan}, "nan % of decisions flip"),
    ],
)
def test_a_broken_limit_is_told_with_its_number(change: dict[str, Any], clause: str) -> None:
    assert replace(GOOD, **change).judge(LIMITS) == "broken"
    (told,) = find_limits(replace(GOOD, **change), LIMITS, "broken")
    assert clause in told


def test_both_broken_limits_are_told() -> None:
    assert len(find_limits(replace(GOOD, map=0.0, flip_rate=1.0), LIMITS, "broken")) == 2


def test_an_interval_that_holds_the_limit_is_neither_within_nor_beyond_it() -> None:
    unsure = replace(GOOD, pictures=32, map_drop_interval=(-1.5, 2.5))  # 0.5 lost: on the limit
    assert unsure.judge(LIMITS) == "unsure"
    assert find_limits(unsure, LIMITS, "broken") == []
    (told,) = find_limits(unsure, LIMITS, "unsure")
    assert told == (
        "mAP falls by 0.50 points (95 % interval -1.50 to 2.50), limit 0.5: 32 pictures, the "
        "figure lies on the limit"
    )
    # 0.25 lost, 1.0 either way: four times the gap takes sixteen times the pictures.
    (told,) = find_limits(
        replace(GOOD, pictures=32, map=89.75, map_drop_interval=(-0.75, 1.25)), LIMITS, "unsure"
    )
    assert told.endswith("limit 0.5: 32 pictures, about 520 would tell")
    beyond = replace(GOOD, map=88.0, map_drop_interval=(0.6, 3.4))
    assert beyond.judge(LIMITS) == "broken"
    assert replace(beyond, flip_rate_interval=(0.0, 0.1)).judge(LIMITS) == "broken"
    assert replace(GOOD, flip_rate=0.01, flip_rate_interval=(0.0, 0.1)).judge(LIMITS) == "unsure"


def test_scores_of_batches_come_in_order(residual: onnx.ModelProto, tmp_path: Path) -> None:
    inputs = pictures(7)
    path = tmp_path / "model.onnx"
    onnx.save(residual, path)
    scores, against = score_batches(path, [inputs[:4], inputs[4:]])
    assert scores == pytest.approx(run(residual, tmp_path, inputs), abs=1e-6)
    assert against.startswith("onnxruntime ")
    assert "CPUExecutionProvider" in against
