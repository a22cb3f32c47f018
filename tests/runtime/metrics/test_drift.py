"""How far scores have moved: values that can be checked by hand, and worlds of known drift."""

from __future__ import annotations

import math

import numpy as np
import pytest

from cdul_edge_runtime.bundle.log_odds import sigmoid
from cdul_edge_runtime.bundle.score_reference import ScoreReference
from cdul_edge_runtime.errors import CdulEdgeError
from cdul_edge_runtime.metrics.drift import (
    DriftReport,
    count_independent,
    measure_drift,
    stability_index,
)


def spread(count: int, middle: float = 0.0) -> np.ndarray:
    """(count, 1) scores whose log-odds lie evenly within 4 of `middle`, in no order of theirs."""
    steps = np.linspace(-4, 4, count, endpoint=False) + 4 / count
    mixed = steps[(np.arange(count) * 617) % count]
    return sigmoid(mixed + middle)[:, None].astype(np.float32)


def drift(
    now: np.ndarray, then: np.ndarray, thresholds: tuple[float, ...] = (0.5, 0.5)
) -> DriftReport:
    """Of two classes; one column is taken for both."""
    now, then = np.broadcast_to(now, (len(now), 2)), np.broadcast_to(then, (len(then), 2))
    names = ("class 0", "class 1")
    return measure_drift(now, ScoreReference.of(then, np.array(thresholds), names))


def test_the_index_of_two_groups_is_the_textbooks() -> None:
    psi, luck = stability_index(np.array([25, 75]), np.array([50, 50]), independent=10)
    # of at least half of the reference each, as 10 pictures give groups of 5 or more
    p, q = (25.5 / 101, 75.5 / 101), (0.5, 0.5)
    assert psi == pytest.approx(sum((a - b) * math.log(a / b) for a, b in zip(p, q, strict=True)))
    assert luck == pytest.approx(1 * (1 / 10 + 1 / 100))


def test_groups_hold_a_tenth_of_the_reference_each() -> None:
    # 20 bins with 50 pictures each become 10 groups; all scores now lie in the highest
    now, then = np.zeros(20, np.int64), np.full(20, 50)
    now[-1] = 1000
    psi, luck = stability_index(now, then)
    p = [0.5 / 1005] * 9 + [1000.5 / 1005]
    assert psi == pytest.approx(sum((a - 0.1) * math.log(a / 0.1) for a in p))
    assert luck == pytest.approx(9 * (1 / 1000 + 1 / 1000))


def test_sparse_groups_are_merged_from_the_bottom_so_that_luck_is_no_drift() -> None:
    # Of 40 pictures a group should get 5: an eighth of the reference, which is 12.5 pictures. The
    # bins of 30 and 20 are enough alone; what is left below, 10 and 40, is one group.
    then = np.array([10, 40, 0, 30, 20])
    psi, luck = stability_index(np.array([4, 16, 0, 12, 8]), then)
    assert luck == pytest.approx(2 * (1 / 40 + 1 / 100))
    assert psi < luck
    # one bin cannot be told from itself
    assert stability_index(np.array([0, 40]), np.array([0, 100])) == (0.0, 0.0)


def test_the_same_scores_have_not_moved() -> None:
    then = np.hstack([spread(1000), spread(1000, -3)])
    report = drift(then, then, (0.5, 0.9))
    assert report.pictures == report.reference_pictures == 1000
    assert report.shifted == ()
    assert report.median_psi == 0
    for one in report.classes.values():
        assert one.psi == 0
        assert one.luck > 0
        assert one.prevalence == one.reference_prevalence
        assert one.calibration_shift == 0


def test_a_fair_share_of_the_same_scores_has_not_moved() -> None:
    # every fourth picture: 250 of 1000, exactly as the reference is spread
    then = spread(1000)
    now = np.sort(then, axis=0)[::4][(np.arange(250) * 77) % 250]
    assert drift(now, then).classes["class 0"].psi == 0


def test_luck_is_taken_off_on_average() -> None:
    draws = np.random.default_rng(0)
    counts = draws.multinomial(300, [1 / 20] * 20, 400)
    then = draws.multinomial(500, [1 / 20] * 20, 400)
    found = np.array([stability_index(a, b) for a, b in zip(counts, then, strict=True)])
    assert found[:, 1].mean() > 0.03
    assert found[:, 0].mean() == pytest.approx(found[:, 1].mean(), rel=0.15)


def test_a_class_that_is_missing_has_shifted_and_the_other_has_not() -> None:
    # a third of the pictures show each class, at log-odds of about 2; the others at about -3
    there, away = spread(300, 2), spread(700, -3)
    both = np.vstack([there, away])[(np.arange(1000) * 617) % 1000]
    then = np.hstack([both, both])
    kept = np.vstack([there[:90], away[:210]])[(np.arange(300) * 77) % 300]
    gone = away[(np.arange(300) * 2) % 700]
    report = drift(np.hstack([kept, gone]), then)
    assert report.shifted == ("class 1",) == report.worst(1)
    assert report.classes["class 0"].psi < 0.1
    one = report.classes["class 1"]
    assert one.prevalence < 0.2 < one.reference_prevalence
    assert one.calibration_shift < -0.1


def test_scores_of_dimmed_pictures_that_crowd_in_the_middle_have_shifted() -> None:
    then = np.vstack([spread(300, 3), spread(700, -3)])[(np.arange(1000) * 617) % 1000]
    log_odds = np.log(then / (1 - then))
    dim = sigmoid(log_odds * 0.3).astype(np.float32)
    one = drift(dim[::3], then).classes["class 0"]
    assert one.psi > 0.25
    assert one.calibration_shift > 0.05


def test_the_calibration_shift_is_of_mean_scores() -> None:
    then = np.array([[0.2, 0.9], [0.4, 0.9]])
    report = drift(np.array([[0.1, 0.9], [0.3, 0.95], [0.2, 1.0]]), then)
    shifts = [one.calibration_shift for one in report.classes.values()]
    assert shifts == pytest.approx([0.2 - 0.3, 0.95 - 0.9])


def test_a_score_in_double_precision_reaches_the_threshold_that_it_is() -> None:
    scores = np.array([[0.6, 0.1], [0.1, 0.6]])  # as JSON has them; 0.6 in float32 is larger
    report = drift(scores, scores, (0.6, 0.6))
    for one in report.classes.values():
        assert one.prevalence == one.reference_prevalence == 0.5


def test_neighbors_that_are_alike_count_for_less() -> None:
    alternating = np.array([[0.2], [0.8]] * 50)
    assert count_independent(alternating) == [100]  # below 0, which says nothing
    # each picture ten times: log-odds of neighbors correlate by about 0.9
    repeated = np.repeat(spread(100), 10, axis=0)
    found = count_independent(repeated)[0]
    assert 40 < found < 70  # 1000 * (1 - 0.9) / (1 + 0.9) = 53
    assert count_independent(np.full((50, 1), 0.3)) == [50]
    assert count_independent(np.linspace(0.1, 0.9, 200)[:, None]) == [10]
    assert count_independent(np.array([[0.1], [0.9]])) == [2]


def test_scores_of_other_classes_are_refused() -> None:
    then = np.tile(spread(100), (1, 2))
    reference = ScoreReference.of(then, np.full(2, 0.5), ("one", "two"))
    for wrong in (np.zeros((5, 3)), np.zeros(5), np.full((5, 2), np.nan), np.zeros((0, 2))):
        with pytest.raises(CdulEdgeError):
            measure_drift(wrong, reference)
    assert measure_drift(np.zeros((1, 2)), reference).classes["one"].prevalence == 0


def test_an_older_bundle_without_a_reference_is_told_what_to_do() -> None:
    with pytest.raises(CdulEdgeError, match=r"no reference.*export again"):
        measure_drift(np.zeros((5, 2)), None)
