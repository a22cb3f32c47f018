"""What calibration learns from pictures: ranges, and the FP32 scores to compare with."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
import numpy.typing as npt

from cdul_edge_calibration.accuracy import score_batches
from cdul_edge_calibration.data.calibration_record import (
    CalibrationKey,
    CalibrationRecord,
    pool_digest,
    portable_name,
)
from cdul_edge_calibration.data.pictures import (
    FEW,
    PER_CLASS,
    Choice,
    PreparedPictures,
    choose_pictures,
    prepare_pictures,
)
from cdul_edge_calibration.data.ranges import clip_ranges, measure_ranges
from cdul_edge_calibration.data.representative import (
    REFUSE_ABOVE,
    WARN_ABOVE,
    same_labels,
    share_beyond,
)
from cdul_edge_calibration.graphs.means import measure_means
from cdul_edge_calibration.request import CalibrateRequest
from cdul_edge_runtime.bundle.bundle import Bundle, Reference
from cdul_edge_runtime.classifier import Classifier
from cdul_edge_runtime.errors import CdulEdgeError
from cdul_edge_runtime.host.console import Console
from cdul_edge_runtime.host.files import sha256_file
from cdul_edge_runtime.pictures.images import PictureList

_SHOWN = 3  # unreadable pictures that are named; the rest are counted


@dataclass(frozen=True)
class Collected:
    """All that making and judging a reduced precision needs.

    Attributes:
        record: pictures, digests and ranges.
        check: inputs to measure accuracy on.
        fp32_scores: (N, C) of those.
        reference: the bundle's own pictures, with PyTorch's scores.
        foreign: why the pictures do not represent the training pictures; None where they do.
    """

    record: CalibrationRecord
    check: PreparedPictures
    fp32_scores: npt.NDArray[np.float32]
    reference: Reference
    foreign: str | None


def collect(
    bundle: Bundle,
    pool: PictureList,
    check: PictureList | None,
    request: CalibrateRequest,
    folder: Path,
    console: Console,
) -> Collected:
    """Choose pictures and measure ranges, or take both from the bundle's last calibration.

    Args:
        check: pictures to measure accuracy on; None takes some of the pool that ranges do not come
            from.
        folder: where inputs are kept while they are needed.

    Raises:
        CdulEdgeError: no picture can be read, or they are not like the training pictures.
    """
    key = CalibrationKey(
        source_sha256=bundle.fp32_sha256,
        pool_sha256=pool_digest(pool),
        method=request.method,
        seed=request.seed,
        count=request.count,
        check_count=request.check_count if check is None else 0,
    )
    record = CalibrationRecord.read(bundle.folder)
    if record is not None and record.fits(key, pool):
        console.say(
            "the same pictures of the same model: the ranges of the last calibration are kept"
        )
        foreign = _refuse_foreign(bundle, pool, record, request, console)
        prepared = None
    else:
        record, prepared = _calibrate(bundle, pool, key, folder, console)
        foreign = _refuse_foreign(bundle, pool, record, request, console)
        record.write(bundle.folder)
    if check is not None:
        prepared = _other_pictures(bundle, check, request, folder, console)
    elif prepared is None:
        paths = record.checked_paths(pool)
        prepared, _ = prepare_pictures(pool, paths, bundle.manifest.preprocess, folder / "old.bin")
    if check is None and not record.check_is_separate:
        console.warn(
            f"{len(pool)} pictures leave none to check on: accuracy is measured on the calibration "
            "pictures themselves and looks better than it is; give more, or --check-images"
        )
    with console.progress("scoring in FP32", len(prepared)) as advance:
        scores, _ = score_batches(bundle.model_path(), prepared.batches(advance))
    return Collected(record, prepared, scores, bundle.reference(), foreign)


def _calibrate(
    bundle: Bundle,
    pool: PictureList,
    key: CalibrationKey,
    folder: Path,
    console: Console,
) -> tuple[CalibrationRecord, PreparedPictures]:
    with Classifier.load(bundle, device="cpu", precision="fp32") as classifier:
        choice = choose_pictures(
            classifier,
            pool,
            count=key.count,
            check_count=key.check_count,
            seed=key.seed,
            folder=folder,
            console=console,
        )
    _report_choice(choice, console)
    calibration, model = choice.calibration, bundle.model_path()
    with console.progress("ranges", len(calibration)) as advance:
        extremes = measure_ranges(model, lambda: calibration.batches(advance))
    ranges = extremes
    if key.method == "percentile":
        with console.progress("ranges, percentiles", len(calibration)) as advance:
            ranges = clip_ranges(model, lambda: calibration.batches(advance), extremes)
    means = measure_means(model, calibration.batches())
    separate = choice.check_is_separate
    record = CalibrationRecord(
        key=key,
        calibration=_digests(calibration),
        check=_digests(choice.check) if separate else {},
        check_is_separate=separate,
        predicted=choice.predicted,
        extremes=extremes,
        ranges=ranges,
        means=means,
    )
    return record, choice.check


def _digests(pictures: PreparedPictures) -> dict[str, str]:
    """The SHA-256 of each file by the name that the bundle gives it."""
    names = map(portable_name, pictures.paths)
    return dict(zip(names, pictures.digests, strict=True))


def _other_pictures(
    bundle: Bundle, pictures: PictureList, request: CalibrateRequest, folder: Path, console: Console
) -> PreparedPictures:
    """A seeded choice of the pictures that were given to check on."""
    order = np.random.default_rng(request.seed).permutation(len(pictures)).tolist()
    paths = list(islice(_without_copies(pictures, order), request.check_count))
    prepared, unreadable = prepare_pictures(
        pictures, paths, bundle.manifest.preprocess, folder / "given.bin"
    )
    if not len(prepared):
        raise CdulEdgeError(f"no picture to check on can be read (the first: {unreadable[0]})")
    for error in unreadable[:_SHOWN]:
        console.say(f"skipped {error}")
    return prepared


def _without_copies(pictures: PictureList, order: Sequence[int]) -> Iterator[str]:
    """Paths in this order; of files with the same bytes the first: copies are no further proof."""
    known: set[str] = set()
    for index in order:
        file = pictures.absolute(index)
        digest = sha256_file(file) if file.is_file() else str(file)
        if digest not in known:
            known.add(digest)
            yield pictures.paths[index]


def _refuse_foreign(
    bundle: Bundle,
    pool: PictureList,
    record: CalibrationRecord,
    request: CalibrateRequest,
    console: Console,
) -> str | None:
    """Refuse pictures that are not like the training pictures; with `force`, warn, and say why."""
    reference, classes = bundle.reference(), bundle.manifest.classes
    own = measure_ranges(bundle.model_path(), lambda: iter([reference.inputs]))
    share = share_beyond(own, record.extremes)
    unseen = (
        f"{share:.0%} of the tensors take values on the bundle's {len(reference.inputs)} reference "
        "pictures that they do not take on these"
    )
    reason = same_labels(record.predicted, len(record.calibration))
    decisions = (reference.scores >= bundle.manifest.thresholds).sum(axis=0).tolist()
    if reason and same_labels(dict(zip(classes, decisions, strict=True)), len(reference.inputs)):
        # The training pictures are no better: it is the model, or its thresholds.
        console.warn(f"{reason}, nor in the reference pictures: no decision can be seen to flip")
        reason = None
    if reason is None and share <= REFUSE_ABOVE:
        if share > WARN_ABOVE:
            console.warn(f"{unseen}, and are clipped there: give more calibration pictures")
        return None
    fault = (
        f"the {len(pool)} calibration pictures under {pool.root} do not represent the training "
        f"pictures: {reason or unseen}"
    )
    if not request.force:
        raise CdulEdgeError(
            f"{fault}; give more pictures like those that the model was trained on with --images, "
            "or calibrate anyway with --force"
        )
    console.warn(fault)
    return fault


def _report_choice(choice: Choice, console: Console) -> None:
    for error in choice.unreadable[:_SHOWN]:
        console.say(f"skipped {error}")
    if len(choice.unreadable) > _SHOWN:
        console.say(f"skipped {len(choice.unreadable)} unreadable pictures in all")
    if choice.copies:
        console.say(f"left out {choice.copies} pictures that are copies of others")
    count = len(choice.calibration)
    if count < FEW:
        console.warn(
            f"{count} calibration pictures: values that they do not show are clipped on the "
            f"device, and scores may be wrong there; give at least {FEW}, better 512"
        )
    rare = {name: seen for name, seen in choice.predicted.items() if seen < PER_CLASS}
    if rare:
        listed = ", ".join(f"{name} ({seen})" for name, seen in rare.items())
        console.warn(
            f"predicted in fewer than {PER_CLASS} calibration pictures: {listed}; "
            "their ranges may be too narrow"
        )
