"""Does the INT8 file of each network keep TensorRT's rules, with every convolution in INT8?

Random weights: the rules ask what the graph looks like, not what it says. No TensorRT is run.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
import torchvision

from benchmarks.record import record
from cdul_edge_calibration.data.ranges import measure_ranges
from cdul_edge_calibration.graphs.fp16 import to_fp16
from cdul_edge_calibration.graphs.layers import name_nodes
from cdul_edge_calibration.graphs.quantize import quantize_for_tensorrt
from cdul_edge_calibration.graphs.tensorrt_rules import count_int8_convolutions, find_violations
from cdul_edge_export.deploy import Deploy
from cdul_edge_export.onnx_export import to_onnx
from cdul_edge_runtime.errors import CdulEdgeError
from cdul_edge_runtime.pictures.preprocess import Preprocess

RESNETS = tuple(f"resnet{depth}" for depth in (18, 34, 50, 101, 152))
# One of each family that docs/bundle-format.md names.
OTHERS = (
    "mobilenet_v3_large efficientnet_b0 convnext_tiny vit_b_16 swin_t maxvit_t densenet121 "
    "regnet_y_400mf squeezenet1_1 shufflenet_v2_x1_0 mnasnet1_0 vgg11_bn"
).split()
SIZE_PX = 224


def check_network(network: torch.nn.Module, size_px: int) -> dict[str, Any]:
    """Export, quantize for TensorRT, and count."""
    preprocess = Preprocess(size_px, size_px)
    model, _ = to_onnx(Deploy(network.eval(), preprocess), preprocess)
    name_nodes(model)
    inputs = np.random.default_rng(0).integers(0, 256, (2, size_px, size_px, 3), dtype=np.uint8)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "fp32.onnx")
        onnx.save(model, path)
        ranges = measure_ranges(path, lambda: iter([inputs]))
    quantized = quantize_for_tensorrt(model, ranges)
    int8, convolutions = count_int8_convolutions(quantized)
    violations = find_violations(quantized)
    return {
        "opset": model.opset_import[0].version,
        "convolutions": convolutions,
        "in_int8": int8,
        "violations": len(violations),
        "first_violation": violations[0] if violations else None,
        "fp16": _try_fp16(model),
    }


def _try_fp16(model: onnx.ModelProto) -> str:
    try:
        to_fp16(model)
    except CdulEdgeError as error:
        return str(error)
    return "ok"


def open_clip_trunk() -> torch.nn.Module:
    """CLIP's ModifiedResNet with its attention pooling, as open_clip builds RN50."""
    import open_clip

    return open_clip.create_model("RN50", pretrained=None).visual  # type: ignore[no-any-return]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    figures = {}
    for name in (*RESNETS, *OTHERS, "open_clip RN50"):
        torch.manual_seed(0)
        if name in (*RESNETS, *OTHERS):
            network = getattr(torchvision.models, name)(weights=None)
        else:
            network = open_clip_trunk()
        figures[name] = check_network(network, SIZE_PX)
        print(f"{name}: {figures[name]}", flush=True)
    record("tensorrt_rules", figures, threads=options.threads)


if __name__ == "__main__":
    main()
