"""With which of NVIDIA's libraries engines are built here, and for which GPUs."""

from __future__ import annotations

import platform
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace

from cdul_edge_export.engines.compute_capabilities import GpuSet, every_gpu, parse_gpus, these_gpus
from cdul_edge_runtime.backends.trt.cudart import CudaRuntime
from cdul_edge_runtime.backends.trt.library import (
    RtxTensorRT,
    TensorRT,
    gpu_platform,
    import_tensorrt,
)
from cdul_edge_runtime.backends.trt.platform import GpuPlatform, describe_gpu
from cdul_edge_runtime.choices import FLAVORS, FlavorRequest
from cdul_edge_runtime.errors import CdulEdgeError, MissingExtraError
from cdul_edge_runtime.host.machine import nvidia_driver_there


@dataclass(frozen=True)
class EngineTarget:
    """What engines are built with, and for.

    Attributes:
        trt: TensorRT, or TensorRT for RTX.
        platform: what they are built on; without a GPU, where there is none.
        cuda: of the GPU that is here; None without one.
        gpus: what TensorRT for RTX builds for; None for TensorRT, which builds for `platform` only.
        notes: what to tell before a build: why it is this library and these GPUs.
    """

    trt: TensorRT
    platform: GpuPlatform
    cuda: CudaRuntime | None
    gpus: GpuSet | None = None
    notes: tuple[str, ...] = ()

    def at_gpu(self) -> AbstractContextManager[None]:
        """Make the GPU the calling thread's own for the block; nothing without one."""
        return nullcontext() if self.cuda is None else self.cuda.current()


def choose_target(
    flavor: FlavorRequest = "auto",
    for_gpus: tuple[str, ...] = (),
    *,
    gpu: int = 0,
) -> EngineTarget:
    """Find out what engines can be built here.

    TensorRT builds for the GPU that is here. TensorRT for RTX needs none: it builds for GPUs that
    are named, for those that are here, or else for all that it supports.

    Args:
        flavor: "auto" is TensorRT where it and a GPU are there, and TensorRT for RTX otherwise.
        for_gpus: compute capabilities such as "sm86" or "8.6", or "all"; only TensorRT for RTX
            takes any, and "auto" is that then.
        gpu: which of several that are here, from 0.

    Raises:
        MissingExtraError: the library is not installed.
        CdulEdgeError: it does not load; TensorRT has no GPU; TensorRT for RTX does not build for a
            GPU that was named or is here.
    """
    if flavor not in ("auto", *FLAVORS):
        raise CdulEdgeError(f"unknown flavor {flavor!r}: expected auto, {', '.join(FLAVORS)}")
    if flavor == "tensorrt" and for_gpus:
        raise CdulEdgeError(
            "TensorRT builds for the GPU that is here and for no other: leave --for out, or give "
            "--flavor rtx"
        )
    if gpu and for_gpus:
        raise CdulEdgeError(
            "--gpu builds for a GPU that is here, --for for those that it names: give one of them"
        )
    if flavor == "rtx" or for_gpus:
        return _find_rtx(for_gpus, gpu)
    if flavor == "tensorrt":
        return tensorrt_target(import_tensorrt(), CudaRuntime(gpu=gpu))
    try:
        return tensorrt_target(import_tensorrt(), CudaRuntime(gpu=gpu))
    except CdulEdgeError as error:
        fault = error
    try:
        target = _find_rtx((), gpu)
    except MissingExtraError as error:
        raise type(fault)(
            f"{fault}; or, to build for RTX GPUs, which needs no GPU here: {error}"
        ) from error
    except CdulEdgeError as error:
        raise CdulEdgeError(f"{fault}; {error}") from error
    note = f"engines for RTX GPUs only: {fault}"
    return replace(target, notes=(note, *target.notes))


def tensorrt_target(trt: TensorRT, cuda: CudaRuntime) -> EngineTarget:
    """TensorRT, for the GPU that is here."""
    return EngineTarget(trt, gpu_platform(trt, cuda), cuda)


def rtx_target(
    trt: RtxTensorRT, for_gpus: tuple[str, ...], cuda: CudaRuntime | None
) -> EngineTarget:
    """TensorRT for RTX, for the GPUs that are named, for those that are here, or for all.

    Raises:
        CdulEdgeError: it does not build for one of them.
    """
    if cuda is None:
        here = GpuPlatform(trt.__version__, "", "", 0, platform.machine(), "rtx")
    else:
        here = gpu_platform(trt, cuda)
    if for_gpus:
        gpus = parse_gpus(trt, for_gpus)
    elif cuda is None:
        gpus = every_gpu(trt)
    else:
        gpus = these_gpus(trt, cuda.compute_capabilities(), here)
    notes: tuple[str, ...] = ()
    if cuda is not None and not gpus.hold(here.compute_capability):
        notes = (f"this machine's {describe_gpu(here)} will not run what is built for {gpus}",)
    return EngineTarget(trt, here, cuda, gpus, notes)


def _find_rtx(for_gpus: tuple[str, ...], gpu: int) -> EngineTarget:
    trt, fault = import_tensorrt("rtx"), ""  # what hides a GPU whose driver is there
    cuda = None
    try:
        cuda = CudaRuntime(gpu=gpu)
    except CdulEdgeError as error:  # it builds without one as well
        if gpu:
            raise
        fault = f" ({error})" if nvidia_driver_there() else ""
    target = rtx_target(trt, for_gpus, cuda)
    if for_gpus or target.cuda is not None:
        return target
    note = f"no GPU here{fault}: building for every GPU from Ampere on; --for names others"
    return replace(target, notes=(note,))
