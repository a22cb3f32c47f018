"""Torch to ONNX, and ONNX to TensorRT engines.

from cdul_edge_export import BuildRequest, build

result = build(BuildRequest(Path("bundle")))
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

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


def __getattr__(name: str) -> object:
    # On first use: engines are built on the device, where there is no torch.
    if name in _HOMES:
        return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
