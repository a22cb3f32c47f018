"""`cdul-edge evaluate`: pseudo-labels or predictions against ground truth."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cdul_edge.cli.options.thresholds import THRESHOLD_HELP, read_given, say_never
from cdul_edge.cli.output.evaluate_tables import say_origin, show_report
from cdul_edge.cli.output.result_console import result_console
from cdul_edge.cli.output.summary import write_summary
from cdul_edge_runtime.errors import CdulEdgeError

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from cdul_edge.labels.scored_pictures import ScoredPictures
    from cdul_edge_calibration.thresholds import ThresholdRule
    from cdul_edge_runtime.metrics.metrics import Truth

FIT_HELP = "f1, precision=P or recall=R: chosen on pictures with truth; rate=R: without."


class DifficultChoice(str, Enum):
    """What VOC's difficult objects count as."""

    NEGATIVE = "negative"
    IGNORE = "ignore"
    POSITIVE = "positive"


class ApChoice(str, Enum):
    """How precision is averaged over recall."""

    AREA = "area"
    VOC2010 = "voc2010"
    VOC2007 = "voc2007"


def evaluate(
    scores: Annotated[
        Path, typer.Argument(help="Labels folder, label file, or predictions (.jsonl, .csv).")
    ],
    truth: Annotated[Path, typer.Option(help="CSV, VOC folder, COCO JSON, or NPZ.")],
    threshold: Annotated[
        str | None, typer.Option(help=f"{THRESHOLD_HELP}; in place of the file's own.")
    ] = None,
    ap: Annotated[
        ApChoice, typer.Option(help="Average precision: area, or PASCAL VOC's two.")
    ] = ApChoice.AREA,
    difficult: Annotated[
        DifficultChoice, typer.Option(help="VOC's difficult objects are.")
    ] = DifficultChoice.NEGATIVE,
    fit_thresholds: Annotated[
        str | None, typer.Option(metavar="RULE", help=f"Choose thresholds: {FIT_HELP}")
    ] = None,
    fit_pictures: Annotated[
        int | None, typer.Option(help="Choose on so many, report on the others.", min=1)
    ] = None,
    seed: Annotated[int, typer.Option(help="Of the draw of --fit-pictures.", min=0)] = 0,
    write_thresholds: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write the chosen ones, as JSON.")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace that file.")] = False,
    json: Annotated[Path | None, typer.Option(help="Report as JSON; - is stdout.")] = None,
) -> None:
    """Average precision by class, mAP, CF1, OF1, Hamming loss, calibration error; in percent."""
    from cdul_edge.labels.scored_pictures import read_scored_pictures
    from cdul_edge_runtime.bundle.thresholds import write_thresholds as write_file
    from cdul_edge_runtime.host.files import refuse_existing
    from cdul_edge_runtime.metrics.metrics import evaluate_scores
    from cdul_edge_runtime.metrics.truth import read_truth

    rule = _read_rule(fit_thresholds, threshold, fit_pictures, write_thresholds)
    if write_thresholds is not None:
        refuse_existing(write_thresholds, force=force)
    found = read_scored_pictures(scores)
    labels = read_truth(truth, difficult=difficult.value).for_paths(found.paths, found.classes)
    decided = _decide(
        found, labels, threshold=threshold, rule=rule, pictures=fit_pictures, seed=seed
    )
    report = evaluate_scores(
        found.scores, decided.truth, found.classes, decided.thresholds, convention=ap.value
    )
    console = result_console(to_stderr=str(json) == "-")
    show_report(report, decided.pictures, console)
    say_origin(decided.origin, console)
    if write_thresholds is not None:
        write_file(write_thresholds, decided.thresholds, found.classes)
    if json is not None:
        about = {"scores": str(scores), "truth": str(truth)}
        write_summary(json, {**about, **report.to_dict(), **_details(found, decided)})


@dataclass(frozen=True)
class Decided:
    """Thresholds, where they came from, and the truth that is left to report on.

    `pictures` are all that the report could be of, with known truth or without.
    """

    thresholds: npt.NDArray[np.float32]
    truth: Truth
    pictures: int
    origin: dict[str, Any]


def _read_rule(
    rule: str | None, threshold: str | None, pictures: int | None, write: Path | None
) -> ThresholdRule | None:
    from cdul_edge_calibration.thresholds import ThresholdRule

    if rule is not None and threshold is not None:
        raise CdulEdgeError("--threshold and --fit-thresholds exclude each other: give one")
    if rule is None and (pictures is not None or write is not None):
        raise CdulEdgeError(
            "--fit-pictures and --write-thresholds go with --fit-thresholds RULE, such as f1"
        )
    return None if rule is None else ThresholdRule.parse(rule)


def _decide(
    found: ScoredPictures,
    labels: Truth,
    *,
    threshold: str | None,
    rule: ThresholdRule | None,
    pictures: int | None,
    seed: int,
) -> Decided:
    from cdul_edge_calibration.thresholds import fit_thresholds

    count = len(found.paths)
    if threshold is not None:
        given = read_given(threshold, found.classes)
        return Decided(given, labels, count, {"rule": "given", "threshold": threshold})
    if rule is None:
        return Decided(found.thresholds, labels, count, {"rule": "own"})
    fitted = fit_thresholds(found.scores, labels, rule, pictures=pictures, seed=seed)
    say_never(fitted.values, found.classes)
    origin = {"rule": str(rule), "pictures": fitted.pictures, "in_sample": fitted.in_sample}
    if pictures is not None:
        origin, count = {**origin, "seed": seed}, count - pictures
    return Decided(fitted.values, fitted.truth, count, origin)


def _details(found: ScoredPictures, decided: Decided) -> dict[str, Any]:
    """What stands in the JSON only: every threshold, and the labels' quality.

    Scores outside [0, 1] are no soft labels: their quality is None.
    """
    from cdul_edge.labels.quality import measure_label_quality
    from cdul_edge_runtime.bundle.thresholds import thresholds_to_json

    values = dict(zip(found.classes, thresholds_to_json(decided.thresholds), strict=True))
    soft = bool(((found.scores >= 0) & (found.scores <= 1)).all())
    quality = measure_label_quality(found.scores, decided.truth, found.classes) if soft else None
    return {
        "thresholds": {**decided.origin, "values": values},
        "label_quality": quality and quality.to_dict(),
    }
