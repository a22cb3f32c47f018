"""Telling a class's pictures from the others without labels: two normal distributions a class."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from cdul_edge.labelling.arrays import Doubles, Floats

# Two normal distributions of one width that are nearer make one hill, whatever their shares.
SEPARATED = 2.0
ROUNDS = 200
STILL = 1e-6
BINS = 500
# Where the two means start, as quantiles of the evidence, and the share of the upper one: a class
# in few pictures, in half of them, in most.
STARTS = ((0.4, 0.98, 0.1), (0.25, 0.75, 0.5), (0.02, 0.6, 0.9))
# A posterior surer than odds of e^4 (98.2 %) is more than a fit to a tail can know: beyond, the
# odds grow by the logarithm, which keeps the order of the pictures and the float32 apart.
SURE = 4.0


@dataclass(frozen=True)
class Split:
    """How one class's evidence x divides the pictures.

    The two distributions have one width, so that the log-odds are a line: slope * x + intercept,
    and the posterior never falls where the evidence grows.

    Attributes:
        slope, intercept: of the log-odds that a picture shows the class.
        prevalence: share of pictures that do.
        separation: distance of the two means, in widths.
    """

    slope: float
    intercept: float
    prevalence: float
    separation: float

    @property
    def found(self) -> bool:
        """Whether there are two hills at all."""
        return self.separation > SEPARATED

    def probabilities(self, evidence: Floats) -> Doubles:
        """(N,) in (0, 1), tempered beyond odds of e^4."""
        odds = self.slope * np.asarray(evidence, np.float64) + self.intercept
        beyond = np.maximum(np.abs(odds) - SURE, 0)
        tempered = np.sign(odds) * (np.minimum(np.abs(odds), SURE) + np.log1p(beyond))
        return np.asarray(1 / (1 + np.exp(-tempered)), np.float64)


def fit_split(evidence: Floats) -> Split:
    """The most likely split; expectation-maximization finds the next hill only, hence the starts.

    Args:
        evidence: (N,) of one class.

    Returns:
        The split; its separation is 0 where the evidence is constant.
    """
    x = np.asarray(evidence, np.float64)
    if float(x.std()) <= 1e-12:
        return Split(0.0, 0.0, 0.0, 0.0)
    means, shares = _bin(x)
    fits = []
    starts = np.quantile(x, [start[:2] for start in STARTS])
    for (low, high), (_, _, prevalence) in zip(starts.tolist(), STARTS, strict=True):
        fits.append(_climb(means, shares, low, high, prevalence))
    return max(fits, key=lambda fit: fit[0])[1]


def _bin(x: Doubles) -> tuple[Doubles, Doubles]:
    """Means of the bins that are not empty, and their shares: the time no longer grows with N."""
    place = np.minimum(((x - x.min()) / np.ptp(x) * BINS).astype(int), BINS - 1)
    count = np.bincount(place, minlength=BINS)
    full = count > 0
    means = np.bincount(place, x, minlength=BINS)[full] / count[full]
    return means, count[full] / len(x)


def _climb(
    x: Doubles, weight: Doubles, low: float, high: float, prevalence: float
) -> tuple[float, Split]:
    """Mean log-likelihood, and the split it stops at."""
    width = float(np.sqrt(weight @ (x - weight @ x) ** 2))
    shows, squares = np.empty_like(x), np.empty_like(x)
    for _ in range(ROUNDS):  # a thousand classes pass here half a million times: in place
        slope, intercept = _line(low, high, width, prevalence)
        np.multiply(x, slope, out=shows)
        shows += intercept
        np.maximum(shows, -50, out=shows)
        np.minimum(shows, 50, out=shows)
        np.negative(shows, out=shows)
        np.exp(shows, out=shows)
        shows += 1
        np.divide(1, shows, out=shows)
        yes, no = weight * shows, np.subtract(1, shows, out=shows)
        no *= weight
        shown = float(yes.sum())
        before, prevalence = prevalence, min(max(shown, 1e-6), 1 - 1e-6)
        high = float(yes @ x) / max(shown, 1e-12)
        low = float(no @ x) / max(float(no.sum()), 1e-12)
        np.subtract(x, high, out=squares)
        squares *= squares
        variance = float(yes @ squares)
        np.subtract(x, low, out=squares)
        squares *= squares
        width = max(math.sqrt(variance + float(no @ squares)), 1e-9)
        if abs(prevalence - before) < STILL:
            break
    slope, intercept = _line(low, high, width, prevalence)
    # log of (1 - prevalence) N(low) + prevalence N(high), without the constant
    absent = np.log(1 - prevalence) - ((x - low) / width) ** 2 / 2
    likelihood = float(weight @ (absent + np.logaddexp(0, slope * x + intercept)))
    return likelihood - float(np.log(width)), Split(
        slope, intercept, prevalence, (high - low) / width
    )


def _line(low: float, high: float, width: float, prevalence: float) -> tuple[float, float]:
    slope = (high - low) / width**2
    return slope, float(np.log(prevalence / (1 - prevalence)) - slope * (high + low) / 2)


def typical_split(splits: list[Split]) -> Split | None:
    """The medians of the splits that found two hills; None where none did."""
    found = [split for split in splits if split.found]
    if not found:
        return None
    names = ("slope", "intercept", "prevalence", "separation")
    return Split(*(float(np.median([getattr(s, name) for s in found])) for name in names))
