from __future__ import annotations

import math

import numpy as np
import pytest

from cdul_edge_runtime.metrics.reliability import (
    brier_score,
    classwise_calibration_error,
    expected_calibration_error,
)


def test_scores_that_come_true_as_often_as_they_say_have_no_error() -> None:
    scores = np.array([0.75] * 4 + [0.25] * 4 + [0.0, 1.0])
    positive = np.array([1, 1, 1, 0, 1, 0, 0, 0, 0, 1], bool)
    assert expected_calibration_error(scores, positive) == 0


def test_seven_in_ten_that_come_true_every_second_time_are_off_by_two_tenths() -> None:
    positive = np.array([True, False] * 5)
    assert expected_calibration_error(np.full(10, 0.7), positive) == pytest.approx(0.2)


def test_bins_weigh_by_their_entries_and_errors_of_two_bins_do_not_cancel() -> None:
    # 0.9 is true every time (off by 0.1, three entries), 0.1 never (off by 0.1, one entry).
    scores, positive = np.array([0.9, 0.9, 0.9, 0.1]), np.array([1, 1, 1, 0], bool)
    assert expected_calibration_error(scores, positive) == pytest.approx(0.1)
    # In one bin they do: mean score 0.7, true 0.75.
    assert expected_calibration_error(scores, positive, bins=1) == pytest.approx(0.05)


def test_a_bin_begins_with_its_lower_edge_and_the_last_one_holds_1() -> None:
    halves = np.array([0.25, 0.5])  # two bins: [0, 0.5) and [0.5, 1]
    positive = np.array([False, True])
    assert expected_calibration_error(halves, positive, bins=2) == pytest.approx((0.25 + 0.5) / 2)
    assert expected_calibration_error(np.array([1.0, 1.0]), np.array([True, True])) == 0


def test_classes_that_cancel_in_the_pool_do_not_cancel_by_class() -> None:
    scores = np.full((2, 2), 0.5)
    positive = np.array([[1, 0], [1, 0]], bool)  # a always, b never
    known = np.ones((2, 2), bool)
    assert expected_calibration_error(scores.ravel(), positive.ravel()) == 0
    assert classwise_calibration_error(scores, positive, known) == 0.5
    known[:, 1] = False
    known[1, 0] = False
    assert classwise_calibration_error(scores, positive, known) == 0.5


def test_by_class_is_never_below_the_pool_where_all_is_known() -> None:
    generator = np.random.default_rng(0)
    scores = generator.random((50, 4)) ** 2
    positive = generator.random((50, 4)) < 0.3
    known = np.ones((50, 4), bool)
    pooled = expected_calibration_error(scores.ravel(), positive.ravel())
    assert classwise_calibration_error(scores, positive, known) >= pooled > 0


def test_the_brier_score_is_the_mean_squared_error() -> None:
    found = brier_score(np.array([1.0, 0.5, 0.2]), np.array([True, True, False]))
    assert found == pytest.approx((0 + 0.25 + 0.04) / 3)


def test_nothing_known_has_no_error() -> None:
    nothing = np.zeros((0, 2)), np.zeros((0, 2), bool), np.zeros((0, 2), bool)
    assert math.isnan(expected_calibration_error(np.zeros(0), np.zeros(0, bool)))
    assert math.isnan(brier_score(np.zeros(0), np.zeros(0, bool)))
    assert math.isnan(classwise_calibration_error(*nothing))
