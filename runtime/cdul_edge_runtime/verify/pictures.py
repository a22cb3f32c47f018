"""What a precision costs on pictures, against the FP32 file on the CPU."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from cdul_edge_runtime.bulk import predict_files
from cdul_edge_runtime.bundle.bundle import Bundle
from cdul_edge_runtime.bundle.manifest import Precision
from cdul_edge_runtime.bundle.verdict import Estimate
from cdul_edge_runtime.classifier import Classifier
from cdul_edge_runtime.errors import CdulEdgeError, ImageError
from cdul_edge_runtime.host.json_record import finite_or_none
from cdul_edge_runtime.metrics.bootstrap import estimate_flip_rate, estimate_map_drop
from cdul_edge_runtime.metrics.metrics import (
    MetricsReport,
    Truth,
    evaluate_scores,
    mean_average_precision,
)
from cdul_edge_runtime.pictures.images import PictureList
from cdul_edge_runtime.run_order import only_openvino
from cdul_edge_runtime.verify.flips import Flip, list_flips

Scores = npt.NDArray[np.float32]
Mask = npt.NDArray[np.bool_]
TruthKind = Literal["given", "fp32 scores"]


@dataclass(frozen=True)
class Unreadable:
    """A picture that was left out, and why."""

    path: str
    error: str


@dataclass(frozen=True)
class PictureTest:
    """Pictures that could be read, with FP32's scores.

    Attributes:
        pictures: all that were given.
        fp32: (M, C) scores of the FP32 file on the CPU, of the M that can be read.
        readable: their M places in `pictures`.
        truth: (M, C) int8, -1 unknown; None takes FP32's scores as soft truth.
        unreadable: path and reason of the others.
    """

    pictures: PictureList
    fp32: Scores
    readable: tuple[int, ...]
    truth: Truth | None = None
    unreadable: tuple[Unreadable, ...] = ()

    @property
    def truth_kind(self) -> TruthKind:
        """What mAP is taken against."""
        return "fp32 scores" if self.truth is None else "given"


def prepare_pictures(
    bundle: Bundle, pictures: PictureList, truth: Truth | None, *, threads: int | None = None
) -> PictureTest:
    """Classify the pictures with the FP32 file on the CPU, which everything is compared with.

    By ONNX Runtime, and by OpenVINO where it alone is installed.

    Args:
        truth: (N, C) int8 of all pictures, -1 unknown.

    Raises:
        CdulEdgeError: none of the pictures can be read.
        MissingExtraError: there is neither to compare with.
    """
    device = "openvino" if only_openvino() else "cpu"
    with Classifier.load(bundle, device=device, precision="fp32", threads=threads) as classifier:
        scores, rows, unreadable = score_pictures(classifier, pictures)
    known = None if truth is None else truth[rows]
    return PictureTest(pictures, scores, tuple(rows), known, unreadable)


def score_pictures(
    classifier: Classifier, pictures: PictureList
) -> tuple[Scores, list[int], tuple[Unreadable, ...]]:
    """(M, C) scores of what can be read, the M places in the list, and what cannot be read."""
    rows: list[int] = []
    scores: list[Scores] = []
    unreadable: list[Unreadable] = []
    paths = (str(pictures.absolute(i)) for i in range(len(pictures)))
    for row, (path, outcome) in enumerate(predict_files(classifier, paths)):
        if isinstance(outcome, ImageError):
            unreadable.append(Unreadable(path, outcome.reason))
        else:
            rows.append(row)
            scores.append(outcome.scores)
    if not scores:
        raise CdulEdgeError(
            f"none of the {len(pictures)} pictures can be read (the first: "
            f"{unreadable[0].path} {unreadable[0].error})"
        )
    return np.stack(scores), rows, tuple(unreadable)


@dataclass(frozen=True)
class PictureComparison:
    """What a precision costs on pictures, against the FP32 file on the CPU.

    Attributes:
        count: how many pictures could be read.
        labels_per_picture: mean number of labels that are predicted.
        max_error: largest absolute score difference to FP32; None where it is not finite.
        mean_error: mean of those differences.
        flips: share of the decisions that clearly differ, in [0, 1], with its interval.
        strange_scores: number of scores that are NaN or outside [0, 1].
        truth: what mAP is taken against.
        map_fp32: mAP of FP32 in percent; None where nothing is positive, or a score is not finite.
        map: the same of these scores.
        loss: points of mAP lost, with their interval; None where one of both has none.
        metrics: all metrics against given truth; None without it, or with a score not finite.
        flipped_decisions: how many decisions clearly differ.
        flipped: those of them whose score moved most, see `list_flips`.
    """

    count: int
    labels_per_picture: float
    max_error: float | None
    mean_error: float | None
    flips: Estimate
    strange_scores: int
    truth: TruthKind
    map_fp32: float | None
    map: float | None
    loss: Estimate | None
    metrics: MetricsReport | None
    flipped_decisions: int = 0
    flipped: tuple[Flip, ...] = ()

    def to_dict(self) -> dict[str, object]:
        """Plain values for the report."""
        plain: dict[str, object] = {
            "count": self.count,
            "labels_per_picture": self.labels_per_picture,
            "max_error": self.max_error,
            "mean_error": self.mean_error,
            "flip_rate": self.flips.value,
            "flip_rate_interval": [self.flips.low, self.flips.high],
            "flipped_decisions": self.flipped_decisions,
            "flipped": [asdict(flip) for flip in self.flipped],
            "strange_scores": self.strange_scores,
            "truth": self.truth,
            "map_fp32": self.map_fp32,
            "map": self.map,
        }
        if self.loss is not None:
            plain["map_drop"] = self.loss.value
            plain["map_drop_interval"] = [self.loss.low, self.loss.high]
        if self.metrics is not None:
            plain["metrics"] = self.metrics.to_dict()
        return plain


def compare_pictures(classifier: Classifier, test: PictureTest, near: float) -> PictureComparison:
    """Accuracy on the pictures, and what it lost against FP32.

    Args:
        near: a decision whose FP32 score lies so close to its threshold does not count as flipped.
    """
    chosen = classifier.selection
    if chosen and (chosen.device, chosen.precision) == ("cpu", Precision.FP32):
        scores = test.fp32
    else:
        scores, _, _ = score_pictures(classifier, test.pictures)
    clear, _ = find_flips(scores, test.fp32, classifier.thresholds, near)
    paths = [test.pictures.paths[row] for row in test.readable]
    error = differences(scores, test.fp32)
    truth = test.fp32 if test.truth is None else test.truth
    before, after = _mean_ap(test.fp32, truth), _mean_ap(scores, truth)
    loss = None
    if before is not None and after is not None:
        loss = estimate_map_drop(test.fp32, scores, truth, before - after)
    metrics = None
    if test.truth is not None and np.isfinite(scores).all():
        metrics = evaluate_scores(scores, test.truth, classifier.classes, classifier.thresholds)
    return PictureComparison(
        count=len(scores),
        labels_per_picture=float((scores >= classifier.thresholds).sum(axis=1).mean()),
        max_error=finite_or_none(float(error.max())),
        mean_error=finite_or_none(float(error.mean())),
        flips=estimate_flip_rate(clear),
        flipped_decisions=int(clear.sum()),
        flipped=list_flips(
            scores, test.fp32, clear, classifier.thresholds, names=(paths, list(classifier.classes))
        ),
        strange_scores=count_strange(scores),
        truth=test.truth_kind,
        map_fp32=before,
        map=after,
        loss=loss,
        metrics=metrics,
    )


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


def count_strange(scores: Scores) -> int:
    """How many are NaN or outside [0, 1]."""
    return int((~((scores >= 0) & (scores <= 1))).sum())


def _mean_ap(scores: Scores, truth: Scores | Truth) -> float | None:
    """In percent; None where a score is not finite, or nothing is positive."""
    if not np.isfinite(scores).all():
        return None
    return finite_or_none(mean_average_precision(scores, truth))
