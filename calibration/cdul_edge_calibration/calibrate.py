"""From a bundle's FP32 file and pictures to FP16 and INT8 files that hold an accuracy budget."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import numpy.typing as npt
import onnx

from cdul_edge_calibration.accuracy import SOFT_TRUTH
from cdul_edge_calibration.collect import Collected, collect
from cdul_edge_calibration.console import Talk
from cdul_edge_calibration.data.pictures import BATCH
from cdul_edge_calibration.graphs.layers import list_layers, name_nodes
from cdul_edge_calibration.precisions import Maker, Outcome
from cdul_edge_calibration.sensitivity import PICTURES, LayerSensitivity, measure_sensitivity
from cdul_edge_calibration.settings import CalibrationSettings, Check
from cdul_edge_runtime.bundle.bundle import Bundle
from cdul_edge_runtime.bundle.manifest import PROGRAM, Precision, program_version
from cdul_edge_runtime.errors import CdulEdgeError
from cdul_edge_runtime.host.files import write_json
from cdul_edge_runtime.pictures.images import PictureList

SENSITIVITY = "sensitivity.json"


def calibrate_bundle(
    bundle: Bundle,
    pool: PictureList,
    settings: CalibrationSettings,
    *,
    check: Check | None = None,
    talk: Talk | None = None,
) -> tuple[Outcome, ...]:
    """Make the bundle's reduced precisions, each with a record of what it costs.

    A file is written when it holds the budget, or with `force`; the others are reported. An
    interrupted calibration goes on from its ranges, which are kept in calibration.json.

    Args:
        bundle: its FP32 file is the source; files are only added.
        pool: unlabelled pictures of the kind that the device will see, such as the training pool.
        check: other pictures to measure accuracy on, and truth.

    Raises:
        CdulEdgeError: a precision exists and `force` is not set, or no picture can be read.
    """
    check, talk = check or Check(), talk or Talk()
    _refuse_existing(bundle, settings)
    with TemporaryDirectory(prefix="cdul-edge-") as temporary:
        collected = collect(bundle, pool, settings, check, Path(temporary), talk)
        model = onnx.load(bundle.model_path())
        name_nodes(model)
        maker = Maker(
            bundle=bundle,
            model=model,
            collected=collected,
            truth=_truth(bundle, collected, check),
            truth_name=check.truth_name if check.truth else SOFT_TRUTH,
            ranked=_rank_layers(bundle, model, collected, settings, talk),
            settings=settings,
            folder=Path(temporary),
            talk=talk,
        )
        return tuple(maker.make(precision) for precision in settings.precisions)


def _refuse_existing(bundle: Bundle, settings: CalibrationSettings) -> None:
    there = [p for p in settings.precisions if (bundle.folder / p.record_name).is_file()]
    if there and not settings.force:
        names = ", ".join(precision.file_name for precision in there)
        raise CdulEdgeError(f"{bundle.folder} has {names}: replace them with --force")


def _truth(bundle: Bundle, collected: Collected, check: Check) -> npt.NDArray[np.int8] | None:
    if check.truth is None:
        return None
    root = check.pictures.root if check.pictures is not None else None
    truth = check.truth.for_paths(collected.check.paths, bundle.manifest.classes, root)
    if not (truth == 1).any():
        raise CdulEdgeError(
            f"{check.truth_name} has no positive among the {len(truth)} pictures to check on: "
            "mAP means nothing there; name others with --check-images"
        )
    return truth


def _rank_layers(
    bundle: Bundle,
    model: onnx.ModelProto,
    collected: Collected,
    settings: CalibrationSettings,
    talk: Talk,
) -> Sequence[LayerSensitivity]:
    """Measure how sensitive layers are, and keep the table in the bundle."""
    if settings.precisions == (Precision.FP16,):
        return ()
    batches = islice(collected.check.batches(), -(-PICTURES // BATCH))
    inputs = np.concatenate(list(batches))[:PICTURES]
    layers = sum(layer.kind == "Conv" for layer in list_layers(model))
    with talk.progress("sensitivity of layers", layers) as advance:
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
