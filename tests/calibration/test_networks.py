"""Networks of torchvision, CLIP and timm, through export, the INT8 rules and FP16."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest

pytest.importorskip("torch", reason="the networks are exported from PyTorch")

import timm
import torch
import torchvision
from torch import nn

from cdul_edge.training.networks.clip_trunk import ClipTrunk
from cdul_edge_calibration.accuracy import score_batches
from cdul_edge_calibration.data.ranges import measure_ranges
from cdul_edge_calibration.graphs.fp16 import find_fp16_hazards, to_fp16
from cdul_edge_calibration.graphs.layers import name_nodes
from cdul_edge_calibration.graphs.quantize import quantize_for_cpu, quantize_for_tensorrt
from cdul_edge_calibration.graphs.tensorrt_rules import count_int8_convolutions, find_violations
from cdul_edge_export.deploy import Deploy
from cdul_edge_export.onnx_export import to_onnx
from cdul_edge_runtime.bundle.manifest import Precision
from cdul_edge_runtime.pictures.preprocess import Preprocess

SIZES = {"maxvit_t": 224, "vit_b_32": 224, "vgg11_bn": 224, "timm:vit_tiny_patch16_224": 224,
         "timm:test_maxvit": 160}  # fmt: skip  # others: 64 px
FAMILIES = [
    *("resnet18", "resnet34", "resnet50", "resnet101", "resnet152", "clip", "mobilenet_v3_small"),
    *("mobilenet_v3_large", "efficientnet_b0", "efficientnet_v2_s", "convnext_tiny"),
    *("swin_t", "maxvit_t", "regnet_y_400mf", "regnet_x_400mf", "squeezenet1_1"),
    *("shufflenet_v2_x1_0", "mnasnet0_5", "vgg11_bn", "densenet121", "vit_b_32"),
    *("timm:mobilenetv4_conv_small", "timm:tf_efficientnet_lite0", "timm:efficientnet_b0"),
    *("timm:mobilenetv3_small_100", "timm:resnet18d", "timm:resnet50d", "timm:regnety_004"),
    *("timm:convnextv2_atto", "timm:fastvit_t8", "timm:mobileone_s0", "timm:ghostnetv2_100"),
    *("timm:vit_tiny_patch16_224", "timm:repvit_m0_9", "timm:edgenext_xx_small"),
    "timm:test_maxvit",
]


def build(name: str, size_px: int) -> nn.Module:
    """Random weights; batch statistics that are not 0 and 1."""
    torch.manual_seed(0)
    network: nn.Module
    if name == "clip":
        network = ClipTrunk.from_shape([1, 1, 1, 1], 16, 5)
    elif name.startswith("timm:"):
        network = timm.create_model(name.removeprefix("timm:"), num_classes=5)
    else:
        network = torchvision.models.get_model(name, weights=None, num_classes=5)
    if name == "timm:mobileone_s0":  # so many layers that values grow beyond FP16 otherwise
        for norm in (layer for layer in network.modules() if isinstance(layer, nn.BatchNorm2d)):
            norm.momentum = None
    network.train()
    with torch.no_grad():
        for _ in range(2):
            network(torch.randn(2, 3, size_px, size_px))
    return network.eval()


def check(name: str, folder: Path) -> None:
    size_px = SIZES.get(name, 64)
    preprocess = Preprocess(size_px, size_px)
    model, newer = to_onnx(Deploy(build(name, size_px), preprocess), preprocess)
    assert newer == ()
    name_nodes(model)
    path = folder / "model.onnx"
    onnx.save(model, path)
    inputs = np.random.default_rng(0).integers(0, 256, (3, size_px, size_px, 3), dtype=np.uint8)
    ranges = measure_ranges(path, lambda: iter([inputs]))
    int8 = quantize_for_tensorrt(model, ranges)
    convolutions = sum(node.op_type == "Conv" for node in model.graph.node)
    assert find_violations(int8) == []
    assert count_int8_convolutions(int8) == (convolutions, convolutions)
    quantize_for_cpu(model, ranges)
    half = to_fp16(model, find_fp16_hazards(model, ranges))
    onnx.save(half, folder / "half.onnx")
    found, _ = score_batches(folder / "half.onnx", [inputs], Precision.FP16)
    expected, _ = score_batches(path, [inputs])
    assert np.abs(found - expected).max() < 5e-3


@pytest.mark.slow
@pytest.mark.parametrize("name", FAMILIES)
def test_every_family_is_int8_in_every_convolution_and_takes_fp16(
    name: str, tmp_path: Path
) -> None:
    check(name, tmp_path)
