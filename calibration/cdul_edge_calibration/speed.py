"""Is INT8 faster than FP32 on this CPU? For large networks two to four times; for tiny ones not."""

from __future__ import annotations

from pathlib import Path
from statistics import median

import numpy as np
import numpy.typing as npt

from cdul_edge_runtime.backends.ort.backend import OrtBackend
from cdul_edge_runtime.bench.latency import measure_latency

_TURNS = 3  # FP32 and INT8 in turn, so that a busy moment does not decide
_CALLS = 20
_BUDGET_S = 10.0  # of one turn of one side


def measure_speed_up(fp32: Path, reduced: Path, picture: npt.NDArray[np.uint8]) -> float:
    """How many times as fast as FP32 a file is here, at batch 1 on all cores.

    Args:
        picture: (1, H, W, 3) uint8.

    Returns:
        FP32's median latency over the other's: above 1 where the file is faster.
    """
    ratios = [_median_ms(fp32, picture) / _median_ms(reduced, picture) for _ in range(_TURNS)]
    return float(median(ratios))


def _median_ms(model: Path, picture: npt.NDArray[np.uint8]) -> float:
    # One session at a time: the waiting threads of a second one would take its cores.
    backend = OrtBackend(model)
    calls = {"infer": lambda: backend.infer(picture)}
    found = measure_latency(calls, repeats=_CALLS, budget_s=_BUDGET_S)["infer"].p50_ms
    backend.close()
    return found
