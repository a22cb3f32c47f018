from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnx
import pytest

from cdul_edge_calibration.accuracy import score_batches
from cdul_edge_calibration.graphs.normalization import NODE, fuse_normalization


def operators(model: onnx.ModelProto) -> list[str]:
    return [node.op_type for node in model.graph.node]


def score(model: onnx.ModelProto, folder: Path) -> npt.NDArray[np.float32]:
    onnx.save(model, folder / "model.onnx")
    inputs = np.random.default_rng(0).integers(0, 256, (3, 8, 8, 3), dtype=np.uint8)
    return score_batches(folder / "model.onnx", [inputs])[0]


def test_mul_and_add_become_one_convolution_with_the_same_scores(
    residual: onnx.ModelProto, tmp_path: Path
) -> None:
    before = score(residual, tmp_path)
    count = len(residual.graph.node)
    fuse_normalization(residual)
    onnx.checker.check_model(residual, full_check=True)
    assert len(residual.graph.node) == count - 1
    assert operators(residual)[:3] == ["Cast", "Transpose", "Conv"]
    assert "Mul" not in operators(residual)
    assert score(residual, tmp_path) == pytest.approx(before, abs=1e-6)
    weights = next(t for t in residual.graph.initializer if t.name == f"{NODE}.weight")
    assert list(weights.dims) == [3, 1, 1, 1]


def test_a_graph_that_normalizes_otherwise_is_left_alone(residual: onnx.ModelProto) -> None:
    scale = next(node for node in residual.graph.node if node.op_type == "Mul")
    constant = next(t for t in residual.graph.initializer if t.name == scale.input[1])
    del constant.dims[:]
    constant.dims.extend([1, 3, 1])  # broadcasts over width, not over channels
    before = residual.SerializeToString()
    fuse_normalization(residual)
    assert residual.SerializeToString() == before
