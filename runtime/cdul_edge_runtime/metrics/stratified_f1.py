"""Precision, recall and F1 of a class from a stratified sample of answers, with 95 % intervals.

Of stratum h with N_h pictures, n_h were answered and k_h of these show the class. All three figures
are ratios of totals,

    f = sum_h b_h N_h p_h / (c + sum_h d_h N_h p_h),

where p_h is the share of the stratum's pictures that show the class, P pictures are predicted, and

    precision   b = 1 above the threshold, 0 below;   d = 0;   c = P
    recall      b = 1 above, 0 below;                 d = 1;   c = 0
    F1          b = 2 above, 0 below;                 d = 1;   c = P

The estimate weighs each answer by its inverse inclusion probability: p_h = k_h / n_h, so that
N_h k_h / n_h estimates each stratum's positives without bias (Horvitz and Thompson 1952).

The interval holds every f that the answers do not contradict (Fieller 1954; Wilson 1927 is the
case of one stratum). With a_h = (b_h - f d_h) N_h, f is right where U(f) = sum a_h p_h - f c is 0;
f stays in the interval while

    max(|U(f)| - u, 0)^2 <= z^2 sum_h a_h^2 q_h (1 - q_h) / m_h,

z = 1.96, m_h = n_h (N_h - 1) / (N_h - n_h), and u = max_h |a_h| / 2 N_h, half a picture, because
positives come in whole ones. The shares q_h are not those observed, but the most likely ones among
those that make f true (Miettinen and Nurminen 1985): so an interval has a width after no positive
at all, and is the narrower the more of a stratum was answered. How often intervals hold the truth:
`python -m benchmarks.sampling`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from cdul_edge_runtime.metrics.bootstrap import Z

Floats = npt.NDArray[np.floating[Any]]

_ENDS = 18  # halvings of [0, 1] for an end of an interval: 4e-6
_SHARES = 30  # halvings for the shares that make a figure true
_NOTHING = (np.nan, 0.0, 1.0)  # a figure of which nothing is known, and its interval
_TINY = 1e-200  # in place of 0 below 0
_STEEPEST = 60.0  # the multiplier that they come from is a hyperbolic sine of at most this


class Range(NamedTuple):
    """Figures in [0, 1] with the ends of their 95 % intervals, (R,) each; NaN is not known."""

    value: Floats
    low: Floats
    high: Floats


class Figures(NamedTuple):
    """What a sample says about one class."""

    precision: Range
    recall: Range
    f1: Range


@dataclass(frozen=True, eq=False)
class Answers:
    """R samples, usually one, of the pictures of one class in H strata.

    Attributes:
        above: (H,) whether a stratum lies at or above the threshold; on each side of it the strata
            are in the order of their scores.
        sizes: (H,) pictures of each stratum, at least one.
        answered: (H,) how many of them were answered yes or no.
        positive: (R, H) how many were answered yes.
    """

    above: npt.NDArray[np.bool_]
    sizes: Floats
    answered: Floats
    positive: Floats

    def join_unanswered(self) -> Answers:
        """Join a stratum without an answer with the nearest answered one of its side.

        It is then taken to be like that one. A side without any answer stays as it is.
        """
        home = np.arange(len(self.sizes))
        for stratum in np.flatnonzero(self.answered == 0):
            same = np.flatnonzero((self.above == self.above[stratum]) & (self.answered > 0))
            if len(same):
                home[stratum] = same[np.abs(same - stratum).argmin()]
        sizes = np.bincount(home, self.sizes, minlength=len(home)).astype(np.float64)
        kept = np.unique(home)
        return Answers(self.above[kept], sizes[kept], self.answered[kept], self.positive[:, kept])


def estimate_figures(answers: Answers) -> Figures:
    """Estimate precision, recall and F1, as the module says.

    Nothing predicted leaves the precision unknown; no positive found leaves the recall unknown,
    and where all was answered the F1, too, as in `MetricsReport`. A
    side of the threshold without answers leaves unknown what depends on it, with the interval
    [0, 1].
    """
    answers = answers.join_unanswered()
    above = answers.above.astype(np.float64)
    every = np.ones_like(above)
    predicted = float(answers.sizes[answers.above].sum())
    f1 = _estimate_ratio(answers, 2 * above, every, predicted)
    if (answers.answered == answers.sizes).all():  # a class that nothing shows has no F1
        absent = ~answers.positive.any(axis=1)
        f1 = Range(*(np.where(absent, end, own) for end, own in zip(_NOTHING, f1, strict=True)))
    return Figures(
        precision=_estimate_ratio(answers, above, 0 * above, predicted),
        recall=_estimate_ratio(answers, above, every, 0.0),
        f1=f1,
    )


def estimate_mean(ranges: Range) -> tuple[Floats, Floats, Floats]:
    """The mean of figures that were sampled independently, with its 95 % interval.

    Its ends are found from the figures' own, uneven as they are: below the mean lies
    sqrt(sum (value - low)^2) / C, above it sqrt(sum (high - value)^2) / C (the method of variance
    estimates recovery; Zou and Donner 2008, Construction of confidence limits about effect
    measures).

    Args:
        ranges: of C classes, (R, C) each, without NaN.

    Returns:
        (R,) means, lower ends, and upper ends.
    """
    value, low, high = ranges
    count = value.shape[1]
    mean = value.mean(axis=1)
    below = np.sqrt(((value - low) ** 2).sum(axis=1)) / count
    beyond = np.sqrt(((high - value) ** 2).sum(axis=1)) / count
    return mean, mean - below, mean + beyond


def _estimate_ratio(answers: Answers, gain: Floats, cost: Floats, constant: float) -> Range:
    """One ratio; `gain`, `cost` and `constant` are b, d and c of the module."""
    repeats = len(answers.positive)
    if (answers.answered[(gain != 0) | (cost != 0)] == 0).any():
        return Range(*(np.full(repeats, end) for end in _NOTHING))
    shares = answers.positive / np.maximum(answers.answered, 1)
    value = _ratio(answers.sizes * shares, gain, cost, constant)
    test = _Test(answers, gain, cost, constant)
    start = np.where(np.isnan(value), 0.5, value)
    low, high = test.find_ends(start)
    # What the answers leave possible: every figure rises with the positives above the threshold
    # and falls with those below it.
    fewest = answers.positive
    most = answers.sizes - (answers.answered - answers.positive)
    worst = _ratio(np.where(answers.above, fewest, most), gain, cost, constant)
    best = _ratio(np.where(answers.above, most, fewest), gain, cost, constant)
    return Range(value, np.fmax(low, worst), np.fmin(high, best))


def _ratio(positives: Floats, gain: Floats, cost: Floats, constant: float) -> Floats:
    """The ratio of (R, H) totals, (R,); NaN where it is 0 / 0."""
    below = constant + positives @ cost
    ratio: Floats = np.where(below > 0, positives @ gain / np.where(below > 0, below, 1), np.nan)
    return ratio


class _Test:
    """Which figures the answers do not contradict; both ends at once, in 2 R rows."""

    def __init__(self, answers: Answers, gain: Floats, cost: Floats, constant: float) -> None:
        whole = answers.sizes.sum()
        sizes, answered = answers.sizes, answers.answered
        self._gain, self._cost = gain * sizes / whole, cost * sizes / whole
        self._constant = constant / whole
        self._shares = np.tile(answers.positive / np.maximum(answered, 1), (2, 1))
        needed = (gain != 0) | (cost != 0)
        self._open = needed & (answered < sizes)  # the other shares are known
        self._half_picture = 0.5 / sizes[self._open]  # as a share of its stratum
        left = np.maximum(sizes - answered, 1)
        self._trials = (answered * (sizes - 1) / left)[self._open]
        self._hits = self._shares[:, self._open] * self._trials

    def find_ends(self, inside: Floats) -> tuple[Floats, Floats]:
        """The last figures (R,) from `inside` toward 0 and toward 1 that pass."""
        near, far = np.tile(inside, 2), np.repeat([0.0, 1.0], len(inside))
        for _ in range(_ENDS):
            middle = (near + far) / 2
            passes = self._passes(middle)
            near, far = np.where(passes, middle, near), np.where(passes, far, middle)
        return far[: len(inside)], far[len(inside) :]

    def _passes(self, figure: Floats) -> npt.NDArray[np.bool_]:
        weight = self._gain - figure[:, None] * self._cost
        gap = (weight * self._shares).sum(axis=1) - figure * self._constant
        inner = weight[:, self._open]
        # the open strata have to make up for what the others leave
        target = (inner * self._shares[:, self._open]).sum(axis=1) - gap
        likely = _likeliest_shares(inner, target, self._hits, self._trials)
        half = (np.abs(inner) * self._half_picture).max(axis=1, initial=0.0)
        gap = np.maximum(np.abs(gap) - half, 0.0)
        variance = (inner**2 * likely * (1 - likely) / self._trials).sum(axis=1)
        return np.asarray(gap**2 <= Z**2 * variance + 1e-12)


def _likeliest_shares(weight: Floats, target: Floats, hits: Floats, trials: Floats) -> Floats:
    """The shares q of the largest binomial likelihood among those with sum weight q = target.

    Setting the derivative of the likelihood with a multiplier t to 0 gives
    hits / q - (trials - hits) / (1 - q) = t weight, whose root in [0, 1] is known; the sum falls
    as t rises, so that t is found by halving.

    Args:
        weight, hits: (R, H); `trials`: (H,), above 0; `target`: (R,).

    Returns:
        (R, H). Where no shares reach the target, the nearest.
    """

    def solve(multiplier: Floats) -> Floats:
        pull = multiplier[:, None] * weight
        middle = pull + trials
        root = np.sqrt(np.maximum(middle**2 - 4 * pull * hits, 0.0))
        # Two spellings of one root: each keeps its digits where the other loses them, or is 0 / 0.
        steep = (middle - root) / np.where(middle < 0, 2 * pull, -1.0)
        flat = 2 * hits / np.maximum(middle + root, _TINY)
        return np.asarray(np.clip(np.where(middle < 0, steep, flat), 0.0, 1.0))

    low = np.full(len(target), -_STEEPEST)
    high = -low
    for _ in range(_SHARES):
        middle = (low + high) / 2
        above = (weight * solve(np.sinh(middle))).sum(axis=1) > target
        low, high = np.where(above, middle, low), np.where(above, high, middle)
    return solve(np.sinh((low + high) / 2))
