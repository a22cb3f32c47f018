"""Multi-label metrics, in numpy so that the device can compute them; all in percent."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from cdul_edge_runtime.classes import ClassList
from cdul_edge_runtime.errors import CdulEdgeError

Floats = npt.NDArray[np.floating[Any]]
Truth = npt.NDArray[np.int8]


def average_precision(scores: Floats, positive: npt.NDArray[Any]) -> float:
    """Area under the precision-recall steps, ties sharing one threshold (as scikit-learn has it).

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

    `ap` is per class; `map` is their mean over classes with a positive (`classes_without_positive`
    counts the others). CP, CR, CF1, OP, OR and OF1 are taken at the thresholds: CF1 is the harmonic
    mean of the class means, OF1 that of the overall precision and recall. `hamming` is the share of
    wrong decisions; `density` is the share of positives, which is what predicting nothing scores.
    """

    pictures: int
    ap: dict[str, float]
    map: float
    cp: float
    cr: float
    cf1: float
    op: float
    or_: float
    of1: float
    macro_f1: float
    hamming: float
    density: float
    classes_without_positive: int

    def to_dict(self) -> dict[str, Any]:
        """Plain values; NaN becomes None, which JSON can hold."""
        plain = asdict(self)
        plain["ap"] = {name: _finite(value) for name, value in self.ap.items()}
        return {k: _finite(v) if isinstance(v, float) else v for k, v in plain.items()}


def evaluate_scores(
    scores: Floats, truth: Truth, classes: ClassList, thresholds: Floats
) -> MetricsReport:
    """Compare scores with truth.

    Args:
        scores: (N, C), higher means more likely.
        truth: (N, C) int8: 1 present, 0 absent, -1 unknown (left out, entry by entry).
        classes: names of the columns.
        thresholds: (C,); a score at or above it counts as predicted.

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
        name: 100 * average_precision(scores[known[:, c], c], positive[known[:, c], c])
        for c, name in enumerate(classes)
    }
    defined = [value for value in ap.values() if not math.isnan(value)]
    predicted = (scores >= thresholds) & known
    return MetricsReport(
        pictures=int(known.any(axis=1).sum()),
        ap=ap,
        map=float(np.mean(defined)) if defined else math.nan,
        hamming=100 * float((predicted != positive)[known].mean()),
        density=100 * float(positive[known].mean()),
        classes_without_positive=len(ap) - len(defined),
        **_threshold_metrics(predicted, positive),
    )


def _threshold_metrics(
    predicted: npt.NDArray[np.bool_], positive: npt.NDArray[np.bool_]
) -> dict[str, float]:
    hits = (predicted & positive).sum(axis=0).astype(np.float64)
    named, present = predicted.sum(axis=0), positive.sum(axis=0)
    seen = present > 0
    cp = float(np.mean(hits / np.maximum(named, 1)))
    cr = float(np.mean(hits[seen] / present[seen])) if seen.any() else math.nan
    op = float(hits.sum() / max(named.sum(), 1))
    or_ = float(hits.sum() / max(present.sum(), 1))
    f1 = 2 * hits[seen] / (named[seen] + present[seen])
    macro = float(np.mean(f1)) if seen.any() else math.nan
    values = dict(
        cp=cp, cr=cr, cf1=_harmonic(cp, cr), op=op, or_=or_, of1=_harmonic(op, or_), macro_f1=macro
    )
    return {name: 100 * value for name, value in values.items()}


def _harmonic(a: float, b: float) -> float:
    return 2 * a * b / (a + b) if a + b > 0 else 0.0


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
