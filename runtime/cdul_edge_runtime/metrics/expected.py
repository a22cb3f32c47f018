"""What scores promise: precision, recall and F1 to be expected where nobody knows the truth.

A calibrated score is the share of such entries that are positive. So the labels of a set can be
drawn from its scores, and every metric that needs truth be taken on each draw: the mean is the
metric to be expected, and the middle 95 % of the draws hold the one that truth would give. This is
confidence-based performance estimation (Guillory et al. 2021, Predicting with Confidence on Unseen
Distributions; NannyML's CBPE), class by class, with the doubt about the calibration drawn as well.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from cdul_edge_runtime.bundle.classes import ClassList
from cdul_edge_runtime.errors import CdulEdgeError
from cdul_edge_runtime.metrics.doubt import CALIBRATED, Doubt

Floats = npt.NDArray[np.floating[Any]]
Doubles = npt.NDArray[np.float64]

_SEED = 0
_MOST_DRAWS = 1000
_FEWEST_DRAWS = 100
_CELLS = 10_000_000  # groups x draws that take seconds
_ALONE = 200  # the scores on each side of a threshold that stand alone; see `_groups`
_EDGE = 1e-6  # scores of 0 and 1 have no logit


@dataclass(frozen=True)
class Expectation:
    """A figure to be expected, in percent, with the interval that holds it in 95 of 100 cases."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class ClassExpectation:
    """What to expect of one class.

    Attributes:
        predicted: pictures whose score reaches the threshold.
        prevalence: share of the pictures that show the class.
        precision: sum of the probabilities of the predicted pictures, over their number; NaN where
            none is predicted.
        recall: mean over the draws of (positives that are predicted) / (positives).
        f1: mean over the draws of 2 (positives that are predicted) / (predicted + positives).
        ap: average precision (area under the precision-recall steps). Draws without a positive
            are left out of it, of recall and of F1, as `evaluate_scores` leaves out the class.
    """

    predicted: int
    prevalence: Expectation
    precision: Expectation
    recall: Expectation
    f1: Expectation
    ap: Expectation


@dataclass(frozen=True)
class ExpectedReport:
    """What to expect of scores, in percent.

    Attributes:
        classes: by name.
        macro_f1: mean of the classes' F1, over the classes that have a positive in the draw.
        map: mean of their average precision.
        doubt: about the calibration of the scores.
        draws: how many sets of labels were drawn.
    """

    pictures: int
    classes: dict[str, ClassExpectation]
    macro_f1: Expectation
    map: Expectation
    doubt: Doubt
    draws: int

    def to_dict(self) -> dict[str, object]:
        """Plain values for JSON; NaN becomes None."""
        return {name: _without_nan(value) for name, value in asdict(self).items()}


def expect_metrics(
    scores: Floats,
    classes: ClassList,
    thresholds: Floats,
    doubt: Doubt = CALIBRATED,
    *,
    draws: int | None = None,
) -> ExpectedReport:
    """Estimate what `evaluate_scores` would report of these pictures, without their truth.

    Each draw takes a slope and a shift for every class, which make its scores probabilities p, and
    labels y ~ Bernoulli(p). With P the pictures at or above the threshold, precision is
    sum_P y / |P|, recall sum_P y / sum y, and F1 2 sum_P y / (|P| + sum y).

    Args:
        scores: (N, C) in [0, 1].
        classes: names of the columns.
        thresholds: (C,); a score at or above it counts as predicted.
        doubt: about the scores' calibration; `CALIBRATED` takes them at their word.
        draws: how many; None is 1,000, or fewer where pictures and classes are many.

    Raises:
        CdulEdgeError: shapes that do not fit, no picture, or scores outside [0, 1].
    """
    if scores.shape[1:] != (len(classes),) or thresholds.shape != (len(classes),):
        raise CdulEdgeError(
            f"scores {scores.shape} and thresholds {thresholds.shape} do not fit "
            f"{len(classes)} classes"
        )
    if not len(scores) or not ((scores >= 0) & (scores <= 1)).all():
        raise CdulEdgeError(
            "without truth, only probabilities can be judged: expected at least one picture and "
            "every score in [0, 1]"
        )
    columns = [_group(scores[:, c], float(thresholds[c])) for c in range(len(classes))]
    if draws is None:
        draws = _CELLS // max(sum(len(column.count) for column in columns), 1)
        draws = min(max(draws, _FEWEST_DRAWS), _MOST_DRAWS)
    generator = np.random.default_rng(_SEED)
    common = generator.standard_normal(draws)
    drawn = [_draw(column, doubt, common, generator) for column in columns]
    return ExpectedReport(
        pictures=len(scores),
        classes={name: one.summarize() for name, one in zip(classes, drawn, strict=True)},
        macro_f1=_summarize(_mean_over_classes([one.f1 for one in drawn])),
        map=_summarize(_mean_over_classes([one.ap for one in drawn])),
        doubt=doubt,
        draws=draws,
    )


@dataclass(frozen=True)
class _Column:
    """One class's scores, falling, in G groups of neighbors.

    Attributes:
        count: (G,) pictures of a group.
        score, logit: (G,) means over the group.
        predicted: the first so many groups reach the threshold.
    """

    count: npt.NDArray[np.int64]
    score: Doubles
    logit: Doubles
    predicted: int


def _group(scores: Floats, threshold: float) -> _Column:
    ranked = -np.sort(-np.asarray(scores, np.float64))
    above = int(np.count_nonzero(np.asarray(scores) >= threshold))
    first = _starts(above)
    starts = np.array([*first, *(above + s for s in _starts(len(ranked) - above))], np.intp)
    count = np.diff(np.append(starts, len(ranked)))
    clipped = np.clip(ranked, _EDGE, 1 - _EDGE)
    return _Column(
        count=count,
        score=np.add.reduceat(ranked, starts) / count,
        logit=np.add.reduceat(np.log(clipped / (1 - clipped)), starts) / count,
        predicted=len(first),
    )


def _starts(pictures: int) -> list[int]:
    """The first ranks alone, later ones in groups of 1/200 of their rank: time grows with log N."""
    starts, rank = [], 0
    while rank < pictures:
        starts.append(rank)
        rank += max(1, rank // _ALONE)
    return starts


@dataclass(frozen=True)
class _Drawn:
    """One class's figures on D draws of its labels, (D,) each, NaN where it has no positive."""

    predicted: int
    prevalence: Doubles
    precision: Doubles
    recall: Doubles
    f1: Doubles
    ap: Doubles
    expected_prevalence: float
    expected_precision: float

    def summarize(self) -> ClassExpectation:
        return ClassExpectation(
            predicted=self.predicted,
            prevalence=_summarize(self.prevalence, self.expected_prevalence),
            precision=_summarize(self.precision, self.expected_precision),
            recall=_summarize(self.recall),
            f1=_summarize(self.f1),
            ap=_summarize(self.ap),
        )


def _draw(column: _Column, doubt: Doubt, common: Doubles, generator: np.random.Generator) -> _Drawn:
    likely = doubt.draw_probabilities(column.score, column.logit, column.count, common, generator)
    hits = generator.binomial(column.count, likely).astype(np.float64)
    total, top = float(column.count.sum()), slice(column.predicted)
    named = float(column.count[top].sum())
    right, positive = hits[:, top].sum(axis=1), hits.sum(axis=1)
    expected = (likely * column.count).mean(axis=0)
    seen = np.where(positive > 0, positive, np.nan)
    reached = np.cumsum(hits, axis=1) / np.cumsum(column.count)
    return _Drawn(
        predicted=int(named),
        prevalence=positive / total,
        precision=right / named if named else np.full(len(common), np.nan),
        recall=right / seen,
        f1=2 * right / (named + seen),
        ap=(hits * reached).sum(axis=1) / seen,
        expected_prevalence=float(expected.sum()) / total,
        expected_precision=float(expected[top].sum()) / named if named else np.nan,
    )


def _mean_over_classes(columns: list[Doubles]) -> Doubles:
    """(D,) mean over the classes that have a positive in the draw, NaN where none has."""
    values = np.stack(columns, axis=1)
    some = np.isfinite(values)
    return np.asarray(
        np.where(some, values, 0).sum(axis=1) / np.where(some.any(axis=1), some.sum(axis=1), np.nan)
    )


def _summarize(draws: Doubles, value: float | None = None) -> Expectation:
    """Mean of the draws, or the exact value, and their middle 95 %; of finite draws only."""
    finite = draws[np.isfinite(draws)]
    if not len(finite):
        return Expectation(np.nan, np.nan, np.nan)
    low, high = np.percentile(finite, [2.5, 97.5])
    mean = float(finite.mean()) if value is None else value
    return Expectation(100 * mean, 100 * float(low), 100 * float(high))


def _without_nan(value: object) -> object:
    if isinstance(value, dict):
        return {name: _without_nan(one) for name, one in value.items()}
    return None if isinstance(value, float) and np.isnan(value) else value
