"""Scores against truth: pseudo-labels or predictions, at given or fitted thresholds."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from cdul_edge.labels.quality import LabelQuality, measure_label_quality
from cdul_edge.labels.scored_pictures import ScoredPictures, read_scored_pictures
from cdul_edge.storage.location import Location
from cdul_edge_calibration.threshold_rules import ThresholdRule, fit_thresholds
from cdul_edge_runtime.bundle.classes import name_some
from cdul_edge_runtime.bundle.threshold_values import thresholds_to_json
from cdul_edge_runtime.bundle.thresholds import (
    THRESHOLDS_FILE,
    given_thresholds,
    write_thresholds,
)
from cdul_edge_runtime.choices import ApConvention, Difficult
from cdul_edge_runtime.errors import CdulEdgeError
from cdul_edge_runtime.host.console import Console, LibraryConsole
from cdul_edge_runtime.host.files import refuse_existing
from cdul_edge_runtime.metrics.metrics import MetricsReport, Truth, evaluate_scores
from cdul_edge_runtime.metrics.truth import read_truth


@dataclass(frozen=True)
class EvaluateRequest:
    """Scores to compare with truth.

    Attributes:
        scores: a labels folder, its labels alone, or predictions (.jsonl, .csv).
        truth: CSV, VOC folder, COCO JSON, or NPZ.
        threshold: one number in [0, 1] for all classes, or a JSON file {class: threshold, or null
            for never}, in place of the thresholds that come with the scores.
        ap: convention of average precision.
        difficult: what VOC's difficult objects count as.
        fit_thresholds: a rule to choose thresholds by: "f1", "precision=P", "recall=R", "rate=R".
        fit_pictures: choose on so many pictures, drawn with `seed`, and report on the others.
        write_thresholds: write the chosen thresholds to this JSON file; `force` replaces it.

    Raises:
        CdulEdgeError: options that exclude each other, or an unknown rule.
    """

    scores: Location
    truth: Path
    threshold: float | Path | None = None
    ap: ApConvention = "area"
    difficult: Difficult = "negative"
    fit_thresholds: str | None = None
    fit_pictures: int | None = None
    seed: int = 0
    write_thresholds: Path | None = None
    force: bool = False

    def __post_init__(self) -> None:
        if self.fit_thresholds is not None:
            if self.threshold is not None:
                raise CdulEdgeError(
                    "--threshold and --fit-thresholds exclude each other: give one of them"
                )
            ThresholdRule.parse(self.fit_thresholds)
        elif self.fit_pictures is not None or self.write_thresholds is not None:
            raise CdulEdgeError(
                "--fit-pictures and --write-thresholds go with --fit-thresholds RULE, such as f1"
            )


@dataclass(frozen=True)
class ThresholdOrigin:
    """Where the thresholds of a report came from.

    Attributes:
        rule: "own" (they came with the scores), "given", or the rule they were fitted by.
        threshold: what was given, a number or a file.
        pictures: how many they were fitted on; None where they were not fitted.
        in_sample: whether the report is of the very pictures they were fitted on.
        seed: of the draw of those pictures; None where all were taken.
    """

    rule: str
    threshold: str | None = None
    pictures: int | None = None
    in_sample: bool | None = None
    seed: int | None = None

    def to_dict(self) -> dict[str, object]:
        """Plain values; what does not apply is left out."""
        return {name: value for name, value in vars(self).items() if value is not None}


@dataclass(frozen=True, eq=False)
class EvaluateResult:
    """What the scores are worth.

    Attributes:
        report: every metric, in percent.
        thresholds: (C,) float32 that it was decided by, and `origin`, where they came from.
        pictures: all that the report could be of, with known truth or without.
        quality: of soft labels beside their ranking; None for scores outside [0, 1].
    """

    scores: Location
    truth: Path
    report: MetricsReport
    thresholds: npt.NDArray[np.float32]
    origin: ThresholdOrigin
    pictures: int
    quality: LabelQuality | None

    def to_dict(self) -> dict[str, object]:
        """Plain values for JSON, every class included."""
        values = thresholds_to_json(self.thresholds)
        by_class = dict(zip(self.report.ap, values, strict=True))
        return {
            "scores": str(self.scores),
            "truth": str(self.truth),
            **self.report.to_dict(),
            "thresholds": {**self.origin.to_dict(), "values": by_class},
            "label_quality": self.quality and self.quality.to_dict(),
        }


def evaluate(request: EvaluateRequest, console: Console | None = None) -> EvaluateResult:
    """Compare scores with truth: average precision by class, mAP, F1, Hamming, calibration error.

    Args:
        request: what to compare, and how.
        console: where to name classes without a threshold; without one, a warning does.

    Raises:
        CdulEdgeError: files that cannot be read or do not fit each other, or `write_thresholds`
            names a file that exists and `force` is not set.
    """
    console = console or LibraryConsole()
    if request.write_thresholds is not None:
        place, read = request.write_thresholds, (request.scores, request.truth)
        inputs = [one for one in read if isinstance(one, Path)]
        refuse_existing(place, THRESHOLDS_FILE, force=request.force, inputs=inputs)
    found = read_scored_pictures(request.scores)
    table = read_truth(request.truth, difficult=request.difficult)
    labels = table.for_paths(found.paths, found.classes, found.root)
    decided = _decide(request, found, labels, console)
    report = evaluate_scores(
        found.scores, decided.truth, found.classes, decided.thresholds, convention=request.ap
    )
    if request.write_thresholds is not None:
        write_thresholds(request.write_thresholds, decided.thresholds, found.classes)
    # Scores outside [0, 1] are no soft labels.
    soft = bool(((found.scores >= 0) & (found.scores <= 1)).all())
    quality = measure_label_quality(found.scores, decided.truth, found.classes) if soft else None
    return EvaluateResult(
        scores=request.scores,
        truth=request.truth,
        report=report,
        thresholds=decided.thresholds,
        origin=decided.origin,
        pictures=decided.pictures,
        quality=quality,
    )


@dataclass(frozen=True, eq=False)
class _Decided:
    """Thresholds, and the truth that is left to report on."""

    thresholds: npt.NDArray[np.float32]
    truth: Truth
    pictures: int
    origin: ThresholdOrigin


def _decide(
    request: EvaluateRequest, found: ScoredPictures, truth: Truth, console: Console
) -> _Decided:
    count, threshold = len(found.paths), request.threshold
    if threshold is not None:
        values = given_thresholds(threshold, found.classes)
        name = str(threshold) if isinstance(threshold, Path) else f"{threshold:g}"
        return _Decided(values, truth, count, ThresholdOrigin("given", name))
    if request.fit_thresholds is None:
        return _Decided(found.thresholds, truth, count, ThresholdOrigin("own"))
    rule, pictures = ThresholdRule.parse(request.fit_thresholds), request.fit_pictures
    fitted = fit_thresholds(found.scores, truth, rule, pictures=pictures, seed=request.seed)
    never = [name for name, value in zip(found.classes, fitted.values, strict=True) if value > 1]
    if never:
        console.warn(f"no threshold does what was asked, so never predicted: {name_some(never)}")
    origin = ThresholdOrigin(
        rule=str(rule),
        pictures=fitted.pictures,
        in_sample=fitted.in_sample,
        seed=None if pictures is None else request.seed,
    )
    return _Decided(fitted.values, fitted.truth, count - (pictures or 0), origin)
