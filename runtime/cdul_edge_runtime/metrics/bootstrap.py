"""How sure a loss of mAP and a rate of flips are, given that pictures are a sample.

Pictures are what was drawn at random, so they are what is drawn again: all classes of a picture
stay together, and both models are scored on the same draw (a paired bootstrap; Efron and
Tibshirani 1993, An Introduction to the Bootstrap, chapters 6 and 13).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from cdul_edge_runtime.bundle.verdict import Estimate
from cdul_edge_runtime.metrics.metrics import mean_average_precision

Floats = npt.NDArray[np.floating[Any]]
Labels = npt.NDArray[np.floating[Any] | np.int8]
Weights = npt.NDArray[np.float32]
Places = npt.NDArray[np.intp]

Z = 1.959964  # 97.5 % of a normal distribution lies below it

_SEED = 0
_MOST_REPLICATES = 1000
_FEWEST_REPLICATES = 25
_CELLS = 16_000_000  # pictures x classes x replicates that take well under a second
_PERCENTILES_FROM = 200  # with fewer replicates their tails hold too few values to be read off


def estimate_map_drop(fp32: Floats, scores: Floats, truth: Labels, drop: float) -> Estimate:
    """The points of mAP that `scores` lose against `fp32`, with a 95 % interval.

    Every replicate weighs each picture by how often it was drawn and takes the mAP of both models
    with those weights; a class of which no positive was drawn is left out of that replicate. The
    interval holds the middle 95 % of the replicates, widened by Student's t and by
    sqrt(N / (N - 1)), without which it is too narrow on few pictures (Hesterberg 2015, What
    Teachers Should Know About the Bootstrap, section 4.1). Where time allows only for few
    replicates, because pictures are many, it is the normal interval of their standard deviation.

    Args:
        fp32, scores: (N, C), finite.
        truth: (N, C) weights in [0, 1], or labels; what is below 0 is unknown and left out.
        drop: the loss on the pictures themselves, in points.
    """
    count = len(scores)
    if count < 2:
        return Estimate(drop, -100.0, 100.0, count)
    if np.array_equal(fp32, scores):
        return Estimate(drop, drop, drop, count)
    weights = _draw(*scores.shape)
    lost = 100 * (_weighted_map(fp32, truth, weights) - _weighted_map(scores, truth, weights))
    return _interval(drop, lost, count) or Estimate(drop, -100.0, 100.0, count)


def estimate_mean_map(runs: Sequence[Floats], truth: Labels) -> Estimate:
    """The mean mAP of a few runs in percent, with a 95 % interval over pictures.

    Each replicate draws the same pictures for all runs. How runs differ is `estimate_mean`'s to
    say. The interval is wide where a class has few positives, far wider than that of a loss: two
    models are compared by their loss on the same pictures, never by whether these overlap.

    Args:
        runs: R of them, (N, C) finite each.
        truth: as for `estimate_map_drop`.

    Raises:
        ValueError: no runs.
    """
    if not runs:
        raise ValueError("a mean needs at least one run")
    count = len(truth)
    value = float(np.mean([mean_average_precision(scores, truth) for scores in runs]))
    drawn: Floats = np.empty(0)
    if count > 1:
        weights = _draw(*truth.shape)
        maps = [_weighted_map(scores, truth, weights) for scores in runs]
        drawn = 100 * np.mean(maps, axis=0)
    found = _interval(value, drawn, count) or Estimate(value, 0.0, 100.0, count)
    return Estimate(value, max(found.low, 0.0), min(found.high, 100.0), count)


def estimate_mean_gain(
    better: Sequence[Floats], worse: Sequence[Floats], truth: Labels
) -> Estimate:
    """Points of mAP that one way gains over another: the mean over pairs of runs.

    Its 95 % interval is over pictures: each replicate draws the same pictures for all runs, and
    takes the mean of their gains. How runs differ is `estimate_mean`'s to say.

    Args:
        better, worse: R runs each, (N, C) finite; the r-th of both belong together.
        truth: as for `estimate_map_drop`.

    Raises:
        ValueError: no runs, or not as many of both.
    """
    pairs = list(zip(better, worse, strict=True))
    if not pairs:
        raise ValueError("a gain needs at least one pair of runs")
    values = [mean_average_precision(a, truth) - mean_average_precision(b, truth) for a, b in pairs]
    value, count = float(np.mean(values)), len(truth)
    if count < 2:
        return Estimate(value, -100.0, 100.0, count)
    weights = _draw(*truth.shape)
    gains = [_weighted_map(a, truth, weights) - _weighted_map(b, truth, weights) for a, b in pairs]
    drawn = 100 * np.mean(gains, axis=0)
    return _interval(value, drawn, count) or Estimate(value, -100.0, 100.0, count)


def estimate_mean(values: Sequence[float]) -> Estimate:
    """The mean of a few independent runs, with the 95 % interval of Student's t.

    One run has no interval: it reaches from minus to plus infinity. `pictures` is how many runs.
    """
    count, value = len(values), float(np.mean(values))
    if count < 2:
        return Estimate(value, -math.inf, math.inf, count)
    half = _student(count - 1) * float(np.std(values, ddof=1)) / math.sqrt(count)
    return Estimate(value, value - half, value + half, count)


def _draw(count: int, classes: int) -> Weights:
    """(N, B): how often each picture was drawn in each replicate; the same at every call."""
    replicates = _CELLS // (count * classes)
    replicates = min(max(replicates, _FEWEST_REPLICATES), _MOST_REPLICATES)
    generator = np.random.default_rng(_SEED)
    even = np.full(count, 1 / count)
    drawn = generator.multinomial(count, even, replicates)
    return np.ascontiguousarray(drawn.T, np.float32)


def _interval(value: float, drawn: Floats, count: int) -> Estimate | None:
    """The middle 95 % of the replicates, widened; None where hardly a draw held a positive."""
    drawn = drawn[np.isfinite(drawn)]
    if len(drawn) < _FEWEST_REPLICATES // 2:
        return None
    if len(drawn) < _PERCENTILES_FROM:
        half = _student(len(drawn) - 1) * float(drawn.std(ddof=1))
        return Estimate(value, value - half, value + half, count)
    low, high = map(float, np.percentile(drawn, [2.5, 97.5]))
    wider = math.sqrt(count / (count - 1)) * _student(count - 1) / Z
    return Estimate(
        value, value - wider * max(value - low, 0.0), value + wider * max(high - value, 0.0), count
    )


def estimate_flip_rate(flipped: npt.NDArray[np.bool_]) -> Estimate:
    """The share of decisions that flip, with a 95 % interval.

    It is Wilson's interval with an effective number of decisions in place of their number, since
    the decisions of one picture tend to flip together (the design effect of Korn and Graubard
    1998). For that number, one more picture is imagined, as in the rule of succession: after no
    picture with flips, all of its decisions flip; after k of them a share of 1 / (k + 1), or as
    many as in the worst one seen. So no flip among N pictures leaves an upper end near
    3.84 / (N + 3.84), about the rule of three, and never an interval of width 0.

    Args:
        flipped: (N, C).
    """
    shares = flipped.mean(axis=1)
    pictures, rate = len(shares), float(shares.mean())
    worst = max(float(shares.max()), 1 / (1 + np.count_nonzero(shares)))
    imagined = np.append(shares, worst)
    mean, variance = float(imagined.mean()), float(imagined.var())
    effective = float(flipped.size)
    if mean == 1:  # all flipped: how much they do so together cannot be seen
        effective = float(pictures)
    elif variance > 0:
        effective = min(mean * (1 - mean) / variance * pictures, effective)
    low, high = _wilson(rate, effective)
    return Estimate(rate, low, high, pictures)


def _wilson(rate: float, count: float) -> tuple[float, float]:
    """Wilson's 95 % interval of a rate among so many decisions.

    Only the lower end has Newcombe's continuity correction (1998, Two-sided confidence intervals
    for the single proportion): without it one or two flips count as proof too often.
    """
    about = 2 * count * rate + Z**2
    spread = Z * math.sqrt(Z**2 + 4 * count * rate * (1 - rate))
    corrected = Z**2 - 1 / count + 4 * count * rate * (1 - rate) + 4 * rate - 2
    lower = (about - Z * math.sqrt(max(corrected, 0.0)) - 1) / (2 * (count + Z**2))
    upper = (about + spread) / (2 * (count + Z**2))
    # Without flips, or with nothing else, rounding must not push an end off the rate.
    return min(max(lower, 0.0), rate), max(min(upper, 1.0), rate)


def _weighted_map(scores: Floats, truth: Labels, weights: Weights) -> Floats:
    """mAP of each replicate, in [0, 1]; NaN where no positive was drawn.

    Args:
        weights: (N, B), how often each picture was drawn.

    Returns:
        (B,).
    """
    replicates = weights.shape[1]
    total, defined = np.zeros(replicates), np.zeros(replicates)
    for column in range(scores.shape[1]):
        known = np.flatnonzero(truth[:, column] >= 0)
        order = known[np.argsort(-scores[known, column], kind="stable")]
        drawn, precision = _weighted_ap(scores[order, column], truth[order, column], weights[order])
        total += precision
        defined += drawn
    with np.errstate(invalid="ignore"):
        mean: Floats = total / np.where(defined > 0, defined, np.nan)
    return mean


def _weighted_ap(ranked: Floats, truth: Labels, weights: Weights) -> tuple[Floats, Floats]:
    """Whether each replicate drew a positive, and its average precision (0 where it did not).

    Args:
        ranked: (N,) scores, the highest first; equal ones share one threshold.
        truth: (N,) of those pictures.
        weights: (N, B) of those pictures.
    """
    positives = np.flatnonzero(truth > 0)
    if not len(positives):
        nothing = np.zeros(weights.shape[1])
        return nothing, nothing
    last = _last_of_tie(ranked)[positives]
    hits = weights[positives] * np.asarray(truth[positives], np.float32)[:, None]
    hits_so_far = np.cumsum(hits, axis=0)
    # Positives above or level with each: those up to the last one of its tie.
    level = np.searchsorted(positives, last, side="right") - 1
    seen = np.cumsum(weights, axis=0)[last]
    precision = hits_so_far[level] / np.maximum(seen, 1e-9)
    amount = hits_so_far[-1]
    drawn = amount > 0
    gained = np.einsum("nb,nb->b", hits, precision, dtype=np.float64)
    return drawn.astype(np.float64), np.where(drawn, gained / np.where(drawn, amount, 1.0), 0.0)


def _last_of_tie(ranked: Floats) -> Places:
    """For each place the last place with the same score."""
    ends = np.append(np.flatnonzero(np.diff(ranked)), len(ranked) - 1)
    return np.asarray(ends[np.searchsorted(ends, np.arange(len(ranked)))], np.intp)


def _student(freedom: int) -> float:
    """The 97.5 % point of Student's t, within 0.4 % from 4 degrees of freedom on.

    Source: Abramowitz and Stegun 1964, equation 26.7.5.
    """
    if freedom < 4:
        return (12.706, 4.303, 3.182)[freedom - 1]
    first = (Z**3 + Z) / 4
    second = (5 * Z**5 + 16 * Z**3 + 3 * Z) / 96
    third = (3 * Z**7 + 19 * Z**5 + 17 * Z**3 - 15 * Z) / 384
    return Z + first / freedom + second / freedom**2 + third / freedom**3
