import math

import numpy as np
import pytest

from cdul_edge_runtime.classes import ClassList
from cdul_edge_runtime.errors import CdulEdgeError
from cdul_edge_runtime.metrics import (
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


def test_a_constant_score_earns_the_prevalence_in_any_order() -> None:
    constant = np.full(4, 0.3)
    for truth in ([1, 0, 0, 0], [0, 0, 0, 1], [0, 1, 0, 0]):
        assert average_precision(constant, np.array(truth, bool)) == 0.25


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
