"""timm's networks as bundles: opset 17, branches merged, scores as they were before."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import onnx
from timm.models.byobnet import ByoBlockCfg, ByobNet, ByoModelCfg
from torch import nn

from cdul_edge_export.bundle_export import ExportRequest, export
from cdul_edge_export.reference import ReferencePictures
from cdul_edge_runtime.bundle.bundle import Bundle
from cdul_edge_runtime.bundle.classes import ClassList
from cdul_edge_runtime.pictures.preprocess import Preprocess
from tests.fakes.openvino_agreement import check_openvino
from tests.fakes.warm_network import warm

CLASSES = ClassList(("cat", "dog", "hen"))


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
    check_openvino(bundle)
    # what was given to export still has them
    assert sum(isinstance(layer, nn.Conv2d) for layer in network.modules()) == branches
