"""One ONNX file through NVIDIA's parser and compiler, in a process of its own: its peak is its own.

TensorRT for RTX builds for GPUs that are not there. What it made of the graph stands in its own
log: with detailed verbosity it prints every kernel of the engine with the ONNX nodes in it.

    python -m benchmarks.tensorrt_compiler model.fp16.onnx fp16 SM86,SM89 > figures.json
"""

from __future__ import annotations

import json
import re
import sys
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from importlib import import_module
from pathlib import Path
from time import perf_counter, process_time
from typing import Any

from cdul_edge_export.engine_config import (
    BuildSettings,
    add_profile,
    configure,
    create_network,
    parse_onnx,
)
from cdul_edge_runtime.bundle.manifest import Precision
from cdul_edge_runtime.errors import CdulEdgeError
from cdul_edge_runtime.host.machine import peak_memory_mib

_KERNEL = re.compile(
    r"Name: .*?, LayerType: (?P<kind>\w+), Inputs: (?P<inputs>.*?), Constants: .*, "
    r"Outputs: (?P<outputs>.*?), TacticName: .*?, StreamId: \d+, Metadata: (?P<nodes>.*)"
)
_PARSED = re.compile(r"Parsing node: (?P<node>.*) \[(?P<operator>\w+)\]")
_NO_KERNEL = {"shape_call"}  # host code that works out sizes
_GENERATED = "kgen"  # pointwise code and reductions; it may hold a convolution's bias
_PAIR = {"QuantizeLinear", "DequantizeLinear"}


@dataclass(frozen=True)
class Kernel:
    """A kernel of an engine, as the builder's log describes it.

    Attributes:
        kind: NVIDIA's word: "correlation" is a convolution, "kgen" generated code.
        nodes: names of the ONNX nodes in it.
        reads_int8, writes_int8: whether an activation that goes in, or comes out, is INT8.
    """

    kind: str
    nodes: tuple[str, ...]
    reads_int8: bool
    writes_int8: bool


@dataclass(frozen=True)
class Fusion:
    """What became of a graph's nodes.

    Attributes:
        kernels: of the engine.
        kinds: how many of each kind.
        named: kernels that name the ONNX nodes in them.
        convolutions: Conv nodes of the graph.
        convolutions_fused: of these, those whose kernel holds another node too, such as the
            activation or the addition after it; Q/DQ pairs do not count.
        convolutions_in_int8: of these, those whose kernel reads INT8.
        rounding_kernels: kernels of generated code that end in INT8.
    """

    kernels: int
    kinds: dict[str, int]
    named: int
    convolutions: int
    convolutions_fused: int
    convolutions_in_int8: int
    rounding_kernels: int


@dataclass(frozen=True)
class Compiled:
    """What NVIDIA's compiler did with one file; MiB are of this process.

    Attributes:
        message: NVIDIA's, where it refused.
        warnings: of parser and builder, each once.
        idle_mib: resident size before the file was read.
    """

    parsed: bool
    built: bool
    message: str | None
    warnings: tuple[str, ...]
    gpus: tuple[str, ...]
    onnx_bytes: int
    parse_seconds: float = 0.0
    build_seconds: float = 0.0
    build_cpu_seconds: float = 0.0
    idle_mib: float | None = None
    peak_mib: float | None = None
    engine_bytes: int | None = None
    network_layers: int = 0
    fusion: Fusion | None = None


def compile_graph(path: Path, precision: Precision, gpus: Sequence[str], threads: int) -> Compiled:
    """Parse and build for these GPUs ("SM86"), for 1 to 8 pictures at once."""
    trt: Any = import_module("tensorrt_rtx")
    idle = peak_memory_mib()
    lines: list[tuple[int, str]] = []
    builder = trt.Builder(_logger(trt, lines))
    builder.max_threads = threads
    made, strongly_typed = create_network(trt, builder)
    network: Any = made  # what it is asked here, the product never asks
    parser = trt.OnnxParser(network, builder.logger)
    found: dict[str, Any] = {"gpus": tuple(gpus), "onnx_bytes": path.stat().st_size}
    started = perf_counter()
    try:
        parse_onnx(parser, path)
    except CdulEdgeError:
        return Compiled(False, False, _refusal(parser, lines), _warnings(lines, trt), **found)
    found |= {"parse_seconds": round(perf_counter() - started, 3)}
    found |= {"network_layers": network.num_layers}
    config = builder.create_builder_config()
    settings = BuildSettings(precision)
    configure(trt, config, settings, strongly_typed=strongly_typed)
    config.profiling_verbosity = trt.ProfilingVerbosity.DETAILED
    config.num_compute_capabilities = len(gpus)
    for place, gpu in enumerate(gpus):
        config.set_compute_capability(getattr(trt.ComputeCapability, gpu), place)
    add_profile(builder, config, tuple(network.get_input(0).shape)[1:], settings.profile)
    started, worked = perf_counter(), process_time()
    plan = builder.build_serialized_network(network, config)
    log = [line for _, text in lines for line in text.splitlines()]
    return Compiled(
        parsed=True,
        built=plan is not None,
        message=None if plan is not None else _refusal(parser, lines),
        warnings=_warnings(lines, trt),
        build_seconds=round(perf_counter() - started, 2),
        build_cpu_seconds=round(process_time() - worked, 2),
        idle_mib=_rounded(idle),
        peak_mib=_rounded(peak_memory_mib()),
        engine_bytes=None if plan is None else plan.nbytes,
        fusion=None if plan is None else count_fusion(log),
        **found,
    )


def read_kernels(log: Iterable[str]) -> list[Kernel]:
    """The kernels in the lines of a builder's log of detailed verbosity."""
    found = []
    for match in filter(None, map(_KERNEL.fullmatch, log)):
        if match["kind"] not in _NO_KERNEL:
            nodes = tuple(re.findall(r"\[ONNX Layer: ([^\]]*)\]", match["nodes"]))
            reads, writes = ("Datatype: Int8" in match[side] for side in ("inputs", "outputs"))
            found.append(Kernel(match["kind"], nodes, reads, writes))
    return found


def count_fusion(log: Sequence[str]) -> Fusion:
    """What parser and builder say in their log about fusion."""
    operators = {m["node"]: m["operator"] for m in map(_PARSED.fullmatch, log) if m}
    convolutions = [node for node, operator in operators.items() if operator == "Conv"]
    kernels = read_kernels(log)
    homes: dict[str, Kernel] = {}
    for kernel in sorted(kernels, key=lambda one: one.kind != _GENERATED):
        homes |= dict.fromkeys(kernel.nodes, kernel)  # the others come last, and win
    own = [homes[node] for node in convolutions if node in homes]
    held = [[name for name in one.nodes if operators.get(name) not in _PAIR] for one in own]
    return Fusion(
        kernels=len(kernels),
        kinds=dict(Counter(one.kind for one in kernels).most_common()),
        named=sum(bool(one.nodes) for one in kernels),
        convolutions=len(convolutions),
        convolutions_fused=sum(len(names) > 1 for names in held),
        convolutions_in_int8=sum(one.reads_int8 for one in own),
        rounding_kernels=sum(one.writes_int8 and one.kind == _GENERATED for one in kernels),
    )


def _logger(trt: Any, lines: list[tuple[int, str]]) -> Any:
    class Logger(trt.ILogger):  # type: ignore[misc]  # the base is known at run time only
        def log(self, severity: Any, msg: str) -> None:
            lines.append((int(severity), msg))

    logger = Logger.__new__(Logger)
    trt.ILogger.__init__(logger)  # pybind11 wants its own to have run
    return logger


def _refusal(parser: Any, lines: list[tuple[int, str]]) -> str:
    faults = [parser.get_error(index) for index in range(parser.num_errors)]
    told = [f"{one.node_operator()} {one.node_name()}: {one.desc()}" for one in faults]
    errors = [text for severity, text in lines if severity <= 1]
    return " ".join(" | ".join(told or errors[-3:] or ["no reason given"]).split())


def _warnings(lines: list[tuple[int, str]], trt: Any) -> tuple[str, ...]:
    """Each once."""
    level = int(trt.ILogger.Severity.WARNING)
    return tuple(dict.fromkeys(" ".join(text.split()) for found, text in lines if found == level))


def _rounded(mib: float | None) -> float | None:
    return None if mib is None else round(mib, 1)


def main() -> None:
    path, precision, gpus, threads = sys.argv[1:]
    compiled = compile_graph(Path(path), Precision(precision), gpus.split(","), int(threads))
    print(json.dumps(asdict(compiled)))


if __name__ == "__main__":
    main()
