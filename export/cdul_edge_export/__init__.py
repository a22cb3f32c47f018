"""Torch to ONNX, ONNX to TensorRT engines, and bundles for other people's pipelines.

from cdul_edge_export import BuildRequest, build

result = build(BuildRequest(Path("bundle")))
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from cdul_edge_runtime.host.lazy_names import lazy_names

if TYPE_CHECKING:
    from cdul_edge_export.bundle_export import ExportRequest, ExportResult, export
    from cdul_edge_export.engines.bundle_engines import BuildRequest, BuildResult, build
    from cdul_edge_export.pipelines.export_config import export_config
    from cdul_edge_export.pipelines.request import (
        ExportConfigRequest,
        ExportConfigResult,
        TritonOptions,
    )

__all__ = [
    "BuildRequest",
    "BuildResult",
    "ExportConfigRequest",
    "ExportConfigResult",
    "ExportRequest",
    "ExportResult",
    "TritonOptions",
    "build",
    "export",
    "export_config",
]

_HOMES = {
    "BuildRequest": "engines.bundle_engines",
    "BuildResult": "engines.bundle_engines",
    "ExportConfigRequest": "pipelines.request",
    "ExportConfigResult": "pipelines.request",
    "ExportRequest": "bundle_export",
    "ExportResult": "bundle_export",
    "TritonOptions": "pipelines.request",
    "build": "engines.bundle_engines",
    "export": "bundle_export",
    "export_config": "pipelines.export_config",
}

# On first use: engines are built on the device, where there is no torch.
__getattr__ = lazy_names(__name__, _HOMES)
