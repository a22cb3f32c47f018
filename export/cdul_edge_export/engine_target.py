"""With which of NVIDIA's libraries engines are built here, and for which GPUs."""

from __future__ import annotations

import platform
from dataclasses import dataclass

from cdul_edge_export.compute_capabilities import GpuSet, every_gpu, parse_gpus, this_gpu
from cdul_edge_runtime.backends.trt.cudart import CudaRuntime
from cdul_edge_runtime.backends.trt.library import (
    RtxTensorRT,
    TensorRT,
    gpu_platform,
    import_tensorrt,
)
from cdul_edge_runtime.backends.trt.platform import GpuPlatform
from cdul_edge_runtime.choices import FlavorRequest
from cdul_edge_runtime.errors import CdulEdgeError, MissingExtraError


@dataclass(frozen=True)
class EngineTarget:
    """What engines are built with, and for.

    Attributes:
        trt: TensorRT, or TensorRT for RTX.
        platform: what they are built on; without a GPU, where there is none.
        cuda: of the GPU that is here; None without one.
        gpus: what TensorRT for RTX builds for; None for TensorRT, which builds for `platform` only.
        reason: why this library, where it was not asked for by name.
    """

    trt: TensorRT
    platform: GpuPlatform
    cuda: CudaRuntime | None
    gpus: GpuSet | None = None
    reason: str = ""


def choose_target(
    flavor: FlavorRequest = "auto",
    for_gpus: tuple[str, ...] = (),
    *,
    cuda: CudaRuntime | None = None,
) -> EngineTarget:
    """Find out what engines can be built here.

    TensorRT builds for the GPU that is here. TensorRT for RTX needs none: it builds for GPUs that
    are named, for the one that is here, or else for all that it supports.

    Args:
        flavor: "auto" is TensorRT where it and a GPU are there, and TensorRT for RTX otherwise.
        for_gpus: compute capabilities such as "sm86" or "8.6"; only TensorRT for RTX takes any.
        cuda: of the GPU that is here; None looks for one.

    Raises:
        MissingExtraError: the library is not installed.
        CdulEdgeError: it does not load; TensorRT has no GPU; TensorRT for RTX does not build for a
            GPU that was named or is here.
    """
    if flavor == "tensorrt" and for_gpus:
        raise CdulEdgeError(
            "TensorRT builds for the GPU that is here and for no other: name GPUs for "
            "--flavor rtx only"
        )
    if flavor == "rtx" or for_gpus:
        return _rtx_target(for_gpus, cuda)
    if flavor == "tensorrt":
        return _tensorrt_target(cuda)
    try:
        return _tensorrt_target(cuda)
    except CdulEdgeError as error:
        fault = str(error)
    try:
        target = _rtx_target((), cuda)
    except MissingExtraError as error:
        raise MissingExtraError(f"{fault}; or, for RTX GPUs: {error}") from error
    except CdulEdgeError as error:
        raise CdulEdgeError(f"{fault}; {error}") from error
    return EngineTarget(target.trt, target.platform, target.cuda, target.gpus, fault)


def tensorrt_target(trt: TensorRT, cuda: CudaRuntime) -> EngineTarget:
    """TensorRT, for the GPU that is here."""
    return EngineTarget(trt, gpu_platform(trt, cuda), cuda)


def rtx_target(
    trt: RtxTensorRT, for_gpus: tuple[str, ...], cuda: CudaRuntime | None
) -> EngineTarget:
    """TensorRT for RTX, for the GPUs that are named, for the one that is here, or for all."""
    if cuda is None:
        here = GpuPlatform(trt.__version__, "", "", 0, platform.machine(), "rtx")
    else:
        here = gpu_platform(trt, cuda)
    if for_gpus:
        gpus = parse_gpus(trt, for_gpus)
    elif cuda is None:
        gpus = every_gpu(trt)
    else:
        gpus = this_gpu(trt, here)
    return EngineTarget(trt, here, cuda, gpus)


def _tensorrt_target(cuda: CudaRuntime | None) -> EngineTarget:
    return tensorrt_target(import_tensorrt(), cuda or CudaRuntime())


def _rtx_target(for_gpus: tuple[str, ...], cuda: CudaRuntime | None) -> EngineTarget:
    trt = import_tensorrt("rtx")
    if cuda is None:
        try:
            cuda = CudaRuntime()
        except CdulEdgeError:  # it builds without a GPU as well
            cuda = None
    return rtx_target(trt, for_gpus, cuda)
