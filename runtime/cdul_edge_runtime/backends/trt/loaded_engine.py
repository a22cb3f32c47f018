"""An engine file loaded into TensorRT: the objects that running it needs, in their order."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import cast

from cdul_edge_runtime.backends.trt import api as api
from cdul_edge_runtime.backends.trt.cudart import CudaRuntime
from cdul_edge_runtime.backends.trt.engine_stamp import StampedEngine
from cdul_edge_runtime.backends.trt.kernel_file import KernelFile
from cdul_edge_runtime.backends.trt.library import (
    LeanTensorRT,
    Messages,
    RtxTensorRT,
    collect_messages,
    flavor_of,
    gpu_platform,
    last_errors,
    starting,
)
from cdul_edge_runtime.backends.trt.platform import GpuPlatform, gpu_slug, library_name
from cdul_edge_runtime.backends.trt.rtx_context import RtxContext, create_context
from cdul_edge_runtime.errors import DeviceError


@dataclass
class LoadedEngine:
    """What TensorRT made; its parts refer to one another, the last needs all before it.

    Attributes:
        rtx: what goes with a context of TensorRT for RTX; None for TensorRT.
    """

    logger: Messages
    runtime: api.Runtime
    engine: api.ICudaEngine
    execution: api.IExecutionContext
    rtx: RtxContext | None
    _sizes: set[int] = field(default_factory=set)

    def ran(self, rows: int) -> None:
        """A batch of this size went through: all that was compiled for it is kept."""
        if self.rtx is not None and rows not in self._sizes:
            self._sizes.add(rows)
            self.rtx.keep_kernels()

    def last_errors(self) -> str:
        """The last errors that TensorRT told, in one line."""
        return last_errors(self.logger)

    def drop(self) -> None:
        """Let go from the last to the first; TensorRT frees what nothing refers to."""
        del self.execution
        if self.rtx is not None:
            self.rtx.drop()
        del self.rtx, self.engine, self.runtime, self.logger


def load_engine(
    trt: LeanTensorRT, cuda: CudaRuntime, stamped: StampedEngine, *, use_graph: bool
) -> LoadedEngine:
    """Load an engine at the calling thread's GPU, where CUDA has started.

    Args:
        use_graph: for TensorRT for RTX, whether it may record CUDA graphs itself.

    Raises:
        BundleError: the engine was built elsewhere, or was changed.
        DeviceError: TensorRT refuses it, said with its reason and the memory that is free.
    """
    platform = gpu_platform(trt, cuda)
    plan = stamped.read(platform)
    logger = collect_messages(trt)
    with starting(logger):
        runtime = trt.Runtime(logger)
    # An engine that other versions may load carries code for the host; `read` has just made sure
    # that it is the file which was built.
    runtime.engine_host_code_allowed = stamped.stamp.version_compatible
    engine = runtime.deserialize_cuda_engine(plan)
    del plan  # a Jetson's GPU takes its memory from the same pool
    if engine is not None and flavor_of(trt) == "rtx":
        file = kernel_file(stamped, platform)
        rtx_trt, rtx_engine = cast(RtxTensorRT, trt), cast(api.RtxICudaEngine, engine)
        rtx = create_context(rtx_trt, rtx_engine, file, use_graph=use_graph)
        context = rtx.execution if rtx is not None else None
    else:
        rtx = None
        context = engine.create_execution_context() if engine is not None else None
    if engine is None or context is None:
        raise DeviceError(_explain_refusal(stamped, cuda, last_errors(logger)))
    return LoadedEngine(logger, runtime, engine, context, rtx)


def kernel_file(stamped: StampedEngine, platform: GpuPlatform) -> KernelFile:
    """Where an engine's kernels are kept for a GPU; every kind of GPU has its own file."""
    name = f"{stamped.path.stem}.{gpu_slug(platform)}.kernels"
    return KernelFile(stamped.path.with_name(name), stamped.stamp.sha256)


def _explain_refusal(stamped: StampedEngine, cuda: CudaRuntime, reason: str) -> str:
    free, total = cuda.memory_mib()
    return (
        f"{library_name(stamped.stamp.flavor)} cannot load {stamped.path} ({reason}; {free:.0f} of "
        f"{total:.0f} MiB are free on the GPU): build again here with `cdul-edge build --force`, "
        "or end other programs"
    )
