"""What TensorRT for RTX makes of an INT8 file: are its weights INT8, and its convolutions?

Each network (random weights) is built ahead of time from its FP32, FP16 and INT8 file, and from
two variants that `calibrate` does not make: Q/DQ with FP16 scales, and INT8 weights alone. The
listing of the engine's kernels says what each reads and writes. Speed needs a GPU.

    python -m benchmarks.int8_on_rtx [--networks resnet18 resnet50] [--threads 1]
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from copy import deepcopy
from dataclasses import asdict, dataclass

import numpy as np
import onnx
import torch
import torchvision
from onnx import TensorProto, helper, numpy_helper

from benchmarks.graph_ranges import graph_ranges
from benchmarks.nvidia_compiler import GPU, Compiled, compile_graph, compiler_version
from benchmarks.record import record
from cdul_edge_calibration.graphs.fp16 import to_fp16
from cdul_edge_calibration.graphs.layers import drop_unused, name_nodes, producers
from cdul_edge_calibration.graphs.quantize import quantize_for_tensorrt
from cdul_edge_export.deploy import Deploy
from cdul_edge_export.onnx_export import to_onnx
from cdul_edge_runtime.pictures.preprocess import Preprocess

NAME = "int8_on_rtx"
NETWORKS = ("resnet18", "resnet50", "mobilenet_v2")
SIZE_PX = 224
# Ampere; GeForce 30 and 40 in one engine; Turing.
GPUS = (("8.6",), ("8.6", "8.9"), ("7.5",))


@dataclass(frozen=True)
class Row:
    """One file, and the engine for compute capability 8.6 that it becomes.

    Attributes:
        onnx_bytes: of the file.
        engine_bytes: of the engine.
        weight_bytes: that the engine keeps in device memory.
        kernels: that run for one picture.
        convolutions: among them, apart from those that became matrix products.
        int8_convolutions: those that read INT8 activations and INT8 weights.
        convolutions_put_out: the types of what convolutions write.
        traffic_bytes: activations that all kernels read and write for one picture.
        bytes_by_gpus: of the engine for other GPUs, or NVIDIA's refusal.
    """

    onnx_bytes: int
    engine_bytes: int
    weight_bytes: int
    kernels: int
    convolutions: int
    int8_convolutions: int
    convolutions_put_out: tuple[str, ...]
    traffic_bytes: int
    bytes_by_gpus: dict[str, int | str]


def measure(model: onnx.ModelProto) -> Row:
    """Build the engines of one file."""
    content = model.SerializeToString()
    built = {gpus: compile_graph(content, gpus=gpus) for gpus in GPUS}
    engine = built[(GPU,)]
    if engine.refused_by is not None:
        raise RuntimeError(f"NVIDIA's {engine.refused_by} refuses it: {engine.message}")
    written = {tensor.kind for kernel in engine.convolutions for tensor in kernel.outputs}
    return Row(
        onnx_bytes=len(content),
        engine_bytes=engine.engine_bytes,
        weight_bytes=engine.weight_bytes,
        kernels=len(engine.kernels),
        convolutions=len(engine.convolutions),
        int8_convolutions=engine.int8_convolutions,
        convolutions_put_out=tuple(sorted(written)),
        traffic_bytes=engine.traffic_bytes,
        bytes_by_gpus={" ".join(gpus): _size(found) for gpus, found in built.items()},
    )


def _size(found: Compiled) -> int | str:
    return found.engine_bytes if found.refused_by is None else found.message


def make_files(network: torch.nn.Module) -> Iterator[tuple[str, onnx.ModelProto]]:
    """The files of `calibrate`, and the variants, by name."""
    preprocess = Preprocess(SIZE_PX, SIZE_PX)
    model, _ = to_onnx(Deploy(network.eval(), preprocess), preprocess)
    name_nodes(model)
    pixels = np.random.default_rng(0).integers(0, 256, (1, SIZE_PX, SIZE_PX, 3), dtype=np.uint8)
    ranges = graph_ranges(model, pixels)
    int8 = quantize_for_tensorrt(model, ranges)
    yield "fp32", model
    yield "fp16", to_fp16(model)
    yield "int8", int8
    yield "int8, FP16 scales", halve(int8)
    yield "INT8 weights alone", halve(keep_weights(int8))


def keep_weights(int8: onnx.ModelProto) -> onnx.ModelProto:
    """Weights stored as INT8 and dequantized; no pair on an activation."""
    model = deepcopy(int8)
    makers = producers(model.graph)
    values = {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
    for node in model.graph.node:
        for position, name in enumerate(node.input):
            dequantize = makers.get(name)
            if dequantize is None or dequantize.op_type != "DequantizeLinear":
                continue
            quantize = makers.get(dequantize.input[0])
            if quantize is None:  # done, for another reader
                continue
            source = quantize.input[0]
            if source not in values:
                node.input[position] = source
                continue
            scale = values[quantize.input[1]].reshape(-1, *[1] * (values[source].ndim - 1))
            stored = np.clip(np.rint(values[source] / scale), -128, 127).astype(np.int8)
            model.graph.initializer.append(numpy_helper.from_array(stored, f"{source}_int8"))
            dequantize.input[0] = f"{source}_int8"
    drop_unused(model.graph)
    return model


def halve(model: onnx.ModelProto) -> onnx.ModelProto:
    """FP16 wherever it was FP32, scales of pairs too, which needs opset 19; FP32 scores."""
    half = deepcopy(model)
    half.opset_import[0].version, half.ir_version = 19, 9
    for tensor in half.graph.initializer:
        if tensor.data_type == TensorProto.FLOAT:
            values = numpy_helper.to_array(tensor).astype(np.float16)
            tensor.CopyFrom(numpy_helper.from_array(values, tensor.name))
    for node in half.graph.node:
        if node.op_type == "Cast":
            del node.attribute[:]
            node.attribute.append(helper.make_attribute("to", TensorProto.FLOAT16))
    last = producers(half.graph)[half.graph.output[0].name]
    place = list(half.graph.node).index(last)
    cast = helper.make_node("Cast", [last.input[0]], ["fp32"], "to_fp32", to=TensorProto.FLOAT)
    last.input[0] = "fp32"
    half.graph.node.insert(place, cast)
    del half.graph.value_info[:]
    onnx.checker.check_model(half, full_check=True)
    return half


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--networks", nargs="+", default=list(NETWORKS), help="only these, without recording them"
    )
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    rows: dict[str, dict[str, object]] = {}
    for name in options.networks:
        torch.manual_seed(0)
        network = getattr(torchvision.models, name)(weights=None)
        rows[name] = {}
        for file, model in make_files(network):
            rows[name][file] = asdict(measure(model))
            print(f"{name} {file}: {rows[name][file]}", flush=True)
    if options.networks != list(NETWORKS):
        print(f"not recorded: {NAME}.json holds {', '.join(NETWORKS)}")
        return
    figures = {"tensorrt_rtx": compiler_version(), "compute_capability": GPU, "networks": rows}
    record(NAME, figures, threads=options.threads)


if __name__ == "__main__":
    main()
