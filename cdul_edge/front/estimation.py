"""What scores are worth where nobody knows the truth: an estimate, from the scores themselves."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from cdul_edge.labels.scored_pictures import (
    UNKNOWN,
    ScoredPictures,
    read_scored_pictures,
)
from cdul_edge.storage.location import Location
from cdul_edge_runtime.bundle.threshold_values import thresholds_to_json
from cdul_edge_runtime.bundle.thresholds import given_thresholds
from cdul_edge_runtime.host.console import Console, LibraryConsole
from cdul_edge_runtime.metrics.doubt import LABELS_DOUBT, PREDICTIONS_DOUBT, Doubt
from cdul_edge_runtime.metrics.expected import ExpectedReport, expect_metrics

CALIBRATED_STRATEGY = "evidence"
ASSUMPTIONS = (
    "no truth was read: the scores are taken for probabilities, give or take what was measured on "
    "photographs, and the pictures for ones like those that the labels were made for"
)


@dataclass(frozen=True)
class EstimateRequest:
    """Scores to judge without truth.

    Attributes:
        scores: a labels folder, its labels alone, or predictions (.jsonl, .csv).
        threshold: one number in [0, 1] for all classes, or a JSON file {class: threshold, or null
            for never}, in place of the thresholds that come with the scores.
    """

    scores: Location
    threshold: float | Path | None = None


@dataclass(frozen=True, eq=False)
class EstimateResult:
    """What the scores are expected to be worth.

    Attributes:
        report: every metric, in percent, with its interval.
        thresholds: (C,) float32 that it was decided by.
    """

    scores: Location
    report: ExpectedReport
    thresholds: npt.NDArray[np.float32]

    def to_dict(self) -> dict[str, object]:
        """Plain values for JSON, every class included."""
        values = thresholds_to_json(self.thresholds)
        return {
            "scores": str(self.scores),
            "estimate": True,
            "assumptions": ASSUMPTIONS,
            **self.report.to_dict(),
            "thresholds": dict(zip(self.report.classes, values, strict=True)),
        }


def estimate(request: EstimateRequest, console: Console | None = None) -> EstimateResult:
    """Estimate precision, recall, F1 and prevalence of each class from the scores alone.

    Args:
        request: what to judge, and at which thresholds.
        console: where to say that the scores are no probabilities; without one, a warning does.

    Raises:
        CdulEdgeError: files that cannot be read, or scores outside [0, 1].
    """
    console = console or LibraryConsole()
    found = read_scored_pictures(request.scores)
    thresholds = found.thresholds
    if request.threshold is not None:
        thresholds = given_thresholds(request.threshold, found.classes)
    report = expect_metrics(found.scores, found.classes, thresholds, doubt_of(found))
    if found.labelled_by not in (None, UNKNOWN, CALIBRATED_STRATEGY):
        console.warn(
            f"these labels were made by --strategy {found.labelled_by}, whose scores are no "
            f"probabilities, so the estimate may be far off: judge labels of --strategy "
            f"{CALIBRATED_STRATEGY}, or give --truth"
        )
    return EstimateResult(request.scores, report, thresholds)


def doubt_of(found: ScoredPictures) -> Doubt:
    """How far such scores are from probabilities on photographs: a network's, or pseudo-labels."""
    return PREDICTIONS_DOUBT if found.labelled_by is None else LABELS_DOUBT
