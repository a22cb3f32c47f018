"""Torch to ONNX, and ONNX to TensorRT engines.

from cdul_edge_export import BuildRequest, build

result = build(BuildRequest(Path("bundle")))
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from cdul_edge_runtime.host.lazy_names import lazy_names

if TYPE_CHECKING:
    from cdul_edge_export.bundle_engines import BuildRequest, BuildResult, build
    from cdul_edge_export.bundle_export import ExportRequest, ExportResult, export

__all__ = ["BuildRequest", "BuildResult", "ExportRequest", "ExportResult", "build", "export"]

_HOMES = {
    "BuildRequest": "bundle_engines",
    "BuildResult": "bundle_engines",
    "ExportRequest": "bundle_export",
    "ExportResult": "bundle_export",
    "build": "bundle_engines",
    "export": "bundle_export",
}

# On first use: engines are built on the device, where there is no torch.
__getattr__ = lazy_names(__name__, _HOMES)
