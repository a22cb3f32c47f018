from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest

from cdul_edge_calibration.threshold_rules import (
    ThresholdRule,
    choose_thresholds,
    fit_thresholds,
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
    "text",
    [
        "",
        "f2",
        "f1=1",
        "precision",
        "precision=0",
        "precision=1.1",
        "precis=1",
        "recall",
        "rate=nan",
    ],
)
def test_a_rule_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(CdulEdgeError, match=r"expected f1, precision=P, recall=R, or rate=R"):
        ThresholdRule.parse(text)


def test_a_rule_reads_its_target() -> None:
    assert ThresholdRule.parse("f1") == ThresholdRule("f1")
    assert ThresholdRule.parse("precision=0.9") == ThresholdRule("precision", 0.9)
    assert ThresholdRule.parse("recall=1") == ThresholdRule("recall", 1.0)
    assert ThresholdRule.parse("rate=.25") == ThresholdRule("rate", 0.25)
    assert [str(ThresholdRule.parse(rule)) for rule in ("f1", "rate=.25")] == ["f1", "rate=0.25"]


def test_what_begins_as_a_rule_is_meant_as_one_and_a_file_is_not() -> None:
    meant = [
        text
        for text in ("f1", "rate", "rate=x", "f1.json", "rates.json", "run")
        if ThresholdRule.is_meant(text)
    ]
    assert meant == ["f1", "rate", "rate=x"]


def test_recall_takes_the_highest_threshold_that_reaches_it() -> None:
    scores = np.array([[0.9], [0.8], [0.7], [0.6], [0.5]], np.float32)
    truth = np.array([[1], [0], [1], [1], [0]], np.int8)
    # recall from the top: 1/3, 1/3, 2/3, 1, 1
    for recall, expected in {0.3: 0.9, 2 / 3: 0.7, 0.7: 0.6, 1.0: 0.6}.items():
        rule = ThresholdRule("recall", recall)
        assert choose_thresholds(scores, truth, rule) == pytest.approx([expected])


def test_a_class_with_nothing_to_recall_is_never_predicted() -> None:
    truth = TRUTH.copy()
    truth[:, 1] = 0
    assert choose_thresholds(SCORES, truth, ThresholdRule("recall", 0.5))[1] == np.inf


def test_a_rate_predicts_each_class_so_often_and_needs_no_truth() -> None:
    thresholds = choose_thresholds(SCORES, None, ThresholdRule("rate", 0.25))
    assert decisions(thresholds).sum(axis=0).tolist() == [1, 1]
    # Equal scores stand on one side: more are predicted, never fewer.
    tied = np.array([[0.5], [0.5], [0.5], [0.1]], np.float32)
    assert choose_thresholds(tied, None, ThresholdRule("rate", 0.25)).tolist() == [0.5]


@pytest.mark.parametrize("rule", ["precision=0.6", "recall=0.6", "rate=0.3"])
def test_a_monotone_rescaling_of_the_scores_changes_no_decision(rule: str) -> None:
    generator = np.random.default_rng(0)
    scores = generator.random((60, 3)).astype(np.float32)
    truth = (generator.random((60, 3)) < scores).astype(np.int8)
    curved = scores**3
    before = scores >= choose_thresholds(scores, truth, ThresholdRule.parse(rule))
    after = curved >= choose_thresholds(curved, truth, ThresholdRule.parse(rule))
    assert 0 < before.mean() < 1
    assert np.array_equal(before, after)


def test_unshrunk_f1_decisions_survive_a_monotone_rescaling_too() -> None:
    generator = np.random.default_rng(1)
    scores = generator.random((60, 3)).astype(np.float32)
    truth = (generator.random((60, 3)) < scores).astype(np.int8)
    curved = scores**3
    before = scores >= shrunk_f1_thresholds(scores, truth, shrinkage=0)
    assert np.array_equal(before, curved >= shrunk_f1_thresholds(curved, truth, shrinkage=0))


def test_saturated_scores_stay_on_the_side_that_was_chosen() -> None:
    # No float lies between the two: the threshold is the upper one, which ties with itself.
    scores = np.array([[1.0], [np.nextafter(np.float32(1), np.float32(0))]], np.float32)
    thresholds = shrunk_f1_thresholds(scores, np.array([[1], [0]], np.int8), shrinkage=0)
    assert (scores >= thresholds).tolist() == [[True], [False]]
    nothing = np.zeros((2, 1), np.float32)
    assert shrunk_f1_thresholds(nothing, np.ones((2, 1), np.int8), shrinkage=0).tolist() == [0]


def test_scores_that_are_no_probabilities_are_refused() -> None:
    for wrong in (1.5, -0.1, np.nan):
        with pytest.raises(CdulEdgeError, match=r"lie outside"):
            choose_thresholds(np.array([[wrong]]), np.ones((1, 1), np.int8), ThresholdRule("f1"))


def test_a_draw_fits_on_some_pictures_and_leaves_only_the_others_to_report_on() -> None:
    generator = np.random.default_rng(2)
    scores = generator.random((40, 2)).astype(np.float32)
    truth = (generator.random((40, 2)) < scores).astype(np.int8)
    truth[:10] = -1
    fitted = fit_thresholds(scores, truth, ThresholdRule("f1"), pictures=12, seed=3)
    gone = np.asarray((fitted.truth < 0).all(axis=1))
    assert gone[:10].all()
    drawn = np.flatnonzero(gone[10:]) + 10
    assert (len(drawn), fitted.pictures, fitted.in_sample) == (12, 12, False)
    assert np.array_equal(fitted.truth[~gone], truth[~gone])
    alone = choose_thresholds(scores[drawn], truth[drawn], ThresholdRule("f1"))
    assert np.array_equal(fitted.values, alone)
    other = fit_thresholds(scores, truth, ThresholdRule("f1"), pictures=12, seed=4)
    assert not np.array_equal(other.truth, fitted.truth)


def test_without_a_draw_the_figures_are_in_sample_and_a_rate_never_is() -> None:
    truth = TRUTH.copy()
    truth[3] = -1
    fitted = fit_thresholds(SCORES, truth, ThresholdRule("f1"))
    assert (fitted.pictures, fitted.in_sample) == (3, True)
    assert np.array_equal(fitted.truth, truth)
    rate = fit_thresholds(SCORES, truth, ThresholdRule("rate", 0.5))
    assert (rate.pictures, rate.in_sample) == (4, False)


def test_a_draw_that_leaves_nothing_or_serves_nothing_is_refused() -> None:
    for pictures in (0, 4, 5):
        with pytest.raises(CdulEdgeError, match="cannot be drawn of the 4 whose truth is known"):
            fit_thresholds(SCORES, TRUTH, ThresholdRule("f1"), pictures=pictures)
    with pytest.raises(CdulEdgeError, match="a rate needs no labeled pictures"):
        fit_thresholds(SCORES, TRUTH, ThresholdRule("rate", 0.5), pictures=2)
