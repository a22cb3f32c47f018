import math

import numpy as np
import pytest

from cdul_edge_runtime.bundle.classes import ClassList
from cdul_edge_runtime.choices import ApConvention
from cdul_edge_runtime.errors import CdulEdgeError
from cdul_edge_runtime.metrics.metrics import (
    average_precision,
    evaluate_scores,
    mean_average_precision,
)

HALF = np.array([0.5, 0.5])


@pytest.mark.parametrize(
    ("truth", "expected"),
    [
        ([1, 0, 1, 0], (1 + 2 / 3) / 2),  # precision 1 at rank 1, 2/3 at rank 3
        ([0, 1, 1, 0], (1 / 2 + 2 / 3) / 2),
        ([0, 0, 0, 1], 1 / 4),
        ([1, 1, 1, 1], 1.0),
    ],
)
def test_average_precision_is_the_mean_precision_at_the_positives(
    truth: list[int], expected: float
) -> None:
    scores = np.array([0.9, 0.8, 0.7, 0.6])
    assert average_precision(scores, np.array(truth, bool)) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("truth", "convention", "expected"),
    [
        # precision 1 at recall 1/2, then 2/3 at recall 1
        ([1, 0, 1, 0], "area", (1 + 2 / 3) / 2),
        ([1, 0, 1, 0], "voc2010", (1 + 2 / 3) / 2),
        ([1, 0, 1, 0], "voc2007", (6 * 1 + 5 * 2 / 3) / 11),
        # precision 1/2 at recall 1/2, then 2/3 at recall 1, which is the envelope everywhere
        ([0, 1, 1, 0], "area", (1 / 2 + 2 / 3) / 2),
        ([0, 1, 1, 0], "voc2010", 2 / 3),
        ([0, 1, 1, 0], "voc2007", 2 / 3),
        ([1, 1, 1, 1], "voc2007", 1.0),
    ],
)
def test_each_convention_can_be_computed_by_hand(
    truth: list[int], convention: ApConvention, expected: float
) -> None:
    scores = np.array([0.9, 0.8, 0.7, 0.6])
    found = average_precision(scores, np.array(truth, bool), convention)
    assert found == pytest.approx(expected, abs=1e-12)


def test_a_recall_of_three_in_ten_reaches_the_point_at_three_tenths() -> None:
    # Three hits, then a miss for every hit: recall 0.3 still has precision 1, recall 0.4 has 4/5.
    truth = np.array([1, 1, 1] + [0, 1] * 7, bool)
    scores = -np.arange(len(truth), dtype=np.float64)
    envelope = [1.0] * 4 + [(3 + n) / (3 + 2 * n) for n in range(1, 8)]
    assert average_precision(scores, truth, "voc2007") == pytest.approx(np.mean(envelope))


def test_the_envelope_is_never_below_the_steps() -> None:
    generator = np.random.default_rng(1)
    for ties in (3, 1000):
        scores, truth = generator.integers(0, ties, 200) / ties, generator.random(200) < 0.2
        area = average_precision(scores, truth)
        assert average_precision(scores, truth, "voc2010") >= area
    assert math.isnan(average_precision(scores, np.zeros(200, bool), "voc2007"))


@pytest.mark.parametrize("convention", ["area", "voc2010", "voc2007"])
def test_a_constant_score_earns_the_prevalence_in_any_order(convention: ApConvention) -> None:
    constant = np.full(4, 0.3)
    for truth in ([1, 0, 0, 0], [0, 0, 0, 1], [0, 1, 0, 0]):
        assert average_precision(constant, np.array(truth, bool), convention) == 0.25


def test_no_positive_has_no_average_precision() -> None:
    assert math.isnan(average_precision(np.array([0.1, 0.2]), np.array([False, False])))


def test_average_precision_is_that_of_scikit_learn_ties_included() -> None:
    metrics = pytest.importorskip("sklearn.metrics", reason="compared with scikit-learn")
    generator = np.random.default_rng(0)
    for ties in (3, 10, 1000):
        scores = generator.integers(0, ties, 200) / ties
        truth = generator.random(200) < 0.2
        expected = metrics.average_precision_score(truth, scores)
        assert average_precision(scores, truth) == pytest.approx(expected, abs=1e-12)


def test_threshold_metrics_can_be_counted_by_hand() -> None:
    # Predicted: a on pictures 0, 1, 2; b on picture 3. True: a on 0, 1; b on 2, 3.
    scores = np.array([[0.9, 0.1], [0.8, 0.2], [0.6, 0.3], [0.1, 0.7]])
    truth = np.array([[1, 0], [1, 0], [0, 1], [0, 1]], np.int8)
    report = evaluate_scores(scores, truth, ClassList(("a", "b")), HALF)
    assert report.ap == {"a": 100.0, "b": 100.0}
    assert report.map == 100.0
    assert report.cp == pytest.approx(100 * (2 / 3 + 1) / 2)
    assert report.cr == pytest.approx(100 * (1 + 1 / 2) / 2)
    assert report.cf1 == pytest.approx(2 * report.cp * report.cr / (report.cp + report.cr))
    assert (report.op, report.or_, report.of1) == (75.0, 75.0, 75.0)
    assert report.macro_f1 == pytest.approx(100 * (4 / 5 + 2 / 3) / 2)
    assert report.hamming == 100 * 2 / 8
    assert report.density == 50.0


def test_the_report_names_its_convention_and_means_over_it() -> None:
    scores = np.array([[0.9, 0.6], [0.8, 0.7], [0.7, 0.8], [0.6, 0.9]])
    truth = np.array([[0, 0], [1, 1], [1, 1], [0, 0]], np.int8)
    classes = ClassList(("a", "b"))
    area = evaluate_scores(scores, truth, classes, HALF)
    assert area.to_dict()["ap_convention"] == "area"
    assert area.map == pytest.approx(100 * (1 / 2 + 2 / 3) / 2)
    voc = evaluate_scores(scores, truth, classes, HALF, convention="voc2007")
    assert voc.ap_convention == "voc2007"
    assert voc.map == pytest.approx(100 * 2 / 3)


def test_of_each_picture_only_the_three_highest_scores_count_as_top_three() -> None:
    classes = ClassList(("a", "b", "c", "d"))
    # All four reach their threshold in picture 0; in picture 1 only d does.
    scores = np.array([[0.9, 0.8, 0.7, 0.6], [0.1, 0.2, 0.3, 0.9]])
    truth = np.array([[1, 1, 0, 1], [0, 0, 0, 1]], np.int8)
    report = evaluate_scores(scores, truth, classes, np.full(4, 0.5))
    assert report.op == pytest.approx(100 * 4 / 5)
    assert report.or_ == 100
    # d of picture 0 falls away: right are a, b, and d of picture 1; wrong is c.
    assert (report.op_top3, report.or_top3) == (75, 75)
    assert report.of1_top3 == 75
    assert report.cp_top3 == pytest.approx(100 * (1 + 1 + 0 + 1) / 4)
    assert report.cr_top3 == pytest.approx(100 * (1 + 1 + 1 / 2) / 3)
    assert report.cf1_top3 == pytest.approx(
        2 * report.cp_top3 * report.cr_top3 / (report.cp_top3 + report.cr_top3)
    )


def test_top_three_of_three_classes_or_of_equal_scores_leaves_nothing_out() -> None:
    truth = np.array([[1, 0, 1, 1]], np.int8)
    for classes, scores in (("abc", [[0.9, 0.8, 0.7]]), ("abcd", [[0.9, 0.6, 0.6, 0.6]])):
        columns = len(classes)
        names, half = ClassList(tuple(classes)), np.full(columns, 0.5)
        report = evaluate_scores(np.array(scores), truth[:, :columns], names, half)
        assert (report.op_top3, report.cf1_top3) == (report.op, report.cf1)


def test_the_report_holds_the_calibration_of_known_entries_in_percent() -> None:
    # a: two entries of 0.7, one true: off by 0.2. b: 0.1 and false: off by 0.1; one is unknown.
    scores = np.array([[0.7, 0.1], [0.7, 0.9]])
    truth = np.array([[1, 0], [0, -1]], np.int8)
    report = evaluate_scores(scores, truth, ClassList(("a", "b")), HALF)
    assert report.ece == pytest.approx(100 * (2 * 0.2 + 0.1) / 3)
    assert report.ece_by_class == pytest.approx(100 * (0.2 + 0.1) / 2)
    assert report.brier == pytest.approx(100 * (0.3**2 + 0.7**2 + 0.1**2) / 3)


def test_scores_that_are_no_probabilities_have_no_calibration_error() -> None:
    logits, truth = np.array([[2.0, 0.5], [-1.0, 0.4]]), np.array([[1, 1], [0, 0]], np.int8)
    report = evaluate_scores(logits, truth, ClassList(("a", "b")), np.zeros(2))
    assert report.map == 100
    assert report.to_dict()["ece"] is None
    assert report.to_dict()["ece_by_class"] is None
    assert report.to_dict()["brier"] is None


def test_an_unknown_entry_counts_neither_way() -> None:
    classes = ClassList(("a", "b"))
    scores = np.array([[0.9, 0.9], [0.2, 0.1], [0.8, 0.4]])
    truth = np.array([[1, 1], [0, 0], [-1, -1]], np.int8)
    known_only = evaluate_scores(scores[:2], truth[:2], classes, HALF)
    assert evaluate_scores(scores, truth, classes, HALF) == known_only
    assert known_only.pictures == 2


def test_a_class_that_is_nowhere_is_counted_apart_and_not_as_zero() -> None:
    truth = np.array([[1, 0], [0, 0]], np.int8)
    report = evaluate_scores(np.array([[0.9, 0.4], [0.1, 0.3]]), truth, ClassList(("a", "b")), HALF)
    assert report.map == 100.0
    assert report.classes_without_positive == 1
    assert report.to_dict()["ap"] == {"a": 100.0, "b": None}


def test_a_class_of_which_nothing_is_known_changes_no_figure() -> None:
    scores = np.array([[0.9, 0.1, 0.8], [0.2, 0.7, 0.1], [0.6, 0.4, 0.3]])
    truth = np.array([[1, -1, 1], [0, -1, 0], [0, -1, 1]], np.int8)
    halves = np.full(3, 0.5)
    report = evaluate_scores(scores, truth, ClassList(("cat", "dog", "cow")), halves)
    judged = evaluate_scores(
        scores[:, ::2], truth[:, ::2], ClassList(("cat", "cow")), halves[:2]
    ).to_dict()
    found = report.to_dict()
    assert found.pop("ap") == {"cat": 100.0, "dog": None, "cow": 100.0}
    assert judged.pop("ap") == {"cat": 100.0, "cow": 100.0}
    assert (found.pop("classes_without_positive"), judged.pop("classes_without_positive")) == (1, 0)
    for name in ("cp", "cr", "cf1", "op", "or_", "of1", "macro_f1", "map", "ece", "brier"):
        assert found[name] == pytest.approx(judged[name]), name


def test_broken_scores_and_foreign_shapes_are_refused() -> None:
    classes = ClassList(("a", "b"))
    truth = np.array([[1, 0]], np.int8)
    with pytest.raises(CdulEdgeError, match="NaN"):
        evaluate_scores(np.array([[np.nan, 0.1]]), truth, classes, HALF)
    with pytest.raises(CdulEdgeError, match="do not fit 2 classes"):
        evaluate_scores(np.zeros((1, 3)), truth, classes, HALF)
    with pytest.raises(CdulEdgeError, match="knows none"):
        evaluate_scores(np.zeros((1, 2)), np.full((1, 2), -1, np.int8), classes, HALF)


def test_soft_truth_counts_by_its_weight() -> None:
    # Ranked: weight 1, then 0.5: precision 1 and 1.5/2; they gain 1/1.5 and 0.5/1.5 of recall.
    scores = np.array([[0.9], [0.8]])
    soft = np.array([[1.0], [0.5]], np.float32)
    assert mean_average_precision(scores, soft) == pytest.approx(
        100 * (1 / 1.5 * 1 + 0.5 / 1.5 * 0.75)
    )
    # The other order: precision 0.5 and 1.5/2.
    assert mean_average_precision(scores[::-1], soft) == pytest.approx(
        100 * (0.5 / 1.5 * 0.5 + 1 / 1.5 * 0.75)
    )


def test_with_hard_truth_it_is_the_map_of_the_report() -> None:
    generator = np.random.default_rng(0)
    scores = generator.random((20, 3))
    truth = generator.integers(-1, 2, (20, 3)).astype(np.int8)
    truth[:, 2] = 0  # nowhere: neither counts it
    report = evaluate_scores(scores, truth, ClassList(("a", "b", "c")), np.full(3, 0.5))
    assert mean_average_precision(scores, truth) == pytest.approx(report.map)
    assert math.isnan(mean_average_precision(scores, np.zeros((20, 3), np.int8)))


def test_the_soft_mean_refuses_what_the_report_refuses() -> None:
    with pytest.raises(CdulEdgeError, match="NaN"):
        mean_average_precision(np.array([[np.nan]]), np.ones((1, 1)))
    with pytest.raises(CdulEdgeError, match="do not fit"):
        mean_average_precision(np.zeros((1, 2)), np.ones((1, 3)))
