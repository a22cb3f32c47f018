"""Why no engine was built, in one line that says what to do."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from cdul_edge_export.engines.compute_capabilities import TURING
from cdul_edge_export.engines.engine_config import BuildSettings
from cdul_edge_export.engines.engine_target import EngineTarget
from cdul_edge_runtime.backends.trt.library import Messages, last_errors
from cdul_edge_runtime.backends.trt.platform import library_name
from cdul_edge_runtime.bundle.manifest import Precision
from cdul_edge_runtime.errors import CdulEdgeError


def explain_failure(settings: BuildSettings, target: EngineTarget, messages: Messages) -> str:
    """What the builder said, and what may help."""
    reason = last_errors(messages)
    library = library_name(target.platform.flavor)
    start = f"{library} built no {settings.precision.value} engine ({reason}"
    if target.gpus is not None:
        return f"{start}): {_advise_rtx(settings, target.gpus.capabilities, reason)}"
    fix = "end other programs, or build with a smaller --workspace or --batch-max"
    if target.cuda is None:
        return f"{start}): {fix}"
    free, total = target.cuda.memory_mib()
    return (
        f"{start}; {free:.0f} of {total:.0f} MiB are free on the GPU, workspace "
        f"{settings.workspace_mib} MiB): {fix}"
    )


def join_failures(
    failures: Sequence[tuple[Precision, CdulEdgeError]], built: Sequence[Path]
) -> CdulEdgeError:
    """One error of several; it is the only one itself where nothing else happened.

    What several precisions have in common stands once: "built no fp32/int8 engine (...".
    """
    first = failures[0][1]
    if len(failures) == 1 and not built:
        return first
    precisions: dict[str, list[str]] = {}
    for precision, error in failures:
        common = str(error).replace(f" {precision.value} engine", " … engine", 1)
        precisions.setdefault(common, []).append(precision.value)
    texts = [
        common.replace(" … engine", f" {'/'.join(names)} engine", 1)
        for common, names in precisions.items()
    ]
    kept = f"; built all the same: {', '.join(path.name for path in built)}" if built else ""
    return type(first)("; ".join(texts) + kept)


def _advise_rtx(settings: BuildSettings, capabilities: Sequence[str], reason: str) -> str:
    if "OutOfMemory" in reason:
        return "build with a smaller --batch-max or --workspace, or end other programs"
    if "workspace" in reason:
        return f"build with a larger --workspace than {settings.workspace_mib}"
    if TURING in capabilities and settings.precision is not Precision.FP16:
        return "Turing (sm75) takes --precision fp16 only; leave it out of --for for the others"
    return "the .log file beside the engines has all that it said; try another --precision or --for"
