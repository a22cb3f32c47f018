"""`cdul-edge evaluate`: pseudo-labels or predictions against ground truth, or without any."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cdul_edge.cli.options.scores import ScoresArgument
from cdul_edge.cli.options.thresholds import THRESHOLD_HELP, parse_threshold
from cdul_edge.cli.output.result_console import result_console
from cdul_edge.cli.output.summary import write_summary
from cdul_edge.cli.output.tables.evaluate import say_origin, show_report
from cdul_edge.storage.location import parse_location
from cdul_edge_runtime.choices import ApConvention, Difficult
from cdul_edge_runtime.errors import CdulEdgeError
from cdul_edge_runtime.host.console import StderrConsole

TruthOption = Annotated[
    Path | None,
    typer.Option(
        help="What the pictures show: CSV, VOC folder, COCO JSON, or NPZ. Without it, precision, "
        "recall and F1 are estimated from the scores."
    ),
]
SampledOption = Annotated[
    Path | None,
    typer.Option(
        metavar="SHEET",
        help="What people answered: the CSV that `cdul-edge sample` drew from these scores, in "
        "place of --truth.",
    ),
]
ImagesOption = Annotated[
    Path | None,
    typer.Option(help="With --sampled: the folder or list that `sample` got as --images."),
]
ThresholdOption = Annotated[
    str | None,
    typer.Option(help=f"{THRESHOLD_HELP}. It replaces the thresholds that came with the scores."),
]
ApOption = Annotated[
    ApConvention,
    typer.Option(
        help="Convention of average precision: area under the precision-recall steps, or one of "
        "PASCAL VOC's two."
    ),
]
DifficultOption = Annotated[
    Difficult,
    typer.Option(help="Count VOC's difficult objects as this."),
]
FitOption = Annotated[
    str | None,
    typer.Option(
        metavar="RULE",
        help="Choose thresholds by a rule: f1, precision=P or recall=R on the truth, or rate=R on "
        "the scores alone.",
    ),
]
FitPicturesOption = Annotated[
    int | None,
    typer.Option(
        help="Choose thresholds on this many pictures, drawn at random, and report on the others.",
        min=1,
    ),
]
SeedOption = Annotated[int, typer.Option(help="Seed of the draw of --fit-pictures.", min=0)]
WriteOption = Annotated[
    Path | None,
    typer.Option(metavar="FILE", help="Write the chosen thresholds to this JSON file."),
]
ForceOption = Annotated[
    bool, typer.Option("--force", help="Replace the file of --write-thresholds.")
]
JsonOption = Annotated[
    Path | None, typer.Option(help="Write the report as JSON to this file; - is stdout.")
]


def evaluate(
    scores: ScoresArgument,
    truth: TruthOption = None,
    sampled: SampledOption = None,
    images: ImagesOption = None,
    threshold: ThresholdOption = None,
    ap: ApOption = "area",
    difficult: DifficultOption = "negative",
    fit_thresholds: FitOption = None,
    fit_pictures: FitPicturesOption = None,
    seed: SeedOption = 0,
    write_thresholds: WriteOption = None,
    force: ForceOption = False,
    json: JsonOption = None,
) -> None:
    """Compare scores with truth: AP by class, mAP, CF1, OF1, Hamming, calibration; in percent.

    Without --truth, estimate what they are worth from answers to a sample of questions (--sampled),
    or from the scores themselves.
    """
    _refuse_beside_sampled(truth, sampled, images)
    if truth is None:
        _refuse_without_truth(
            {
                "--ap": ap != "area",
                "--difficult": difficult != "negative",
                "--fit-thresholds": fit_thresholds is not None,
                "--fit-pictures": fit_pictures is not None,
                "--write-thresholds": write_thresholds is not None,
            }
        )
        if sampled is None:
            _estimate(scores, threshold, json)
        else:
            _evaluate_sample(scores, sampled, images, threshold, json)
        return
    from cdul_edge.front.evaluation import EvaluateRequest
    from cdul_edge.front.evaluation import evaluate as evaluate_files

    request = EvaluateRequest(
        scores=parse_location(scores),
        truth=truth,
        threshold=None if threshold is None else parse_threshold(threshold),
        ap=ap,
        difficult=difficult,
        fit_thresholds=fit_thresholds,
        fit_pictures=fit_pictures,
        seed=seed,
        write_thresholds=write_thresholds,
        force=force,
    )
    result = evaluate_files(request, StderrConsole())
    console = result_console(to_stderr=str(json) == "-")
    show_report(result.report, result.pictures, console)
    say_origin(result.origin, console)
    if json is not None:
        write_summary(json, result.to_dict())


def _refuse_beside_sampled(truth: Path | None, sampled: Path | None, images: Path | None) -> None:
    if truth is not None and sampled is not None:
        raise CdulEdgeError("--truth and --sampled exclude each other: give one of them")
    if images is not None and sampled is None:
        raise CdulEdgeError("--images goes with --sampled: the scores name their pictures")


def _refuse_without_truth(options: dict[str, bool]) -> None:
    given = [name for name, is_given in options.items() if is_given]
    if given:
        raise CdulEdgeError(f"{', '.join(given)} cannot be used without --truth: give the truth")


def _evaluate_sample(
    scores: str, sampled: Path, images: Path | None, threshold: str | None, json: Path | None
) -> None:
    from cdul_edge.cli.output.tables.sampled import show_sampled
    from cdul_edge.front.sampled_evaluation import SampledRequest, evaluate_sample

    chosen = None if threshold is None else parse_threshold(threshold)
    result = evaluate_sample(SampledRequest(parse_location(scores), sampled, chosen, images))
    show_sampled(result, result_console(to_stderr=str(json) == "-"))
    if json is not None:
        write_summary(json, result.to_dict())


def _estimate(scores: str, threshold: str | None, json: Path | None) -> None:
    from cdul_edge.cli.output.tables.estimate import show_estimate
    from cdul_edge.front.estimation import ASSUMPTIONS, EstimateRequest, estimate

    chosen = None if threshold is None else parse_threshold(threshold)
    result = estimate(EstimateRequest(parse_location(scores), chosen), StderrConsole())
    show_estimate(result.report, ASSUMPTIONS, result_console(to_stderr=str(json) == "-"))
    if json is not None:
        write_summary(json, result.to_dict())
