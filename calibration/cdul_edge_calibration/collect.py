"""What calibration learns from pictures: ranges, and the FP32 scores to compare with."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from cdul_edge_calibration.accuracy import score_batches
from cdul_edge_calibration.console import Talk
from cdul_edge_calibration.data.calibration_record import (
    CalibrationKey,
    CalibrationRecord,
    pool_digest,
)
from cdul_edge_calibration.data.pictures import (
    FEW,
    PER_CLASS,
    Choice,
    PreparedPictures,
    choose_pictures,
    prepare_pictures,
)
from cdul_edge_calibration.data.ranges import Method, clip_ranges, measure_ranges
from cdul_edge_calibration.settings import CalibrationSettings, Check
from cdul_edge_runtime.bundle.bundle import Bundle
from cdul_edge_runtime.classifier import Classifier
from cdul_edge_runtime.errors import CdulEdgeError
from cdul_edge_runtime.pictures.images import PictureList

_SHOWN = 3  # unreadable pictures that are named; the rest are counted


@dataclass(frozen=True)
class Collected:
    """All that making and judging a reduced precision needs.

    Attributes:
        record: pictures, digests and ranges.
        check: inputs to measure accuracy on.
        fp32_scores: (N, C) of those.
        against: what ran them.
    """

    record: CalibrationRecord
    check: PreparedPictures
    fp32_scores: npt.NDArray[np.float32]
    against: str


def collect(
    bundle: Bundle,
    pool: PictureList,
    settings: CalibrationSettings,
    check: Check,
    folder: Path,
    talk: Talk,
) -> Collected:
    """Choose pictures and measure ranges, or take both from the bundle's last calibration.

    Args:
        folder: where inputs are kept while they are needed.

    Raises:
        CdulEdgeError: no picture can be read.
    """
    key = CalibrationKey(
        source_sha256=bundle.fp32_sha256,
        pool_sha256=pool_digest(pool),
        method=settings.method,
        seed=settings.seed,
        count=settings.count,
        check_count=settings.check_count if check.pictures is None else 0,
    )
    record = CalibrationRecord.read(bundle.folder)
    if record is not None and record.fits(key, pool):
        talk.say("the same pictures of the same model: the ranges of the last calibration are kept")
        prepared = None
    else:
        record, prepared = _calibrate(bundle, pool, key, folder, talk)
        record.write(bundle.folder)
    if check.pictures is not None:
        prepared = _other_pictures(bundle, check.pictures, settings, folder, talk)
    elif prepared is None:
        paths = list(record.check or record.calibration)
        prepared, _ = prepare_pictures(pool, paths, bundle.manifest.preprocess, folder / "old.bin")
    if check.pictures is None and not record.check_is_separate:
        talk.warn(
            f"{len(pool)} pictures leave none to check on: accuracy is measured on the calibration "
            "pictures themselves and looks better than it is; give more, or --check-images"
        )
    with talk.progress("scoring in FP32", len(prepared)) as advance:
        scores, against = score_batches(bundle.model_path(), prepared.batches(advance))
    return Collected(record, prepared, scores, against)


def _calibrate(
    bundle: Bundle, pool: PictureList, key: CalibrationKey, folder: Path, talk: Talk
) -> tuple[CalibrationRecord, PreparedPictures]:
    with Classifier.load(bundle, device="cpu", precision="fp32") as classifier:
        choice = choose_pictures(
            classifier,
            pool,
            count=key.count,
            check_count=key.check_count,
            seed=key.seed,
            folder=folder,
            talk=talk,
        )
    _report_choice(choice, talk)
    calibration, model = choice.calibration, bundle.model_path()
    with talk.progress("ranges", len(calibration)) as advance:
        extremes = measure_ranges(model, lambda: calibration.batches(advance))
    ranges = extremes
    if key.method is Method.PERCENTILE:
        with talk.progress("ranges, percentiles", len(calibration)) as advance:
            ranges = clip_ranges(model, lambda: calibration.batches(advance), extremes)
    separate = choice.check_is_separate
    record = CalibrationRecord(
        key=key,
        calibration=dict(zip(calibration.paths, calibration.digests, strict=True)),
        check=dict(zip(choice.check.paths, choice.check.digests, strict=True)) if separate else {},
        check_is_separate=separate,
        predicted=choice.predicted,
        extremes=extremes,
        ranges=ranges,
    )
    return record, choice.check


def _other_pictures(
    bundle: Bundle, pictures: PictureList, settings: CalibrationSettings, folder: Path, talk: Talk
) -> PreparedPictures:
    """A seeded choice of the pictures that were given to check on."""
    order = np.random.default_rng(settings.seed).permutation(len(pictures))
    paths = [pictures.paths[index] for index in order[: settings.check_count]]
    prepared, unreadable = prepare_pictures(
        pictures, paths, bundle.manifest.preprocess, folder / "given.bin"
    )
    if not len(prepared):
        raise CdulEdgeError(f"no picture to check on can be read (the first: {unreadable[0]})")
    for error in unreadable[:_SHOWN]:
        talk.say(f"skipped {error}")
    return prepared


def _report_choice(choice: Choice, talk: Talk) -> None:
    for error in choice.unreadable[:_SHOWN]:
        talk.say(f"skipped {error}")
    if len(choice.unreadable) > _SHOWN:
        talk.say(f"skipped {len(choice.unreadable)} unreadable pictures in all")
    count = len(choice.calibration)
    if count < FEW:
        talk.warn(
            f"{count} calibration pictures: values that they do not show are clipped on the "
            f"device, and scores may be wrong there; give at least {FEW}, better 512"
        )
    rare = {name: seen for name, seen in choice.predicted.items() if seen < PER_CLASS}
    if rare:
        listed = ", ".join(f"{name} ({seen})" for name, seen in rare.items())
        talk.warn(
            f"predicted in fewer than {PER_CLASS} calibration pictures: {listed}; "
            "their ranges may be too narrow"
        )
