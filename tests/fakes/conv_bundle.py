"""A bundle of a small network in FP32, FP16 and INT8, with answers worked out in numpy."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from cdul_edge_runtime.bundle.bundle import MANIFEST, Bundle, read_manifest, record_file
from cdul_edge_runtime.bundle.manifest import Precision
from cdul_edge_runtime.host.files import write_json
from tests.fakes.engine_machine import add_precision

Floats = npt.NDArray[np.float32]
_RNG = np.random.default_rng(0)
KERNEL = _RNG.normal(0, 0.3, (16, 3, 3, 3)).astype(np.float32)  # O I H W
BIAS = _RNG.normal(0, 0.1, 16).astype(np.float32)
WEIGHT = _RNG.normal(0, 1.0, (16, 3)).astype(np.float32)
ACTIVATION_SCALE = np.float32(1 / 127)  # pixels are in [0, 1]
KERNEL_SCALES = (np.abs(KERNEL).max(axis=(1, 2, 3)) / 127).astype(np.float32)


def expected(images: npt.NDArray[np.uint8], precision: Precision) -> Floats:
    """(N, 3) scores of (N, 8, 8, 3) pictures; INT8 rounds what the Q/DQ file rounds."""
    pixels = images.transpose(0, 3, 1, 2).astype(np.float32) / 255
    kernel = KERNEL
    if precision is Precision.INT8:
        pixels = np.rint(pixels / ACTIVATION_SCALE).clip(-128, 127) * ACTIVATION_SCALE
        scales = KERNEL_SCALES[:, None, None, None]
        kernel = np.rint(kernel / scales).clip(-128, 127) * scales
    padded = np.pad(pixels, ((0, 0), (0, 0), (1, 1), (1, 1)))
    windows = np.lib.stride_tricks.sliding_window_view(padded, (3, 3), axis=(2, 3))
    features = np.einsum("nihwkl,oikl->nohw", windows, kernel) + BIAS[:, None, None]
    logits = np.maximum(features, 0).mean(axis=(2, 3)) @ WEIGHT
    scores: Floats = (1 / (1 + np.exp(-logits))).astype(np.float32)
    return scores


def write_conv_bundle(bundle: Path) -> Bundle:
    """Make the tiny bundle into one of this network, with all three files."""
    onnx = pytest.importorskip("onnx")
    fp32 = bundle / Precision.FP32.file_name
    onnx.save(_graph(onnx, Precision.FP32), fp32)
    manifest = read_manifest(bundle)
    files = {**manifest.files, fp32.name: record_file(fp32)}
    write_json(bundle / MANIFEST, replace(manifest, files=files).to_dict())
    for precision in (Precision.FP16, Precision.INT8):
        add_precision(bundle, precision)  # its record; the file follows
        path = bundle / precision.file_name
        onnx.save(_graph(onnx, precision), path)
        made = record_file(path)
        record = Bundle.load(bundle).record(precision)
        replace(record, sha256=made.sha256, bytes=made.bytes).write(bundle)
    return Bundle.load(bundle)


def _graph(onnx: Any, precision: Precision) -> Any:
    """Typed throughout: FP16 between the casts, or Q/DQ around the convolution's inputs."""
    helper, tensor = onnx.helper, onnx.TensorProto
    half = precision is Precision.FP16
    dtype, element = (np.float16, tensor.FLOAT16) if half else (np.float32, tensor.FLOAT)
    constants: dict[str, Any] = {
        "range": np.array(1 / 255, dtype),
        "kernel": KERNEL.astype(dtype),
        "bias": BIAS.astype(dtype),
        "weight": WEIGHT.astype(dtype),
    }
    conv_inputs = ["scaled", "kernel"]
    quantized: list[Any] = []
    if precision is Precision.INT8:
        constants |= {
            "scaled_scale": np.array(ACTIVATION_SCALE),
            "scaled_zero": np.array(0, np.int8),
            "kernel_scale": KERNEL_SCALES,
            "kernel_zero": np.zeros(16, np.int8),
        }
        for name, axis in (("scaled", {}), ("kernel", {"axis": 0})):
            steps = [f"{name}_scale", f"{name}_zero"]
            quantized += [
                helper.make_node("QuantizeLinear", [name, *steps], [f"{name}_q"], **axis),
                helper.make_node("DequantizeLinear", [f"{name}_q", *steps], [f"{name}_dq"], **axis),
            ]
        conv_inputs = ["scaled_dq", "kernel_dq"]
    nodes = [
        helper.make_node("Cast", ["images"], ["pixels"], to=element),
        helper.make_node("Transpose", ["pixels"], ["planes"], perm=[0, 3, 1, 2]),
        helper.make_node("Mul", ["planes", "range"], ["scaled"]),
        *quantized,
        helper.make_node("Conv", [*conv_inputs, "bias"], ["maps"], pads=[1, 1, 1, 1]),
        helper.make_node("Relu", ["maps"], ["active"]),
        helper.make_node("GlobalAveragePool", ["active"], ["means"]),
        helper.make_node("Flatten", ["means"], ["flat"]),
        helper.make_node("Gemm", ["flat", "weight"], ["raw"]),
        helper.make_node("Cast", ["raw"], ["logits"], to=tensor.FLOAT),
        helper.make_node("Sigmoid", ["logits"], ["scores"]),
    ]
    graph = helper.make_graph(
        nodes,
        "conv",
        [helper.make_tensor_value_info("images", tensor.UINT8, ["batch", 8, 8, 3])],
        [helper.make_tensor_value_info("scores", tensor.FLOAT, ["batch", 3])],
        [onnx.numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(model, full_check=True)
    return model
