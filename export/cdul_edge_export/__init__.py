"""Torch to ONNX, and ONNX to TensorRT engines.

    from cdul_edge_export import ExportRequest, export

The names are loaded on first use: engines are built on the device, where there is no torch.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cdul_edge_export.bundle_export import ExportRequest, ExportResult, export

__all__ = ["ExportRequest", "ExportResult", "export"]

_HOMES = dict.fromkeys(("ExportRequest", "ExportResult", "export"), "bundle_export")


def __getattr__(name: str) -> object:
    if name in _HOMES:
        return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
