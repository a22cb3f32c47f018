"""Thresholds chosen on labelled pictures."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from cdul_edge_runtime.errors import CdulEdgeError

Floats = npt.NDArray[np.floating[Any]]
Truth = npt.NDArray[np.int8]

SHRINKAGE = 10.0  # positives at which a class counts as much as all classes together
_EDGE = 1e-7  # scores of 0 and 1 have no logit


@dataclass(frozen=True)
class ThresholdRule:
    """What thresholds shall be best for.

    `kind` "f1" maximises F1, each class drawn towards the one threshold that is best for all;
    "precision" takes each class's lowest threshold whose precision is at least `precision`.
    """

    kind: Literal["f1", "precision"]
    precision: float = 0.0

    @classmethod
    def parse(cls, text: str) -> ThresholdRule:
        """Read "f1" or "precision=0.9"; anything else is a `CdulEdgeError`."""
        if text == "f1":
            return cls("f1")
        name, _, value = text.partition("=")
        try:
            wanted = float(value)
        except ValueError:
            wanted = 0.0
        if name != "precision" or not 0 < wanted <= 1:
            raise CdulEdgeError(
                f"thresholds {text!r}: expected f1, or precision=P with P in (0, 1], or a JSON file"
            )
        return cls("precision", wanted)


def choose_thresholds(scores: Floats, truth: Truth, rule: ThresholdRule) -> npt.NDArray[np.float32]:
    """Choose a threshold per class.

    Args:
        scores: (N, C) in [0, 1].
        truth: (N, C) int8: 1 present, 0 absent, -1 unknown (left out, entry by entry).
        rule: see `ThresholdRule`.

    Returns:
        (C,) float32; a score at or above it counts as predicted. +inf, never, where no threshold
        reaches the wanted precision.

    Raises:
        CdulEdgeError: no known positive at all.
    """
    if not (truth == 1).any():
        raise CdulEdgeError("the truth has no positive among these pictures: nothing to choose by")
    if rule.kind == "f1":
        return shrunk_f1_thresholds(scores, truth)
    columns = range(scores.shape[1])
    chosen = [_precision_threshold(*_known(scores, truth, c), rule.precision) for c in columns]
    return np.array(chosen, dtype=np.float32)


def shrunk_f1_thresholds(
    scores: Floats, truth: Truth, *, shrinkage: float = SHRINKAGE
) -> npt.NDArray[np.float32]:
    """Per-class F1-optimal thresholds, drawn towards the one that is best over all classes.

    On the logit scale, with g the class's positives: (g * own + shrinkage * common) / (g +
    shrinkage). Few positives overfit a threshold of their own: below a hundred labelled pictures
    unshrunk ones are worse than 0.5 everywhere.
    """
    known = truth >= 0
    common = _f1_threshold(scores[known], truth[known] == 1)
    thresholds = []
    for column in range(scores.shape[1]):
        values, positive = _known(scores, truth, column)
        count = float(positive.sum())
        own = _f1_threshold(values, positive) if count else common
        weight = count / (count + shrinkage) if count + shrinkage > 0 else 1.0
        thresholds.append(_sigmoid(weight * _logit(own) + (1 - weight) * _logit(common)))
    return np.array(thresholds, dtype=np.float32)


def _known(scores: Floats, truth: Truth, column: int) -> tuple[Floats, npt.NDArray[np.bool_]]:
    known = truth[:, column] >= 0
    return scores[known, column], truth[known, column] == 1


def _f1_threshold(scores: Floats, positive: npt.NDArray[np.bool_]) -> float:
    """Threshold of the highest F1; between two scores, so that rounding moves no picture."""
    values, hits, predicted = _cuts(scores, positive)
    f1 = 2 * hits / (predicted + positive.sum())
    best = int(np.argmax(f1))
    if best + 1 == len(values):
        return float(values[best]) - _EDGE
    return float(_sigmoid((_logit(values[best]) + _logit(values[best + 1])) / 2))


def _precision_threshold(scores: Floats, positive: npt.NDArray[np.bool_], wanted: float) -> float:
    values, hits, predicted = _cuts(scores, positive)
    reached = np.flatnonzero((hits > 0) & (hits / predicted >= wanted))
    return float(values[reached[-1]]) if len(reached) else np.inf


def _cuts(scores: Floats, positive: npt.NDArray[np.bool_]) -> tuple[Floats, Floats, Floats]:
    """Distinct scores, falling, with the positives and the pictures at or above each."""
    order = np.argsort(-scores, kind="stable")
    ranked = scores[order]
    last_of_tie = np.flatnonzero(np.append(np.diff(ranked) != 0, len(ranked) > 0))
    hits = np.cumsum(positive[order])[last_of_tie].astype(np.float64)
    return ranked[last_of_tie], hits, (last_of_tie + 1).astype(np.float64)


def _logit(score: float) -> float:
    clipped = min(max(float(score), _EDGE), 1 - _EDGE)
    return float(np.log(clipped / (1 - clipped)))


def _sigmoid(logit: float) -> float:
    return float(1 / (1 + np.exp(-logit)))
