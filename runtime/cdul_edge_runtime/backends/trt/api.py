"""The part of TensorRT's Python interface that this project uses, and nothing else.

TensorRT brings no types, and its names come and go between 8.6 and 11.4. Each protocol below has
the name of the TensorRT class that it describes, and holds only what exists in all of them;
mypy lets nothing else be used, and a test holds every name against the recorded public names of
each version. What only some versions have is asked for by `optional`, and stands in `OPTIONAL`.
A protocol whose name begins with `Rtx` holds what the class without it has in TensorRT for RTX
only.

Enum members are plain objects here: `int(member)` is their bit.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol, SupportsInt

# Names that not every version has: Class.member, all asked for through `optional`.
OPTIONAL = (
    "BuilderFlag.FP16",  # until 10
    "BuilderFlag.INT8",  # until 10
    "NetworkDefinitionCreationFlag.EXPLICIT_BATCH",  # until 10, needed by 8
    "NetworkDefinitionCreationFlag.STRONGLY_TYPED",  # from 10; always on in 11
    "TensorRT.IProgressMonitor",  # from 10
    "IBuilderConfig.progress_monitor",  # from 10
    "ICudaEngine.device_memory_size",  # until 10
    "ICudaEngine.device_memory_size_v2",  # from 10
    "ParserError.node_name",  # from 10
    "ParserError.node_operator",  # from 10
)


def set_optional(owner: object, name: str, value: object) -> None:
    """Set a member that only some versions have."""
    setattr(owner, name, value)


def optional(owner: object, name: str) -> Any:
    """A member that only some versions have, or None."""
    return getattr(owner, name, None)


class ILogger(Protocol):
    """To be subclassed; `int(severity)` goes from 0, an internal error, to 4, verbose."""

    def log(self, severity: SupportsInt, msg: str) -> None: ...


class BuilderFlag(Protocol):
    TF32: SupportsInt
    VERSION_COMPATIBLE: SupportsInt


class NetworkDefinitionCreationFlag(Protocol):
    """Nothing in it is in every version."""


class MemoryPoolType(Protocol):
    WORKSPACE: SupportsInt


class HardwareCompatibilityLevel(Protocol):
    AMPERE_PLUS: SupportsInt


class ProfilingVerbosity(Protocol):
    DETAILED: SupportsInt


class TensorIOMode(Protocol):
    INPUT: SupportsInt
    OUTPUT: SupportsInt


class DataType(Protocol):
    UINT8: SupportsInt
    FLOAT: SupportsInt


class IHostMemory(Protocol):
    """Bytes that TensorRT owns; `bytes(memory)` copies them."""

    def __buffer__(self, flags: int, /) -> memoryview: ...


class ITimingCache(Protocol):
    def serialize(self) -> IHostMemory: ...


class IOptimizationProfile(Protocol):
    def set_shape(
        self, input: str, min: Sequence[int], opt: Sequence[int], max: Sequence[int]
    ) -> None: ...


class IBuilderConfig(Protocol):
    builder_optimization_level: int
    hardware_compatibility_level: SupportsInt
    profiling_verbosity: SupportsInt

    def set_flag(self, flag: SupportsInt) -> None: ...
    def clear_flag(self, flag: SupportsInt) -> None: ...
    def set_memory_pool_limit(self, pool: SupportsInt, pool_size: int) -> None: ...
    def add_optimization_profile(self, profile: IOptimizationProfile) -> int: ...
    def create_timing_cache(self, serialized_timing_cache: bytes) -> ITimingCache | None: ...
    def set_timing_cache(self, cache: ITimingCache, ignore_mismatch: bool) -> bool: ...
    def get_timing_cache(self) -> ITimingCache | None: ...


class RtxComputeCapability(Protocol):
    """The GPUs that it builds for: `SM86` is 8.6; `CURRENT` and `NONE` are none of them."""

    __members__: Mapping[str, SupportsInt]


class RtxIBuilderConfig(Protocol):
    num_compute_capabilities: int

    def set_compute_capability(self, compute_capability: SupportsInt, index: int) -> bool: ...


class INetworkDefinition(Protocol):
    """The parser fills it; nothing else touches it."""


class Builder(Protocol):
    def create_builder_config(self) -> IBuilderConfig: ...
    def create_network(self, flags: int) -> INetworkDefinition: ...
    def create_optimization_profile(self) -> IOptimizationProfile: ...
    def build_serialized_network(
        self, network: INetworkDefinition, config: IBuilderConfig
    ) -> IHostMemory | None: ...


class ParserError(Protocol):
    def code(self) -> object: ...
    def desc(self) -> str: ...
    def node(self) -> int: ...


class OnnxParser(Protocol):
    num_errors: int

    def parse(self, model: bytes) -> bool: ...
    def get_error(self, index: int) -> ParserError: ...


class IExecutionContext(Protocol):
    def set_input_shape(self, name: str, shape: Sequence[int]) -> bool: ...
    def set_tensor_address(self, name: str, memory: int) -> bool: ...
    def execute_async_v3(self, stream_handle: int) -> bool: ...


class ICudaEngine(Protocol):
    num_io_tensors: int

    def create_execution_context(self) -> IExecutionContext | None: ...
    def get_tensor_name(self, index: int) -> str: ...
    def get_tensor_mode(self, name: str) -> SupportsInt: ...
    def get_tensor_dtype(self, name: str) -> SupportsInt: ...
    def get_tensor_shape(self, name: str) -> Sequence[int]: ...
    def get_tensor_profile_shape(self, name: str, profile_index: int) -> list[Sequence[int]]: ...


class Runtime(Protocol):
    engine_host_code_allowed: bool

    def deserialize_cuda_engine(self, serialized_engine: bytes) -> ICudaEngine | None: ...


class RtxCudaGraphStrategy(Protocol):
    DISABLED: SupportsInt
    WHOLE_GRAPH_CAPTURE: SupportsInt


class RtxDynamicShapesKernelSpecializationStrategy(Protocol):
    EAGER: SupportsInt


class RtxIRuntimeCache(Protocol):
    """Kernels that were compiled on this GPU; a context that uses them needs it to live."""

    def deserialize(self, blob: bytes) -> bool: ...
    def serialize(self) -> IHostMemory | None: ...


class RtxIRuntimeConfig(Protocol):
    cuda_graph_strategy: SupportsInt
    dynamic_shapes_kernel_specialization_strategy: SupportsInt

    def create_runtime_cache(self) -> RtxIRuntimeCache | None: ...
    def set_runtime_cache(self, cache: RtxIRuntimeCache) -> bool: ...


class RtxICudaEngine(Protocol):
    def create_runtime_config(self) -> RtxIRuntimeConfig | None: ...
    def create_execution_context(
        self, *, runtime_config: RtxIRuntimeConfig
    ) -> IExecutionContext | None: ...
