"""Which of a bundle's engines runs on this machine."""

from __future__ import annotations

from cdul_edge_runtime.backends.trt.engine_stamp import (
    StampedEngine,
    damaged_stamps,
    list_engines,
    source_sha256,
)
from cdul_edge_runtime.backends.trt.library import gpu_platform
from cdul_edge_runtime.backends.trt.platform import GpuPlatform, library_name
from cdul_edge_runtime.bundle.bundle import Bundle
from cdul_edge_runtime.bundle.manifest import Precision
from cdul_edge_runtime.errors import BundleError


def find_engine(
    bundle: Bundle, precision: Precision, platform: GpuPlatform | None = None
) -> StampedEngine:
    """The bundle's engine of that precision that this machine can run.

    One that was built here comes before one that is only compatible, and one that was built for
    few GPUs before one for many.

    Args:
        bundle: checked, as `Bundle.load` gives it.
        precision: of the ONNX file that the engine was built from.
        platform: this machine, as `gpu_platform` gives it; None asks TensorRT and the GPU.

    Raises:
        BundleError: no engine fits; the message says why each does not, and how to build one.
        CdulEdgeError: `platform` is None, and there is no TensorRT or no GPU.
    """
    if platform is None:
        platform = gpu_platform()
    source = source_sha256(bundle, precision)
    reasons = damaged_stamps(bundle.folder)
    engines = list_engines(bundle.folder, precision)
    for engine in sorted(engines, key=lambda engine: _distance(engine, platform)):
        faults = engine.faults(source, platform)
        if not faults:
            return engine
        reasons.append(f"{engine.path.name} ({', '.join(faults)})")
    fix = f"cdul-edge build {bundle.folder} --precision {precision.value}"
    if platform.flavor == "rtx":
        fix += " --flavor rtx"
    if reasons:
        fix += " --force"
    library = f"{library_name(platform.flavor)} {platform.tensorrt}"
    raise BundleError(
        f"{bundle.folder} has no {precision.value} engine for {library} on {platform.gpu}"
        f"{': ' if reasons else ''}{'; '.join(reasons)}: build one here with `{fix}`"
    )


def _distance(engine: StampedEngine, platform: GpuPlatform) -> tuple[bool, bool, int]:
    stamp = engine.stamp
    return stamp.platform != platform, stamp.newer_gpus, len(stamp.compute_capabilities)
