"""From a finished training run to a bundle: training, calibration and export wired together."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from cdul_edge.training.run_folder import TrainedRun, load_run
from cdul_edge_calibration.threshold_rules import ThresholdRule, choose_thresholds
from cdul_edge_export.bundle_export import PARITY_LIMIT, ExportRequest, ExportResult, export
from cdul_edge_export.deploy import score_pictures
from cdul_edge_export.reference import REFERENCE_COUNT, choose_reference
from cdul_edge_runtime.bundle.classes import name_some
from cdul_edge_runtime.bundle.folder_kind import BUNDLE_FOLDER
from cdul_edge_runtime.bundle.thresholds import read_thresholds
from cdul_edge_runtime.errors import CdulEdgeError
from cdul_edge_runtime.host.console import Console, LibraryConsole
from cdul_edge_runtime.host.files import refuse_existing
from cdul_edge_runtime.metrics.truth import read_truth
from cdul_edge_runtime.pictures.images import find_images


@dataclass(frozen=True)
class ExportRunRequest:
    """A finished run to export.

    Attributes:
        run: folder of a finished training run.
        out: the bundle's folder.
        thresholds: "run" (as the run found them without labels); "f1", "precision=P" or
            "recall=R", chosen on `images` with `truth`; "rate=R", chosen on `images` alone; or a
            JSON file {class: threshold, or null for never}.
        images: pictures to choose thresholds on.
        truth: what those show.
        reference: pictures to compare with PyTorch on; None is the run's own.
        reference_count: how many of them travel with the bundle, at most.
        parity_limit: largest absolute score difference to PyTorch.
        force: replace an existing bundle at `out`.

    Raises:
        CdulEdgeError: a rule of thresholds without what it is chosen on, or the other way round.
    """

    run: Path
    out: Path
    thresholds: str = "run"
    images: Path | None = None
    truth: Path | None = None
    reference: Path | None = None
    reference_count: int = REFERENCE_COUNT
    parity_limit: float = PARITY_LIMIT
    force: bool = False

    def __post_init__(self) -> None:
        rule = self.rule
        needs_truth = rule is not None and rule.needs_truth
        if bool(self.images) != bool(rule) or bool(self.truth) != needs_truth:
            raise CdulEdgeError(
                "--images and --truth go together, and with --thresholds f1, precision=P or "
                "recall=R (rate=R: --images alone): got --thresholds "
                f"{self.thresholds}, --images {self.images}, --truth {self.truth}"
            )

    @property
    def rule(self) -> ThresholdRule | None:
        """How thresholds are chosen on pictures; None where they are the run's or a file's."""
        if not ThresholdRule.is_meant(self.thresholds):
            return None
        return ThresholdRule.parse(self.thresholds)


def export_run(request: ExportRunRequest, console: Console | None = None) -> ExportResult:
    """Export a finished run to ONNX, compare it with PyTorch, and write a bundle.

    Args:
        request: which run, and how.
        console: where to say what was made and skipped; without one, only warnings are issued.

    Raises:
        CdulEdgeError: no finished run, no readable pictures, options that do not fit, or a graph
            whose scores are too far from PyTorch's.
    """
    console = console or LibraryConsole()
    inputs = [p for p in (request.run, request.images, request.truth, request.reference) if p]
    refuse_existing(request.out, BUNDLE_FOLDER, force=request.force, inputs=inputs)
    trained = load_run(request.run)
    pictures = find_images(request.reference) if request.reference else trained.pictures
    reference = choose_reference(pictures, trained.preprocess, request.reference_count)
    if reference.skipped:
        console.warn(
            f"{len(reference.skipped)} picture(s) cannot be read, such as {reference.skipped[0]}: "
            "others are the bundle's reference; name pictures that are there with --reference"
        )
    chosen = choose_run_thresholds(request, trained, console)
    return export(
        ExportRequest(
            network=trained.network,
            out=request.out,
            classes=trained.classes,
            preprocess=trained.preprocess,
            thresholds=chosen.values,
            reference=reference,
            provenance={"run": trained.provenance, "thresholds": chosen.origin},
            parity_limit=request.parity_limit,
            force=request.force,
            score_reference=trained.score_reference,
        ),
        console,
    )


@dataclass(frozen=True, eq=False)
class ChosenThresholds:
    """(C,) float32 thresholds, and where they came from, as plain values for the manifest."""

    values: npt.NDArray[np.float32]
    origin: dict[str, str | int]


def choose_run_thresholds(
    request: ExportRunRequest, trained: TrainedRun, console: Console
) -> ChosenThresholds:
    """The thresholds that a bundle of `trained` shall hold; see `ExportRunRequest.thresholds`.

    Raises:
        CdulEdgeError: a file that does not fit, or pictures or truth that cannot be read.
    """
    if request.rule is not None and request.images is not None:
        return _choose_on_pictures(request, request.rule, request.images, trained, console)
    if request.thresholds == "run":
        return ChosenThresholds(trained.thresholds, {"rule": "run"})
    file = Path(request.thresholds)
    values = read_thresholds(file, trained.classes)
    return ChosenThresholds(values, {"rule": "file", "file": file.name})


def _choose_on_pictures(
    request: ExportRunRequest,
    rule: ThresholdRule,
    images: Path,
    trained: TrainedRun,
    console: Console,
) -> ChosenThresholds:
    table = read_truth(request.truth) if request.truth else None
    pictures = find_images(images)
    scores, paths, unreadable = score_pictures(trained.network, trained.preprocess, pictures)
    labels = table.for_paths(paths, trained.classes, pictures.root) if table else None
    values = choose_thresholds(scores, labels, rule)
    for error in unreadable:
        console.warn(f"skipped {error}")
    never = [name for name, value in zip(trained.classes, values, strict=True) if value > 1]
    if never:
        console.warn(f"no threshold does what was asked, so never predicted: {name_some(never)}")
    origin: dict[str, str | int] = {"rule": request.thresholds, "pictures": len(paths)}
    if request.truth:
        origin["truth"] = request.truth.name
    return ChosenThresholds(values, origin)
