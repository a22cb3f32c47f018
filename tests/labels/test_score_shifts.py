"""What a few answers teach of the scores of all pictures."""

from __future__ import annotations

import numpy as np
import pytest

from cdul_edge.labels.score_shifts import ScoreShifts, fit_shifts
from cdul_edge_runtime.bundle.log_odds import log_odds, sigmoid


def as_columns(*columns: int) -> np.ndarray:
    return np.array(columns, np.intp)


def test_a_shift_multiplies_the_odds_and_keeps_what_is_certain() -> None:
    shifts = ScoreShifts(np.log([4.0, 1.0]), 1)
    scores = np.array([[0.2, 0.3], [0.5, 0.0], [1.0, 1.0], [0.0, 0.7]], np.float32)
    # odds of 1/4 become 1, of 1 become 4
    expected = np.array([[0.5, 0.3], [0.8, 0.0], [1.0, 1.0], [0.0, 0.7]], np.float32)
    np.testing.assert_allclose(shifts.of(scores), expected, rtol=1e-6)
    assert shifts.of(scores).dtype == np.float32


def test_order_within_a_class_stays() -> None:
    scores = np.geomspace(1e-30, 0.999, 200, dtype=np.float32)[:, None]
    for shift in (-3.0, 0.7, 5.0):
        moved = ScoreShifts(np.array([shift]), 1).of(scores)[:, 0]
        assert (np.diff(moved) >= 0).all()
        assert len(np.unique(moved)) > 190


def test_many_answers_find_the_shift_wherever_people_were_asked() -> None:
    """Scores of class 0 are 1.5 too high, those of class 1 are right; only doubts are asked of."""
    draws = np.random.default_rng(0)
    odds = draws.uniform(-2, 1, 4000)
    columns = draws.integers(0, 2, 4000).astype(np.intp)
    present = draws.random(4000) < sigmoid(odds - 1.5 * (columns == 0))
    found = fit_shifts(sigmoid(odds).astype(np.float32), columns, present, 3)
    assert found.answers == 4000
    np.testing.assert_allclose(found.shifts[:2], [-1.5, 0.0], atol=0.2)
    assert -0.8 < found.shifts[2] < 0.1  # nobody was asked: what the others have in common


def test_a_few_answers_move_little_and_agreement_moves_nothing() -> None:
    one = fit_shifts(np.full(1, 0.5, np.float32), as_columns(0), np.array([True]), 20)
    assert 0 < one.shifts[0] < 0.5
    assert 0 < one.shifts[1] < 0.2
    half = np.full(8, 0.5, np.float32)
    even = fit_shifts(half, as_columns(*[0, 1] * 4), np.array([True, True, False, False] * 2), 2)
    np.testing.assert_allclose(even.shifts, 0, atol=1e-6)


def test_one_answer_is_the_likeliest_shift_by_hand() -> None:
    """With one class the total shift s has variance v = 1/4 + t^2 and solves s = v sigmoid(-s)."""
    found = fit_shifts(np.full(1, 0.5, np.float32), as_columns(0), np.array([True]), 1)
    settled = []
    for width in (0.05, 4.0):
        variance, shift = 0.25 + width**2, 0.0
        for _ in range(500):
            shift += 0.1 * (variance * (1 - 1 / (1 + np.exp(-shift))) - shift)
        settled.append(shift)
    assert settled[0] == pytest.approx(0.11, abs=0.01)
    assert settled[0] < found.shifts[0] < settled[1]


def test_gross_errors_of_clip_and_sure_agreements_teach_nothing() -> None:
    scores = np.array([1e-6, 0.9999, 1e-5], np.float32)
    assert (np.abs(log_odds(scores)) > 6).all()
    found = fit_shifts(scores, as_columns(0, 1, 1), np.array([True, False, False]), 3)
    assert found.answers == 0
    assert not found.shifts.any()
    assert np.array_equal(found.of(np.full((2, 3), 0.3, np.float32)), np.full((2, 3), 0.3, "f4"))


def test_one_sided_answers_stay_finite_and_a_thousand_classes_are_quick() -> None:
    draws = np.random.default_rng(1)
    columns = draws.integers(0, 1000, 1000).astype(np.intp)
    found = fit_shifts(np.full(1000, 0.5, np.float32), columns, np.ones(1000, np.bool_), 1000)
    assert np.isfinite(found.shifts).all()
    assert (found.shifts > 0.5).all()
