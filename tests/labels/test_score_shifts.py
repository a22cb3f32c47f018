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
    three = np.array([True, True, False])
    few = fit_shifts(np.full(3, 0.5, np.float32), as_columns(0, 0, 1), three, 20)
    assert 0 < few.shifts[0] < 0.7
    assert few.shifts[1] < few.shifts[2] < few.shifts[0]
    assert 0 < few.shifts[2] < 0.2
    half = np.full(8, 0.5, np.float32)
    even = fit_shifts(half, as_columns(*[0, 1] * 4), np.array([True, True, False, False] * 2), 2)
    np.testing.assert_allclose(even.shifts, 0, atol=1e-6)


def test_three_answers_shift_a_class_as_far_as_by_hand() -> None:
    """Two of three answers at 1/2 are yes: s = v (2 - 3 sigmoid(s)), with v = 1/4 + t^2."""
    answers = np.array([True, True, False])
    found = fit_shifts(np.full(3, 0.5, np.float32), as_columns(0, 0, 0), answers, 1)
    settled = []
    for width in (0.05, 4.0):
        variance, low, high = 0.25 + width**2, 0.0, 1.0
        for _ in range(50):
            middle = (low + high) / 2
            pulled = variance * (2 - 3 / (1 + np.exp(-middle)))
            low, high = (middle, high) if pulled > middle else (low, middle)
        settled.append(low)
    assert settled[0] == pytest.approx(0.106, abs=0.002)
    assert settled[1] == pytest.approx(0.635, abs=0.01)
    assert settled[0] < found.shifts[0] < settled[1]


def test_gross_errors_of_clip_and_sure_agreements_teach_nothing() -> None:
    scores = np.array([1e-6, 0.9999, 1e-5], np.float32)
    assert (np.abs(log_odds(scores)) > 6).all()
    found = fit_shifts(scores, as_columns(0, 1, 1), np.array([True, False, False]), 3)
    assert found.answers == 0
    assert found.unlearned.startswith("no answer is about a doubtful entry")
    assert not found.shifts.any()
    assert np.array_equal(found.of(np.full((2, 3), 0.3, np.float32)), np.full((2, 3), 0.3, "f4"))


@pytest.mark.parametrize(
    ("present", "reason"),
    [
        ([True] * 9 + [False], "90% of the answers say present, as where only what is seen"),
        ([False] * 30, "100% of the answers say absent, as where only errors are struck out"),
    ],
)
def test_people_who_name_one_side_only_teach_nothing(present: list[bool], reason: str) -> None:
    count = len(present)
    columns = np.zeros(count, np.intp)
    found = fit_shifts(np.full(count, 0.5, np.float32), columns, np.array(present), 2)
    assert found.unlearned.startswith(reason)
    assert not found.shifts.any()
    assert found.describe(("a", "b")) == f"{found.unlearned}: the scores stay"


def test_one_sided_classes_stay_finite_and_a_thousand_classes_are_quick() -> None:
    columns = np.arange(2000) % 1000
    found = fit_shifts(np.full(2000, 0.5, np.float32), columns, columns < 700, 1000)
    assert np.isfinite(found.shifts).all()
    assert found.shifts[:700].min() > found.shifts[700:].max()
    assert found.describe([f"class {one}" for one in range(1000)]).startswith(
        "2000 answers about doubtful entries correct the scores; log-odds move most for class "
    )
