"""What running has in TensorRT for RTX alone: it compiles an engine's kernels where it runs.

They are compiled when a context is made and when a batch size comes for the first time, for
seconds, and are kept in a file. A cache fits one version of TensorRT for RTX, one kind of GPU and
a driver of the same major version; TensorRT checks that. Source: the docstring of
`IRuntimeCache.deserialize`, and "Working with Runtime Cache" in NVIDIA's documentation.

Two choices:

- Kernels for a batch size are compiled before it first runs (EAGER) and not in the background
  (LAZY): scores would change by a rounding in the middle of a run, where other kernels take over.
- TensorRT records its CUDA graphs itself. It knows when all kernels are there and when a graph is
  stale; a stream that is recorded by hand also needs an engine that allocates nothing.
  Source: "Working with RTX CUDA Graphs" and release notes of 1.2 (REQUIRE_USER_ALLOCATION).
"""

from __future__ import annotations

from dataclasses import dataclass

from cdul_edge_runtime.backends.trt import api as api
from cdul_edge_runtime.backends.trt.kernel_file import KernelFile
from cdul_edge_runtime.backends.trt.library import RtxTensorRT


@dataclass
class RtxContext:
    """A context and what must live as long; `drop` lets go from the last to the first."""

    execution: api.IExecutionContext
    config: api.RtxIRuntimeConfig
    cache: api.RtxIRuntimeCache | None
    file: KernelFile

    def keep_kernels(self) -> None:
        """Write the kernels that are compiled by now, where the file lacks some."""
        memory = self.cache.serialize() if self.cache is not None else None
        if memory is not None:
            self.file.write(bytes(memory))

    def drop(self) -> None:
        """Let go; TensorRT frees what nothing refers to."""
        del self.execution, self.config, self.cache


def create_context(
    trt: RtxTensorRT, engine: api.RtxICudaEngine, file: KernelFile, *, use_graph: bool
) -> RtxContext | None:
    """A context with the kernels that are known; None where TensorRT makes none."""
    config = engine.create_runtime_config()
    if config is None:
        return None
    graphs, kernels = trt.CudaGraphStrategy, trt.DynamicShapesKernelSpecializationStrategy
    config.cuda_graph_strategy = graphs.WHOLE_GRAPH_CAPTURE if use_graph else graphs.DISABLED
    config.dynamic_shapes_kernel_specialization_strategy = kernels.EAGER
    cache = _fill_cache(config, file)
    context = engine.create_execution_context(runtime_config=config)
    return None if context is None else RtxContext(context, config, cache, file)


def _fill_cache(config: api.RtxIRuntimeConfig, file: KernelFile) -> api.RtxIRuntimeCache | None:
    cache = config.create_runtime_cache()
    if cache is None:
        return None
    known = file.read()
    if known and not cache.deserialize(known):
        file.refuse()
    return cache if config.set_runtime_cache(cache) else None
