"""Multi-label metrics, in numpy so that the device can compute them; all in percent."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

import numpy as np
import numpy.typing as npt

from cdul_edge_runtime.bundle.classes import ClassList
from cdul_edge_runtime.choices import ApConvention
from cdul_edge_runtime.errors import CdulEdgeError
from cdul_edge_runtime.host.json_record import finite_or_none, null_to_nan, parse_record
from cdul_edge_runtime.metrics.reliability import (
    brier_score,
    classwise_calibration_error,
    expected_calibration_error,
)

Floats = npt.NDArray[np.floating[Any]]
Mask = npt.NDArray[np.bool_]
Truth = npt.NDArray[np.int8]

TOP = 3  # labels a picture, as in the field's "top-3" columns


def average_precision(
    scores: Floats, positive: npt.NDArray[Any], convention: ApConvention = "area"
) -> float:
    """Average of the precision over the recall; equal scores share one threshold.

    Three conventions, which differ by points on the same scores:

    * "area": under the precision-recall steps, as scikit-learn has it;
    * "voc2010": under the envelope, the best precision at this recall or more (PASCAL VOC 2010 on);
    * "voc2007": mean of the envelope at recall 0, 0.1, ..., 1 (PASCAL VOC 2007, section 4.1).

    Args:
        scores: (N,) any real scores.
        positive: (N,) truth: bool, or how true each is, in [0, 1] (FP32's scores, for example).

    Returns:
        Average precision in [0, 1]; NaN where nothing is positive.
    """
    positives = float(positive.sum())
    if positives == 0:
        return math.nan
    order = np.argsort(-scores, kind="stable")
    ranked = scores[order]
    last_of_tie = np.append(np.flatnonzero(np.diff(ranked)), len(ranked) - 1)
    hits = np.cumsum(positive[order], dtype=np.float64)[last_of_tie]
    precision = hits / (last_of_tie + 1)
    if convention != "area":
        precision = np.maximum.accumulate(precision[::-1])[::-1]
    if convention == "voc2007":
        # n / 10 and not n * 0.1: a recall of 3 in 10 reaches 0.3. Soft truth may end below 1.
        first = np.searchsorted(np.minimum(hits / positives, 1.0), np.arange(11) / 10)
        return float(precision[np.minimum(first, len(precision) - 1)].mean())
    gained = np.diff(hits, prepend=0.0) / positives
    return float(np.sum(gained * precision))


def mean_average_precision(scores: Floats, truth: npt.NDArray[Any]) -> float:
    """Mean over the classes with a positive, in percent; NaN where there is none.

    Args:
        scores: (N, C), higher means more likely.
        truth: (N, C) weights in [0, 1], or int8 labels; what is below 0 is unknown and left out.

    Raises:
        CdulEdgeError: shapes that do not fit, or a NaN score.
    """
    if scores.ndim != 2 or scores.shape != truth.shape:
        raise CdulEdgeError(f"scores {scores.shape} and truth {truth.shape} do not fit each other")
    if np.isnan(scores).any():
        raise CdulEdgeError("the scores hold NaN: the model that made them is broken")
    known = truth >= 0
    columns = range(scores.shape[1])
    ap = (average_precision(scores[known[:, c], c], truth[known[:, c], c]) for c in columns)
    defined = [value for value in ap if not math.isnan(value)]
    return 100 * float(np.mean(defined)) if defined else math.nan


@dataclass(frozen=True)
class MetricsReport:
    """What scores are worth against truth; percent, NaN where it is not defined.

    Attributes:
        ap: by class, in the convention `ap_convention`; `map` is their mean over the classes with a
            positive (`classes_without_positive` counts the others).
        cp, cr, cf1, op, or_, of1, macro_f1: at the thresholds. CF1 is the harmonic mean of the
            class means, OF1 that of the overall precision and recall, macro F1 the mean of the
            classes' F1.
        cp_top3, cr_top3, cf1_top3, op_top3, or_top3, of1_top3: the same, when of each picture only
            its three highest scores (and what equals the third) may be predicted.
        hamming: share of wrong decisions; `density` is the share of positives, which is what
            predicting nothing scores.
        ece: expected calibration error over all known entries, `ece_by_class` the mean of the
            classes' own, `brier` the mean squared error; NaN for scores outside [0, 1].
    """

    pictures: int
    ap: dict[str, float]
    ap_convention: ApConvention
    map: float
    cp: float
    cr: float
    cf1: float
    op: float
    or_: float
    of1: float
    macro_f1: float
    cp_top3: float
    cr_top3: float
    cf1_top3: float
    op_top3: float
    or_top3: float
    of1_top3: float
    hamming: float
    density: float
    ece: float
    ece_by_class: float
    brier: float
    classes_without_positive: int

    def to_dict(self) -> dict[str, Any]:
        """Plain values; NaN becomes None, which JSON can hold."""
        plain = asdict(self)
        plain["ap"] = {name: finite_or_none(value) for name, value in self.ap.items()}
        return {k: finite_or_none(v) if isinstance(v, float) else v for k, v in plain.items()}

    @classmethod
    def from_dict(cls, values: Mapping[str, object]) -> MetricsReport:
        """Read what `to_dict` gave; a number that an older version did not measure is NaN.

        Raises:
            RecordError: it is something else.
        """
        given = null_to_nan({one.name: values.get(one.name) for one in fields(cls)})
        return parse_record(cls, {**given, "ap": null_to_nan(given["ap"])})


def evaluate_scores(
    scores: Floats,
    truth: Truth,
    classes: ClassList,
    thresholds: Floats,
    *,
    convention: ApConvention = "area",
) -> MetricsReport:
    """Compare scores with truth.

    Args:
        scores: (N, C), higher means more likely.
        truth: (N, C) int8: 1 present, 0 absent, -1 unknown (left out, entry by entry).
        classes: names of the columns.
        thresholds: (C,); a score at or above it counts as predicted.
        convention: of average precision.

    Raises:
        CdulEdgeError: shapes that do not fit, a NaN score, or no known truth at all.
    """
    if scores.shape != truth.shape or scores.shape[1:] != (len(classes),):
        raise CdulEdgeError(
            f"scores {scores.shape} and truth {truth.shape} do not fit {len(classes)} classes"
        )
    if np.isnan(scores).any():
        raise CdulEdgeError("the scores hold NaN: the model that made them is broken")
    known = truth >= 0
    if not known.any():
        raise CdulEdgeError("the truth knows none of these pictures: check the paths it names")
    positive = truth == 1
    ap = {
        name: 100 * average_precision(scores[known[:, c], c], positive[known[:, c], c], convention)
        for c, name in enumerate(classes)
    }
    defined = [value for value in ap.values() if not math.isnan(value)]
    predicted = (scores >= thresholds) & known
    judged = known.any(axis=0)  # a class of which nothing is known is neither right nor wrong
    top = _f1_metrics((predicted & _is_top(scores))[:, judged], positive[:, judged])
    return MetricsReport(
        pictures=int(known.any(axis=1).sum()),
        ap=ap,
        ap_convention=convention,
        map=float(np.mean(defined)) if defined else math.nan,
        hamming=100 * float((predicted != positive)[known].mean()),
        density=100 * float(positive[known].mean()),
        classes_without_positive=len(ap) - len(defined),
        macro_f1=_macro_f1(predicted, positive),
        **_f1_metrics(predicted[:, judged], positive[:, judged]),
        **{f"{name.rstrip('_')}_top{TOP}": value for name, value in top.items()},
        **_probability_metrics(scores, positive, known),
    )


def _f1_metrics(predicted: Mask, positive: Mask) -> dict[str, float]:
    hits, named, present = _counts(predicted, positive)
    seen = present > 0
    cp = float(np.mean(hits / np.maximum(named, 1)))
    cr = float(np.mean(hits[seen] / present[seen])) if seen.any() else math.nan
    op = float(hits.sum() / max(named.sum(), 1))
    or_ = float(hits.sum() / max(present.sum(), 1))
    values = dict(cp=cp, cr=cr, cf1=_harmonic(cp, cr), op=op, or_=or_, of1=_harmonic(op, or_))
    return {name: 100 * value for name, value in values.items()}


def _macro_f1(predicted: Mask, positive: Mask) -> float:
    hits, named, present = _counts(predicted, positive)
    seen = present > 0
    f1 = 2 * hits[seen] / (named[seen] + present[seen])
    return 100 * float(np.mean(f1)) if seen.any() else math.nan


def _counts(predicted: Mask, positive: Mask) -> tuple[Floats, Floats, Floats]:
    """By class: predicted rightly, predicted, positive."""
    hits = (predicted & positive).sum(axis=0, dtype=np.float64)
    return hits, predicted.sum(axis=0, dtype=np.float64), positive.sum(axis=0, dtype=np.float64)


def _is_top(scores: Floats) -> Mask:
    """The `TOP` highest scores of each picture; ties with the last all count, in any order."""
    place = max(scores.shape[1] - TOP, 0)
    lowest = np.partition(scores, place, axis=1)[:, place]
    return np.asarray(scores >= lowest[:, None])


def _probability_metrics(scores: Floats, positive: Mask, known: Mask) -> dict[str, float]:
    if not ((scores >= 0) & (scores <= 1)).all():
        return dict.fromkeys(("ece", "ece_by_class", "brier"), math.nan)
    return {
        "ece": 100 * expected_calibration_error(scores[known], positive[known]),
        "ece_by_class": 100 * classwise_calibration_error(scores, positive, known),
        "brier": 100 * brier_score(scores[known], positive[known]),
    }


def _harmonic(a: float, b: float) -> float:
    return 2 * a * b / (a + b) if a + b > 0 else 0.0
