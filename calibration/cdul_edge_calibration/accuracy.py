"""What a reduced precision costs against FP32, and whether that is within the budget."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from cdul_edge_runtime.backends import Backend
from cdul_edge_runtime.backends.openvino.backend import OpenVinoBackend
from cdul_edge_runtime.backends.ort.backend import OrtBackend
from cdul_edge_runtime.bundle.manifest import Precision
from cdul_edge_runtime.bundle.precision_record import Accuracy, Limits
from cdul_edge_runtime.bundle.verdict import Estimate, Verdict, say_needed
from cdul_edge_runtime.metrics.bootstrap import estimate_flip_rate, estimate_map_drop
from cdul_edge_runtime.metrics.metrics import mean_average_precision
from cdul_edge_runtime.verify.pictures import find_flips

Scores = npt.NDArray[np.float32]
Inputs = npt.NDArray[np.uint8]

SOFT_TRUTH = "the FP32 scores"


def score_batches(
    model: Path, batches: Iterable[Inputs], precision: Precision = Precision.FP32
) -> tuple[Scores, str]:
    """Run an ONNX file on the CPU: for TensorRT's INT8 file that is its arithmetic, not its speed.

    BF16 is OpenVINO's; everything else is run by ONNX Runtime.

    Returns:
        (N, C) scores, and what ran it.
    """
    backend = open_on_cpu(model, precision)
    return np.concatenate([backend.infer(batch) for batch in batches]), backend.name


def open_on_cpu(model: Path, precision: Precision) -> Backend:
    """What runs a precision on this CPU.

    Raises:
        MissingExtraError: BF16 needs OpenVINO, which is not installed.
        CdulEdgeError: this CPU does not compute in BF16.
    """
    if precision is Precision.BF16:
        return OpenVinoBackend(model, precision=precision)
    return OrtBackend(model, precision=precision)


def measure_accuracy(
    scores: Scores,
    fp32_scores: Scores,
    thresholds: Scores,
    *,
    near: float,
    against: str,
    truth: npt.NDArray[np.int8] | None = None,
    truth_name: str = SOFT_TRUTH,
) -> Accuracy:
    """Compare a precision's scores with FP32's on the same pictures.

    Args:
        scores, fp32_scores: (N, C).
        thresholds: (C,); a decision is a score at or above its class's.
        near: a decision whose FP32 score lies so close to its threshold does not count as flipped:
            thresholds found without labels are themselves scores of training pictures.
        against: what ran both.
        truth: (N, C) int8, -1 unknown. Without it FP32's scores are the truth, as weights: a
            picture counts as positive by its score and as negative by the rest.
    """
    soft = fp32_scores if truth is None else truth
    error = np.abs(scores - fp32_scores)
    flipped, _ = find_flips(scores, fp32_scores, thresholds, near)
    before, after = (mean_average_precision(each, soft) for each in (fp32_scores, scores))
    loss = estimate_map_drop(fp32_scores, scores, soft, before - after)
    flips = estimate_flip_rate(flipped)
    return Accuracy(
        pictures=len(scores),
        truth=truth_name,
        map_fp32=before,
        map=after,
        flip_rate=flips.value,
        max_error=float(error.max()),
        mean_error=float(error.mean()),
        against=against,
        map_drop_interval=(loss.low, loss.high),
        flip_rate_interval=(flips.low, flips.high),
    )


@dataclass(frozen=True)
class Cost:
    """What a precision costs on the pictures to check on, and on the bundle's reference pictures.

    The reference pictures are few, so they only guard: a precision that breaks a limit on these
    training pictures is broken, however well it does on pictures that may not be like them.
    """

    accuracy: Accuracy
    on_reference: Accuracy

    def judge(self, limits: Limits) -> Verdict:
        """Whether the cost is within the limits; see `Accuracy.judge`."""
        if self.on_reference.judge(limits) == "broken":
            return "broken"
        return self.accuracy.judge(limits)

    def find_limits(self, limits: Limits, verdict: Verdict) -> list[str]:
        """The limits of which the pictures say this, as short clauses."""
        clauses = find_limits(self.accuracy, limits, verdict)
        if verdict == "broken" and not clauses:
            on = f"on the bundle's {self.on_reference.pictures} reference pictures"
            broken = " and ".join(find_limits(self.on_reference, limits, verdict))
            clauses.append(
                f"{on} {broken}: the calibration pictures do not represent the training pictures"
            )
        return clauses


def find_limits(accuracy: Accuracy, limits: Limits, verdict: Verdict) -> list[str]:
    """The limits of the budget of which the pictures say this, as short clauses.

    Args:
        verdict: "broken" for those that are exceeded (a NaN exceeds both), "unsure" for those whose
            95 % interval holds the limit.
    """
    loss, most = accuracy.map_loss, 100 * limits.max_flip_rate
    flips = accuracy.flips if most else accuracy.flips.exact
    percent = Estimate(100 * flips.value, 100 * flips.low, 100 * flips.high, flips.pictures)
    clauses = []
    if loss.judge(limits.max_map_drop) == verdict:
        falls = f"mAP falls by {loss.value:.2f} points{_between(loss)}"
        clauses.append(f"{falls}, limit {limits.max_map_drop:g}{_more(loss, limits.max_map_drop)}")
    if percent.judge(most) == verdict:
        flip = f"{percent.value:.2f} % of decisions flip{_between(percent)}"
        clauses.append(f"{flip}, limit {most:g} %{_more(percent, most)}")
    return clauses


def _between(estimate: Estimate) -> str:
    if not estimate.low < estimate.high:
        return ""
    return f" (95 % interval {estimate.low:.2f} to {estimate.high:.2f})"


def _more(estimate: Estimate, limit: float) -> str:
    if estimate.judge(limit) != "unsure":
        return ""
    return f": {estimate.pictures} pictures, {say_needed(estimate.pictures_needed(limit))}"
