"""One ONNX file through NVIDIA's compiler in a process of its own: its peak of memory is its own.

python -m benchmarks.tensorrt_compiler model.fp16.onnx fp16 8.6,8.9 1 > figures.json
"""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib import import_module
from pathlib import Path
from time import perf_counter, process_time

from benchmarks.nvidia_compiler import Kernel, compile_graph
from cdul_edge_runtime.bundle.manifest import Precision
from cdul_edge_runtime.host.machine import peak_memory_mib

_GENERATED = "kgen"  # pointwise code and reductions; it may hold a convolution's bias
_PAIR = {"QuantizeLinear", "DequantizeLinear"}


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
        convolutions_in_int8: of these, those whose kernel takes INT8 activations and weights.
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
class Build:
    """What NVIDIA's compiler did with one file; MiB are of its process.

    Attributes:
        message: NVIDIA's, where it refused.
        warnings: of parser and builder, each once.
        seconds: of parsing and building; `cpu_seconds` without what other programs took.
        idle_mib: before the file was read.
        layers: of the network that the parser made.
    """

    gpus: tuple[str, ...]
    onnx_bytes: int
    parsed: bool = False
    built: bool = False
    message: str = ""
    warnings: tuple[str, ...] = ()
    seconds: float = 0.0
    cpu_seconds: float = 0.0
    idle_mib: float | None = None
    peak_mib: float | None = None
    engine_bytes: int = 0
    layers: int = 0
    fusion: Fusion | None = None


def measure_build(path: Path, precision: Precision, gpus: Sequence[str], threads: int) -> Build:
    """Parse and build for these compute capabilities ("8.6"), for 1 to 8 pictures at once."""
    import_module("tensorrt_rtx")
    idle = peak_memory_mib()
    started, worked = perf_counter(), process_time()
    tf32 = precision is not Precision.FP32
    found = compile_graph(path.read_bytes(), gpus=gpus, threads=threads, tf32=tf32)
    seconds, cpu_seconds = perf_counter() - started, process_time() - worked
    return Build(
        gpus=tuple(gpus),
        onnx_bytes=path.stat().st_size,
        parsed=found.refused_by != "parser",
        built=found.refused_by is None,
        message=" ".join(f"{found.node} {found.message}".split()),
        warnings=tuple(" ".join(text.split()) for text in found.warnings),
        seconds=round(seconds, 2),
        cpu_seconds=round(cpu_seconds, 2),
        idle_mib=_rounded(idle),
        peak_mib=_rounded(peak_memory_mib()),
        engine_bytes=found.engine_bytes,
        layers=found.layers,
        fusion=count_fusion(found.kernels, found.operators) if found.kernels else None,
    )


def count_fusion(kernels: Sequence[Kernel], operators: Mapping[str, str]) -> Fusion:
    """What the kernels say about the nodes, whose operators are given by name."""
    homes: dict[str, Kernel] = {}
    for kernel in sorted(kernels, key=lambda one: one.kind != _GENERATED):
        homes |= dict.fromkeys(kernel.nodes, kernel)  # the others come last, and win
    convolutions = [node for node, operator in operators.items() if operator == "Conv"]
    own = [homes[node] for node in convolutions if node in homes]
    held = [[name for name in one.nodes if operators.get(name) not in _PAIR] for one in own]
    rounding = [
        o for o in kernels if o.kind == _GENERATED and "Int8" in {t.kind for t in o.outputs}
    ]
    return Fusion(
        kernels=len(kernels),
        kinds=dict(Counter(one.kind for one in kernels).most_common()),
        named=sum(bool(one.nodes) for one in kernels),
        convolutions=len(convolutions),
        convolutions_fused=sum(len(names) > 1 for names in held),
        convolutions_in_int8=sum(_reads_int8(one) for one in own),
        rounding_kernels=len(rounding),
    )


def _reads_int8(kernel: Kernel) -> bool:
    """Activations and weights, in a convolution or in the matrix product that it became."""
    read = (*kernel.inputs[:1], *kernel.constants[:1])
    return [tensor.kind for tensor in read] == ["Int8"] * 2


def _rounded(mib: float | None) -> float | None:
    return None if mib is None else round(mib, 1)


def main() -> None:
    path, precision, gpus, threads = sys.argv[1:]
    found = measure_build(Path(path), Precision(precision), gpus.split(","), int(threads))
    print(json.dumps(asdict(found)))


if __name__ == "__main__":
    main()
