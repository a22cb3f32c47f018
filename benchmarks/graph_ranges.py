"""Ranges of a graph that is in memory, for benchmarks of what `calibrate` makes of it."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnx

from cdul_edge_calibration.data.ranges import Ranges, measure_ranges


def graph_ranges(model: onnx.ModelProto, inputs: npt.NDArray[np.uint8]) -> Ranges:
    """Ranges of an FP32 graph on (N, H, W, 3) uint8 RGB pictures."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "fp32.onnx")
        onnx.save(model, path)
        return measure_ranges(path, lambda: iter([inputs]))
