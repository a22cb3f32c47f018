"""NVIDIA's parser and compiler on what export makes of small networks of each kind."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import onnxruntime
import pytest
import torch
from timm.layers import SEModule
from timm.models.swin_transformer import SwinTransformer
from timm.models.vision_transformer import VisionTransformer
from torch import nn

from benchmarks.nvidia_compiler import compile_graph
from cdul_edge_calibration.data.ranges import measure_ranges
from cdul_edge_calibration.graphs.fp16 import to_fp16
from cdul_edge_calibration.graphs.layers import name_nodes
from cdul_edge_calibration.graphs.quantize import quantize_for_tensorrt
from cdul_edge_export.deploy import Deploy
from cdul_edge_export.onnx_export import to_onnx
from cdul_edge_export.pipelines.deepstream_graph import deepstream_graph
from cdul_edge_runtime.pictures.preprocess import Preprocess

pytest.importorskip("tensorrt_rtx", reason="TensorRT for RTX is not installed")


class Attention(nn.Module):
    """Attention by an equation of capitals, as in torchvision's MaxViT, and both poolings."""

    def __init__(self) -> None:
        super().__init__()
        self.trunk = nn.Sequential(
            nn.Conv2d(3, 8, 3, stride=4), nn.Hardswish(), SEModule(8), nn.Conv2d(8, 8, 1), nn.GELU()
        )
        self.head = nn.Linear(16, 3)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        features = self.trunk(images)
        tokens = features.flatten(2)
        weights = torch.einsum("B I N, B J N -> B I J", tokens, tokens).softmax(-1)
        mixed = torch.einsum("B I J, B J N -> B I N", weights, tokens).reshape(features.shape)
        pooled = torch.cat([mixed.mean((2, 3)), mixed.amax((2, 3))], dim=1)
        return self.head(pooled)  # type: ignore[no-any-return]


class SideBySide(nn.Module):
    """All kinds at once: exporting is what takes time. Swin's second block shifts its windows."""

    def __init__(self) -> None:
        super().__init__()
        vit = VisionTransformer(
            img_size=32, patch_size=8, embed_dim=16, depth=1, num_heads=2, num_classes=3
        )
        swin = SwinTransformer(
            img_size=32, patch_size=4, embed_dim=16, depths=(2,), num_heads=(2,), window_size=4,
            num_classes=3,
        )  # fmt: skip
        self.parts = nn.ModuleList([Attention(), vit, swin])

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return torch.stack([part(images) for part in self.parts]).sum(0)


def test_every_precision_is_parsed_and_built(tmp_path: Path) -> None:
    torch.manual_seed(0)
    preprocess = Preprocess(32, 32)
    model, newer = to_onnx(Deploy(SideBySide().eval(), preprocess), preprocess)
    assert newer == ()
    name_nodes(model)
    onnx.save(model, tmp_path / "fp32.onnx")
    images = np.random.default_rng(0).integers(0, 256, (2, 32, 32, 3), dtype=np.uint8)
    ranges = measure_ranges(tmp_path / "fp32.onnx", lambda: iter([images]))
    for graph in (model, to_fp16(model), quantize_for_tensorrt(model, ranges)):
        found = compile_graph(graph.SerializeToString())
        assert (found.refused_by, found.message, found.warnings) == (None, "", ())
        assert found.engine_bytes > 0
        variant = deepstream_graph(graph, np.array([0.5, 0, np.inf], np.float32), {})
        found = compile_graph(variant.SerializeToString())
        assert (found.refused_by, found.message, found.warnings) == (None, "", ())
        _decide_alike(graph, variant, images)


def _decide_alike(
    graph: onnx.ModelProto, variant: onnx.ModelProto, images: npt.NDArray[np.uint8]
) -> None:
    """DeepStream's graph shows a score where ours is a label: threshold 0.5, always, and never."""
    (scores,) = _session(graph).run(None, {"images": images})
    planes = images.transpose(0, 3, 1, 2).astype(np.float32)
    shown = np.concatenate(_session(variant).run(None, {"images": planes}), axis=1)
    labels = np.stack([scores[:, 0] >= 0.5, [True] * 2, [False] * 2], axis=1)
    np.testing.assert_array_equal(shown > 0, labels)


def _session(graph: onnx.ModelProto) -> Any:
    return onnxruntime.InferenceSession(
        graph.SerializeToString(), providers=["CPUExecutionProvider"]
    )
