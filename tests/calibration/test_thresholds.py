from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest

from cdul_edge_calibration.thresholds import (
    ThresholdRule,
    choose_thresholds,
    shrunk_f1_thresholds,
)
from cdul_edge_runtime.errors import CdulEdgeError

Floats = npt.NDArray[np.float32]

# Class 0 separates between 0.6 and 0.7; class 1 between 0.2 and 0.3.
SCORES = np.array([[0.9, 0.1], [0.7, 0.2], [0.6, 0.3], [0.1, 0.4]], np.float32)
TRUTH = np.array([[1, 0], [1, 0], [0, 1], [0, 1]], np.int8)


def decisions(thresholds: Floats) -> npt.NDArray[np.int8]:
    return (thresholds <= SCORES).astype(np.int8)


def test_without_shrinkage_each_class_gets_its_own_best_threshold() -> None:
    thresholds = shrunk_f1_thresholds(SCORES, TRUTH, shrinkage=0)
    assert np.array_equal(decisions(thresholds), TRUTH)
    # halfway between 0.6 and 0.7 on the logit scale
    odds = np.sqrt(0.6 / 0.4 * 0.7 / 0.3)
    assert thresholds[0] == pytest.approx(odds / (1 + odds))


def test_with_endless_shrinkage_all_classes_share_one_threshold() -> None:
    thresholds = shrunk_f1_thresholds(SCORES, TRUTH, shrinkage=1e12)
    assert thresholds[0] == pytest.approx(thresholds[1])
    # F1 over all entries: predicting all of 0.3 and above finds 4 of 4 with 5: 8/9
    assert 0.2 < thresholds[0] <= 0.3


def test_shrinkage_moves_by_the_share_of_positives_on_the_logit_scale() -> None:
    def logit(values: Floats) -> Floats:
        return np.asarray(np.log(values / (1 - values)), np.float32)

    own = logit(shrunk_f1_thresholds(SCORES, TRUTH, shrinkage=0))
    common = logit(shrunk_f1_thresholds(SCORES, TRUTH, shrinkage=1e12))
    between = logit(shrunk_f1_thresholds(SCORES, TRUTH, shrinkage=10))
    # two positives each: (2 * own + 10 * common) / 12
    assert between == pytest.approx((2 * own + 10 * common) / 12, abs=1e-4)


def test_a_class_without_positives_takes_the_common_threshold() -> None:
    truth = TRUTH.copy()
    truth[:, 1] = 0
    thresholds = choose_thresholds(SCORES, truth, ThresholdRule.parse("f1"))
    alone = shrunk_f1_thresholds(SCORES, truth, shrinkage=1e12)
    assert thresholds[1] == pytest.approx(alone[1])


def test_unknown_entries_do_not_count() -> None:
    scores = np.vstack([SCORES, [[0.95, 0.95]]]).astype(np.float32)
    truth = np.vstack([TRUTH, [[-1, -1]]]).astype(np.int8)
    for rule in (ThresholdRule("f1"), ThresholdRule("precision", 0.9)):
        assert np.array_equal(
            choose_thresholds(scores, truth, rule), choose_thresholds(SCORES, TRUTH, rule)
        )


def test_precision_takes_the_lowest_threshold_that_reaches_it() -> None:
    scores = np.array([[0.9], [0.8], [0.7], [0.6], [0.5]], np.float32)
    truth = np.array([[1], [0], [1], [1], [0]], np.int8)
    # precision from the top: 1, 1/2, 2/3, 3/4, 3/5
    wanted = {0.75: 0.6, 0.6: 0.5, 0.8: 0.9, 1.0: 0.9}
    for precision, expected in wanted.items():
        rule = ThresholdRule("precision", precision)
        assert choose_thresholds(scores, truth, rule) == pytest.approx([expected])


def test_a_precision_that_is_never_reached_means_never() -> None:
    scores, truth = np.array([[0.9], [0.8]], np.float32), np.array([[0], [1]], np.int8)
    assert choose_thresholds(scores, truth, ThresholdRule("precision", 0.9)).tolist() == [np.inf]


def test_ties_stand_on_one_side() -> None:
    scores = np.array([[0.5], [0.5], [0.4]], np.float32)
    truth = np.array([[1], [0], [0]], np.int8)
    assert choose_thresholds(scores, truth, ThresholdRule("precision", 1.0)).tolist() == [np.inf]
    assert choose_thresholds(scores, truth, ThresholdRule("precision", 0.5)).tolist() == [0.5]


def test_where_all_pictures_are_positive_all_are_predicted() -> None:
    scores, truth = np.array([[0.9], [0.3]], np.float32), np.ones((2, 1), np.int8)
    assert (scores >= shrunk_f1_thresholds(scores, truth, shrinkage=0)).all()


def test_truth_without_a_positive_is_an_error() -> None:
    with pytest.raises(CdulEdgeError, match="no positive"):
        choose_thresholds(SCORES, np.zeros_like(TRUTH), ThresholdRule("f1"))


@pytest.mark.parametrize(
    "text", ["", "f2", "precision", "precision=0", "precision=1.1", "precis=1"]
)
def test_a_rule_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(CdulEdgeError, match=r"expected f1, or precision=P"):
        ThresholdRule.parse(text)


def test_a_rule_reads_its_precision() -> None:
    assert ThresholdRule.parse("precision=0.9") == ThresholdRule("precision", 0.9)
