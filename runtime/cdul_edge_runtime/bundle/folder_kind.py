"""What a bundle's folder may hold, for those that replace one."""

from __future__ import annotations

from cdul_edge_runtime.bundle.bundle import ENGINES, MANIFEST, REFERENCE, SCORE_REFERENCE
from cdul_edge_runtime.host.ownership import FolderKind

BUNDLE_FOLDER = FolderKind(
    "bundle",
    MANIFEST,
    (
        MANIFEST,
        REFERENCE,
        SCORE_REFERENCE,
        "model.*.onnx",
        "model.*.json",
        "calibration.json",
        "sensitivity.json",
        f"{ENGINES}/*",
        f"{ENGINES}/ort-*/*",  # what ONNX Runtime's TensorRT keeps
        "model.*.engines/*",  # the same, of a file that was loaded by itself
    ),
)
