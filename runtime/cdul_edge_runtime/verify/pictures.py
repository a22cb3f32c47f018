"""What a precision costs on pictures, against the FP32 file on the CPU."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from cdul_edge_runtime.bulk import predict_files
from cdul_edge_runtime.bundle.bundle import Bundle
from cdul_edge_runtime.bundle.manifest import Precision
from cdul_edge_runtime.classifier import Classifier
from cdul_edge_runtime.errors import CdulEdgeError, ImageError
from cdul_edge_runtime.metrics.bootstrap import estimate_flip_rate, estimate_map_drop
from cdul_edge_runtime.metrics.metrics import Truth, evaluate_scores, mean_average_precision
from cdul_edge_runtime.pictures.images import PictureList

Scores = npt.NDArray[np.float32]
Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class PictureTest:
    """Pictures that could be read, with FP32's scores.

    Attributes:
        pictures: all that were given.
        fp32: (M, C) scores of the FP32 file on the CPU, of the M that can be read.
        truth: (M, C) int8, -1 unknown; None takes FP32's scores as soft truth.
        unreadable: path and reason of the others.
    """

    pictures: PictureList
    fp32: Scores
    truth: Truth | None = None
    unreadable: list[dict[str, str]] = field(default_factory=list)


def prepare_pictures(
    bundle: Bundle, pictures: PictureList, truth: Truth | None, *, threads: int | None = None
) -> PictureTest:
    """Classify the pictures with the FP32 file on the CPU, which everything is compared with.

    Args:
        truth: (N, C) int8 of all pictures, -1 unknown.

    Raises:
        CdulEdgeError: none of the pictures can be read.
        MissingExtraError: there is no ONNX Runtime to compare with.
    """
    with Classifier.load(bundle, device="cpu", precision="fp32", threads=threads) as classifier:
        scores, rows, unreadable = score_pictures(classifier, pictures)
    return PictureTest(pictures, scores, None if truth is None else truth[rows], unreadable)


def score_pictures(
    classifier: Classifier, pictures: PictureList
) -> tuple[Scores, list[int], list[dict[str, str]]]:
    """(M, C) scores of what can be read, the M places in the list, and what cannot be read."""
    rows, scores, unreadable = [], [], []
    paths = (str(pictures.absolute(i)) for i in range(len(pictures)))
    for row, (path, outcome) in enumerate(predict_files(classifier, paths)):
        if isinstance(outcome, ImageError):
            unreadable.append({"path": path, "error": outcome.reason})
        else:
            rows.append(row)
            scores.append(outcome.scores)
    if not scores:
        raise CdulEdgeError(
            f"none of the {len(pictures)} pictures can be read (the first: "
            f"{unreadable[0]['path']} {unreadable[0]['error']})"
        )
    return np.stack(scores), rows, unreadable


def compare_pictures(classifier: Classifier, test: PictureTest, near: float) -> dict[str, Any]:
    """Accuracy on the pictures and what it lost against FP32, as plain values.

    Args:
        near: a decision whose FP32 score lies so close to its threshold does not count as flipped.
    """
    chosen = classifier.selection
    if chosen and (chosen.device, chosen.precision) == ("cpu", Precision.FP32):
        scores = test.fp32
    else:
        scores, _, _ = score_pictures(classifier, test.pictures)
    clear, _ = find_flips(scores, test.fp32, classifier.thresholds, near)
    flips = estimate_flip_rate(clear)
    error = differences(scores, test.fp32)
    truth = test.fp32 if test.truth is None else test.truth
    sound = bool(np.isfinite(scores).all())
    found: dict[str, Any] = {
        "count": len(scores),
        "labels_per_picture": float((scores >= classifier.thresholds).sum(axis=1).mean()),
        "max_error": finite(float(error.max())),
        "mean_error": finite(float(error.mean())),
        "flip_rate": flips.value,
        "flip_rate_interval": [flips.low, flips.high],
        "strange_scores": count_strange(scores),
        "truth": "fp32 scores" if test.truth is None else "given",
        "map_fp32": _mean_ap(test.fp32, truth),
        "map": _mean_ap(scores, truth),
    }
    if None not in (found["map"], found["map_fp32"]):
        drop = found["map_fp32"] - found["map"]
        loss = estimate_map_drop(test.fp32, scores, truth, drop)
        found |= {"map_drop": drop, "map_drop_interval": [loss.low, loss.high]}
    if test.truth is not None and sound:
        report = evaluate_scores(scores, test.truth, classifier.classes, classifier.thresholds)
        found["metrics"] = report.to_dict()
    return found


def find_flips(
    scores: Scores, expected: Scores, thresholds: Scores, near: float
) -> tuple[Mask, Mask]:
    """Decisions that differ: clearly, and those with `expected` within `near` of the threshold."""
    flipped = (scores >= thresholds) != (expected >= thresholds)
    borderline = np.abs(expected - thresholds) <= near
    return flipped & ~borderline, flipped & borderline


def differences(scores: Scores, expected: Scores) -> Scores:
    """Absolute differences; NaN where both are infinite, without numpy's warning."""
    with np.errstate(invalid="ignore"):
        gaps: Scores = np.abs(scores - expected)
    return gaps


def count_strange(scores: Scores) -> float:
    """How many are NaN or outside [0, 1]."""
    return float((~((scores >= 0) & (scores <= 1))).sum())


def _mean_ap(scores: Scores, truth: npt.NDArray[Any]) -> float | None:
    """In percent; None where a score is not finite, or nothing is positive."""
    if not np.isfinite(scores).all():
        return None
    return finite(mean_average_precision(scores, truth))


def finite(value: float) -> float | None:
    """JSON has no NaN."""
    return value if math.isfinite(value) else None
