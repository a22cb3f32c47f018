"""Which pictures to ask people about, so that few answers say much about a class's F1.

Each class is sampled by itself: its pictures are split at the threshold and, on both sides, by
score, and every part (a stratum) gives some pictures at random. Cochran 1977, Sampling Techniques,
chapters 5 and 5A.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.floating[Any]]
Numbers = npt.NDArray[np.intp]

ABOVE, BELOW = 2, 3  # strata at or above the threshold, and below it
FEWEST = 3  # pictures that a stratum gives, or all that it holds
SMALLEST = 2 * FEWEST  # sample: one stratum on each side
# No stratum is believed to be purer than this: scores of 0.001 may hide one positive in ten.
_PUREST = 0.02


@dataclass(frozen=True, eq=False)
class Draw:
    """A stratified sample of one class's pictures, without replacement.

    Attributes:
        pictures: (n,) numbers of the pictures drawn. Their order is random, but keeps the strata
            balanced: the first half of it is about half of every stratum.
        strata: (n,) the stratum of each.
        above: (H,) whether a stratum lies at or above the threshold. On each side of it, strata
            are numbered from the lowest scores up.
        sizes: (H,) pictures that a stratum holds, at least one.
        drawn: (H,) how many of them were drawn: each with the probability drawn / size.
    """

    pictures: Numbers
    strata: Numbers
    above: npt.NDArray[np.bool_]
    sizes: Numbers
    drawn: Numbers


def draw_pictures(
    scores: Floats, threshold: float, count: int, generator: np.random.Generator
) -> Draw:
    """Draw about `count` of a class's pictures.

    On each side of the threshold, strata share the sum of sqrt(p (1 - p)) equally (Dalenius and
    Hodges' rule, with the scores p in place of a density), where no p is taken to be nearer than
    0.02 to 0 or 1. The sample is divided by Neyman's allocation for the linearized F1: a stratum
    of N pictures gets in proportion to w N sqrt(p (1 - p)), with w = 2 - F1 at or above the
    threshold and w = F1 below, F1 being the one that the scores promise. Each gets at least 3, or
    all that it holds. Scores that are no probabilities cost precision, and never the truth of
    what is estimated.

    Args:
        scores: (N,) in [0, 1], N at least 1.
        threshold: a score at or above it counts as predicted; may be infinite.
        count: how many, at least `SMALLEST`; all are drawn where there are no more.
        generator: decides.
    """
    believed = np.clip(np.asarray(scores, np.float64), _PUREST, 1 - _PUREST)
    predicted = np.asarray(scores >= threshold)
    strata, above = _split(scores, believed, predicted, count // SMALLEST)
    sizes = np.bincount(strata, minlength=len(above))
    mean = np.bincount(strata, believed, minlength=len(above)) / sizes
    hits = (sizes * mean)[above].sum()
    f1 = 2 * hits / (sizes[above].sum() + (sizes * mean).sum())
    weight = sizes * np.sqrt(mean * (1 - mean)) * np.where(above, 2 - f1, f1)
    drawn = _allocate(sizes, weight, count)
    return _draw(strata, above, sizes, drawn, generator)


def _split(
    scores: Floats, believed: Floats, predicted: npt.NDArray[np.bool_], most: int
) -> tuple[Numbers, npt.NDArray[np.bool_]]:
    """The stratum of each picture, and whether each stratum is above the threshold."""
    strata = np.zeros(len(believed), np.intp)
    above: list[bool] = []
    for side, parts in ((True, ABOVE), (False, BELOW)):
        members = np.flatnonzero(predicted == side)
        order = members[np.argsort(scores[members], kind="stable")]
        spread = np.sqrt(believed[order] * (1 - believed[order]))
        middle = (np.cumsum(spread) - spread / 2) / max(float(spread.sum()), 1e-9)
        parts = max(min(parts, most), 1)
        _, part = np.unique((middle * parts).astype(np.intp), return_inverse=True)
        strata[order] = len(above) + part
        above += [side] * (int(part.max()) + 1 if len(part) else 0)
    return strata, np.array(above)


def _allocate(sizes: Numbers, weight: Floats, count: int) -> Numbers:
    """Neyman's allocation in whole pictures: each where it lowers the variance most.

    Source: Wright 2012, The equivalence of Neyman optimum allocation for sampling and equal
    proportions for apportioning the U.S. House of Representatives.
    """
    drawn = np.minimum(FEWEST, sizes)
    more = min(count, int(sizes.sum())) - int(drawn.sum())
    if more <= 0:
        return drawn
    taken = drawn[:, None] + np.arange(more)
    gain = np.where(taken < sizes[:, None], weight[:, None] / np.sqrt(taken * (taken + 1.0)), -1.0)
    best = np.argsort(-gain.ravel(), kind="stable")[:more]
    return np.asarray(drawn + np.bincount(best // more, minlength=len(sizes)))


def _draw(
    strata: Numbers,
    above: npt.NDArray[np.bool_],
    sizes: Numbers,
    drawn: Numbers,
    generator: np.random.Generator,
) -> Draw:
    pictures, places = [], []
    for stratum, number in enumerate(drawn):
        members = np.flatnonzero(strata == stratum)
        pictures.append(generator.permutation(members)[:number])
        places.append((np.arange(number) + generator.random(number)) / number)
    chosen = np.concatenate(pictures)[np.argsort(np.concatenate(places), kind="stable")]
    return Draw(chosen, strata[chosen], above, sizes, drawn)
