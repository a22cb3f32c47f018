"""timm's networks as bundles: opset 17, branches merged, scores as they were before."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import onnx
import pytest
import timm
import torch
from timm.models.byobnet import ByoBlockCfg, ByobNet, ByoModelCfg
from torch import nn

from cdul_edge_calibration.graphs.fp16 import to_fp16
from cdul_edge_calibration.graphs.tensorrt_rules import find_violations
from cdul_edge_export.bundle_export import ExportRequest, export
from cdul_edge_export.reference import ReferencePictures
from cdul_edge_runtime.bundle.bundle import Bundle
from cdul_edge_runtime.bundle.classes import ClassList
from cdul_edge_runtime.pictures.preprocess import Preprocess

CLASSES = ClassList(("cat", "dog", "hen"))


def warm(network: nn.Module, size_px: int) -> nn.Module:
    """Give batch normalization statistics that are not 0 and 1."""
    torch.manual_seed(0)
    network.train()
    with torch.no_grad():
        for _ in range(3):
            network(torch.randn(4, 3, size_px, size_px))
    return network.eval()


def bundle_of(network: nn.Module, out: Path, size_px: int) -> Bundle:
    drawn = np.random.default_rng(0).integers(0, 256, (2, size_px, size_px, 3), dtype=np.uint8)
    request = ExportRequest(
        network=warm(network, size_px),
        out=out,
        classes=CLASSES,
        preprocess=Preprocess(size_px, size_px),
        thresholds=np.full(3, 0.5, np.float32),
        reference=ReferencePictures(drawn, ("0", "1")),
    )
    return export(request).bundle


def test_branches_that_only_training_needs_become_one_convolution(tmp_path: Path) -> None:
    block = ByoBlockCfg(type="one", d=1, c=8, s=2, gs=0, block_kwargs={"num_conv_branches": 3})
    shape = ByoModelCfg(blocks=(block, block), stem_chs=8, stem_type="rep", stem_pool="")
    network = ByobNet(shape, num_classes=3)
    branches = sum(isinstance(layer, nn.Conv2d) for layer in network.modules())
    bundle = bundle_of(network, tmp_path / "b", 32)
    operators = Counter(node.op_type for node in onnx.load(bundle.model_path()).graph.node)
    assert branches == 2 + 2 * 4  # the stem's 3x3 and 1x1, and a block's three 3x3 and one 1x1
    assert operators["Conv"] == 3
    assert operators["BatchNormalization"] == 0
    assert bundle.manifest.parity.max_error < 1e-5
    # what was given to export still has them
    assert sum(isinstance(layer, nn.Conv2d) for layer in network.modules()) == branches


@pytest.mark.slow
def test_a_vision_transformer_of_timm_exports_at_opset_17(tmp_path: Path) -> None:
    check_family("test_vit", tmp_path / "b", 160)


@pytest.mark.slow
@pytest.mark.parametrize(
    "name",
    (
        "mobilenetv4_conv_small tf_efficientnet_lite0 efficientnet_b0 mobilenetv3_small_100 "
        "resnet18d regnety_004 convnextv2_atto fastvit_t8 mobileone_s0 ghostnetv2_100 "
        "vit_tiny_patch16_224 repvit_m0_9"
    ).split(),
)
def test_every_edge_family_exports_at_opset_17(name: str, tmp_path: Path) -> None:
    check_family(name, tmp_path / "b", 224 if name.startswith("vit") else 64)


def check_family(name: str, out: Path, size_px: int) -> None:
    """Opset 17, PyTorch's scores, TensorRT's rules, and an FP16 graph."""
    bundle = bundle_of(timm.create_model(name, num_classes=3), out, size_px)
    model = onnx.load(bundle.model_path())
    assert bundle.manifest.graph.opset == 17
    assert bundle.manifest.parity.max_error < 1e-5
    assert find_violations(model) == []
    to_fp16(model)
