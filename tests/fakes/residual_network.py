"""A residual ConvNet of six convolutions as our exporter writes it, made without torch."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper, numpy_helper
from PIL import Image

from cdul_edge_runtime.backends.ort.backend import OrtBackend
from cdul_edge_runtime.bundle.bundle import MANIFEST, REFERENCE, Reference, record_file
from cdul_edge_runtime.bundle.classes import ClassList
from cdul_edge_runtime.bundle.manifest import METADATA_KEY, Graph, Manifest, Parity, Precision
from cdul_edge_runtime.device_choice import CpuThreads
from cdul_edge_runtime.host.files import write_json
from cdul_edge_runtime.pictures.preprocess import Preprocess

Inputs = npt.NDArray[np.uint8]
Scores = npt.NDArray[np.float32]

CLASSES = ClassList(("cat", "dog", "hen"))
SIZE_PX = 8
# name, input channels, output channels, kernel, stride
CONVOLUTIONS = (
    ("conv1", 3, 8, 3, 1),
    ("layer1.0.conv1", 8, 8, 3, 1),
    ("layer1.0.conv2", 8, 8, 3, 1),
    ("layer2.0.conv1", 8, 16, 3, 2),
    ("layer2.0.conv2", 16, 16, 3, 1),
    ("layer2.0.downsample.0", 8, 16, 1, 2),
)
LAYERS = tuple(name for name, *_ in CONVOLUTIONS)


def build_residual(seed: int = 3) -> onnx.ModelProto:
    """(N, 8, 8, 3) uint8 to (N, 3) scores.

    A stem with MaxPool, a block whose skip is plain, and one whose skip is a convolution.
    """
    generator = np.random.default_rng(seed)
    constants: dict[str, npt.NDArray[np.float32]] = {
        "scale": np.full((1, 3, 1, 1), 1 / 64, np.float32),
        "shift": np.full((1, 3, 1, 1), -2, np.float32),
        "network.fc.weight": generator.normal(0, 1.2, (3, 16)).astype(np.float32),
        "network.fc.bias": np.array([0.2, -0.1, 0.0], np.float32),
    }
    for name, inputs, outputs, kernel, _ in CONVOLUTIONS:
        spread = (1 / (inputs * kernel**2)) ** 0.5
        weights = generator.normal(0, spread, (outputs, inputs, kernel, kernel))
        constants[f"network.{name}.weight"] = weights.astype(np.float32)
        constants[f"network.{name}.bias"] = generator.normal(0, 0.1, outputs).astype(np.float32)
    nodes = [
        helper.make_node("Cast", ["images"], ["floats"], "node_cast", to=TensorProto.FLOAT),
        helper.make_node("Transpose", ["floats"], ["planes"], "node_permute", perm=[0, 3, 1, 2]),
        helper.make_node("Mul", ["planes", "scale"], ["scaled"], "node_mul"),
        helper.make_node("Add", ["scaled", "shift"], ["shifted"], "node_add"),
        *_convolution("conv1", "shifted"),
        helper.make_node("MaxPool", ["conv1.relu"], ["pooled"], "node_max_pool", **_POOL),
        *_block("layer1.0", "pooled", skip="pooled"),
        *_block("layer2.0", "layer1.0", skip="layer2.0.downsample.0"),
        helper.make_node("GlobalAveragePool", ["layer2.0"], ["mean"], "node_mean"),
        helper.make_node("Flatten", ["mean"], ["view"], "node_view", axis=1),
        helper.make_node("Gemm", ["view", *_FC], ["linear"], "node_linear", transB=1),
        helper.make_node("Sigmoid", ["linear"], ["scores"], "node_sigmoid"),
    ]
    graph = helper.make_graph(
        nodes,
        "residual",
        [
            helper.make_tensor_value_info(
                "images", TensorProto.UINT8, ["batch", SIZE_PX, SIZE_PX, 3]
            )
        ],
        [helper.make_tensor_value_info("scores", TensorProto.FLOAT, ["batch", len(CLASSES)])],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    helper.set_model_props(model, {"made by": "a test"})
    onnx.checker.check_model(model, full_check=True)
    return model


_POOL: dict[str, Any] = {"kernel_shape": [2, 2], "strides": [2, 2]}
_FC = ("network.fc.weight", "network.fc.bias")


def _convolution(name: str, source: str, *, relu: bool = True) -> Iterator[onnx.NodeProto]:
    _, _, _, kernel, stride = next(row for row in CONVOLUTIONS if row[0] == name)
    weights = [f"network.{name}.weight", f"network.{name}.bias"]
    yield helper.make_node(
        "Conv",
        [source, *weights],
        [name],
        f"node_{name}",
        kernel_shape=[kernel] * 2,
        strides=[stride] * 2,
        pads=[kernel // 2] * 4,
    )
    if relu:
        yield helper.make_node("Relu", [name], [f"{name}.relu"], f"node_{name}.relu")


def _block(name: str, source: str, *, skip: str) -> Iterator[onnx.NodeProto]:
    yield from _convolution(f"{name}.conv1", source)
    yield from _convolution(f"{name}.conv2", f"{name}.conv1.relu", relu=False)
    if skip != source:
        yield from _convolution(skip, source, relu=False)
    yield helper.make_node("Add", [f"{name}.conv2", skip], [f"{name}.sum"], f"node_{name}.add")
    yield helper.make_node("Relu", [f"{name}.sum"], [name], f"node_{name}.relu")


def node(model: onnx.ModelProto, name: str) -> onnx.NodeProto:
    """The node of that name."""
    found: onnx.NodeProto = next(node for node in model.graph.node if node.name == name)
    return found


def maker(model: onnx.ModelProto, tensor: str) -> onnx.NodeProto | None:
    """The node that makes that tensor; None for a constant or an input."""
    return next((node for node in model.graph.node if tensor in node.output), None)


def constant(model: onnx.ModelProto, name: str) -> npt.NDArray[Any]:
    """The values of that initializer."""
    found = next(tensor for tensor in model.graph.initializer if tensor.name == name)
    values: npt.NDArray[Any] = numpy_helper.to_array(found)
    return values


def set_constant(model: onnx.ModelProto, name: str, values: npt.NDArray[Any]) -> None:
    """Give an initializer other values, in place."""
    found = next(tensor for tensor in model.graph.initializer if tensor.name == name)
    found.CopyFrom(numpy_helper.from_array(np.ascontiguousarray(values), name))


def paired(model: onnx.ModelProto, tensor: str) -> str | None:
    """The tensor before the Q/DQ pair that ends in this one; None where there is no pair."""
    dequantize = maker(model, tensor)
    if dequantize is None or dequantize.op_type != "DequantizeLinear":
        return None
    quantize = maker(model, dequantize.input[0])
    return quantize.input[0] if quantize is not None else None


def scale_of(model: onnx.ModelProto, tensor: str) -> npt.NDArray[np.float32]:
    """The scale of the pair that ends in this tensor."""
    dequantize = maker(model, tensor)
    assert dequantize is not None
    scale: npt.NDArray[np.float32] = constant(model, dequantize.input[1])
    return scale


def run(
    model: onnx.ModelProto, folder: Path, inputs: Inputs, precision: Precision = Precision.FP32
) -> Scores:
    """(N, C) scores of a graph by ONNX Runtime on the CPU."""
    path = folder / "run.onnx"
    onnx.save(model, path)
    return OrtBackend(path, precision=precision, threads=CpuThreads(1)).infer(inputs)


def pictures(count: int, seed: int = 0) -> Inputs:
    """(N, 8, 8, 3) uint8: two flat halves of any color each, with a little noise."""
    generator = np.random.default_rng(seed)
    halves = generator.integers(0, 256, (count, 1, 2, 3)).repeat(4, axis=2).repeat(8, axis=1)
    noise = generator.integers(-9, 10, (count, 8, 8, 3))
    found: Inputs = np.clip(halves + noise, 0, 255).astype(np.uint8)
    return found


def write_pictures(folder: Path, inputs: Inputs) -> Path:
    """00.png, 01.png, and so on: lossless, so that a bundle of 8 x 8 px reads these very inputs."""
    folder.mkdir(parents=True, exist_ok=True)
    for number, pixels in enumerate(inputs):
        Image.fromarray(pixels).save(folder / f"{number:02}.png")
    return folder


def write_residual_bundle(
    folder: Path, model: onnx.ModelProto | None = None, **changes: Any
) -> Path:
    """A bundle of the residual network; `changes` are fields of its manifest."""
    folder.mkdir(parents=True)
    model = model or build_residual()
    manifest = Manifest(
        classes=CLASSES,
        thresholds=np.array([0.5, 0.5, 0.5], np.float32),
        preprocess=Preprocess(SIZE_PX, SIZE_PX),
        graph=Graph(opset=17, ir_version=8),
        parity=Parity(1e-4, 0.0, 0.0, (1, 3), "a test"),
        provenance={"by": "a test"},
        version="0",
    )
    manifest = replace(manifest, **changes)
    helper.set_model_props(model, {METADATA_KEY: manifest.to_json()})
    onnx.save(model, folder / Precision.FP32.file_name)
    inputs = pictures(3, seed=9)
    scores = OrtBackend(folder / Precision.FP32.file_name, threads=CpuThreads(1)).infer(inputs)
    Reference(inputs, scores, ("a", "b", "c")).write(folder / REFERENCE)
    files = {name: record_file(folder / name) for name in (Precision.FP32.file_name, REFERENCE)}
    write_json(folder / MANIFEST, replace(manifest, files=files).to_dict())
    return folder
