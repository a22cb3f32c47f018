"""What NVIDIA's own parser and compiler make of a graph, on a machine without a GPU.

TensorRT for RTX compiles ahead of time for compute capabilities that are named. Its log then lists
the kernels of the engine, with the type and shape of all that they read and write: what an engine
inspector would tell on a GPU.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from time import perf_counter
from typing import Any, Literal, SupportsInt

from cdul_edge_export.engines.compute_capabilities import GpuSet, forget_turing, set_gpus
from cdul_edge_runtime.backends.trt.library import shorten

Stage = Literal["parser", "builder"]

GPU = "8.6"  # Ampere, the oldest that TensorRT for RTX builds for unless it is told otherwise
_WARNING, _ERROR = 2, 1
_BYTES = {"Float": 4, "Half": 2, "BFloat16": 2, "Int8": 1, "UInt8": 1, "Bool": 1, "Int64": 8}
_PARSED = re.compile(r"^Parsing node: (.*) \[(\w+)\]$")
_LOGGERS: list[object] = []  # the library keeps bare pointers to its loggers


@dataclass(frozen=True)
class Tensor:
    """What a kernel reads or writes: its type in NVIDIA's words, and its shape, the batch as 1."""

    kind: str
    shape: tuple[int, ...]

    @property
    def bytes(self) -> int:
        return math.prod(self.shape) * _BYTES.get(self.kind, 4)


@dataclass(frozen=True)
class Kernel:
    """One step of an engine.

    Attributes:
        kind: NVIDIA's word: correlation (a convolution), kgen (generated for a chain of operators),
            runtime_fusion or gemm (a matrix product), maxpool, avgpool.
        nodes: names of the ONNX nodes that became part of it.
    """

    name: str
    kind: str
    inputs: tuple[Tensor, ...]
    constants: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]
    nodes: tuple[str, ...] = ()

    @property
    def is_int8_convolution(self) -> bool:
        """Whether activations and weights go into a convolution as INT8."""
        read = (*self.inputs[:1], *self.constants[:1])
        return self.kind == "correlation" and [tensor.kind for tensor in read] == ["Int8"] * 2


@dataclass(frozen=True)
class Compiled:
    """NVIDIA's verdict on a graph, and what the engine consists of where it was built.

    Attributes:
        refused_by: the parser or the builder; None where there is an engine.
        message: NVIDIA's, in one line; empty where there is an engine.
        node: the name of the node at fault, where NVIDIA names one.
        warnings: what NVIDIA warned of.
        seconds: of parsing and building.
        kernels: in the order in which they run.
        layers: that the parser made of the graph.
        operators: of every node that the parser read, by its name.
    """

    refused_by: Stage | None
    message: str
    node: str
    warnings: tuple[str, ...]
    seconds: float
    engine_bytes: int = 0
    weight_bytes: int = 0
    kernels: tuple[Kernel, ...] = ()
    layers: int = 0
    operators: Mapping[str, str] = field(default_factory=dict)

    @property
    def convolutions(self) -> tuple[Kernel, ...]:
        return tuple(kernel for kernel in self.kernels if kernel.kind == "correlation")

    @property
    def int8_convolutions(self) -> int:
        return sum(kernel.is_int8_convolution for kernel in self.kernels)

    @property
    def traffic_bytes(self) -> int:
        """Activations that the kernels of one picture read and write."""
        return sum(t.bytes for kernel in self.kernels for t in (*kernel.inputs, *kernel.outputs))


def compiler_version() -> str:
    """Of the installed TensorRT for RTX."""
    return str(import_module("tensorrt_rtx").__version__)


def supported_operators(names: Iterable[str]) -> dict[str, bool]:
    """Of ONNX operators, whether NVIDIA's parser knows them; some it reads by a plugin alone."""
    trt: Any = import_module("tensorrt_rtx")
    logger = _make_logger(trt, [])
    builder = trt.Builder(logger)
    network = builder.create_network(0)
    parser = trt.OnnxParser(network, logger)
    return {name: bool(parser.supports_operator(name)) for name in names}


def compile_graph(
    model: bytes,
    *,
    gpus: Sequence[str] = (GPU,),
    batches: tuple[int, int, int] = (1, 1, 8),
    threads: int | None = None,
    tf32: bool = True,
) -> Compiled:
    """Parse an ONNX file and build an engine of it.

    Args:
        model: the file's content.
        gpus: compute capabilities such as "8.6".
        batches: smallest, usual and largest number of pictures.
        threads: most that the builder may use; None leaves it its own number.
        tf32: whether FP32 products may keep 10 bits of 23; `cdul-edge build` forbids it for FP32.

    Raises:
        ModuleNotFoundError: TensorRT for RTX is not installed.
    """
    trt: Any = import_module("tensorrt_rtx")
    heard: list[tuple[int, str]] = []
    logger = _make_logger(trt, heard)
    started = perf_counter()
    builder = trt.Builder(logger)
    builder.max_threads = threads or builder.max_threads
    network = builder.create_network(0)
    parser = trt.OnnxParser(network, logger)
    if not parser.parse(model):
        error = parser.get_error(0)
        return _refused("parser", error.desc(), error.node_name(), heard, started)
    config = builder.create_builder_config()
    config.profiling_verbosity = trt.ProfilingVerbosity.DETAILED
    if not tf32:
        config.clear_flag(trt.BuilderFlag.TF32)
    targets = GpuSet(tuple(gpus))
    set_gpus(trt, config, targets)
    images = network.get_input(0)
    profile = builder.create_optimization_profile()
    picture = [8 if side < 0 else side for side in tuple(images.shape)[1:]]
    profile.set_shape(images.name, *([batch, *picture] for batch in batches))
    config.add_optimization_profile(profile)
    plan = builder.build_serialized_network(network, config)
    if plan is None:
        errors = [text for severity, text in heard if severity <= _ERROR]
        forget_turing(trt, builder, network, config, targets)
        return _refused("builder", errors[-1] if errors else "no reason", "", heard, started)
    weights = [re.search(r"Total Weights Memory: (\d+)", text) for _, text in heard]
    return Compiled(
        None,
        "",
        "",
        _warnings(heard),
        perf_counter() - started,
        len(bytes(plan)),
        sum(int(found[1]) for found in weights if found),
        tuple(_read_kernels(text for _, text in heard)),
        network.num_layers,
        dict(found for _, text in heard for found in _PARSED.findall(text)),
    )


def _make_logger(module: Any, heard: list[tuple[int, str]]) -> object:
    base: Any = module.ILogger

    class Listener(base):  # type: ignore[misc]  # the base is known at run time only
        def __init__(self) -> None:
            base.__init__(self)

        def log(self, severity: SupportsInt, msg: str) -> None:
            heard.append((int(severity), msg))

    _LOGGERS.append(Listener())
    return _LOGGERS[-1]


def _refused(
    stage: Stage, message: str, node: str, heard: list[tuple[int, str]], started: float
) -> Compiled:
    text = shorten(message)
    text = text.removeprefix(f"Invalid Node - {node} ") if node else text
    return Compiled(stage, text, node, _warnings(heard), perf_counter() - started)


def _warnings(heard: list[tuple[int, str]]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(text for severity, text in heard if severity == _WARNING))


def _read_kernels(texts: Iterable[str]) -> list[Kernel]:
    """The kernels in the listing that ends a build's log; what only prepares shapes is left out."""
    listing = next((text for text in texts if text.startswith("Layers:")), "")
    found = []
    for line in listing.splitlines():
        named = re.match(r"Name: ([^,]*), LayerType: ([^,]*),", line)
        if named is None or named[2] in ("shape_call", "signal", "wait"):
            continue
        reads, constants, writes = (
            tuple(_read_tensors(line, part)) for part in ("Inputs", "Constants", "Outputs")
        )
        nodes = tuple(re.findall(r"\[ONNX Layer: ([^\]]*)\]", line))
        found.append(Kernel(named[1], named[2], reads, constants, writes, nodes))
    return found


def _read_tensors(line: str, part: str) -> list[Tensor]:
    ends = {"Inputs": "Constants", "Constants": "Outputs", "Outputs": "TacticName"}
    found = re.search(rf", {part}: \[(.*?)\], {ends[part]}:", line)
    text = found[1] if found else ""
    return [
        Tensor(kind, tuple(abs(int(side)) for side in sides.split(",") if side.strip()))
        for sides, kind in re.findall(r"Dimensions: \[([^\]]*)\].*?Datatype: (\w+)", text)
    ]
