"""What a reduced precision costs against FP32, and whether that is within the budget."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import numpy.typing as npt

from cdul_edge_runtime.backends.ort.backend import OrtBackend
from cdul_edge_runtime.bundle.manifest import Precision
from cdul_edge_runtime.bundle.precision_record import Accuracy, Limits
from cdul_edge_runtime.metrics.metrics import mean_average_precision
from cdul_edge_runtime.verify.pictures import find_flips

Scores = npt.NDArray[np.float32]
Inputs = npt.NDArray[np.uint8]

SOFT_TRUTH = "the FP32 scores"


def score_batches(
    model: Path, batches: Iterable[Inputs], precision: Precision = Precision.FP32
) -> tuple[Scores, str]:
    """Run an ONNX file on the CPU: for TensorRT's INT8 file that is its arithmetic, not its speed.

    Returns:
        (N, C) scores, and what ran it.
    """
    backend = OrtBackend(model, precision=precision)
    return np.concatenate([backend.infer(batch) for batch in batches]), backend.name


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
    return Accuracy(
        pictures=len(scores),
        truth=truth_name,
        map_fp32=mean_average_precision(fp32_scores, soft),
        map=mean_average_precision(scores, soft),
        flip_rate=float(flipped.mean()),
        max_error=float(error.max()),
        mean_error=float(error.mean()),
        against=against,
    )


def broken_limits(accuracy: Accuracy, limits: Limits) -> list[str]:
    """Which limits of the budget do not hold, as short clauses; a NaN holds none."""
    faults = []
    if not accuracy.map_drop <= limits.max_map_drop:
        faults.append(f"mAP falls by {accuracy.map_drop:.2f} points, limit {limits.max_map_drop:g}")
    if not accuracy.flip_rate <= limits.max_flip_rate:
        faults.append(
            f"{100 * accuracy.flip_rate:.2f} % of decisions flip, "
            f"limit {100 * limits.max_flip_rate:g} %"
        )
    return faults
