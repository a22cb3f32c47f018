"""From a bundle's FP32 file and pictures to FP16 and INT8 files that hold an accuracy budget."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import numpy.typing as npt
import onnx

from cdul_edge_calibration.accuracy import SOFT_TRUTH, open_on_cpu
from cdul_edge_calibration.collect import Collected, collect
from cdul_edge_calibration.data.pictures import BATCH
from cdul_edge_calibration.graphs.layers import list_layers, name_nodes
from cdul_edge_calibration.precisions import Maker, PrecisionOutcome
from cdul_edge_calibration.request import CalibrateRequest
from cdul_edge_calibration.sensitivity import PICTURES, LayerSensitivity, measure_sensitivity
from cdul_edge_runtime.bundle.bundle import Bundle
from cdul_edge_runtime.bundle.manifest import PROGRAM, Precision, program_version
from cdul_edge_runtime.bundle.verdict import Verdict, worst
from cdul_edge_runtime.errors import CdulEdgeError
from cdul_edge_runtime.host.console import Console, LibraryConsole
from cdul_edge_runtime.host.files import write_json
from cdul_edge_runtime.host.folder_lock import lock_folder
from cdul_edge_runtime.metrics.truth import TruthTable, read_truth
from cdul_edge_runtime.pictures.images import PictureList, find_images

SENSITIVITY = "sensitivity.json"


@dataclass(frozen=True)
class CalibrateResult:
    """What became of each precision.

    Attributes:
        bundle: the folder, with the new files in it.
        outcomes: one per precision, in the order in which they were asked for.
    """

    bundle: Path
    outcomes: tuple[PrecisionOutcome, ...]

    @property
    def verdict(self) -> Verdict:
        """The worst of the outcomes."""
        return worst(outcome.verdict for outcome in self.outcomes)

    @property
    def refused(self) -> tuple[PrecisionOutcome, ...]:
        """Those that break the budget and were not written."""
        return tuple(outcome for outcome in self.outcomes if outcome.record is None)


def calibrate(request: CalibrateRequest, console: Console | None = None) -> CalibrateResult:
    """Make the bundle's reduced precisions, each with a record of what it costs.

    A file is written unless it breaks the budget, or with `force`; the others are reported. An
    interrupted calibration goes on from its ranges, which are kept in calibration.json.

    Args:
        request: which bundle, pictures and budget.
        console: where progress and warnings go; without one, only warnings are issued.

    Raises:
        MissingExtraError: BF16 is asked for, and OpenVINO is not installed.
        CdulEdgeError: a precision exists and `force` is not set, this CPU does not compute in BF16
            where that is asked for, the bundle cannot be written to, another process calibrates it,
            no picture can be read, or the pictures are not of the kind that it was trained on.
    """
    console = console or LibraryConsole()
    bundle = Bundle.load(request.bundle)
    _refuse_existing(bundle, request)
    if Precision.BF16 in request.precisions:  # said now, and not after minutes of work
        open_on_cpu(bundle.model_path(), Precision.BF16).close()
    pool = _find(request.images or remembered_pictures(bundle))
    check = None if request.check_images is None else _find(request.check_images)
    truth = None if request.truth is None else read_truth(request.truth)
    with (
        lock_folder(bundle.folder, "calibrating"),
        TemporaryDirectory(prefix="cdul-edge-") as temporary,
    ):
        collected = collect(bundle, pool, check, request, Path(temporary), console)
        model = onnx.load(bundle.model_path())
        name_nodes(model)
        maker = Maker(
            bundle=bundle,
            model=model,
            collected=collected,
            truth=None
            if truth is None
            else _labels(bundle, collected, truth, (check or pool).root),
            truth_name=SOFT_TRUTH if request.truth is None else request.truth.name,
            ranked=_rank_layers(bundle, model, collected, request, console),
            request=request,
            folder=Path(temporary),
            console=console,
        )
        outcomes = tuple(maker.make(precision) for precision in request.precisions)
    return CalibrateResult(bundle.folder, outcomes)


def remembered_pictures(bundle: Bundle) -> Path:
    """The folder of the training pictures, which bundles of old versions remember.

    Raises:
        CdulEdgeError: the bundle does not say, or they are not on this machine.
    """
    root = bundle.manifest.provenance.get("pictures_root")
    if isinstance(root, str) and Path(root).is_dir():
        return Path(root)
    raise CdulEdgeError(
        f"{bundle.folder} does not say where its training pictures are: name a folder of pictures "
        "of the same kind with --images"
    )


def _find(images: Path | PictureList) -> PictureList:
    return images if isinstance(images, PictureList) else find_images(images)


def _refuse_existing(bundle: Bundle, request: CalibrateRequest) -> None:
    there = [p for p in request.precisions if (bundle.folder / p.record_name).is_file()]
    if there and not request.force:
        names = ", ".join(p.file_name if p.has_file else p.record_name for p in there)
        raise CdulEdgeError(f"{bundle.folder} has {names}: replace them with --force")
    if not os.access(bundle.folder, os.W_OK | os.X_OK):  # said now, and not after minutes of work
        raise CdulEdgeError(
            f"{bundle.folder} cannot be written to: copy the bundle to a writable folder, and "
            "calibrate it there"
        )


def _labels(
    bundle: Bundle, collected: Collected, table: TruthTable, root: Path
) -> npt.NDArray[np.int8]:
    """(N, C) labels of the pictures to check on, -1 where unknown."""
    labels = table.for_paths(collected.check.paths, bundle.manifest.classes, root)
    if not (labels == 1).any():
        raise CdulEdgeError(
            f"the truth has no positive among the {len(labels)} pictures to check on: "
            "mAP is undefined there; name others with --check-images"
        )
    return labels


def _rank_layers(
    bundle: Bundle,
    model: onnx.ModelProto,
    collected: Collected,
    request: CalibrateRequest,
    console: Console,
) -> Sequence[LayerSensitivity]:
    """Measure how sensitive layers are, and keep the table in the bundle."""
    if {Precision.INT8, Precision.INT8_CPU}.isdisjoint(request.precisions):
        return ()
    batches = islice(collected.check.batches(), -(-PICTURES // BATCH))
    inputs = np.concatenate(list(batches))[:PICTURES]
    layers = sum(layer.kind == "Conv" for layer in list_layers(model))
    with console.progress("sensitivity of layers", layers, unit="layers") as advance:
        ranked = measure_sensitivity(
            model, collected.record.ranges, inputs, bundle.manifest.thresholds, advance
        )
    about = {"format": 1, "program": PROGRAM, "version": program_version(), "stage": "sensitivity"}
    content = {
        **about,
        "source_sha256": bundle.fp32_sha256,
        "pictures": len(inputs),
        "layers": [asdict(row) for row in ranked],
    }
    write_json(bundle.folder / SENSITIVITY, content)
    return ranked
