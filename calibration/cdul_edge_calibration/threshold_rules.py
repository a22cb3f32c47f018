"""Thresholds chosen on a few labeled pictures, or for a wanted rate."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
import numpy.typing as npt

from cdul_edge_runtime.bundle.thresholds import prevalence_thresholds
from cdul_edge_runtime.errors import CdulEdgeError

Floats = npt.NDArray[np.floating[Any]]
Truth = npt.NDArray[np.int8]
Kind = Literal["f1", "precision", "recall", "rate"]

SHRINKAGE = 10.0  # positives at which a class counts as much as all classes together
_EDGE = 1e-7  # scores of 0 and 1 have no logit


@dataclass(frozen=True)
class ThresholdRule:
    """What thresholds shall be best for.

    * "f1": the highest F1, each class drawn towards the one threshold that is best for all;
    * "precision": each class's lowest threshold whose precision is at least `target`;
    * "recall": each class's highest threshold whose recall is at least `target`;
    * "rate": each class is predicted for the share `target` of the pictures; needs no truth.
    """

    kind: Kind
    target: float = 0.0

    def __str__(self) -> str:
        return self.kind if self.kind == "f1" else f"{self.kind}={self.target:g}"

    @property
    def needs_truth(self) -> bool:
        """Whether the rule compares predictions with truth."""
        return self.kind != "rate"

    @staticmethod
    def is_meant(text: str) -> bool:
        """Whether `text` begins as a rule does, right or wrong; else it may name a file."""
        return text.partition("=")[0] in get_args(Kind)

    @classmethod
    def parse(cls, text: str) -> ThresholdRule:
        """Read "f1", "precision=0.9", "recall=0.9" or "rate=0.1"; else a `CdulEdgeError`."""
        if text == "f1":
            return cls("f1")
        name, _, value = text.partition("=")
        try:
            target = float(value)
        except ValueError:
            target = 0.0
        kinds: dict[str, Kind] = {kind: kind for kind in get_args(Kind) if kind != "f1"}
        if name not in kinds or not 0 < target <= 1:
            raise CdulEdgeError(
                f"thresholds {text!r}: expected f1, precision=P, recall=R, or rate=R, "
                "each number in (0, 1]"
            )
        return cls(kinds[name], target)


def choose_thresholds(
    scores: Floats, truth: Truth | None, rule: ThresholdRule
) -> npt.NDArray[np.float32]:
    """Choose a threshold per class.

    Args:
        scores: (N, C) in [0, 1].
        truth: (N, C) int8: 1 present, 0 absent, -1 unknown (left out, entry by entry); a rate needs
            none.
        rule: see `ThresholdRule`.

    Returns:
        (C,) float32; a score at or above it counts as predicted. +inf, never, where no threshold
        reaches the wanted precision, or where a class has no positive to recall.

    Raises:
        CdulEdgeError: scores outside [0, 1], or no known positive at all.
    """
    if not ((scores >= 0) & (scores <= 1)).all():  # NaN fails both comparisons
        raise CdulEdgeError("thresholds are chosen for scores in [0, 1]: these lie outside")
    if rule.kind == "rate":
        return prevalence_thresholds(scores, np.full(scores.shape[1], rule.target))
    if truth is None or not (truth == 1).any():
        raise CdulEdgeError("the truth has no positive among these pictures: nothing to choose by")
    if rule.kind == "f1":
        return shrunk_f1_thresholds(scores, truth)
    choose = _precision_threshold if rule.kind == "precision" else _recall_threshold
    columns = range(scores.shape[1])
    chosen = [choose(*_known(scores, truth, c), rule.target) for c in columns]
    return np.array(chosen, dtype=np.float32)


@dataclass(frozen=True)
class FittedThresholds:
    """Thresholds, and what is left to judge them by.

    Attributes:
        values: (C,) float32.
        truth: (N, C) int8 to report on: as given, but -1 (unknown) for the pictures of a draw.
        pictures: how many they were fitted on.
        in_sample: whether figures on `truth` are of the very pictures they were fitted on, and so
            too good.
    """

    values: npt.NDArray[np.float32]
    truth: Truth
    pictures: int
    in_sample: bool


def fit_thresholds(
    scores: Floats, truth: Truth, rule: ThresholdRule, *, pictures: int | None = None, seed: int = 0
) -> FittedThresholds:
    """Choose thresholds on a random draw of the labeled pictures and keep the others to report on.

    Args:
        scores: (N, C) in [0, 1].
        truth: (N, C) int8, -1 unknown.
        rule: see `ThresholdRule`; a rate looks at the scores of all pictures, and at no truth.
        pictures: how many to draw of those with any known entry; all of them where None, and then
            none are kept.
        seed: of the draw.

    Raises:
        CdulEdgeError: no picture would be left, a draw for a rate, or no known positive in it.
    """
    if not rule.needs_truth:
        if pictures is not None:
            raise CdulEdgeError("a rate needs no labeled pictures: there is nothing to draw")
        values = choose_thresholds(scores, None, rule)
        return FittedThresholds(values, truth, len(scores), in_sample=False)
    labelled = np.flatnonzero((truth >= 0).any(axis=1))
    if pictures is None:
        values = choose_thresholds(scores, truth, rule)
        return FittedThresholds(values, truth, len(labelled), in_sample=True)
    if not 0 < pictures < len(labelled):
        raise CdulEdgeError(
            f"{pictures} pictures cannot be drawn of the {len(labelled)} whose truth is known: "
            "at least one must be left to report on"
        )
    drawn = np.random.default_rng(seed).choice(labelled, pictures, replace=False)
    values = choose_thresholds(scores[drawn], truth[drawn], rule)
    others = truth.copy()
    others[drawn] = -1
    return FittedThresholds(values, others, pictures, in_sample=False)


def shrunk_f1_thresholds(
    scores: Floats, truth: Truth, *, shrinkage: float = SHRINKAGE
) -> npt.NDArray[np.float32]:
    """Per-class F1-optimal thresholds, drawn towards the one that is best over all classes.

    On the logit scale, with g the class's positives: (g * own + shrinkage * common) / (g +
    shrinkage). Few positives overfit a threshold of their own: below a hundred labeled pictures
    unshrunk ones are worse than 0.5 everywhere.
    """
    known = truth >= 0
    common = _f1_threshold(scores[known], truth[known] == 1)
    thresholds = []
    for column in range(scores.shape[1]):
        values, positive = _known(scores, truth, column)
        count = float(positive.sum())
        own = _f1_threshold(values, positive) if count else common
        weight = count / (count + shrinkage) if shrinkage else 1.0
        mixed = _sigmoid(weight * _logit(own) + (1 - weight) * _logit(common))
        thresholds.append(mixed if shrinkage else own)
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
        return max(float(values[best]) - _EDGE, 0.0)
    upper, lower = float(values[best]), float(values[best + 1])
    middle = float(np.float32(_sigmoid((_logit(upper) + _logit(lower)) / 2)))
    # Saturated or neighboring scores leave no room: the upper one itself decides the same.
    return middle if lower < middle <= upper else upper


def _precision_threshold(scores: Floats, positive: npt.NDArray[np.bool_], wanted: float) -> float:
    values, hits, predicted = _cuts(scores, positive)
    reached = np.flatnonzero((hits > 0) & (hits / predicted >= wanted))
    return float(values[reached[-1]]) if len(reached) else np.inf


def _recall_threshold(scores: Floats, positive: npt.NDArray[np.bool_], wanted: float) -> float:
    values, hits, _ = _cuts(scores, positive)
    reached = np.flatnonzero((hits > 0) & (hits >= wanted * positive.sum() - _EDGE))
    return float(values[reached[0]]) if len(reached) else np.inf


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
