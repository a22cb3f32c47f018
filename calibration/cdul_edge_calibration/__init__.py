"""FP16 and INT8 files from a bundle's FP32 file, and thresholds; needs onnx, and no torch.

    from cdul_edge_calibration import CalibrateRequest, calibrate

The names are loaded on first use: thresholds are chosen where there is no onnx.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from cdul_edge_runtime.host.lazy_names import lazy_names

if TYPE_CHECKING:
    from cdul_edge_calibration.calibration import CalibrateResult, calibrate
    from cdul_edge_calibration.request import CalibrateRequest

__all__ = ["CalibrateRequest", "CalibrateResult", "calibrate"]

_HOMES = {
    "CalibrateRequest": "request",
    "CalibrateResult": "calibration",
    "calibrate": "calibration",
}

__getattr__ = lazy_names(__name__, _HOMES)
