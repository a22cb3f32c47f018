"""The trial takes the fastest way to encode that names the same classes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from cdul_edge.labelling.arrays import Floats, Pixels
from cdul_edge.labelling.encode.trial import Candidate, Trial, TrialRow, run_trial

TEXTS = np.eye(2, 3, dtype=np.float32)


@pytest.mark.parametrize(
    ("speed", "agreement", "chosen"),
    [
        (20.0, 1.0, "fast"),
        (20.0, 0.995, "fast"),
        (20.0, 0.994, "fp32"),  # one view of two hundred may differ, and no more
        (10.4, 1.0, "fp32"),  # the clock's noise
        (5.0, 1.0, "fp32"),
    ],
)
def test_another_is_taken_only_where_it_agrees_and_is_faster(
    speed: float, agreement: float, chosen: str
) -> None:
    rows = (TrialRow("fp32", 10.0, 1.0), TrialRow("fast", speed, agreement))
    trial = Trial((*rows, TrialRow("slow", 1.0, 1.0)), views=8)
    assert trial.chosen == chosen
    assert str(trial).endswith(f": {chosen} is used")


def test_speeds_have_three_digits_and_no_exponent() -> None:
    rows = [TrialRow("views", speed, 1.0) for speed in (1.0, 9.876, 87.65, 1384.2)]
    told = str(Trial(tuple(rows), views=8))
    assert [part.split()[1] for part in told.split(": ")[1].split("; ")] == [
        *("1", "9.88", "87.7", "1384")
    ]


def test_agreement_is_that_of_the_nearest_texts_over_all_views_of_all_batches() -> None:
    calls: list[str] = []

    def first(batches: Sequence[Pixels]) -> list[Floats]:
        calls.append("first")
        return [np.tile(TEXTS[0], (*batch.shape[:2], 1)) for batch in batches]

    def second(batches: Sequence[Pixels]) -> list[Floats]:
        calls.append("second")
        found = first(batches)
        calls.pop()
        found[1][0, 0] = TEXTS[1]
        return found

    batches = [np.zeros((count, 2, 4, 4, 3), np.uint8) for count in (1, 3)]
    candidates = [Candidate("first", first), Candidate("second", second)]
    trial = run_trial(candidates, batches, TEXTS, seconds=0)
    assert calls == ["first", "second"] * 2  # once to agree, once by the clock, in turn
    assert trial.views == 8
    assert [row.agreement for row in trial.rows] == [1.0, 7 / 8]
    assert trial.chosen == "first"
    assert "second" in str(trial)
    assert "87.5 %" in str(trial)
