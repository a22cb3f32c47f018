from __future__ import annotations

import math

import pytest

from cdul_edge_runtime.bundle.verdict import Estimate, Verdict, worst


@pytest.mark.parametrize(
    ("low", "high", "verdict"),
    [
        (-1.0, 0.5, "ok"),  # up to the limit and with it
        (-1.0, 0.51, "unsure"),
        (0.5, 0.9, "unsure"),
        (0.51, 0.9, "broken"),
    ],
)
def test_an_interval_is_within_beyond_or_holds_the_limit(
    low: float, high: float, verdict: Verdict
) -> None:
    assert Estimate((low + high) / 2, low, high, 32).judge(0.5) == verdict


def test_a_figure_without_an_interval_is_exact_and_nan_is_broken() -> None:
    assert Estimate.of(0.5, None, 3).judge(0.5) == "ok"
    assert Estimate.of(0.501, None, 3).judge(0.5) == "broken"
    assert Estimate.of(math.nan, None, 3).judge(0.5) == "broken"
    assert Estimate.of(math.nan, (0.0, 1.0), 3).judge(0.5) == "broken"


@pytest.mark.parametrize(
    ("estimate", "limit", "pictures"),
    [
        # 0.25 to go and 1.0 wide on that side: 4^2 as many.
        (Estimate(0.25, -0.75, 1.25, 32), 0.5, 520),
        (Estimate(0.75, -0.25, 1.75, 32), 0.5, 520),
        # No flip: the rule of three shrinks with the number itself, 10.7 to 2.
        (Estimate(0.0, 0.0, 10.7, 32), 2.0, 180),
        (Estimate(0.5, -0.5, 1.5, 32), 0.5, None),
    ],
)
def test_the_pictures_that_would_tell_shrink_the_interval_to_the_gap(
    estimate: Estimate, limit: float, pictures: int | None
) -> None:
    assert estimate.judge(limit) == "unsure"
    assert estimate.pictures_needed(limit) == pictures


def test_one_broken_verdict_breaks_all_and_one_unsure_clouds_the_good() -> None:
    assert worst(()) == worst(["ok", "ok"]) == "ok"
    assert worst(["ok", "unsure"]) == "unsure"
    assert worst(["unsure", "broken", "ok"]) == "broken"
