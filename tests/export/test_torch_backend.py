from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch")

import torch

from cdul_edge_export.torch_backend import TorchBackend
from cdul_edge_runtime.bundle.bundle import Bundle
from cdul_edge_runtime.errors import CdulEdgeError
from cdul_edge_runtime.pictures.preprocess import Preprocess


class Means(torch.nn.Module):
    """The mean of each channel as its logit."""

    def forward(self, pictures: torch.Tensor) -> torch.Tensor:
        return pictures.mean((2, 3))


def test_it_normalizes_and_gives_scores_whatever_the_memory_order() -> None:
    backend = TorchBackend(Means(), Preprocess(8, 8, mean=(0.5, 0, 0), std=(0.25, 1, 1)), 3)
    pictures = np.zeros((2, 8, 8, 3), np.uint8)
    pictures[1, ..., 0] = 255
    expected = 1 / (1 + np.exp([[2, 0, 0], [-2, 0, 0]]))  # (0 - 0.5) / 0.25 and (1 - 0.5) / 0.25
    assert backend.infer(pictures) == pytest.approx(expected, abs=1e-6)
    assert backend.infer(pictures[::-1]) == pytest.approx(expected[::-1], abs=1e-6)
    assert backend.input_shape == (8, 8)
    assert backend.name.startswith("torch ")


def test_a_run_of_other_pictures_or_classes_is_refused(bundle: Path) -> None:
    manifest = Bundle.load(bundle).manifest
    TorchBackend(Means(), manifest.preprocess, 3).check_fit(manifest, "run")
    with pytest.raises(CdulEdgeError, match="run has 4 classes, the bundle has 3 and pictures as"):
        TorchBackend(Means(), Preprocess(8, 16), 4).check_fit(manifest, "run")
