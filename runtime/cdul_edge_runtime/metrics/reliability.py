"""How far scores are from being probabilities, in numpy so that the device can compute it.

Nothing here has to do with the calibration of INT8 ranges.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.floating[Any]]
Mask = npt.NDArray[np.bool_]

BINS = 15  # Guo et al. 2017, section 5


def expected_calibration_error(scores: Floats, positive: Mask, *, bins: int = BINS) -> float:
    """Sum over bins b of n_b / N * |mean score in b - share of positives in b|.

    The bins have equal width: [0, 1/15), [1/15, 2/15), ..., [14/15, 1]. It is Guo et al. 2017
    (On Calibration of Modern Neural Networks, equation 3) with the score of one class in place of
    the confidence of the first: each (picture, class) entry is a yes-or-no question of its own.

    Args:
        scores: (N,) probabilities in [0, 1].
        positive: (N,) truth.

    Returns:
        In [0, 1]: 0 where every bin keeps its word; NaN without entries.
    """
    if not len(scores):
        return math.nan
    # n_b * (mean score - share of positives) is the sum of the differences.
    gaps = np.bincount(_bin(scores, bins), weights=scores - positive, minlength=bins)
    return float(np.abs(gaps).sum() / len(scores))


def classwise_calibration_error(scores: Floats, positive: Mask, known: Mask) -> float:
    """Mean over the classes of each one's own expected calibration error.

    One class's too high scores cannot make up for another's too low ones here, so that with all
    truth known it is never below the pooled one (Kull et al. 2019, Beyond Temperature Scaling,
    section 2).

    Args:
        scores: (N, C) probabilities in [0, 1].
        positive: (N, C) whether the class is there.
        known: (N, C) whether that is known; entries that are not are left out.

    Returns:
        In [0, 1]; NaN where nothing is known. Classes of which nothing is known are left out.
    """
    classes, entries = scores.shape[1], known.sum(axis=0)
    where = _bin(scores, BINS) + BINS * np.arange(classes)
    differences = np.where(known, scores - positive, 0.0)
    gaps = np.bincount(where.ravel(), weights=differences.ravel(), minlength=BINS * classes)
    some = entries > 0
    errors = np.abs(gaps).reshape(classes, BINS).sum(axis=1)[some] / entries[some]
    return float(errors.mean()) if some.any() else math.nan


def brier_score(scores: Floats, positive: Mask) -> float:
    """Mean squared difference of score and truth, (N,) and (N,); NaN without entries.

    Right ranking and right magnitude both lower it; 0 is perfect, 0.25 is a constant 0.5.
    """
    if not len(scores):
        return math.nan
    return float(np.mean((np.asarray(scores, np.float64) - positive) ** 2))


def _bin(scores: Floats, bins: int) -> npt.NDArray[np.intp]:
    return np.minimum((np.asarray(scores, np.float64) * bins).astype(np.intp), bins - 1)
