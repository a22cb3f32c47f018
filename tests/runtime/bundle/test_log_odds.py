"""Log-odds of any size, and shifts that make scores add up."""

from __future__ import annotations

import numpy as np
import pytest

from cdul_edge_runtime.bundle.log_odds import find_shifts, log_odds, sigmoid


def test_a_score_is_that_of_its_log_odds_however_large_they_are() -> None:
    given = np.array([-np.inf, -1000.0, -np.log(3), 0.0, np.log(3), 1000.0, np.inf])
    assert sigmoid(given) == pytest.approx([0, 0, 0.25, 0.5, 0.75, 1, 1])
    assert log_odds(sigmoid(given)[2:5]) == pytest.approx(given[2:5])
    assert np.isfinite(log_odds(np.array([0.0, 1.0], np.float32))).all()


def test_shifts_make_scores_add_up_to_what_is_wanted() -> None:
    logits = np.array([[0.0, 0.0], [1000.0, -1000.0]])
    # Three pictures of score 1/2 become of 1/4, whose sum is 3/4; a sum of 1 needs nothing.
    found = find_shifts(logits, np.array([1, 2]), np.array([0.75, 1.0]))
    assert found[0] == pytest.approx(-np.log(3), abs=1e-4)
    assert sigmoid(logits[1] + found[1]) @ [1, 2] == pytest.approx(1)
