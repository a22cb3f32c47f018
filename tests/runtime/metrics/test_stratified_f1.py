"""Figures from a stratified sample of answers: by hand, at their limits, and their coverage."""

from __future__ import annotations

import math

import numpy as np
import pytest

from cdul_edge_runtime.metrics.bootstrap import Z
from cdul_edge_runtime.metrics.stratified_f1 import (
    Answers,
    Figures,
    Range,
    estimate_figures,
    estimate_mean,
)

Numbers = tuple[int, ...]


def answers(above: Numbers, sizes: Numbers, answered: Numbers, positive: Numbers) -> Answers:
    return Answers(
        np.array(above, bool),
        np.array(sizes, float),
        np.array(answered, float),
        np.array([positive], float),
    )


def plain(figure: Range) -> tuple[float, float, float]:
    value, low, high = (float(end[0]) for end in figure)
    return value, low, high


def test_every_answer_counts_for_as_many_pictures_as_it_stands_for() -> None:
    """40 predicted: 3/4 of 20 and 2/5 of 20; 100 not predicted: 1/10 of them are missed."""
    found = estimate_figures(answers((1, 1, 0), (20, 20, 100), (4, 5, 10), (3, 2, 1)))
    hits, missed = 20 * 3 / 4 + 20 * 2 / 5, 100 * 1 / 10
    assert found.precision.value == pytest.approx(hits / 40)
    assert found.recall.value == pytest.approx(hits / (hits + missed))
    assert found.f1.value == pytest.approx(2 * hits / (40 + hits + missed))
    for figure in found:
        value, low, high = plain(figure)
        assert 0 <= low < value < high <= 1


def test_one_large_stratum_gives_wilsons_interval() -> None:
    """8 of 10: 0.4902 to 0.9433, as in the literature."""
    found = estimate_figures(answers((1, 0), (10**9, 10), (10, 10), (8, 0)))
    assert plain(found.precision) == pytest.approx((0.8, 0.4902, 0.9433), abs=1e-4)


def test_no_positive_at_all_leaves_an_interval_with_a_width() -> None:
    """Wilson's upper end q after 0 of 20 among 101, half a picture further.

    It is the larger root of (q - 0.5 / N)^2 = z^2 q (1 - q) / m, with m = n (N - 1) / (N - n).
    """
    found = estimate_figures(answers((1, 0), (101, 10), (20, 10), (0, 0)))
    wide, half = Z**2 / (20 * 100 / 81), 0.5 / 101
    about = 2 * half + wide
    upper = (about + math.sqrt(about**2 - 4 * (1 + wide) * half**2)) / (2 * (1 + wide))
    assert plain(found.precision) == pytest.approx((0, 0, upper), abs=1e-5)


def test_nothing_is_left_to_doubt_where_everything_was_answered() -> None:
    found = estimate_figures(answers((1, 0, 0), (20, 30, 5), (20, 30, 5), (15, 3, 2)))
    assert plain(found.precision) == pytest.approx((0.75,) * 3, abs=1e-5)
    assert plain(found.recall) == pytest.approx((0.75,) * 3, abs=1e-5)
    assert plain(found.f1) == pytest.approx((30 / 40,) * 3, abs=1e-5)


def test_no_interval_goes_beyond_what_the_answers_leave_possible() -> None:
    """19 of 20 are answered, 10 with yes: 10 or 11 of 20 are right, and no other number."""
    found = estimate_figures(answers((1, 0), (20, 9), (19, 9), (10, 0)))
    assert plain(found.precision) == pytest.approx((10 / 19, 10 / 20, 11 / 20))


def test_more_answers_of_the_same_kind_make_every_interval_narrower() -> None:
    few = estimate_figures(answers((1, 0), (400, 600), (10, 20), (8, 1)))
    many = estimate_figures(answers((1, 0), (400, 600), (100, 200), (80, 10)))
    for wide, narrow in zip(few, many, strict=True):
        assert plain(narrow)[0] == pytest.approx(plain(wide)[0])
        assert plain(wide)[1] < plain(narrow)[1] < plain(narrow)[2] < plain(wide)[2]


def test_a_class_that_is_never_predicted_is_never_found() -> None:
    found = estimate_figures(answers((0, 0), (50, 50), (10, 10), (2, 1)))
    assert math.isnan(plain(found.precision)[0])
    assert plain(found.recall) == pytest.approx((0, 0, 0), abs=1e-5)
    assert plain(found.f1) == pytest.approx((0, 0, 0), abs=1e-5)


def test_without_a_positive_recall_is_unknown_and_f1_is_zero_as_far_as_one_sees() -> None:
    found = estimate_figures(answers((1, 0), (50, 50), (10, 10), (0, 0)))
    assert math.isnan(plain(found.recall)[0])
    assert plain(found.recall)[1:] == (0, 1)
    assert plain(found.f1)[:2] == (0, 0)
    assert plain(found.f1)[2] > 0.1


def test_a_class_that_is_known_to_be_nowhere_has_no_f1() -> None:
    """As in a report against truth, which leaves it out of the mean."""
    found = estimate_figures(answers((1, 0), (5, 20), (5, 20), (0, 0)))
    assert math.isnan(plain(found.f1)[0])
    assert plain(found.precision) == pytest.approx((0, 0, 0), abs=1e-5)


def test_a_side_without_answers_says_nothing() -> None:
    found = estimate_figures(answers((1, 1, 0), (20, 20, 100), (5, 5, 0), (4, 4, 0)))
    assert plain(found.precision)[0] == pytest.approx(0.8)
    for figure in (found.recall, found.f1):
        value, low, high = plain(figure)
        assert (math.isnan(value), low, high) == (True, 0, 1)


def test_a_stratum_without_answers_is_taken_to_be_like_the_nearest_of_its_side() -> None:
    some = answers((1, 1, 1, 0), (10, 20, 30, 40), (0, 4, 6, 8), (0, 2, 6, 1))
    joined = some.join_unanswered()
    assert joined.sizes.tolist() == [30, 30, 40]
    assert joined.positive.tolist() == [[2, 6, 1]]
    # 30 x 2/4 + 30 x 6/6 of 60
    assert estimate_figures(some).precision.value == pytest.approx(45 / 60)


def test_samples_side_by_side_are_estimated_as_each_alone() -> None:
    positive = np.array([[3, 2, 1], [0, 0, 0], [4, 5, 10]], float)
    sizes, answered = np.array([20.0, 20, 100]), np.array([4.0, 5, 10])
    above = np.array([True, True, False])
    together = estimate_figures(Answers(above, sizes, answered, positive))
    for row in range(3):
        alone = estimate_figures(Answers(above, sizes, answered, positive[row : row + 1]))
        for one, other in zip(together, alone, strict=True):
            for left, right in zip(one, other, strict=True):
                np.testing.assert_allclose(left[row], right[0], atol=1e-5)


def test_a_mean_has_the_interval_that_its_uneven_parts_leave_it() -> None:
    """Zou and Donner: sqrt(0.3^2 + 0.4^2) / 2 below, sqrt(0.06^2 + 0.08^2) / 2 above."""
    ranges = Range(np.array([[0.8, 0.6]]), np.array([[0.5, 0.2]]), np.array([[0.86, 0.68]]))
    assert [float(end[0]) for end in estimate_mean(ranges)] == pytest.approx([0.7, 0.45, 0.75])


# Pictures by stratum, and how many of them show the class: what is predicted is mostly right, most
# of the rest is empty, and one class hides a tenth of its positives among the lowest scores.
POPULATIONS = (
    ((1, 1, 0, 0, 0), (140, 170, 210, 210, 125), (121, 165, 1, 6, 20)),
    ((1, 1, 0, 0, 0), (31, 86, 278, 278, 182), (26, 80, 22, 15, 27)),
    ((1, 1, 0, 0, 0), (17, 46, 286, 285, 221), (5, 33, 2, 3, 9)),
)
SAMPLES: dict[int, tuple[Numbers, ...]] = {
    20: ((4, 3, 4, 4, 5), (3, 3, 5, 4, 5), (3, 3, 4, 4, 6)),
    100: ((21, 17, 19, 19, 24), (11, 10, 25, 24, 30), (8, 8, 26, 26, 32)),
}


@pytest.mark.parametrize("count", sorted(SAMPLES))
def test_intervals_hold_the_truth_as_often_as_they_say(count: int) -> None:
    """95 %, give or take three times the 1 % to which 500 samples know it."""
    repeats, generator = 500, np.random.default_rng(0)
    means, truths = [], []
    for (above, sizes, positive), drawn in zip(POPULATIONS, SAMPLES[count], strict=True):
        some = generator.hypergeometric(
            positive, np.subtract(sizes, positive), drawn, (repeats, len(sizes))
        )
        found = estimate_figures(
            Answers(
                np.array(above, bool), np.array(sizes, float), np.array(drawn, float),
                some.astype(float),
            )
        )  # fmt: skip
        hits, predicted = (int(np.dot(above, counts)) for counts in (positive, sizes))
        truth = 2 * hits / (predicted + sum(positive))
        assert 0.92 <= cover(found.f1, truth) <= 0.98
        assert unbiased(found, hits / predicted)
        means.append(found.f1)
        truths.append(truth)
    every = Range(*(np.stack(parts, axis=1) for parts in zip(*means, strict=True)))
    assert 0.92 <= cover(Range(*estimate_mean(every)), float(np.mean(truths))) <= 0.98


def cover(figure: Range, truth: float) -> float:
    return float(((figure.low <= truth) & (truth <= figure.high)).mean())


def unbiased(found: Figures, truth: float) -> bool:
    """The precision, whose denominator is known, is right on the mean; five standard errors."""
    values = found.precision.value
    return bool(abs(values.mean() - truth) < 5 * values.std() / math.sqrt(len(values)))
