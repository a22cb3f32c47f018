"""How a graph becomes a TensorRT network: the one place where 8.6, 10.x and 11.x differ.

Precision is written into the ONNX file, so that one file serves them all, and there is no
calibrator. 10 and 11 take the types from the graph (strongly typed); 8.6 cannot, and is allowed
FP16 and INT8 by flags. What a version has is asked of the module, not read off its number.
Source: migration guides 8 to 10 and 10 to 11 in NVIDIA's TensorRT documentation.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from cdul_edge_runtime.backends.profile import Profile
from cdul_edge_runtime.backends.trt import api as api
from cdul_edge_runtime.backends.trt.library import TensorRT, shorten
from cdul_edge_runtime.bundle.manifest import Precision
from cdul_edge_runtime.errors import CdulEdgeError

PRECISIONS = (Precision.FP32, Precision.FP16, Precision.INT8)  # others: CPUs
_INPUT = "images"  # the graph's contract; see `manifest.Graph`
_MOST_WORKSPACE = 1 << 24  # MiB, which is 16 TiB: more than any GPU has, and in bytes an int64
_OLD_OPSET = 17  # the newest that TensorRT 8.6 reads; onnx-tensorrt docs/operators.md, 8.6-GA


@dataclass(frozen=True)
class BuildSettings:
    """What engine to build.

    Attributes:
        precision: which ONNX file of the bundle.
        profile: the batch sizes that the engine takes.
        workspace_mib: most device memory that one layer may use while it runs.
        version_compatible: let newer TensorRT versions load it; may be slower.
        hardware_compatible: let newer GPUs (Ampere and later) load it; may be slower.
        optimization_level: 0 (quick build) to 5 (long search); None leaves TensorRT's default.
    """

    precision: Precision
    profile: Profile = field(default_factory=lambda: Profile(1, 1, 8))
    workspace_mib: int = 1024
    version_compatible: bool = False
    hardware_compatible: bool = False
    optimization_level: int | None = None

    def __post_init__(self) -> None:
        if self.precision not in PRECISIONS:
            where = "x86 CPUs" if self.precision.has_file else "OpenVINO"
            raise CdulEdgeError(
                f"{self.precision.value} is for {where}, TensorRT cannot use it: choose "
                f"{', '.join(precision.value for precision in PRECISIONS)}"
            )
        if not 1 <= self.workspace_mib <= _MOST_WORKSPACE:
            raise CdulEdgeError(
                f"workspace of {self.workspace_mib} MiB: expected 1 to {_MOST_WORKSPACE}"
            )
        if self.optimization_level is not None and not 0 <= self.optimization_level <= 5:
            raise CdulEdgeError(f"optimization level {self.optimization_level}: expected 0 to 5")


def create_network(trt: TensorRT, builder: api.Builder) -> tuple[api.INetworkDefinition, bool]:
    """An empty network, and whether it is strongly typed."""
    creation = trt.NetworkDefinitionCreationFlag
    typed = api.optional(creation, "STRONGLY_TYPED")
    if typed is not None:  # 10 asks for it; 11 knows nothing else, and ignores it
        return builder.create_network(1 << int(typed)), True
    explicit = api.optional(creation, "EXPLICIT_BATCH")
    if explicit is not None:  # 8
        return builder.create_network(1 << int(explicit)), False
    return builder.create_network(0), True


def check_opset(trt: TensorRT, opset: int, newer_operators: tuple[str, ...]) -> None:
    """Refuse a graph that this TensorRT is too old for, before it says so in its own words.

    Raises:
        CdulEdgeError: the opset is above 17, and TensorRT is 8.x.
    """
    strongly_typed = api.optional(trt.NetworkDefinitionCreationFlag, "STRONGLY_TYPED")
    if opset > _OLD_OPSET and strongly_typed is None and trt.__version__.startswith("8."):
        cause = f" because of {', '.join(newer_operators)}" if newer_operators else ""
        raise CdulEdgeError(
            f"the bundle's graph has opset {opset}{cause}, TensorRT {trt.__version__} reads up to "
            f"{_OLD_OPSET}: use TensorRT 10 (JetPack 6.1 or later), or another network"
        )


def parse_onnx(parser: api.OnnxParser, model: Path) -> None:
    """Fill the parser's network.

    Raises:
        CdulEdgeError: the parser refuses the file; every error is named with its node.
    """
    # not by its name, which may hold what TensorRT takes for no text
    if parser.parse(model.read_bytes()):
        return
    faults = [_describe(parser.get_error(index)) for index in range(parser.num_errors)]
    raise CdulEdgeError(
        f"TensorRT cannot read {model} ({'; '.join(faults) or 'it gave no reason'}): export the "
        "bundle again with this version of cdul-edge, or use a newer TensorRT"
    )


def configure(
    trt: TensorRT, config: api.IBuilderConfig, settings: BuildSettings, *, strongly_typed: bool
) -> None:
    """Set everything but the profile and the timing cache."""
    config.set_memory_pool_limit(trt.MemoryPoolType.WORKSPACE, settings.workspace_mib << 20)
    if settings.precision is Precision.FP32:
        config.clear_flag(trt.BuilderFlag.TF32)  # on by default, and keeps 10 bits of 23
    # 8.6 is only allowed what the graph asks for. INT8 allows FP16 too, for the float layers; a
    # Q/DQ graph is refused without the INT8 flag (NVIDIA/TensorRT issue 4021).
    if not strongly_typed and settings.precision is not Precision.FP32:
        config.set_flag(api.optional(trt.BuilderFlag, "FP16"))
    if not strongly_typed and settings.precision is Precision.INT8:
        config.set_flag(api.optional(trt.BuilderFlag, "INT8"))
    if settings.version_compatible:
        config.set_flag(trt.BuilderFlag.VERSION_COMPATIBLE)
    if settings.hardware_compatible:
        config.hardware_compatibility_level = trt.HardwareCompatibilityLevel.AMPERE_PLUS
    if settings.optimization_level is not None:
        config.builder_optimization_level = settings.optimization_level


def add_profile(
    builder: api.Builder, config: api.IBuilderConfig, shape: tuple[int, ...], batches: Profile
) -> None:
    """Declare which batches of (H, W, 3) pictures the engine takes.

    Raises:
        CdulEdgeError: TensorRT refuses the profile.
    """
    profile = builder.create_optimization_profile()
    sizes = (batches.min, batches.best, batches.max)
    refusal = f"TensorRT refuses batches of {sizes} pictures {shape}: give a smaller --batch-max"
    try:
        profile.set_shape(_INPUT, *((size, *shape) for size in sizes))
    except (RuntimeError, TypeError) as error:  # what is in a batch must be an int32
        raise CdulEdgeError(refusal) from error
    if config.add_optimization_profile(profile) < 0:
        raise CdulEdgeError(refusal)


def _describe(error: api.ParserError) -> str:
    name = api.optional(error, "node_name")
    operator = api.optional(error, "node_operator")
    node = f"node {error.node()}"
    if error.node() < 0:  # the file as a whole
        return f"{shorten(error.desc())} [{error.code()}]"
    if name is not None and operator is not None:  # from 10
        node = f"{operator()} {name()!r} ({node})"
    return f"{node}: {shorten(error.desc())} [{error.code()}]"
