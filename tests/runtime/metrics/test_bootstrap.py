from __future__ import annotations

from itertools import product
from time import perf_counter
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from cdul_edge_runtime.metrics.bootstrap import (
    _student,
    _weighted_map,
    estimate_flip_rate,
    estimate_map_drop,
    estimate_mean,
    estimate_mean_gain,
    estimate_mean_map,
)
from cdul_edge_runtime.metrics.metrics import mean_average_precision

Floats = npt.NDArray[np.floating[Any]]


def drop(a: Floats, b: Floats, truth: npt.NDArray[Any]) -> float:
    return mean_average_precision(a, truth) - mean_average_precision(b, truth)


@pytest.mark.parametrize("kind", ["labels", "unknown", "soft", "ties"])
def test_a_weighted_map_is_that_of_pictures_written_down_as_often_as_they_were_drawn(
    kind: str,
) -> None:
    generator = np.random.default_rng(5)
    scores = generator.random((9, 4)).astype(np.float32)
    truth: npt.NDArray[Any] = (generator.random((9, 4)) < 0.4).astype(np.int8)
    truth[:, 3] = 0  # a class without a positive
    if kind == "unknown":
        truth[generator.random((9, 4)) < 0.3] = -1
    if kind == "soft":
        truth = generator.random((9, 4)).astype(np.float32)
    if kind == "ties":
        scores = scores.round(1)
    weights = generator.integers(0, 4, (9, 6))
    found = _weighted_map(scores, truth, weights.astype(np.float32))
    for column, mean in zip(weights.T, found, strict=True):
        rows = np.repeat(np.arange(9), column)
        assert 100 * mean == pytest.approx(mean_average_precision(scores[rows], truth[rows]))


def test_three_pictures_have_27_draws_and_the_interval_comes_from_them() -> None:
    truth = np.array([[1], [0], [1]], np.int8)
    fp32, scores = np.array([[0.9], [0.1], [0.8]]), np.array([[0.9], [0.5], [0.1]])
    lost = []
    for rows in map(list, product(range(3), repeat=3)):
        if truth[rows].any():
            lost.append(drop(fp32[rows], scores[rows], truth[rows]))
    low, high = np.percentile(lost, [2.5, 97.5])
    value = drop(fp32, scores, truth)
    found = estimate_map_drop(fp32, scores, truth, value)
    wider = np.sqrt(3 / 2) * 4.3027 / 1.96  # Student's t with 2 degrees of freedom
    assert found.low == pytest.approx(value - wider * (value - low), rel=0.01)
    assert found.high == pytest.approx(value + wider * (high - value), rel=0.01)


def test_the_same_scores_lose_nothing_and_one_picture_tells_nothing() -> None:
    scores, truth = np.random.default_rng(0).random((20, 3)), np.eye(20, 3, dtype=np.int8)
    same = estimate_map_drop(scores, scores.copy(), truth, 0.0)
    assert (same.low, same.high) == (0.0, 0.0)
    one = estimate_map_drop(scores[:1], 1 - scores[:1], truth[:1], 0.0)
    assert (one.low, one.high) == (-100.0, 100.0)
    rare = np.zeros((400, 1), np.int8)  # one positive: two thirds of the draws hold it
    rare[0] = 1
    a, b = np.random.default_rng(1).random((2, 400, 1))
    assert estimate_map_drop(a, b, rare, drop(a, b, rare)).pictures == 400


def test_the_interval_is_the_same_each_time_and_mirrors_when_the_models_change_places() -> None:
    generator = np.random.default_rng(2)
    truth = (generator.random((50, 4)) < 0.3).astype(np.int8)
    a, b = generator.random((2, 50, 4))
    loss = estimate_map_drop(a, b, truth, drop(a, b, truth))
    assert loss == estimate_map_drop(a, b, truth, drop(a, b, truth))
    gain = estimate_map_drop(b, a, truth, drop(b, a, truth))
    assert (gain.low, gain.high) == pytest.approx((-loss.high, -loss.low))


def test_the_interval_of_a_map_is_that_of_all_27_draws_of_three_pictures() -> None:
    truth = np.array([[1], [0], [1]], np.int8)
    scores = np.array([[0.9], [0.5], [0.1]])
    drawn = [
        mean_average_precision(scores[rows], truth[rows])
        for rows in map(list, product(range(3), repeat=3))
        if truth[rows].any()
    ]
    low, _ = np.percentile(drawn, [2.5, 97.5])
    found = estimate_mean_map([scores], truth)
    assert found.value == pytest.approx(100 * (1 + 2 / 3) / 2)
    # 3 pictures widen it by (3 / 2)^0.5 x 4.3027 / 1.96, and no mAP is above 100.
    assert found.low == pytest.approx(max(0, found.value - 2.689 * (found.value - low)), abs=1)
    assert found.high == 100.0


def test_a_map_of_a_picture_says_nothing_and_without_a_positive_there_is_none() -> None:
    one = estimate_mean_map([np.array([[0.3]])], np.array([[1]], np.int8))
    assert (one.value, one.low, one.high) == (100.0, 0.0, 100.0)
    none = estimate_mean_map([np.full((9, 1), 0.3)], np.zeros((9, 1), np.int8))
    assert np.isnan(none.value)
    assert (none.low, none.high) == (0.0, 100.0)


def test_the_mean_of_runs_has_one_interval_from_the_same_draws() -> None:
    truth, scores, others = equal_models(np.random.default_rng(4), 200, 3)
    one, two = estimate_mean_map([scores], truth), estimate_mean_map([others], truth)
    both = estimate_mean_map([scores, others], truth)
    assert both.value == pytest.approx((one.value + two.value) / 2)
    assert estimate_mean_map([scores, scores], truth) == one
    assert both.high - both.low < max(one.high - one.low, two.high - two.low) * 1.05
    with pytest.raises(ValueError, match="at least one run"):
        estimate_mean_map([], truth)


def test_sixteen_times_the_pictures_leave_a_quarter_of_the_interval_of_a_map() -> None:
    truth, scores, _ = equal_models(np.random.default_rng(3), 800, 3)
    few, many = (estimate_mean_map([scores[:n]], truth[:n]) for n in (50, 800))
    assert many.low < many.value < many.high
    assert (many.high - many.low) / (few.high - few.low) == pytest.approx(0.25, abs=0.1)


def test_no_flip_leaves_an_upper_end_near_the_rule_of_three_over_pictures() -> None:
    for pictures in (1, 32, 512):
        found = estimate_flip_rate(np.zeros((pictures, 80), np.bool_))
        assert (found.value, found.low) == (0.0, 0.0)
        assert found.high == pytest.approx(3.8415 / (pictures + 3.8415), rel=1e-3)
    every = estimate_flip_rate(np.ones((32, 2), np.bool_))
    assert (every.value, every.high) == (1.0, 1.0)
    assert every.low == pytest.approx(32 / (32 + 3.8415), rel=0.05)


def test_decisions_that_flip_together_count_as_one() -> None:
    together = np.zeros((200, 10), np.bool_)
    together[:20] = True
    apart = np.zeros((200, 10), np.bool_)
    apart.reshape(-1)[::10] = True
    a, b = estimate_flip_rate(together), estimate_flip_rate(apart)
    assert a.value == b.value == 0.1
    # 200 pictures: 0.1 +- 1.96 x (0.1 x 0.9 / 200)^0.5, as Wilson bends it.
    assert (a.low, a.high) == pytest.approx((0.066, 0.149), abs=0.003)
    assert b.high - b.low < 0.6 * (a.high - a.low)


@pytest.mark.parametrize(
    ("freedom", "point"), [(1, 12.706), (3, 3.182), (4, 2.776), (9, 2.262), (31, 2.040)]
)
def test_students_t_is_that_of_the_tables(freedom: int, point: float) -> None:
    assert _student(freedom) == pytest.approx(point, rel=0.004)


def equal_models(
    generator: np.random.Generator, pictures: int, classes: int
) -> tuple[npt.NDArray[np.int8], Floats, Floats]:
    """Truth, and two models equally good at it that agree but for their own noise."""
    truth = (generator.random((pictures, classes)) < 0.2).astype(np.int8)
    seen = 1.5 * truth + generator.normal(size=truth.shape)
    a, b = seen + 0.3 * generator.normal(size=(2, *truth.shape))
    return truth, a, b


@pytest.mark.parametrize(("pictures", "draws", "most"), [(32, 200, 11), (200, 50, 5)])
def test_an_equal_model_is_hardly_ever_called_worse(pictures: int, draws: int, most: int) -> None:
    """At 2.5 % a draw, more than `most` happen less than once in a hundred such tests.

    benchmarks/verdicts.py makes 1,000 draws of up to 2,000 pictures.
    """
    generator = np.random.default_rng(pictures)
    worse = 0
    for _ in range(draws):
        truth, a, b = equal_models(generator, pictures, 3)
        worse += estimate_map_drop(a, b, truth, drop(a, b, truth)).judge(0.0) == "broken"
    assert worse <= most


def test_a_model_that_is_clearly_worse_is_called_broken_on_enough_pictures() -> None:
    truth, a, _ = equal_models(np.random.default_rng(0), 500, 3)
    noisy = a + 3 * np.random.default_rng(1).normal(size=a.shape)
    loss = drop(a, noisy, truth)
    assert loss > 10
    assert estimate_map_drop(a, noisy, truth, loss).judge(0.5) == "broken"


@pytest.mark.slow
@pytest.mark.parametrize("soft", [False, True])
def test_ten_thousand_pictures_of_eighty_classes_take_about_a_second(soft: bool) -> None:
    truth, a, b = equal_models(np.random.default_rng(0), 10_000, 80)
    weights = 1 / (1 + np.exp(-a)) if soft else truth
    start = perf_counter()
    estimate_map_drop(a, b, weights, 0.0)
    assert perf_counter() - start < 5  # 0.4 s and 0.7 s on a quiet core; others share this one


def test_a_mean_gain_of_equal_pairs_is_the_gain_of_one_with_its_interval() -> None:
    generator = np.random.default_rng(3)
    truth = (generator.random((60, 3)) < 0.4).astype(np.int8)
    good, bad = truth + generator.random((60, 3)), truth + 2 * generator.random((60, 3))
    lost = estimate_map_drop(good, bad, truth, drop(good, bad, truth))
    found = estimate_mean_gain([good, good], [bad, bad], truth)
    assert found.value == pytest.approx(lost.value)
    assert (found.low, found.high) == pytest.approx((lost.low, lost.high))
    assert found.pictures == 60
    back = estimate_mean_gain([bad], [good], truth)
    assert back.value == pytest.approx(-lost.value)


def test_a_mean_gain_is_the_mean_of_its_pairs_and_never_mixes_them() -> None:
    truth = np.array([[1], [0], [1], [0]], np.int8)
    right, wrong = np.array([[0.9], [0.1], [0.8], [0.2]]), np.array([[0.1], [0.9], [0.2], [0.8]])
    found = estimate_mean_gain([right, wrong], [wrong, right], truth)
    assert (found.value, found.low, found.high) == (0.0, 0.0, 0.0)
    with pytest.raises(ValueError, match="at least one pair"):
        estimate_mean_gain([], [], truth)


def test_a_mean_of_three_runs_by_hand() -> None:
    # deviation 1, so the half width is 4.303 / sqrt(3) = 2.484
    found = estimate_mean([1.0, 2.0, 3.0])
    assert found.value == 2.0
    assert found.high - 2.0 == pytest.approx(2.484, rel=0.01)
    assert 2.0 - found.low == pytest.approx(2.484, rel=0.01)
    assert estimate_mean([5.0]).high == float("inf")
