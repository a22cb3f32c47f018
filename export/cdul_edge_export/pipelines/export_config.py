"""The verb: a bundle becomes what DeepStream or Triton reads."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from cdul_edge_export.pipelines.request import ExportConfigRequest, ExportConfigResult
from cdul_edge_runtime.bundle.bundle import Bundle
from cdul_edge_runtime.bundle.thresholds import given_thresholds
from cdul_edge_runtime.errors import extra_imports
from cdul_edge_runtime.host.console import Console, LibraryConsole


def export_config(
    request: ExportConfigRequest, console: Console | None = None
) -> ExportConfigResult:
    """Write a bundle for another program, as a whole or not at all.

    Args:
        request: which bundle, and for whom.
        console: where to say what the other program does otherwise; without one, only warnings
            are issued.

    Raises:
        BundleError: the bundle is damaged, or lacks the precision.
        CdulEdgeError: something else is at `out`, or the other program cannot run the precision.
        MissingExtraError: DeepStream's graph needs onnx and ONNX Runtime, which are not installed.
    """
    console = console or LibraryConsole()
    bundle = Bundle.load(request.bundle)
    if request.threshold is not None:
        manifest = bundle.manifest
        thresholds = given_thresholds(request.threshold, manifest.classes)
        bundle = replace(bundle, manifest=replace(manifest, thresholds=thresholds))
    if request.target == "triton":
        from cdul_edge_export.pipelines.triton import write_triton

        result = write_triton(bundle, request)
    else:
        with _onnx():
            from cdul_edge_export.pipelines.deepstream import write_deepstream
        result = write_deepstream(bundle, request)
    for name, label in result.renamed.items():
        console.warn(
            f"the label {label!r} stands for the class {name!r}, which does not fit on a line"
        )
    for limit in result.limits:
        console.warn(limit)
    return result


@contextmanager
def _onnx() -> Iterator[None]:
    with extra_imports("calibrate", "DeepStream's graph"):
        yield
