"""What an answer about one picture and one class is worth to the labels' macro F1.

Of a class, let P be the n pictures at or above the threshold, p_i the probability that picture i
shows the class, R = sum_P p_i the labels that are right, and T = sum p_i the pictures that show it.
The F1 to be expected is F = 2 R / D with D = n + T (Lipton et al. 2014, Optimal Thresholding of
Classifiers to Maximize F1, equation 2). A true answer that contradicts a label repairs it:

* a predicted picture that does not show the class (probability 1 - p) leaves P: n falls by 1, and
  2 R / (D - 1) - 2 R / D is F / D to first order;
* one that shows it and is not predicted (probability p) joins P and R: n and R grow by 1, and
  2 (R + 1) / (D + 1) - 2 R / D is (2 - F) / D to first order.

So the expected gain of an answer is

    (1 - p) F / D    where the label says that the class is there,
    p (2 - F) / D    where it says that it is not,

of which a mean over C classes takes 1 / C. Both are equal at p = F / 2, the threshold at which F1
is largest, and fall on either side: the most useful entries stand around it. Gains are larger in
rare classes by 1 / D. Of a class that hardly any picture shows, a network learns next to nothing
whatever its labels are: D = n + T + `LEARNABLE` keeps such classes from taking all questions.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from cdul_edge.reviewing.pictures import FindPicture
from cdul_edge.reviewing.scores import ReviewedScores
from cdul_edge_runtime.bundle.log_odds import log_odds, sigmoid
from cdul_edge_runtime.metrics.doubt import Doubt

Doubles = npt.NDArray[np.float64]
Singles = npt.NDArray[np.float32]
Columns = npt.NDArray[np.intp]

# So many answers about a class halve what one more is worth: they teach the network alike.
HALF_TAUGHT = 20.0
# So many pictures of a class, predicted and true ones together, and it is half learned.
LEARNABLE = 100.0
_EDGE = 16.5  # log-odds of scores stay inside
_BINS = 264  # of width 1/8
_WIDTH = 2 * _EDGE / _BINS
_CENTERS: Doubles = np.asarray((np.arange(_BINS) + 0.5) * _WIDTH - _EDGE, np.float64)
_DRAWS = 64
_STEEP = 2.0  # of scores that are no probabilities: log-odds a standard deviation


@dataclass(frozen=True)
class ClassWorth:
    """What is expected of one class, and how its answers are worth.

    Attributes:
        grid: (G,) log-odds of scores, rising.
        probability: (G,) that such a picture shows the class.
        f1: expected F1 of the labels, in [0, 1].
        size: n + T + `LEARNABLE`.
    """

    grid: Doubles
    probability: Doubles
    f1: float
    size: float

    def probabilities(self, logits: Doubles) -> Doubles:
        """Of log-odds of scores, elementwise."""
        return np.asarray(np.interp(logits, self.grid, self.probability))

    def gains(self, likely: Doubles, predicted: npt.NDArray[np.bool_]) -> Doubles:
        """Expected change of the class's F1, in [0, 1], of an answer about each entry."""
        wrong = np.where(predicted, (1 - likely) * self.f1, likely * (2 - self.f1))
        return np.asarray(wrong / self.size)


@dataclass(frozen=True)
class Worth:
    """What answers are worth, and about which pictures there can be any.

    Attributes:
        classes: by column.
        present: (N,) whether somebody could look at the picture.
    """

    classes: dict[int, ClassWorth]
    present: npt.NDArray[np.bool_]


def measure_worth(
    scores: ReviewedScores, columns: Columns, find_picture: FindPicture | None = None
) -> Worth:
    """One pass over the scores: what answers about some classes are worth.

    Args:
        scores: of N pictures.
        columns: of the classes.
        find_picture: the file of a path, or None where it is not there: what is not there is not
            learned from either, and does not count. Without it, all do.
    """
    tally = np.zeros((2, len(columns), _BINS), np.int64)
    present = np.ones(scores.count, np.bool_)
    start = 0
    for paths, batch in scores.batches():
        here = present[start : start + len(paths)]
        if find_picture is not None:
            here[:] = [find_picture(path) is not None for path in paths]
        tally += _count(batch[here][:, columns], scores.thresholds[columns])
        start += len(paths)
    classes = {
        column: _worth(tally[:, at], float(log_odds(scores.thresholds[[column]])[0]), scores.doubt)
        for at, column in enumerate(columns.tolist())
    }
    return Worth(classes, present)


def share_of(answers: npt.ArrayLike) -> Doubles:
    """What one more answer about a class is worth after so many others, in (0, 1]."""
    return np.asarray(1 / (1 + np.asarray(answers, np.float64) / HALF_TAUGHT))


def _count(batch: Singles, thresholds: Singles) -> npt.NDArray[np.int64]:
    """(2, K, bins) pictures below and at or above each threshold."""
    bins = ((log_odds(batch) + _EDGE) / _WIDTH).astype(np.intp)
    above = (batch >= thresholds).astype(np.intp)
    places = (above * batch.shape[1] + np.arange(batch.shape[1])) * _BINS + bins
    counted = np.bincount(places.ravel(), minlength=2 * batch.shape[1] * _BINS)
    return counted.reshape(2, batch.shape[1], _BINS)


def _worth(tally: npt.NDArray[np.int64], threshold: float, doubt: Doubt | None) -> ClassWorth:
    counts = tally.sum(axis=0)
    if not counts.any():
        return ClassWorth(np.zeros(1), np.zeros(1), f1=0.0, size=LEARNABLE)
    some = np.flatnonzero(counts)
    grid: Doubles = _CENTERS[some]
    if doubt is None:
        likely = _by_distance(grid, counts[some], threshold)
    else:
        generator = np.random.default_rng(0)
        common = generator.standard_normal(_DRAWS)
        drawn = doubt.draw_probabilities(sigmoid(grid), grid, counts[some], common, generator)
        likely = np.asarray(drawn.mean(axis=0))
    predicted, true = float(tally[1].sum()), float(counts[some] @ likely)
    right = float(tally[1, some] @ likely)
    total = max(predicted + true, 1e-9)
    return ClassWorth(grid, likely, f1=2 * right / total, size=total + LEARNABLE)


def _by_distance(grid: Doubles, counts: npt.NDArray[np.int64], threshold: float) -> Doubles:
    """Probabilities where scores are none: only the order is known, and where labels begin.

    An entry at the threshold is as likely right as wrong, and doubt falls with the distance from
    it, in standard deviations of the class's log-odds.
    """
    mean = counts @ grid / counts.sum()
    spread = float(np.sqrt(counts @ (grid - mean) ** 2 / counts.sum()))
    return sigmoid(_STEEP * (grid - threshold) / max(spread, _WIDTH))
