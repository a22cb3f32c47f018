"""Is INT8 or BF16 faster than FP32 on this CPU? Large networks are; tiny ones may not be."""

from __future__ import annotations

from pathlib import Path
from statistics import median

import numpy as np
import numpy.typing as npt

from cdul_edge_calibration.accuracy import open_on_cpu
from cdul_edge_runtime.bench.latency import measure_latency
from cdul_edge_runtime.bundle.manifest import Precision

_TURNS = 3  # FP32 and the other in turn, so that a busy moment does not decide
_CALLS = 20
_BUDGET_S = 10.0  # of one turn of one side


def measure_speed_up(
    fp32: Path, reduced: Path, precision: Precision, picture: npt.NDArray[np.uint8]
) -> float:
    """How many times as fast as FP32 in ONNX Runtime a precision is here, batch 1 on all cores.

    Args:
        fp32, reduced: the two files; that of BF16 is the first.
        precision: in which the second is computed.
        picture: (1, H, W, 3) uint8.

    Returns:
        FP32's median latency over the other's: above 1 where it is faster.
    """
    sides = (fp32, Precision.FP32), (reduced, precision)
    turns = [[_median_ms(*side, picture) for side in sides] for _ in range(_TURNS)]
    return float(median(before / after for before, after in turns))


def _median_ms(model: Path, precision: Precision, picture: npt.NDArray[np.uint8]) -> float:
    # One session at a time: the waiting threads of a second one would take its cores.
    backend = open_on_cpu(model, precision)
    calls = {"infer": lambda: backend.infer(picture)}
    found = measure_latency(calls, repeats=_CALLS, budget_s=_BUDGET_S)["infer"].p50_ms
    backend.close()
    return found
