"""Does NVIDIA agree with our rules of TensorRT, and does the INT8 file of each network keep them?

The graph of the tests' residual network is broken in each way that a rule knows, and given to
NVIDIA's own parser and builder: TensorRT for RTX needs no GPU for that. Then each network is made
INT8 and held to the rules; its weights are random, since a rule asks what a graph looks like.

    python -m benchmarks.tensorrt_rules [--rules-only] [--threads 1]

With `--rules-only` the networks of the last run stay as they are.
"""

from __future__ import annotations

import argparse
from dataclasses import asdict
from typing import Any

import numpy as np
import onnx
import torch
import torchvision

from benchmarks.graph_ranges import graph_ranges
from benchmarks.nvidia_compiler import GPU, compile_graph, compiler_version
from benchmarks.record import record
from benchmarks.rule_verdicts import NAME, PATH, judge_rules
from cdul_edge_calibration.graphs.fp16 import to_fp16
from cdul_edge_calibration.graphs.layers import name_nodes
from cdul_edge_calibration.graphs.quantize import quantize_for_tensorrt
from cdul_edge_calibration.graphs.tensorrt_rules import count_int8_convolutions, find_violations
from cdul_edge_export.deploy import Deploy
from cdul_edge_export.onnx_export import to_onnx
from cdul_edge_runtime.errors import CdulEdgeError
from cdul_edge_runtime.host.files import read_json
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
    warm(network, size_px)
    model, _ = to_onnx(Deploy(network, preprocess), preprocess)
    name_nodes(model)
    inputs = np.random.default_rng(0).integers(0, 256, (2, size_px, size_px, 3), dtype=np.uint8)
    ranges = graph_ranges(model, inputs)
    quantized = quantize_for_tensorrt(model, ranges)
    int8, convolutions = count_int8_convolutions(quantized)
    violations = find_violations(quantized)
    nvidia = compile_graph(quantized.SerializeToString())
    return {
        "opset": model.opset_import[0].version,
        "convolutions": convolutions,
        "in_int8": int8,
        "nvidia_refuses": nvidia.message or None,
        "nvidia_runs_in_int8": nvidia.int8_convolutions,
        "violations": len(violations),
        "first_violation": str(violations[0]) if violations else None,
        "fp16": _try_fp16(model),
    }


def warm(network: torch.nn.Module, size_px: int) -> None:
    """Statistics of noise: without any, values grow from layer to layer beyond FP16."""
    norms = [layer for layer in network.modules() if isinstance(layer, torch.nn.BatchNorm2d)]
    for norm in norms:
        norm.momentum = None  # a plain mean
        norm.reset_running_stats()
    if norms:
        network.train()
        with torch.no_grad():
            network(torch.randn(4, 3, size_px, size_px))
    network.eval()


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


def check_networks() -> dict[str, dict[str, Any]]:
    """Every network of the list, by its name."""
    figures = {}
    for name in (*RESNETS, *OTHERS, "open_clip RN50"):
        torch.manual_seed(0)
        if name in (*RESNETS, *OTHERS):
            network = getattr(torchvision.models, name)(weights=None)
        else:
            network = open_clip_trunk()
        figures[name] = check_network(network, SIZE_PX)
        print(f"{name}: {figures[name]}", flush=True)
    return figures


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rules-only", action="store_true", help="leave the networks as they are")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    rules = judge_rules()
    for name, verdict in rules.items():
        print(f"{name}: {verdict.refused_by or 'built'} {verdict.message[:100]}", flush=True)
    networks = read_json(PATH)["figures"]["networks"] if options.rules_only else check_networks()
    figures = {
        "tensorrt_rtx": compiler_version(),
        "compute_capability": GPU,
        "rules": {name: asdict(verdict) for name, verdict in rules.items()},
        "networks": networks,
    }
    record(NAME, figures, threads=options.threads)


if __name__ == "__main__":
    main()
