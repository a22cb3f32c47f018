"""One device in one precision against PyTorch's stored scores: what is measured, and its limits."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np
import numpy.typing as npt

from cdul_edge_runtime.backends import Backend
from cdul_edge_runtime.bench.benchmark import Speed, measure_speed
from cdul_edge_runtime.bench.latency import Effort
from cdul_edge_runtime.bundle.bundle import Bundle, Reference
from cdul_edge_runtime.bundle.manifest import Precision
from cdul_edge_runtime.bundle.verdict import Interval, Verdict, worst
from cdul_edge_runtime.classifier import Classifier
from cdul_edge_runtime.host.json_record import finite_or_none
from cdul_edge_runtime.host.machine import peak_memory_mib
from cdul_edge_runtime.metrics.bootstrap import estimate_flip_rate
from cdul_edge_runtime.metrics.metrics import mean_average_precision
from cdul_edge_runtime.run_order import ACCURACY_ONLY
from cdul_edge_runtime.verify.check import Check, RowLimits, check_flips
from cdul_edge_runtime.verify.pictures import (
    PictureComparison,
    PictureTest,
    Scores,
    compare_pictures,
    count_strange,
    differences,
    find_flips,
)


@dataclass(frozen=True)
class VerifyRow:
    """What was measured of one device in one precision.

    Attributes:
        device: one of `DEVICES`, with the number of a GPU that is not the first, or "pytorch".
        backend: what ran it, with its version.
        accuracy_only: it is emulated and slow here, so its speed was not measured.
        checks: figures that must hold.
        max_error: largest absolute score difference to PyTorch on the reference pictures.
        mean_error: mean of those differences.
        worst_picture: the reference picture with the largest difference.
        flip_rate: share of the decisions on them that clearly differ; `flip_rate_interval` holds
            it in 95 of 100 cases.
        borderline: decisions that differ because PyTorch's score lies within the parity limit of
            its threshold; they are not held against the bundle.
        map_reference: mAP in percent of these scores with PyTorch's decisions as truth.
        pictures: what `compare_pictures` found on the given pictures; None without any.
        failure: None, or why the device did not get to the end; nothing else was measured then.
        speed: None where it was not measured.
        peak_memory_mib: largest resident size of this process, loading included.
        device_memory_mib: memory on the accelerator, where it tells.
    """

    device: str
    precision: str
    backend: str
    accuracy_only: bool
    checks: tuple[Check, ...]
    max_error: float
    mean_error: float
    worst_picture: str
    flip_rate: float
    flip_rate_interval: Interval | None
    borderline: int
    map_reference: float | None
    speed: Speed | None
    peak_memory_mib: float | None
    device_memory_mib: float | None
    pictures: PictureComparison | None = None
    failure: str | None = None

    @classmethod
    def failed(cls, device: str, precision: str, reason: str) -> VerifyRow:
        """The row of a device that failed; NaN stands for what was not measured."""
        return cls(
            device=device,
            precision=precision,
            backend="",
            accuracy_only=False,
            checks=(),
            max_error=math.nan,
            mean_error=math.nan,
            worst_picture="",
            flip_rate=math.nan,
            flip_rate_interval=None,
            borderline=0,
            map_reference=None,
            speed=None,
            peak_memory_mib=None,
            device_memory_mib=None,
            failure=reason,
        )

    @property
    def verdict(self) -> Verdict:
        """The worst of its checks; "broken" where it failed."""
        return "broken" if self.failure else worst(check.verdict for check in self.checks)

    @property
    def passed(self) -> bool:
        """Whether it was measured, and no check is broken."""
        return self.verdict != "broken"

    def to_dict(self) -> dict[str, object]:
        """Plain values; without a speed, latency and throughput are empty."""
        plain = {**asdict(self), "passed": self.passed, "verdict": self.verdict}
        plain["pictures"] = self.pictures.to_dict() if self.pictures else {}
        speed = plain.pop("speed") or {"latency": {}, "throughput": {}}
        checks = [check.to_dict() for check in self.checks]
        errors = {
            name: finite_or_none(plain[name]) for name in ("max_error", "mean_error", "flip_rate")
        }
        return {**plain, **errors, **speed, "checks": checks}


def verify_row(
    bundle: Bundle,
    classifier: Classifier,
    *,
    device: str,
    precision: Precision,
    pictures: PictureTest | None = None,
    batches: Sequence[int] = (),
    effort: Effort = Effort(),
) -> VerifyRow:
    """Repeat the reference, test the graph against itself, measure it on pictures, and time it.

    Scores that are NaN or infinite break checks and nothing else.

    Raises:
        BundleError: there is no reference, or it does not fit.
        DeviceError: the device failed.
    """
    reference, limits = bundle.reference(), RowLimits.of(bundle, precision)
    scores = score_all(classifier.backend, reference.inputs)
    error = differences(scores, reference.scores)
    flipped, borderline = find_flips(scores, reference.scores, classifier.thresholds, limits.parity)
    flips = estimate_flip_rate(flipped)
    # On these few pictures flips can only break, where a record or more pictures tell the rest.
    guard = pictures is not None or precision.has_file or bundle.has_record(precision)
    checks = [
        Check("largest score difference to PyTorch", float(error.max()), limits.score_error),
        check_flips("decisions that flip, percent", flips, limits, guard=guard),
        *_check_itself(classifier.backend, reference, scores, limits),
    ]
    on_pictures = compare_pictures(classifier, pictures, limits.parity) if pictures else None
    checks += _check_pictures(on_pictures, limits)
    accuracy_only = (device, precision) in ACCURACY_ONLY
    speed = None
    if not accuracy_only:
        speed = measure_speed(classifier, reference.inputs, batches, effort)
    return VerifyRow(
        device=device,
        precision=precision.value,
        backend=classifier.backend.name,
        accuracy_only=accuracy_only,
        checks=tuple(checks),
        max_error=float(error.max()),
        mean_error=float(error.mean()),
        worst_picture=reference.names[int(error.max(axis=1).argmax())],
        flip_rate=flips.value,
        flip_rate_interval=(flips.low, flips.high),
        borderline=int(borderline.sum()),
        map_reference=_map_against(scores, reference, classifier.thresholds),
        speed=speed,
        peak_memory_mib=peak_memory_mib(),
        device_memory_mib=classifier.backend.device_memory_mib,
        pictures=on_pictures,
    )


def score_all(backend: Backend, inputs: npt.NDArray[np.uint8]) -> Scores:
    """Score (K, H, W, 3) inputs in batches as large as the backend takes."""
    most = backend.max_batch or len(inputs)
    parts = [backend.infer(inputs[i : i + most]) for i in range(0, len(inputs), most)]
    return np.concatenate(parts)


def _check_itself(
    backend: Backend, reference: Reference, scores: Scores, limits: RowLimits
) -> list[Check]:
    """A picture's scores may not depend on the run, its neighbors or, beyond rounding, on N.

    Where a batch is one picture, no check needs two.
    """
    inputs = reference.inputs
    single = np.concatenate([backend.infer(image[np.newaxis]) for image in inputs])
    order = np.random.default_rng(0).permutation(len(scores))
    checks = [
        Check("scores that are NaN or outside 0 to 1", count_strange(scores), 0.0),
        # An accelerator takes other kernels for another N, which round FP16 in another place.
        Check("one by one against a batch", _gap(single, scores), limits.score_error),
        Check(
            "rows in another order",
            _gap(score_all(backend, inputs[order]), scores[order]),
            limits.parity,
        ),
        Check("the same batch again", _gap(score_all(backend, inputs), scores), limits.parity),
    ]
    if backend.max_batch != 1:
        twins = backend.infer(np.ascontiguousarray(inputs[:1].repeat(2, axis=0)))
        gap = _gap(twins[:1], twins[1:])
        checks.append(Check("the same picture twice in a batch", gap, limits.parity))
    return checks


def _check_pictures(found: PictureComparison | None, limits: RowLimits) -> list[Check]:
    if found is None:
        return []
    strange = Check(
        "scores on the pictures that are NaN or outside 0 to 1", found.strange_scores, 0.0
    )
    flips = check_flips("decisions that flip on the pictures, percent", found.flips, limits)
    # Without a single positive there is no mAP that could drop.
    if limits.map_drop is None or found.map_fp32 is None:
        return [strange, flips]
    name, loss = "mAP lost on the pictures, points", found.loss
    if loss is None:
        return [strange, flips, Check(name, math.nan, limits.map_drop)]
    interval = (loss.low, loss.high)
    return [strange, flips, Check(name, loss.value, limits.map_drop, interval, found.count)]


def _gap(a: Scores, b: Scores) -> float:
    return float(differences(a, b).max())


def _map_against(scores: Scores, reference: Reference, thresholds: Scores) -> float | None:
    if not np.isfinite(scores).all():
        return None
    decisions = (reference.scores >= thresholds).astype(np.int8)
    return finite_or_none(mean_average_precision(scores, decisions))
