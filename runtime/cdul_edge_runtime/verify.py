"""Does this bundle, on this machine, say what PyTorch said? Needs no PyTorch."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from cdul_edge_runtime.bulk import predict_files
from cdul_edge_runtime.bundle import MANIFEST, Bundle, Reference
from cdul_edge_runtime.classifier import Classifier
from cdul_edge_runtime.errors import CdulEdgeError, ImageError
from cdul_edge_runtime.files import sha256_file
from cdul_edge_runtime.images import PictureList
from cdul_edge_runtime.latency import Latency, measure_latency
from cdul_edge_runtime.machine import describe_machine, installed_versions, peak_memory_mib
from cdul_edge_runtime.manifest import Parity, program_version
from cdul_edge_runtime.metrics import MetricsReport, Truth, evaluate_scores

FRAME = (1280, 720)  # width and height of the picture that the end-to-end latency starts from
_BUDGET_S = 10.0

Scores = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Check:
    """One figure with its limit; `passed` is false for NaN too."""

    name: str
    value: float
    limit: float

    @property
    def passed(self) -> bool:
        return bool(self.value <= self.limit)


@dataclass(frozen=True)
class VerifyReport:
    """What was measured, against which limits.

    Attributes:
        bundle, manifest_sha256: what was verified.
        backend: what ran it.
        checks: figures that must hold.
        mean_error: mean absolute score difference to PyTorch.
        worst_picture: the reference picture with the largest difference.
        borderline: decisions that differ because PyTorch's score lies within the parity limit of
            its threshold; they are not held against the bundle.
        map_reference: mAP in percent of these scores with PyTorch's decisions as truth.
        pictures: counts and metrics of the given pictures.
        latency: "network" for one input, "end_to_end" for one 1280x720 frame, resize included.
        peak_memory_mib: largest resident size of this process.
    """

    bundle: str
    manifest_sha256: str
    backend: str
    checks: tuple[Check, ...]
    mean_error: float
    worst_picture: str
    borderline: int
    map_reference: float | None
    latency: dict[str, Latency]
    peak_memory_mib: float | None
    pictures: dict[str, Any] = field(default_factory=dict)

    @property
    def passed(self) -> bool:
        """Whether every check holds."""
        return all(check.passed for check in self.checks)

    def to_dict(self) -> dict[str, Any]:
        """Plain values for verify.json, with the machine they were measured on."""
        checks = [
            {**asdict(check), "value": _finite(check.value), "passed": check.passed}
            for check in self.checks
        ]
        about = {"format": 1, "program": "cdul-edge", "version": program_version()}
        return {
            **about,
            "stage": "verify",
            "passed": self.passed,
            **asdict(self),
            "mean_error": _finite(self.mean_error),
            "checks": checks,
            "machine": describe_machine(),
            "versions": installed_versions("numpy", "pillow", "onnxruntime"),
        }


def verify_bundle(
    bundle: Bundle,
    classifier: Classifier,
    *,
    pictures: PictureList | None = None,
    truth: Truth | None = None,
    repeats: int = 200,
) -> VerifyReport:
    """Repeat the reference, test the graph against itself, time it, and measure it on pictures.

    Args:
        bundle: what `classifier` was loaded from.
        classifier: loaded on the device and with the threads that shall be verified.
        pictures: pictures to classify in addition.
        truth: (N, C) int8 of those pictures, -1 unknown; never looked at without them.
        repeats: timed calls, fewer where ten seconds do not hold them.

    Raises:
        BundleError: there is no reference, or it does not fit.
        CdulEdgeError: none of the pictures can be read.
    """
    reference, parity = bundle.reference(), bundle.manifest.parity
    infer = classifier.backend.infer
    scores = infer(reference.inputs)
    error = np.abs(scores - reference.scores)
    flipped, borderline = _flips(scores, reference, classifier.thresholds, parity)
    checks = (
        Check("largest score difference to PyTorch", float(error.max()), parity.limit),
        Check("decisions that flip, percent", 100 * float(flipped.mean()), 0.0),
        Check(
            "one by one against a batch", _one_by_one(classifier, reference, scores), parity.limit
        ),
        Check("rows in another order", _permuted(classifier, reference, scores), parity.limit),
        Check(
            "the same batch again",
            float(np.abs(infer(reference.inputs) - scores).max()),
            parity.limit,
        ),
    )
    return VerifyReport(
        bundle=str(bundle.folder),
        manifest_sha256=sha256_file(bundle.folder / MANIFEST),
        backend=classifier.backend.name,
        checks=checks,
        mean_error=float(error.mean()),
        worst_picture=reference.names[int(error.max(axis=1).argmax())],
        borderline=int(borderline.sum()),
        map_reference=_map_against(scores, reference, classifier),
        pictures=measure_pictures(classifier, pictures, truth) if pictures else {},
        latency=_latency(classifier, reference, repeats),
        peak_memory_mib=peak_memory_mib(),
    )


def measure_pictures(
    classifier: Classifier, pictures: PictureList, truth: Truth | None
) -> dict[str, Any]:
    """Classify pictures and compare with truth where it is given; plain values."""
    rows, scores, unreadable = [], [], []
    paths = (str(pictures.absolute(i)) for i in range(len(pictures)))
    for row, (path, outcome) in enumerate(predict_files(classifier, paths)):
        if isinstance(outcome, ImageError):
            unreadable.append({"path": path, "error": outcome.reason})
        else:
            rows.append(row)
            scores.append(outcome.scores)
    if not scores:
        raise CdulEdgeError(
            f"none of the {len(pictures)} pictures can be read (the first: "
            f"{unreadable[0]['path']} {unreadable[0]['error']})"
        )
    table = np.stack(scores)
    labels = (table >= classifier.thresholds).sum(axis=1).mean()
    result = {"count": len(rows), "unreadable": unreadable, "labels_per_picture": float(labels)}
    if truth is not None:
        result["metrics"] = _measure(table, truth[rows], classifier).to_dict()
    return result


def _measure(scores: Scores, truth: Truth, classifier: Classifier) -> MetricsReport:
    return evaluate_scores(scores, truth, classifier.classes, classifier.thresholds)


def _flips(
    scores: Scores, reference: Reference, thresholds: Scores, parity: Parity
) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.bool_]]:
    """Decisions that differ: clearly, and within the parity limit of the threshold."""
    flipped = (scores >= thresholds) != (reference.scores >= thresholds)
    near = np.abs(reference.scores - thresholds) <= parity.limit
    return flipped & ~near, flipped & near


def _one_by_one(classifier: Classifier, reference: Reference, scores: Scores) -> float:
    single = [classifier.backend.infer(image[np.newaxis])[0] for image in reference.inputs]
    return float(np.abs(np.stack(single) - scores).max())


def _permuted(classifier: Classifier, reference: Reference, scores: Scores) -> float:
    """A picture's scores may not depend on its neighbours in the batch."""
    order = np.random.default_rng(0).permutation(len(scores))
    return float(np.abs(classifier.backend.infer(reference.inputs[order]) - scores[order]).max())


def _map_against(scores: Scores, reference: Reference, classifier: Classifier) -> float | None:
    decisions = (reference.scores >= classifier.thresholds).astype(np.int8)
    return _measure(scores, decisions, classifier).to_dict()["map"]  # type: ignore[no-any-return]


def _latency(classifier: Classifier, reference: Reference, repeats: int) -> dict[str, Latency]:
    first = np.ascontiguousarray(reference.inputs[:1])
    frame = np.asarray(Image.fromarray(first[0]).resize(FRAME))
    calls = {
        "network": lambda: classifier.backend.infer(first),
        "end_to_end": lambda: classifier.predict(frame),
    }
    return measure_latency(calls, repeats=repeats, budget_s=_BUDGET_S)


def default_report_path(bundle: Path) -> Path:
    """Where verify.json lands unless told: beside the bundle, which no stage changes."""
    return bundle.resolve().with_name(f"{bundle.resolve().name}-verify.json")


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
