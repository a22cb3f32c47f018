"""Which of a bundle's engines runs on this machine."""

from __future__ import annotations

from cdul_edge_runtime.backends.trt.engine_stamp import (
    StampedEngine,
    damaged_stamps,
    list_engines,
    source_sha256,
)
from cdul_edge_runtime.backends.trt.library import gpu_platform
from cdul_edge_runtime.backends.trt.platform import GpuPlatform
from cdul_edge_runtime.bundle.bundle import Bundle
from cdul_edge_runtime.bundle.manifest import Precision
from cdul_edge_runtime.errors import BundleError


def find_engine(
    bundle: Bundle, precision: Precision, platform: GpuPlatform | None = None
) -> StampedEngine:
    """The bundle's engine of that precision that this machine can run.

    One that was built here comes before one that is only compatible.

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
    for engine in sorted(engines, key=lambda engine: engine.stamp.platform != platform):
        faults = engine.faults(source, platform)
        if not faults:
            return engine
        reasons.append(f"{engine.path.name} ({', '.join(faults)})")
    fix = f"cdul-edge build {bundle.folder} --precision {precision.value}"
    if reasons:
        fix += " --force"
    raise BundleError(
        f"{bundle.folder} has no {precision.value} engine for TensorRT {platform.tensorrt} on "
        f"{platform.gpu}{': ' if reasons else ''}{'; '.join(reasons)}: build one here with `{fix}`"
    )
